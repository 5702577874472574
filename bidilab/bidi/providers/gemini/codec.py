"""The codec: messages of the Live API to events, events of the session to messages. No task, socket or clock inside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.gemini import messages, signals, turns
from bidilab.bidi.providers.gemini.received import Message, object_field
from bidilab.bidi.providers.gemini.settings import OUTPUT_RATE, GeminiSettings
from bidilab.bidi.providers.gemini.state import Conversation
from bidilab.bidi.providers.history import call_in_words
from bidilab.bidi.providers.logentry import LogEntry
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiErrorEvent,
    BidiEvent,
    BidiImageInputEvent,
    BidiOutputEvent,
    BidiTextInputEvent,
    ToolResultEvent,
)
from bidilab.core.errors import EventError, InvalidParameterError, SessionError

__all__ = ["HANDLERS", "GeminiLiveCodec"]

HANDLERS: Final[Mapping[str, Callable[[Conversation, Message], None]]] = MappingProxyType(
    {
        "setupComplete": signals.setup_complete,
        "sessionResumptionUpdate": signals.resumption_update,
        "voiceActivity": turns.voice_activity,
        "serverContent": turns.server_content,
        "toolCall": signals.tool_call,
        "toolCallCancellation": signals.tool_call_cancellation,
        "usageMetadata": signals.usage,
        "goAway": signals.go_away,
    }
)
"""Key of a server's message → what is done with it, in this order: one message may hold several."""


class GeminiLiveCodec:
    """One conversation with the Live API, over one connection or several in turn.

    `feed` takes the server's messages and gives events; `encode` and the other verbs make messages. What is to be sent
    is taken with `take_messages`, what is to be logged with `take_rows`, after every call.

    Parameters
    ----------
    settings
        What the session is to be.
    system_prompt
        Instructions of the session; ``None`` gives none.
    tools
        Tool specifications, as `BidiModel.start` has them.
    seeds_history
        Whether the service takes a conversation before the session begins, which no response follows: Gemini Live
        does, the Gemini Enterprise Agent Platform does not, and is told it as a turn that goes on.

    Examples
    --------
    >>> codec = GeminiLiveCodec(GeminiSettings())
    >>> codec.feed({"serverContent": {"modelTurn": {"parts": [{"text": "Yes."}]}}})[0]
    BidiResponseStartEvent(response_id='response_1')
    """

    def __init__(
        self,
        settings: GeminiSettings,
        *,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        seeds_history: bool = True,
    ) -> None:
        self._seeds_history = seeds_history
        self._system_prompt = system_prompt
        self._tools = tuple(tools)
        self._c = Conversation(settings=settings)

    @property
    def settings(self) -> GeminiSettings:
        """What is asked for."""
        return self._c.settings

    @property
    def handle(self) -> str | None:
        """Of the session, to go on with on another connection."""
        return self._c.handle

    @property
    def sent_samples(self) -> int:
        """Samples of the user's audio put out so far, at ``input_rate``."""
        return self._c.uplink.sent_samples

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that is known of; the service does not say when it owes nothing."""
        return self._c.settled

    @property
    def to_move(self) -> bool:
        """Whether the server is going away, and now is a time to move to another connection."""
        return self._c.going_away and self._c.settled

    # The server's messages

    def feed(self, message: Message, *, audible: Collection[str] = ()) -> tuple[BidiOutputEvent, ...]:
        """Take one message of the server; return the events it makes.

        A part of it that is not what its key says makes a row with source ``error`` and no event; so does an unknown
        key.

        Parameters
        ----------
        message
            The JSON object.
        audible
            Ids of the responses that are audible now.
        """
        c = self._c
        c.audible = audible
        for key, handler in HANDLERS.items():
            if message.get(key) is None:
                continue
            try:
                handler(c, object_field(message, key))
            except EventError as error:
                c.log("malformed_message", "error", {"key": key, "error": str(error)})
        if not message:
            c.log("malformed_message", "error", {"error": "a message without a field that is known"})
        if unknown := sorted(set(message) - set(HANDLERS)):
            c.log("unknown_message", "error", {"keys": unknown})
        return self._take_events()

    def connection_over(self, failure: Failure) -> tuple[BidiOutputEvent, ...]:
        """The connection is gone: what was being generated ends with an error, what is audible plays on.

        A failure of the service is told as an event; that a connection was lost is told by the restart that follows.
        """
        c = self._c
        c.log("connection_over", "error", {"code": failure.code, "reason": failure.reason, "kind": failure.kind})
        if failure.kind != "lost":
            c.events.append(BidiErrorEvent(failure.error(), {"kind": failure.kind}, code=failure.name))
        if c.current is not None and c.current.generating:
            turns.cut(c, "error", "error", [c.current])
        c.current, c.discarding, c.going_away, c.connected = None, False, False, False
        c.user_speaking = c.activity_open = False
        c.early_words = ""
        c.lost_calls.update(c.open_calls)  # the next connection never asked for them, and would refuse their results
        c.open_calls.clear()
        return self._take_events()

    def _take_events(self) -> tuple[BidiOutputEvent, ...]:
        events = tuple(self._c.events)
        self._c.events.clear()
        return events

    def take_messages(self) -> list[dict[str, Any]]:
        """Messages to send, in order, each once."""
        messages, self._c.messages = self._c.messages, []
        return messages

    def take_rows(self) -> list[LogEntry]:
        """Rows to log, in order, each once."""
        rows, self._c.rows = self._c.rows, []
        return rows

    # Ours

    def configure(self, earlier: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """What to ask of a new connection: JSON of ``LiveConnectConfig``. `resume` follows once it stands.

        With a handle the session goes on where it was; without one it begins anew, and is told the conversation.

        Parameters
        ----------
        earlier
            What was said before the session, in Strands' form; what happened in it follows by itself.
        """
        c = self._c
        if not len(c.history):
            c.history.begin(earlier)
        session = c.settings.to_dict(
            instructions=self._system_prompt,
            tools=self._tools,
            handle=c.handle,
            initial_history=self._seeds_history and c.handle is None and bool(self._told()),
        )
        c.log("session_requested", "model", {"session": {**session, "sessionResumption": c.handle is not None}})
        return session

    def forget_handle(self) -> None:
        """The server does not take the handle: the next connection begins a new session."""
        self._c.handle = None

    def _told(self) -> list[dict[str, Any]]:
        return [messages.content(*said) for said in self._c.history.told(without=self._c.unanswered)]

    def resume(self) -> None:
        """The connection stands: tell the conversation so far, and what waits for an answer."""
        c = self._c
        c.messages.clear()  # of the connection before; what they said is in the history
        if c.dropped_samples:
            detail = {"dropped_samples": c.dropped_samples, "sample_rate": c.settings.input_rate}
            c.log("input_dropped", "error", detail, input_samples=c.uplink.sent_samples)
            c.dropped_samples = 0
        c.connected = True
        c.connection_start_samples = c.uplink.sent_samples
        if c.handle is None and (told := self._told()):
            c.messages.append(messages.client_content(told, complete=self._seeds_history))
        c.messages += [messages.text_input(said.text) for said in c.unanswered]

    def encode(self, event: BidiEvent) -> None:
        """Put out what tells an input event, or a tool's result, to the server.

        Raises
        ------
        InvalidParameterError
            If it is no input event.
        AudioError
            If its audio is not PCM.
        """
        encoder = _ENCODERS.get(type(event))
        if encoder is None:
            allowed = ", ".join(cls.__name__ for cls in _ENCODERS)
            raise InvalidParameterError("content", f"one of {allowed}", type(event).__name__)
        encoder(self._c, event)

    def activity_start(self, *, audible: Collection[str] = ()) -> tuple[BidiOutputEvent, ...]:
        """The user begins, by hand; return the events that it makes: what was only audible is cut.

        Raises
        ------
        SessionError
            If the server detects activity itself, or activity is open already.
        """
        c = self._c
        self._check_manual(want_open=False)
        c.audible = audible
        c.activity_open = True
        c.messages.append(messages.activity_start())
        c.log("activity_start", "input", input_samples=c.uplink.sent_samples)
        turns.activity_begins(c)
        return self._take_events()

    def activity_end(self) -> None:
        """The user is done, by hand: an answer is to follow.

        Raises
        ------
        SessionError
            If the server detects activity itself, or none is open.
        """
        c = self._c
        self._check_manual(want_open=True)
        c.activity_open, c.expects_response = False, True
        c.messages.append(messages.activity_end())
        c.log("activity_end", "input", input_samples=c.uplink.sent_samples)

    def _check_manual(self, *, want_open: bool) -> None:
        if not self._c.settings.turn_detection.manual:
            raise SessionError("activity is marked by hand only where the server's detection is disabled")
        if self._c.activity_open != want_open:
            raise SessionError("activity is open already" if self._c.activity_open else "no activity is open")

    def end_audio(self, silence_ms: int) -> None:
        """No more audio will come: give out what the resampler holds back, and let an open turn end.

        With detection the server is given the silence that it waits for, and told that the stream has ended; by hand,
        open activity is ended.

        Parameters
        ----------
        silence_ms
            How much, ``>= 0``.
        """
        c = self._c
        _send_audio(c, c.uplink.flush())
        if not c.settings.turn_detection.manual:
            _send_audio(c, c.uplink.silence(silence_ms * c.settings.input_rate // 1000))
            c.messages.append(messages.audio_stream_end())
            c.log("end_of_audio", "input", {"silence_ms": silence_ms}, input_samples=c.uplink.sent_samples)
        elif c.activity_open:
            self.activity_end()

    def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Take how much of a response was heard: for the history. The Live API cannot be told.

        Parameters
        ----------
        response_id
            Which; one that is unknown is left alone.
        heard_samples
            ``>= 0``, at ``sample_rate`` hertz, counted from the response's first sample.
        sample_rate
            Hertz.
        """
        response = self._c.responses.get(response_id)
        if response is not None and response.n_samples:
            generated_s = response.n_samples / OUTPUT_RATE
            response.words.heard = min(1.0, heard_samples / sample_rate / generated_s)


def _send_audio(c: Conversation, pcm: bytes) -> None:
    if not c.connected:
        c.dropped_samples += len(pcm) // 2
    elif pcm:
        c.messages.append(messages.audio_chunk(pcm, c.settings.input_rate))


def _encode_audio(c: Conversation, event: BidiAudioInputEvent) -> None:
    _send_audio(c, c.uplink.feed(event))


def _say(c: Conversation, text: str) -> None:
    """Words of the user; without a connection the next one is told them."""
    c.unanswered.append(c.history.add("user", text))
    c.expects_response = True
    c.messages.append(messages.text_input(text))


def _encode_text(c: Conversation, event: BidiTextInputEvent) -> None:
    if event.role == "user":
        _say(c, event.text)
    else:
        c.history.add(event.role, event.text)
        c.messages.append(messages.client_content([messages.content(event.role, event.text)], complete=False))


def _encode_image(c: Conversation, event: BidiImageInputEvent) -> None:
    c.messages.append(messages.image_frame(event.data, event.mime_type))


def _encode_tool_result(c: Conversation, event: ToolResultEvent) -> None:
    if (lost := c.lost_calls.pop(event.tool_use_id, None)) is not None:
        _say(c, call_in_words(lost, event.tool_result))
        return
    if (use := c.open_calls.pop(event.tool_use_id, None)) is None:
        known = event.tool_use_id in c.cancelled_calls
        c.cancelled_calls.discard(event.tool_use_id)
        kind, source = ("tool_result_cancelled", "model") if known else ("tool_result_unasked", "error")
        c.log(kind, source, {"tool_use_id": event.tool_use_id})
        return
    # Not answered on this connection, it is said to the next one, which knows nothing of the call.
    c.unanswered.append(c.history.add("user", call_in_words(use, event.tool_result)))
    c.expects_response = True
    c.messages.append(messages.tool_response(event.tool_use_id, use["name"], event.tool_result))


_ENCODERS: Mapping[type, Callable[[Conversation, Any], None]] = {
    BidiTextInputEvent: _encode_text,
    BidiAudioInputEvent: _encode_audio,
    BidiImageInputEvent: _encode_image,
    ToolResultEvent: _encode_tool_result,
}
