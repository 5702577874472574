"""The codec: messages of the Live API to events, events of the session to messages. No task, socket or clock inside.

Sources of the handlers here: Live API WebSocket reference, and ``LiveServerToolCall``,
``LiveServerToolCallCancellation``, ``UsageMetadata``, ``LiveServerGoAway`` and ``LiveServerSessionResumptionUpdate`` of
google-genai 3.4 (2026).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast

from bidilab.bidi.providers.codec import SpokenCodec
from bidilab.bidi.providers.fields import Fields
from bidilab.bidi.providers.gemini import messages, turns
from bidilab.bidi.providers.gemini.settings import GeminiSettings
from bidilab.bidi.providers.gemini.turns import Conversation
from bidilab.bidi.providers.history import call_in_words
from bidilab.bidi.providers.state import ModelTurn, Signal
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiImageInputEvent,
    BidiOutputEvent,
    BidiTextInputEvent,
    BidiUsageEvent,
    ModalityUsage,
    ToolResultEvent,
    ToolUse,
)
from bidilab.core.errors import EventError, SessionError

__all__ = ["HANDLERS", "GeminiLiveCodec"]


def _setup_complete(c: Conversation, body: Fields) -> None:
    c.log("session_created", "model", dict(body.body))


def _tool_call(c: Conversation, body: Fields) -> None:
    """Hand on tool calls and end the response; the answer to their results is another response."""
    uses = [
        ToolUse(toolUseId=one.text("id"), name=one.text("name"), input=dict(one.object("args", optional=True).body))
        for one in body.objects("functionCalls")
    ]
    if c.turn is ModelTurn.INTERRUPTED or not uses:
        c.log("tool_call_unheard", "model", {"calls": [use["name"] for use in uses]})
        return
    response = turns.begun_response(c)
    c.model(Signal.END)
    for use in uses:
        c.call(use, response.response_id)
    turns.end_of_words(c, response)
    if response.generating:
        c.complete(response, "tool_use")


def _tool_call_cancellation(c: Conversation, body: Fields) -> None:
    """Forget calls whose results are not wanted any more, as the user interrupted."""
    ids = body.get("ids")
    if not isinstance(ids, list):
        raise body.wrong("ids", "a list")
    for call_id in map(str, ids):
        call = c.calls.pop(call_id, None)
        if call is not None:
            c.cancelled_calls.add(call_id)
        c.log("tool_call_cancelled", "model", {"tool_use_id": call_id, "name": call and call.use["name"]})


def _usage(c: Conversation, body: Fields) -> None:
    spent, made = body.count("promptTokenCount", 0), body.count("responseTokenCount", 0)
    by_modality: dict[str, ModalityUsage] = {}
    for key, side in (("promptTokensDetails", "input_tokens"), ("responseTokensDetails", "output_tokens")):
        for detail in body.objects(key):
            if (modality := detail.optional_text("modality")) is not None:
                new = {"modality": modality.lower(), "input_tokens": 0, "output_tokens": 0}
                entry = by_modality.setdefault(modality.lower(), cast(ModalityUsage, new))
                entry[side] += detail.count("tokenCount", 0)  # type: ignore[literal-required]
    cached = None if body.get("cachedContentTokenCount") is None else body.count("cachedContentTokenCount")
    total = body.count("totalTokenCount", 0) or spent + made
    c.tell(BidiUsageEvent(spent, made, total, list(by_modality.values()) or None, cached))


def _go_away(c: Conversation, body: Fields) -> None:
    """Record that the server will close the connection in ``timeLeft``."""
    c.going_away = True
    c.log("go_away", "model", {"time_left": body.get("timeLeft")})


def _resumption_update(c: Conversation, body: Fields) -> None:
    """Keep the newest handle with which the session can go on."""
    handle, resumable = body.optional_text("newHandle"), bool(body.get("resumable"))
    if resumable and handle:
        c.handle = handle
    c.log("session_resumption", "model", {"resumable": resumable})


HANDLERS: Final[Mapping[str, Callable[[Conversation, Fields], None]]] = MappingProxyType(
    {
        "setupComplete": _setup_complete,
        "sessionResumptionUpdate": _resumption_update,
        "voiceActivity": turns.voice_activity,
        "serverContent": turns.server_content,
        "toolCall": _tool_call,
        "toolCallCancellation": _tool_call_cancellation,
        "usageMetadata": _usage,
        "goAway": _go_away,
    }
)
"""Key of a server's message → its handler, in this order: one message may hold several."""


class GeminiLiveCodec(SpokenCodec[Conversation]):
    """One conversation with the Live API, over one connection or several in turn.

    Parameters
    ----------
    settings
        Settings of the session.
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
        super().__init__(Conversation(settings=settings), system_prompt=system_prompt, tools=tools)
        self._seeds_history = seeds_history

    @property
    def settings(self) -> GeminiSettings:
        """The session that is asked for."""
        return self._c.settings

    @property
    def handle(self) -> str | None:
        """Handle by which another connection goes on with the session; ``None`` when there is none."""
        return self._c.handle

    @property
    def to_move(self) -> bool:
        """Whether the server is going away, and now is a time to move to another connection."""
        return self._c.going_away and self._c.settled

    def _take(self, message: Mapping[str, Any]) -> None:
        """Handle a message, each key of it by itself."""
        c = self._c
        for key, handler in HANDLERS.items():
            if message.get(key) is None:
                continue
            try:
                handler(c, Fields("message", message).object(key))
            except EventError as error:
                c.log("malformed_message", "error", {"key": key, "error": str(error)})
        if not message:
            c.log("malformed_message", "error", {"error": "a message without a field that is known"})
        if unknown := sorted(set(message) - set(HANDLERS)):
            c.log("unknown_message", "error", {"keys": unknown})

    # Ours

    def configure(self, earlier: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """Return what to ask of a new connection, JSON of ``LiveConnectConfig``. Call `resume` once it stands.

        With a handle the session goes on where it was; without one a new session begins and is told the conversation.

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
        """Forget the handle, which the server refused: the next connection begins a new session."""
        self._c.handle = None

    def _told(self) -> list[dict[str, Any]]:
        return [messages.content(*said) for said in self._c.history.told(without=self._c.unanswered)]

    def resume(self) -> None:
        """Tell the conversation so far, and what waits for an answer, once the connection stands."""
        c = self._c
        c.drop_unsent(_n_samples)
        c.opened()
        c.start_samples = c.uplink.sent_samples
        if c.handle is None and (told := self._told()):
            c.messages.append(messages.client_content(told, complete=self._seeds_history))
        c.messages += [messages.text_input(said.text) for said in c.unanswered]

    def activity_start(self, *, audible: Collection[str] = ()) -> tuple[BidiOutputEvent, ...]:
        """Begin the user's activity by hand; cut what is only audible, and return the events of that.

        Raises
        ------
        SessionError
            If the server detects activity itself, or activity is open already.
        """
        c = self._c
        self._check_manual(want_open=False)
        c.audible = audible
        c.hear(Signal.SPEECH)
        c.messages.append(messages.activity_start())
        c.log("activity_start", "input", input_samples=c.uplink.sent_samples)
        turns.activity_begins(c)
        return self._take_events()

    def activity_end(self) -> None:
        """End the user's activity by hand; an answer is to follow.

        Raises
        ------
        SessionError
            If the server detects activity itself, or none is open.
        """
        c = self._c
        self._check_manual(want_open=True)
        c.hear(Signal.TURN)
        c.messages.append(messages.activity_end())
        c.log("activity_end", "input", input_samples=c.uplink.sent_samples)

    def _check_manual(self, *, want_open: bool) -> None:
        if not self._c.settings.turn_detection.manual:
            raise SessionError("activity can be marked by hand only if the server's detection is disabled")
        if self._c.user_speaking != want_open:
            raise SessionError("no activity is open" if want_open else "activity is open already")

    def end_audio(self, silence_ms: int) -> None:
        """End the audio; see `Codec.end_audio`.

        With detection the server is given the silence that it waits for, and told that the stream has ended; by hand,
        open activity is ended.
        """
        if not self._c.settings.turn_detection.manual:
            self._send_silence(silence_ms)
            self._c.messages.append(messages.audio_stream_end())
            return
        self._send_audio(self._c.uplink.flush())
        if self._c.user_speaking:
            self.activity_end()

    def _audio_messages(self, pcm: bytes) -> list[dict[str, Any]]:
        return [messages.audio_chunk(pcm, self._c.settings.input_rate)]

    def _encode_text(self, event: BidiTextInputEvent) -> None:
        if event.role == "user":
            self._say(event.text)
            return
        self._c.history.add(event.role, event.text)
        said = [messages.content(event.role, event.text)]
        self._c.messages.append(messages.client_content(said, complete=False))

    def _say(self, text: str) -> None:
        """Send words of the user; without a connection they are sent on the next one."""
        self._await_answer(text)
        self._c.messages.append(messages.text_input(text))

    def _await_answer(self, text: str) -> None:
        """Keep words that wait for an answer; without one they are said again on the next connection."""
        self._c.unanswered.append(self._c.history.add("user", text))
        self._c.hear(Signal.WORDS)

    def _encode_image(self, event: BidiImageInputEvent) -> None:
        self._c.messages.append(messages.image_frame(event.data, event.mime_type))

    def _encode_tool_result(self, event: ToolResultEvent) -> None:
        c, call_id = self._c, event.tool_use_id
        if (call := c.calls.pop(call_id, None)) is None:
            known = call_id in c.cancelled_calls
            c.cancelled_calls.discard(call_id)
            kind, source = ("tool_result_cancelled", "model") if known else ("tool_result_unasked", "error")
            c.log(kind, source, {"tool_use_id": call_id})
            return
        words = call_in_words(call.use, event.tool_result)
        if not c.knows(call):
            self._say(words)
            return
        self._await_answer(words)
        c.messages.append(messages.tool_response(call_id, call.use["name"], event.tool_result))

    ENCODERS: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = {
        BidiTextInputEvent: _encode_text,
        BidiAudioInputEvent: SpokenCodec._encode_audio,
        BidiImageInputEvent: _encode_image,
        ToolResultEvent: _encode_tool_result,
    }


def _n_samples(message: Mapping[str, Any]) -> int:
    return len(message.get("realtimeInput", {}).get("audio", {}).get("data", b"")) // 2
