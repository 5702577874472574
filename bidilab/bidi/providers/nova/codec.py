"""The codec: Nova Sonic's events to ours, and ours to its. No task, socket or clock inside."""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.history import call_in_words
from bidilab.bidi.providers.logentry import LogEntry
from bidilab.bidi.providers.nova import blocks, messages
from bidilab.bidi.providers.nova.history import pieces, within_limits
from bidilab.bidi.providers.nova.received import NovaEvent
from bidilab.bidi.providers.nova.settings import NovaSettings
from bidilab.bidi.providers.nova.state import Conversation
from bidilab.bidi.providers.nova.usage import usage
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiErrorEvent,
    BidiEvent,
    BidiOutputEvent,
    BidiTextInputEvent,
    ToolResultEvent,
)
from bidilab.core.errors import EventError, InvalidParameterError

__all__ = ["HANDLERS", "NovaSonicCodec"]

HANDLERS: Final[Mapping[str, Callable[[Conversation, NovaEvent], None]]] = MappingProxyType(
    {
        "completionStart": blocks.completion_start,
        "contentStart": blocks.content_start,
        "textOutput": blocks.text_output,
        "audioOutput": blocks.audio_output,
        "toolUse": blocks.tool_use,
        "contentEnd": blocks.content_end,
        "completionEnd": blocks.completion_end,
        "usageEvent": usage,
    }
)
"""Name of a service's event → what is done with it. A name that is not here is logged, and nothing else."""


class NovaSonicCodec:
    """One conversation with Nova Sonic, over one connection or several in turn.

    `feed` takes the service's events and gives ours; `encode` and the other verbs make its. What is to be sent is
    taken with `take_messages`, what is to be logged with `take_rows`, after every call.

    Parameters
    ----------
    settings
        What the session is to be.
    system_prompt
        Told first on every connection; ``None`` tells none.
    tools
        Tool specifications, as `BidiModel.start` has them.
    conversation
        Its state; a new one by default.

    Examples
    --------
    >>> codec = NovaSonicCodec(NovaSettings(), system_prompt="Be brief.")
    >>> codec.begin()
    >>> [next(iter(message["event"])) for message in codec.take_messages()]
    ['sessionStart', 'promptStart', 'contentStart', 'textInput', 'contentEnd']
    """

    def __init__(
        self,
        settings: NovaSettings,
        *,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        conversation: Conversation | None = None,
    ) -> None:
        self._system_prompt = system_prompt
        self._tools = tuple(tools)
        self._c = Conversation(settings=settings) if conversation is None else conversation

    @property
    def settings(self) -> NovaSettings:
        """What is asked for."""
        return self._c.settings

    @property
    def prompt(self) -> str:
        """Name of the prompt of this connection."""
        return self._c.prompt

    @property
    def sent_samples(self) -> int:
        """Samples of the user's audio put out so far, at ``input_rate``."""
        return self._c.uplink.sent_samples

    @property
    def settled(self) -> bool:
        """Whether nothing is under way that is known of; the service does not say when it owes nothing."""
        return self._c.settled

    # The service's events

    def feed(self, message: Mapping[str, Any], *, audible: Collection[str] = ()) -> tuple[BidiOutputEvent, ...]:
        """Take one event of the service; return those it makes.

        One that is not what its name says makes a row with source ``error`` and no event; so does an unknown name.

        Parameters
        ----------
        message
            The JSON object, ``{"event": {name: {…}}}``.
        audible
            Ids of the responses that are audible now.
        """
        c = self._c
        c.audible = audible
        try:
            event = NovaEvent.parse(message)
            if (handler := HANDLERS.get(event.name)) is None:
                c.log("unknown_message", "error", {"name": event.name, "message": dict(event.body)})
            else:
                handler(c, event)
        except EventError as error:
            c.log("malformed_message", "error", {"error": str(error)})
        return self._take_events()

    def connection_over(self, failure: Failure) -> tuple[BidiOutputEvent, ...]:
        """The connection is gone: what was being generated ends with an error, what is audible plays on.

        A failure of the service is told as an event; that a connection was lost, or has reached its limit, is told by
        the restart that follows.
        """
        c = self._c
        c.log("connection_over", "error", {"code": failure.code, "message": failure.reason, "kind": failure.kind})
        if failure.kind != "lost":
            c.events.append(BidiErrorEvent(failure.error(), {"kind": failure.kind}, code=failure.name))
        if (response := c.generating) is not None:
            blocks.cut(c, "error", "error", [response])
        c.blocks.clear()
        c.prompt, c.audio_content, c.completion_id = "", None, None
        return self._take_events()

    def _take_events(self) -> tuple[BidiOutputEvent, ...]:
        events = tuple(self._c.events)
        self._c.events.clear()
        return events

    def take_messages(self) -> list[dict[str, Any]]:
        """Events to send, in order, each once."""
        taken, self._c.messages = self._c.messages, []
        return taken

    def take_rows(self) -> list[LogEntry]:
        """Rows to log, in order, each once."""
        rows, self._c.rows = self._c.rows, []
        return rows

    # Ours

    def begin(self, earlier: Sequence[Mapping[str, Any]] = ()) -> None:
        """Open a connection: ``sessionStart``, ``promptStart``, the system prompt, and the conversation so far.

        Parameters
        ----------
        earlier
            What was said before the session, in Strands' form; what happened in it follows by itself.
        """
        c = self._c
        c.dropped_samples += sum(map(_n_samples, c.messages))
        if c.dropped_samples:
            detail = {"dropped_samples": c.dropped_samples, "sample_rate": c.settings.input_rate}
            c.log("input_dropped", "error", detail, input_samples=c.uplink.sent_samples)
        c.messages.clear()  # of the connection before; what they said is in the history
        c.dropped_samples = 0
        c.prompt, c.audio_content, c.total_tokens = c.new_id(), None, (0, 0)
        c.blocks.clear()
        if not len(c.history):
            c.history.begin(earlier)
        settings = c.settings
        opening = [
            messages.session_start(settings.inference_configuration, settings.turn_detection_configuration),
            messages.prompt_start(c.prompt, output_rate=settings.output_rate, voice=settings.voice, tools=self._tools),
        ]
        c.log("session_requested", "model", {"session": [dict(event["event"]) for event in opening]})
        c.messages += opening
        if self._system_prompt:
            c.messages += messages.text_block(c.prompt, c.new_id(), "SYSTEM", [self._system_prompt], interactive=False)
        self._tell_history()

    def _tell_history(self) -> None:
        """The conversation so far. Words of the user that still wait for an answer are said anew, to get one."""
        c = self._c
        told = within_limits(c.history.told())
        for number, (role, text) in enumerate(told.messages, 1):
            waits = c.expects_response and number == len(told.messages) and role == "USER"
            c.messages += messages.text_block(c.prompt, c.new_id(), role, list(pieces(text)), interactive=waits)
        if told.dropped_bytes:
            c.log("history_shortened", "model", {"dropped_bytes": told.dropped_bytes})

    def finish(self) -> None:
        """Close the connection as the service asks: end of the audio, of the prompt, of the session."""
        c = self._c
        if c.audio_content is not None:
            c.messages.append(messages.content_end(c.prompt, c.audio_content))
            c.audio_content = None
        c.messages += [messages.prompt_end(c.prompt), messages.session_end()]

    def encode(self, event: BidiEvent) -> None:
        """Put out what tells an input event, or a tool's result, to the service.

        Raises
        ------
        InvalidParameterError
            If it is no input event, or one that Nova Sonic does not take: an image, or words of the agent.
        AudioError
            If its audio is not PCM.
        """
        encoder = _ENCODERS.get(type(event))
        if encoder is None:
            allowed = ", ".join(cls.__name__ for cls in _ENCODERS)
            raise InvalidParameterError("content", f"one of {allowed}", type(event).__name__)
        encoder(self._c, event)

    def end_audio(self, silence_ms: int) -> None:
        """No more audio will come: give out what the resampler holds back, and the silence that ends a turn.

        Parameters
        ----------
        silence_ms
            How much, ``>= 0``.
        """
        c = self._c
        if c.audio_content is None:
            return
        _send_audio(c, c.uplink.flush())
        _send_audio(c, c.uplink.silence(silence_ms * c.settings.input_rate // 1000))
        c.log("end_of_audio", "input", {"silence_ms": silence_ms}, input_samples=c.uplink.sent_samples)

    def truncate(self, response_id: str, heard_samples: int, sample_rate: int) -> None:
        """Take how much of a response was heard: for the history. Nova Sonic cannot be told.

        Parameters
        ----------
        response_id
            Which; one that is unknown is left alone.
        heard_samples
            ``>= 0``, at ``sample_rate`` hertz, counted from the response's first sample.
        sample_rate
            Hertz.
        """
        c = self._c
        if (response := c.responses.get(response_id)) is not None and response.n_samples:
            heard = heard_samples * c.settings.output_rate / sample_rate
            response.words.heard = min(1.0, heard / response.n_samples)


def _n_samples(message: Mapping[str, Any]) -> int:
    """Samples of an event that was not sent: those of an ``audioInput``, none of any other."""
    body = message["event"].get("audioInput")
    return 0 if body is None else len(base64.b64decode(body["content"])) // 2


def _send_audio(c: Conversation, pcm: bytes) -> None:
    if not pcm:
        return
    if not c.prompt:
        c.dropped_samples += len(pcm) // 2
        return
    if c.audio_content is None:
        c.audio_content = c.new_id()
        c.messages.append(messages.audio_start(c.prompt, c.audio_content, input_rate=c.settings.input_rate))
    c.messages += messages.audio_input(c.prompt, c.audio_content, pcm)


def _encode_audio(c: Conversation, event: BidiAudioInputEvent) -> None:
    _send_audio(c, c.uplink.feed(event))


def _send_text(c: Conversation, text: str) -> None:
    c.history.add("user", text)
    c.expects_response = True
    if c.prompt:  # or else the history tells it, to the next connection
        c.messages += messages.text_block(c.prompt, c.new_id(), "USER", list(pieces(text)), interactive=True)


def _encode_text(c: Conversation, event: BidiTextInputEvent) -> None:
    if event.role != "user":
        raise InvalidParameterError(
            "role", "'user': Nova Sonic takes words of the agent only before it starts", event.role
        )
    _send_text(c, event.text)


def _encode_result(c: Conversation, event: ToolResultEvent) -> None:
    value = messages.tool_result_value(event.tool_result)
    prompt, use = c.open_calls.pop(event.tool_use_id, (c.prompt, None))
    words = call_in_words(use, event.tool_result)
    if not c.prompt or prompt != c.prompt:
        # This connection never asked for it, and would refuse a result: it is told in words.
        _send_text(c, words)
        return
    c.history.add("user", words)
    c.expects_response = True
    c.messages += messages.tool_result_block(c.prompt, c.new_id(), event.tool_use_id, value)


_ENCODERS: dict[type, Callable[[Conversation, Any], None]] = {
    BidiAudioInputEvent: _encode_audio,
    BidiTextInputEvent: _encode_text,
    ToolResultEvent: _encode_result,
}
