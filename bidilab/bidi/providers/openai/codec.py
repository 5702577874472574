"""The codec: messages of the server to events, events of the session to messages. No task, socket or clock inside.

Sources of the handlers here: ``openai/types/realtime/session_*_event.py``, ``realtime_error.py`` of ``openai`` 3.54.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final

from bidilab.bidi.providers.codec import Codec
from bidilab.bidi.providers.fields import Fields
from bidilab.bidi.providers.openai import responses, turns
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
from bidilab.bidi.providers.openai.settings import SAMPLE_RATE, SessionSettings, differences
from bidilab.bidi.providers.openai.state import Conversation, Response, ServerSession
from bidilab.bidi.providers.state import Phase, Signal
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiTextInputEvent,
    ToolResultEvent,
)
from bidilab.core.errors import EventError, ReportedError

__all__ = ["HANDLERS", "OpenAIRealtimeCodec"]

_EXPIRED = "session_expired"
_RACES = {
    "response.cancel": "the response was over before the cancel came",
    "conversation.item.truncate": "the item was gone or shorter before the truncation came",
}
_RACE_CODES = frozenset({"response_cancel_not_active"})
_BUSY = "conversation_already_has_active_response"


def _session_created(c: Conversation, message: Fields) -> None:
    session = message.object("session")
    c.server.session_id = session.optional_text("id")
    c.log("session_created", "model", {"session": dict(session.body)})


def _session_updated(c: Conversation, message: Fields) -> None:
    """Log the session in force, and where it differs from what was asked for."""
    session = message.object("session").body
    c.server.effective = session
    c.server.unconfirmed = max(0, c.server.unconfirmed - 1)
    c.log("session_effective", "model", {"session": dict(session)})
    if found := differences(c.requested, session):
        c.log("session_difference", "error", {"differences": found})


def _error(c: Conversation, message: Fields) -> None:
    """``error``: the connection stays open, and no response ends by it (that is ``response.done``).

    A cancel or a truncation that came too late is a race, not a fault: a row, no event. A response that could not be
    created because one was under way is asked for again when that one is over.
    """
    error = message.object("error")
    code, said = error.optional_text("code"), error.optional_text("message") or "the server does not say what"
    ours = c.sent_type(error.optional_text("event_id"))
    detail = {"code": code, "message": said, "param": error.get("param"), "client_message": ours}
    if ours == "response.create":
        c.ask(Signal.ANSWER)
    if ours in _RACES or code in _RACE_CODES:
        c.log("late_message", "model", {**detail, "meaning": _RACES.get(ours or "", _RACES["response.cancel"])})
        return
    if code == _BUSY:
        c.ask(Signal.WANT)
        c.log("response_deferred", "model", detail)
        return
    c.server.expired = c.server.expired or code == _EXPIRED
    details = {key: value for key, value in {**error.body, "client_message": ours}.items() if value is not None}
    c.tell(BidiErrorEvent(ReportedError(said), details, code=code or str(error.get("type") or "error")))
    if ours == "response.create":
        responses.respond_when_possible(c)  # another that was wanted behind the one that is refused


Handler = Callable[[Conversation, Fields], None]

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "session.created": _session_created,
        "session.updated": _session_updated,
        "error": _error,
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
"""Type of a server's message → its handler. A message of any other type is only logged."""


class OpenAIRealtimeCodec(Codec[Conversation]):
    """One conversation with the server of the OpenAI Realtime API, over one connection or several in turn.

    Parameters
    ----------
    settings
        Settings of the session.
    system_prompt
        Instructions of the session; ``None`` leaves them to the server.
    tools
        Tool specifications, as `BidiModel.start` has them.

    Examples
    --------
    >>> codec = OpenAIRealtimeCodec(SessionSettings())
    >>> codec.feed({"type": "response.created", "response": {"id": "r1"}})
    (BidiResponseStartEvent(response_id='r1'),)
    """

    def __init__(
        self,
        settings: SessionSettings,
        *,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(Conversation(settings=settings), system_prompt=system_prompt, tools=tools)

    @property
    def settings(self) -> SessionSettings:
        """The session that is asked for."""
        return self._c.settings

    @property
    def effective_session(self) -> Mapping[str, Any] | None:
        """The session as the server told it last; ``None`` before ``session.updated``."""
        return self._c.server.effective

    @property
    def session_id(self) -> str | None:
        """The server's name for the session of this connection."""
        return self._c.server.session_id

    @property
    def expired(self) -> bool:
        """Whether the server said that the session is too old."""
        return self._c.server.expired

    def _take(self, message: Mapping[str, Any]) -> None:
        """Handle a message; one with a repeated ``event_id`` is only logged."""
        c = self._c
        kind = message.get("type")
        handler = HANDLERS.get(kind) if isinstance(kind, str) else None
        if c.server.is_repeated(message.get("event_id")):
            c.log("repeated_message", "model", {"provider_type": kind})
        elif handler is None:
            c.log("unknown_message", "error", {"message": dict(message)})
        else:
            try:
                handler(c, Fields(str(kind), message))
            except EventError as error:
                c.log("malformed_message", "error", {"error": str(error), "message": dict(message)})

    # Ours

    def configure(self) -> None:
        """Ask for the session, first thing on a connection; `resume` follows."""
        c = self._c
        c.drop_unsent(_n_samples)
        c.opened()
        c.ask(Signal.LOSS)  # what was asked for and not sent
        c.server = ServerSession()
        c.requested = self._whole_session()
        self._request(c.requested)

    def _whole_session(self) -> dict[str, Any]:
        return self._c.settings.to_dict(instructions=self._system_prompt, tools=self._tools)

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
        c.drop_unsent(_n_samples)
        c.ask(Signal.LOSS)
        c.server.unconfirmed = 0
        c.server.start_samples = c.uplink.sent_samples
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
        c.requested = whole = self._whole_session()
        turn_detection = whole["audio"]["input"]["turn_detection"]
        self._request({"type": "realtime", "audio": {"input": {"turn_detection": turn_detection}}})

    def _audio_messages(self, pcm: bytes) -> list[dict[str, Any]]:
        return list(append_audio(pcm))  # without an event_id: fifty a second, and none is ever asked about

    def end_audio(self, silence_ms: int) -> None:
        """End the audio; see `Codec.end_audio`.

        With turn detection the server ends a turn by silence, so it is given silence; by hand, the turn is committed
        if there was any audio.
        """
        c = self._c
        if c.settings.turn_detection is not None:
            self._send_silence(silence_ms)
        else:
            self._send_audio(c.uplink.flush())
            if c.uplink.sent_samples > c.committed_samples:
                self.commit()
        c.server.unconfirmed += 1
        c.send(update_session({"type": "realtime"}))

    def commit(self) -> None:
        """End the user's turn by hand, and ask for a response: with ``turn_detection`` of ``None``."""
        self._c.committed_samples = self._c.uplink.sent_samples
        self._c.send(commit_input())
        self.respond()

    def clear_input(self) -> None:
        """Throw away the audio that was appended and not committed."""
        self._c.send(clear_input())

    def respond(self) -> None:
        """Ask for a response, now or when the one under way is over."""
        self._c.ask(Signal.WANT)
        responses.respond_when_possible(self._c)

    def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Truncate each audio part of a response that was not heard whole, once; see `Codec.truncate`."""
        c = self._c
        response = c.responses.get(response_id)
        if response is None or response.heard_samples is not None:
            c.log("truncation_skipped", "model", {"known": response is not None}, response_id=response_id)
            return
        heard = min(heard_samples * SAMPLE_RATE // sample_rate, response.received_samples)
        response.heard_samples = heard
        for part in response.parts:
            n_heard = min(max(0, heard - part.start_samples), part.n_samples)
            if n_heard < part.n_samples or _may_go_on(response, part.item_id):
                # Whole milliseconds, rounded down: a truncation past the end is an error.
                c.send(truncate_item(part.item_id, part.content_index, n_heard * 1000 // SAMPLE_RATE))
                c.history.shorten(part.item_id, n_heard / part.n_samples if part.n_samples else 0.0)

    def _encode_text(self, event: BidiTextInputEvent) -> None:
        self._add(text_message(self._c.new_id("item"), event.role, event.text))
        if event.role == "user":
            self.respond()

    def _encode_image(self, event: BidiImageInputEvent) -> None:
        self._add(image_message(self._c.new_id("item"), event.data, event.mime_type))

    def _encode_tool_result(self, event: ToolResultEvent) -> None:
        c = self._c
        # The server refuses a result whose call it does not know, now and whenever it were told again.
        self._add(tool_output(c.new_id("item"), event.tool_result), keep=c.history.has_call(event.tool_use_id))
        call = c.calls.pop(event.tool_use_id, None)
        if call is None:
            c.log("tool_result_unasked", "error", {"tool_use_id": event.tool_use_id})
        elif all(other.response_id != call.response_id for other in c.calls.values()):
            self.respond()  # the last of those that one response called for

    def _add(self, item: dict[str, Any], *, keep: bool = True) -> None:
        if keep:
            self._c.history.add_item(item)
        self._c.send(create_item(item))

    ENCODERS: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = {
        BidiTextInputEvent: _encode_text,
        BidiAudioInputEvent: Codec._encode_audio,
        BidiImageInputEvent: _encode_image,
        ToolResultEvent: _encode_tool_result,
    }


def _may_go_on(response: Response, item_id: str) -> bool:
    """Whether the server may have generated more of that item than has come."""
    return response.phase in (Phase.STOPPING, Phase.STOPPED) and response.parts[-1].item_id == item_id


def _n_samples(message: Mapping[str, Any]) -> int:
    return len(base64.b64decode(message.get("audio", ""))) // 2
