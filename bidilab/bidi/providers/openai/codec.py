"""The codec: messages of the server to events, events of the session to messages. No task, socket or clock inside."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.openai import responses, sessions, turns
from bidilab.bidi.providers.openai.fields import Message
from bidilab.bidi.providers.openai.messages import (
    append_audio,
    clear_input,
    commit_input,
    create_item,
    history_items,
    image_message,
    text_message,
    tool_output,
    truncate_item,
    update_session,
)
from bidilab.bidi.providers.openai.settings import SAMPLE_RATE, SessionSettings
from bidilab.bidi.providers.openai.state import Conversation, LogEntry, Response
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiEvent,
    BidiImageInputEvent,
    BidiOutputEvent,
    BidiTextInputEvent,
    ToolResultEvent,
)
from bidilab.core.errors import EventError, InvalidParameterError

__all__ = ["HANDLERS", "OpenAIRealtimeCodec"]

Handler = Callable[[Conversation, Message], None]

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "session.created": sessions.session_created,
        "session.updated": sessions.session_updated,
        "error": sessions.provider_error,
        "input_audio_buffer.speech_started": turns.speech_started,
        "input_audio_buffer.speech_stopped": turns.speech_stopped,
        "input_audio_buffer.committed": turns.committed,
        "input_audio_buffer.timeout_triggered": turns.timeout_triggered,
        "conversation.item.added": turns.item_added,
        "conversation.item.deleted": turns.item_deleted,
        "conversation.item.input_audio_transcription.delta": turns.transcription_delta,
        "conversation.item.input_audio_transcription.completed": turns.transcription_completed,
        "conversation.item.input_audio_transcription.failed": turns.transcription_failed,
        "response.created": responses.response_created,
        "response.output_item.added": responses.output_item,
        "response.output_item.done": responses.output_item,
        "response.output_audio.delta": responses.audio_delta,
        "response.output_audio_transcript.delta": responses.transcript_delta,
        "response.output_audio_transcript.done": responses.transcript_done,
        "response.output_text.delta": responses.transcript_delta,
        "response.output_text.done": responses.transcript_done,
        "response.function_call_arguments.delta": responses.call_arguments_delta,
        "response.function_call_arguments.done": responses.call_arguments_done,
        "response.done": responses.response_done,
        "conversation.item.done": turns.note,
        "conversation.item.retrieved": turns.note,
        "conversation.item.truncated": turns.note,
        "input_audio_buffer.cleared": turns.note,
        "rate_limits.updated": turns.note,
        "response.content_part.added": turns.note,
        "response.content_part.done": turns.note,
        "response.output_audio.done": turns.note,
    }
)
"""Type of a server's message → what is done with it. A type that is not here is logged, and nothing else."""


class OpenAIRealtimeCodec:
    """One conversation with the server of the OpenAI Realtime API, over one connection or several in turn.

    `feed` takes the server's messages and gives events; `encode` and the other verbs make messages. What is to be sent
    is taken with `take_messages`, what is to be logged with `take_rows`, after every call.

    Parameters
    ----------
    settings
        What the session is to be.
    model_id
        Name of the model.
    system_prompt
        Instructions of the session; ``None`` leaves them to the server.
    tools
        Tool specifications, as `BidiModel.start` has them.

    Examples
    --------
    >>> codec = OpenAIRealtimeCodec(SessionSettings(), model_id="gpt-realtime")
    >>> codec.feed({"type": "response.created", "response": {"id": "r1"}})
    (BidiResponseStartEvent(response_id='r1'),)
    """

    def __init__(
        self,
        settings: SessionSettings,
        *,
        model_id: str,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._system_prompt = system_prompt
        self._tools = tuple(tools)
        self._c = Conversation(settings=settings, model_id=model_id)

    @property
    def settings(self) -> SessionSettings:
        """What is asked for."""
        return self._c.settings

    @property
    def effective_session(self) -> Mapping[str, Any] | None:
        """The session as the server told it last; ``None`` before ``session.updated``."""
        return self._c.session

    @property
    def session_id(self) -> str | None:
        """The server's name for the session of this connection."""
        return self._c.session_id

    @property
    def expired(self) -> bool:
        """Whether the server said that the session is too old."""
        return self._c.expired

    @property
    def sent_samples(self) -> int:
        """Samples of the user's audio put out so far, at 24 kHz."""
        return self._c.uplink.sent_samples

    @property
    def settled(self) -> bool:
        """Whether the server owes nothing: no turn is open, no response generating, wanted or expected."""
        return self._c.settled

    # The server's messages

    def feed(self, message: Message, *, audible: Collection[str] = ()) -> tuple[BidiOutputEvent, ...]:
        """Take one message of the server; return the events it makes.

        A message that is not what its type says makes a row with source ``error`` and no event; so does a type that is
        unknown. A repeated ``event_id`` makes nothing.

        Parameters
        ----------
        message
            The JSON object.
        audible
            Ids of the responses that are audible now.
        """
        c = self._c
        c.audible = audible
        kind = message.get("type")
        handler = HANDLERS.get(kind) if isinstance(kind, str) else None
        if c.is_repeated(message.get("event_id")):
            c.log("repeated_message", "model", {"provider_type": kind})
        elif handler is None:
            c.log("unknown_message", "error", {"message": dict(message)})
        else:
            try:
                handler(c, message)
            except EventError as error:
                c.log("malformed_message", "error", {"error": str(error), "message": dict(message)})
        return self._take_events()

    def connection_over(self, failure: Failure) -> tuple[BidiOutputEvent, ...]:
        """The connection is gone: what was being generated ends with an error, what is audible plays on."""
        c = self._c
        c.log("connection_over", "error", {"code": failure.code, "reason": failure.reason, "kind": failure.kind})
        lost = [response for response in c.responses.values() if response.generating]
        responses.cut(c, "error", "error", [response for response in lost if not response.cut])
        for response in lost:
            response.generating = False
        c.wants_response = c.wants_response or c.creating
        c.creating = c.expects_response = c.user_speaking = c.expired = False
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

    def configure(self) -> None:
        """Ask for the session, first thing on a connection; `resume` follows."""
        c = self._c
        self._drop_unsent()
        c.forget_event_ids()
        c.requested = c.settings.to_dict(instructions=self._system_prompt, tools=self._tools)
        c.session = None
        self._request(c.requested)

    def _drop_unsent(self) -> None:
        """What waited for a connection is in the history and told from there; audio that waited is gone."""
        c = self._c
        unsent = [m for m in c.messages if m["type"] == "input_audio_buffer.append"]
        if unsent:
            n_bytes = sum(len(base64.b64decode(message["audio"])) for message in unsent)
            detail = {"dropped_samples": n_bytes // 2, "sample_rate": SAMPLE_RATE}
            c.log("input_dropped", "error", detail, input_samples=c.uplink.sent_samples)
        c.wants_response = c.wants_response or c.creating
        c.creating = False
        c.barriers = 0
        c.messages.clear()

    def _request(self, session: Mapping[str, Any]) -> None:
        self._c.log("session_requested", "model", {"session": dict(session)})
        self._c.send(update_session(session))

    def resume(self, messages: Sequence[Mapping[str, Any]] = ()) -> None:
        """Tell the conversation so far, once the session is confirmed and before any audio is sent.

        Parameters
        ----------
        messages
            What was said before the session, in Strands' form; what happened in it follows by itself.
        """
        c = self._c
        self._drop_unsent()
        c.connection_start_samples = c.last_audio_end_samples = c.uplink.sent_samples
        if not len(c.history):
            for item in history_items(messages, iter(lambda: c.new_id("item"), "")):
                c.history.add_item(item)
        for item in c.history.items():
            c.send(create_item(item))
        if c.history.wordless:
            c.log("history_incomplete", "model", {"utterances_without_transcript": c.history.wordless})
        responses.respond_when_possible(c)

    def update(self, settings: SessionSettings) -> None:
        """Ask for another ``turn_detection`` in mid-session."""
        c = self._c
        c.settings = settings
        whole = settings.to_dict(instructions=self._system_prompt, tools=self._tools)
        c.requested = whole
        turn_detection = whole["audio"]["input"]["turn_detection"]
        self._request({"type": "realtime", "audio": {"input": {"turn_detection": turn_detection}}})

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

    def end_audio(self, silence_ms: int) -> None:
        """No more audio will come: give out what the resampler holds back, and let an open turn end.

        With turn detection the server ends a turn by silence, so silence is what it is given; by hand, the turn is
        committed if any audio was.

        Parameters
        ----------
        silence_ms
            How much, ``>= 0``.
        """
        c = self._c
        c.messages += append_audio(c.uplink.flush())
        if c.settings.turn_detection is not None:
            c.messages += append_audio(c.uplink.silence(silence_ms * SAMPLE_RATE // 1000))
            c.log("end_of_audio", "input", {"silence_ms": silence_ms}, input_samples=c.uplink.sent_samples)
        elif c.uplink.sent_samples > c.committed_samples:
            self.commit()
        c.barriers += 1
        c.send(update_session({"type": "realtime"}))

    def commit(self) -> None:
        """End the user's turn by hand, and ask for a response: with ``turn_detection`` of ``None``."""
        self._c.committed_samples = self._c.uplink.sent_samples
        self._c.send(commit_input())
        self.respond()

    def clear_input(self) -> None:
        """Throw away what was appended and not committed."""
        self._c.send(clear_input())

    def respond(self) -> None:
        """Ask for a response, now or when the one under way is over."""
        self._c.wants_response = True
        responses.respond_when_possible(self._c)

    def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Tell how much of a response was heard; each of its parts of audio that was not heard whole is truncated.

        Parameters
        ----------
        response_id
            Which; one that is unknown, or was truncated, is left alone.
        heard_samples
            ``>= 0``, at ``sample_rate`` hertz, counted from the response's first sample.
        sample_rate
            Hertz.
        """
        c = self._c
        response = c.responses.get(response_id)
        if response is None or response.truncated:
            c.log("truncation_skipped", "model", {"known": response is not None}, response_id=response_id)
            return
        response.truncated = True
        heard = min(heard_samples * SAMPLE_RATE // sample_rate, response.n_samples)
        for part in response.parts:
            n_heard = min(max(0, heard - part.start_samples), part.n_samples)
            if n_heard < part.n_samples or _may_go_on(response, part.item_id):
                # Whole milliseconds, rounded down: a truncation past the end is an error.
                c.send(truncate_item(part.item_id, part.content_index, n_heard * 1000 // SAMPLE_RATE))
                c.history.shorten(part.item_id, n_heard / part.n_samples if part.n_samples else 0.0)


def _may_go_on(response: Response, item_id: str) -> bool:
    """Whether the server may have generated more of that item than has come."""
    return response.cut_while_generating and response.parts[-1].item_id == item_id


def _encode_text(c: Conversation, event: BidiTextInputEvent) -> None:
    item = text_message(c.new_id("item"), event.role, event.text)
    c.history.add_item(item)
    c.send(create_item(item))
    if event.role == "user":
        c.wants_response = True
        responses.respond_when_possible(c)


def _encode_audio(c: Conversation, event: BidiAudioInputEvent) -> None:
    for message in append_audio(c.uplink.feed(event)):
        c.messages.append(message)  # without an event_id: fifty a second, and none is ever asked about


def _encode_image(c: Conversation, event: BidiImageInputEvent) -> None:
    item = image_message(c.new_id("item"), event.data, event.mime_type)
    c.history.add_item(item)
    c.send(create_item(item))


def _encode_tool_result(c: Conversation, event: ToolResultEvent) -> None:
    item = tool_output(c.new_id("item"), event.tool_result)
    if c.history.has_call(event.tool_use_id):  # the server refuses any other, now and whenever it were told again
        c.history.add_item(item)
    c.send(create_item(item))
    response_id = c.open_calls.pop(event.tool_use_id, None)
    if response_id is None:
        c.log("tool_result_unasked", "error", {"tool_use_id": event.tool_use_id})
    elif response_id not in c.open_calls.values():  # the last of those that one response called for
        c.wants_response = True
        responses.respond_when_possible(c)


_ENCODERS: Mapping[type, Callable[[Conversation, Any], None]] = {
    BidiTextInputEvent: _encode_text,
    BidiAudioInputEvent: _encode_audio,
    BidiImageInputEvent: _encode_image,
    ToolResultEvent: _encode_tool_result,
}
