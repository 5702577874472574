"""The codec: Nova Sonic's events to ours, and ours to its. No task, socket or clock inside."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final

from bidilab.bidi.providers.codec import SpokenCodec
from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.fields import Fields
from bidilab.bidi.providers.history import call_in_words
from bidilab.bidi.providers.nova import blocks, messages
from bidilab.bidi.providers.nova.blocks import Conversation
from bidilab.bidi.providers.nova.settings import NovaSettings
from bidilab.bidi.providers.state import Signal
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiOutputEvent,
    BidiTextInputEvent,
    BidiUsageEvent,
    ToolResultEvent,
)
from bidilab.core.errors import EventError, InvalidParameterError

__all__ = ["HANDLERS", "NovaSonicCodec"]


def _usage(c: Conversation, event: Fields) -> None:
    """Report the tokens since the last ``usageEvent``, so that the events of a session add up to what it cost.

    ``details.delta`` holds them by modality; without it they are the difference of the running totals.
    """
    totals = event.count("totalInputTokens", 0), event.count("totalOutputTokens", 0)
    before, c.total_tokens = c.total_tokens, totals
    if event.get("details") is None:
        n_in, n_out = max(0, totals[0] - before[0]), max(0, totals[1] - before[1])
        c.tell(BidiUsageEvent(n_in, n_out, n_in + n_out))
        return
    delta = event.object("details").object("delta")
    spent, made = delta.object("input"), delta.object("output")
    speech = spent.count("speechTokens", 0), made.count("speechTokens", 0)
    text = spent.count("textTokens", 0), made.count("textTokens", 0)
    n_in, n_out = speech[0] + text[0], speech[1] + text[1]
    c.tell(
        BidiUsageEvent(
            n_in,
            n_out,
            n_in + n_out,
            [
                {"modality": "text", "input_tokens": text[0], "output_tokens": text[1]},
                {"modality": "audio", "input_tokens": speech[0], "output_tokens": speech[1]},
            ],
        )
    )


HANDLERS: Final[Mapping[str, Callable[[Conversation, Fields], None]]] = MappingProxyType(
    {
        "completionStart": blocks.completion_start,
        "contentStart": blocks.content_start,
        "textOutput": blocks.text_output,
        "audioOutput": blocks.audio_output,
        "toolUse": blocks.tool_use,
        "contentEnd": blocks.content_end,
        "completionEnd": blocks.completion_end,
        "usageEvent": _usage,
    }
)
"""Name of a service's event → its handler. An event of any other name is only logged."""


class NovaSonicCodec(SpokenCodec[Conversation]):
    """One conversation with Nova Sonic, over one connection or several in turn.

    Parameters
    ----------
    settings
        Settings of the session.
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
        conversation = Conversation(settings=settings) if conversation is None else conversation
        super().__init__(conversation, system_prompt=system_prompt, tools=tools)

    @property
    def settings(self) -> NovaSettings:
        """The session that is asked for."""
        return self._c.settings

    @property
    def prompt(self) -> str:
        """Name of the prompt of this connection."""
        return self._c.prompt

    def _take(self, message: Mapping[str, Any]) -> None:
        c = self._c
        try:
            event = _envelope(message)
            if (handler := HANDLERS.get(event.name)) is None:
                c.log("unknown_message", "error", {"name": event.name, "message": dict(event.body)})
            else:
                handler(c, event)
        except EventError as error:
            c.log("malformed_message", "error", {"error": str(error)})

    def connection_over(self, failure: Failure) -> tuple[BidiOutputEvent, ...]:
        """End what was being generated; see `Codec.connection_over`."""
        response = self._c.generating
        events = super().connection_over(failure)
        if response is not None:
            blocks.log_end(self._c, response, "error")
        return events

    # Ours

    def begin(self, earlier: Sequence[Mapping[str, Any]] = ()) -> None:
        """Open a connection: ``sessionStart``, ``promptStart``, the system prompt, and the conversation so far.

        Parameters
        ----------
        earlier
            What was said before the session, in Strands' form; what happened in it follows by itself.
        """
        c = self._c
        c.drop_unsent(_n_samples)
        c.opened()
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
            c.messages += messages.text_block(
                c.prompt, c.new_name(), "SYSTEM", [self._system_prompt], interactive=False
            )
        self._tell_history()

    def _tell_history(self) -> None:
        """Tell the conversation so far. Words of the user that still wait for an answer are said again, to get one."""
        c = self._c
        told = messages.within_limits(c.history.told())
        for number, (role, text) in enumerate(told.messages, 1):
            waits = c.awaits_answer and number == len(told.messages) and role == "USER"
            c.messages += messages.text_block(
                c.prompt, c.new_name(), role, list(messages.pieces(text)), interactive=waits
            )
        if told.dropped_bytes:
            c.log("history_shortened", "model", {"dropped_bytes": told.dropped_bytes})

    def finish(self) -> None:
        """Close the connection as the service asks: end of the audio, of the prompt, of the session."""
        c = self._c
        if c.audio_content is not None:
            c.messages.append(messages.content_end(c.prompt, c.audio_content))
            c.audio_content = None
        c.messages += [messages.prompt_end(c.prompt), messages.session_end()]

    def end_audio(self, silence_ms: int) -> None:
        """End the audio, with the silence that ends a turn; see `Codec.end_audio`."""
        if self._c.audio_content is not None:
            self._send_silence(silence_ms)

    def _audio_messages(self, pcm: bytes) -> list[dict[str, Any]]:
        c, opening = self._c, []
        if c.audio_content is None:
            c.audio_content = c.new_name()
            opening = [messages.audio_start(c.prompt, c.audio_content, input_rate=c.settings.input_rate)]
        return [*opening, *messages.audio_input(c.prompt, c.audio_content, pcm)]

    def _encode_text(self, event: BidiTextInputEvent) -> None:
        if event.role != "user":
            raise InvalidParameterError(
                "role", "'user': Nova Sonic accepts words of the agent only before it starts", event.role
            )
        self._say(event.text)

    def _say(self, text: str) -> None:
        """Send words of the user; without a connection the history tells them on the next one."""
        c = self._c
        c.history.add("user", text)
        c.hear(Signal.WORDS)
        if c.connected:
            c.messages += messages.text_block(
                c.prompt, c.new_name(), "USER", list(messages.pieces(text)), interactive=True
            )

    def _encode_tool_result(self, event: ToolResultEvent) -> None:
        c = self._c
        value = messages.tool_result_value(event.tool_result)
        call = c.calls.pop(event.tool_use_id, None)
        words = call_in_words(None if call is None else call.use, event.tool_result)
        if not (c.connected if call is None else c.knows(call)):
            self._say(words)
            return
        c.history.add("user", words)
        c.hear(Signal.WORDS)
        c.messages += messages.tool_result_block(c.prompt, c.new_name(), event.tool_use_id, value)

    ENCODERS: ClassVar[Mapping[type, Callable[[Any, Any], None]]] = {
        BidiAudioInputEvent: SpokenCodec._encode_audio,
        BidiTextInputEvent: _encode_text,
        ToolResultEvent: _encode_tool_result,
    }


def _envelope(message: Mapping[str, Any]) -> Fields:
    """Return the event that a message holds; raise `EventError` unless it is exactly one."""
    event = message.get("event")
    if not isinstance(event, Mapping) or len(event) != 1:
        raise EventError(f"an event of Nova Sonic is an object with one key under 'event', got {_shown(message)}")
    name, body = next(iter(event.items()))
    if not isinstance(body, Mapping):
        raise EventError(f"{name} must be an object, got {type(body).__name__}")
    return Fields(name, body)


def _shown(message: Mapping[str, Any]) -> str:
    keys = sorted(map(str, message))
    return f"the keys {', '.join(keys)}" if keys else "an empty object"


def _n_samples(message: Mapping[str, Any]) -> int:
    body = message["event"].get("audioInput")
    return 0 if body is None else len(base64.b64decode(body["content"])) // 2
