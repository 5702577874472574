"""Events of a Strands agent as ours, by a table from wire name to handler, and ours as what it takes. Pure.

Read in strands-agents 1.54, 1.57, 1.58 and 1.62 (their ``types/events.py`` and models)::

    1.54 (1.57)                       1.58 and later                ours
    bidi_response_start               bidi_response_start           BidiResponseStartEvent
    bidi_audio_stream                 bidi_audio_delta              BidiAudioStreamEvent
    bidi_interruption                 bidi_barge_in                 BidiInterruptionEvent of each active response;
                                                                    with none, a row ``idle_interruption``
    bidi_response_complete            bidi_response_stop            BidiResponseCompleteEvent
    bidi_transcript_stream            bidi_transcript_delta, _block BidiTranscriptStreamEvent
     (and bidi_transcript_complete)
    bidi_usage                        bidi_usage                    BidiUsageEvent
    bidi_connection_start, _restart   the same                      the same
    bidi_connection_close             bidi_connection_stop          BidiConnectionCloseEvent
    tool_use_stream, tool_result      bidi_tool_use_blocks, …       rows: Strands runs its own tools
    all else                          all else                      rows under Strands' own name

What the two mean differs. Of an OpenAI model, 1.54 tells an interruption whenever speech starts, the agent speaking or
not: only with an active response is it one. From 1.58 on it tells one when the provider has cancelled a response:
speech over a response that is generated already, and only audible, is not told, and Strands' own `AudioIO` plays on.

Up to 1.56 ``agent.send`` takes the dicts of events (``{"type": "bidi_audio_input", "audio": <base64>, …}``), from 1.57
on dicts of content (``{"audio_delta": {"format": "pcm", "source": {"bytes": …}}}``). Text is a string in both. Dicts
are a public form of either, so nothing of Strands has to be imported. A model says its audio in ``config["audio"]`` up
to 1.55, by ``get_audio_config()`` from 1.56 on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from bidilab.bidi.log.eventlog import LogEntry
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    ModalityUsage,
    ToolResultEvent,
)
from bidilab.core.checks import check_one_of
from bidilab.core.errors import AudioError, EventError, InvalidParameterError
from bidilab.core.units import check_sample_rate

__all__ = ["HANDLERS", "StrandsAudio", "StrandsEvents", "strands_input"]

Event = Mapping[str, Any]
Told = BidiOutputEvent | LogEntry

_MODALITIES: tuple[Literal["text", "audio", "image"], ...] = ("text", "audio", "image")


class StrandsEvents:
    """Reads one agent's events, in order.

    Some models of 1.54 leave out what a record needs. Gemini Live's tells neither start nor end of a response: its
    first audio starts one here (``strands_1``, …), and `end_unnamed` ends it. Nova Sonic's tells a start at every block
    of content: the repetitions are dropped, and a completion that goes on after it was interrupted becomes a response
    of its own (``<id>-2``).

    Attributes
    ----------
    calls
        Ids of the tools that Strands is running.
    """

    def __init__(self) -> None:
        self.calls: set[str] = set()
        self._names: dict[str, str] = {}  # Strands' id of a response that is not told to be over → ours
        self._seen: dict[str, int] = {}
        self._cut: set[str] = set()
        self._current: str | None = None
        self._is_unnamed = False
        self._n_unnamed = 0
        self._uses_tools = False
        self._transcripts: dict[str, str] = {}

    @property
    def generating(self) -> bool:
        """Whether a response is neither over nor cut, as far as Strands told."""
        unnamed = self._is_unnamed and self._current is not None
        return unnamed or any(name not in self._cut for name in self._names.values())

    @property
    def unnamed(self) -> str | None:
        """The response under way of a model that names none."""
        return self._current if self._is_unnamed else None

    def feed(self, event: Event, *, active: Sequence[str]) -> list[Told]:
        """Return our events for one of Strands.

        Parameters
        ----------
        event
            Of ``agent.receive``, or its dict.
        active
            Our names of the responses that generate or are audible, oldest first.

        Raises
        ------
        EventError
            If it lacks a key, or has a value that is not allowed.
        """
        kind = str(event.get("type", f"strands_{next(iter(event), 'event')}"))
        try:
            if kind in ("bidi_interruption", "bidi_barge_in"):
                return self._interruption(event, kind, active)
            if (handler := HANDLERS.get(kind)) is not None:
                return handler(self, event)
        except (KeyError, TypeError, AttributeError, InvalidParameterError) as error:
            raise EventError(f"{kind} of the Strands agent: {type(error).__name__}: {error}") from error
        rest = {key: value for key, value in event.items() if key != "type"}
        return [LogEntry(type=kind, source="model", detail=rest)]

    def end_unnamed(self) -> list[Told]:
        """End the response under way of a model that names none: all of it has been played, and no more came."""
        name, self._current = self.unnamed, None
        self._is_unnamed = False
        return [] if name is None else [BidiResponseCompleteEvent(name, "complete")]

    # Responses

    def _start(self, event: Event) -> list[Told]:
        given = event["response_id"]
        if (under_way := self._names.get(given)) is not None and under_way not in self._cut:
            return []
        ended = self.end_unnamed()
        times = self._seen[given] = self._seen.get(given, 0) + 1
        name = given if times == 1 else f"{given}-{times}"
        self._names[given] = self._current = name
        self._uses_tools = False
        return [*ended, BidiResponseStartEvent(name)]

    def _audio(self, event: Event) -> list[Told]:
        told: list[Told] = []
        if self._current is None:
            self._n_unnamed += 1
            self._current, self._is_unnamed = f"strands_{self._n_unnamed}", True
            told.append(BidiResponseStartEvent(self._current))
        told.append(
            BidiAudioStreamEvent(
                event["audio"],
                event["format"],
                event["sample_rate"],
                event["channels"],
                response_id=self._current,
                item_id=event.get("content_id"),
            )
        )
        return told

    def _interruption(self, event: Event, kind: str, active: Sequence[str]) -> list[Told]:
        reason = event.get("reason", "user_speech")
        if not active:
            return [LogEntry(type="idle_interruption", source="model", columns={"reason": reason}, detail={"as": kind})]
        self._cut.update(active)
        if self.unnamed in active:  # what comes after it is another; of a named one it would be late
            self._current, self._is_unnamed = None, False
        # Strands has one playback buffer, and clears all of it.
        return [BidiInterruptionEvent(reason, interrupted_response_id=name) for name in active]

    def _complete(self, event: Event) -> list[Told]:
        given = event["response_id"]
        name = self._names.pop(given, None)
        if name is None:
            return [LogEntry(type="unknown_completion", source="model", columns={"response_id": given})]
        if self._current == name:
            self._current = None
        # From 1.58 on Strands does not say why a response ended; a failed one looks complete.
        reason = event.get("stop_reason", "tool_use" if self._uses_tools else "complete")
        return [BidiResponseCompleteEvent(name, reason)]

    def _abandon(self) -> list[Told]:
        told = self.end_unnamed()
        told += [BidiResponseCompleteEvent(name, "error") for name in self._names.values()]
        self._names.clear()
        self._current = None
        return told

    # Transcripts

    def _transcript(self, event: Event) -> list[Told]:
        key = event.get("content_id", event["role"])
        text = event.get("text", event["delta"])
        is_final = event.get("is_final", False)
        whole = text if is_final else self._transcripts.get(key, "") + text
        self._transcripts[key] = whole
        if is_final:
            del self._transcripts[key]
        return [_transcript_event(text, event["role"], is_final, event.get("current_transcript", whole), event)]

    def _whole_transcript(self, event: Event) -> list[Told]:
        self._transcripts.pop(event.get("content_id", event["role"]), None)
        return [_transcript_event(event["transcript"], event["role"], True, event["transcript"], event)]

    # Tools, usage, connection

    def _tool_use(self, event: Event) -> list[Told]:
        uses = event["tool_uses"] if "tool_uses" in event else [event["current_tool_use"]]
        self.calls.update(use["toolUseId"] for use in uses)
        self._uses_tools = True
        columns = [{"response_id": self._current, "item_id": use["toolUseId"]} for use in uses]
        return [
            LogEntry(type="tool_use_stream", source="model", columns=of, detail={"current_tool_use": use})
            for of, use in zip(columns, uses, strict=True)
        ]

    def _tool_result(self, event: Event) -> list[Told]:
        result = event["tool_result"]
        self.calls.discard(result["toolUseId"])
        columns = {"item_id": result["toolUseId"]}
        return [LogEntry(type="tool_result", source="agent", columns=columns, detail={"tool_result": result})]

    def _usage(self, event: Event) -> list[Told]:
        if "inputTokens" in event:
            return [BidiUsageEvent.from_wire(event)]
        of_input, of_output = event.get("input_token_details", {}), event.get("output_token_details", {})
        details = [
            ModalityUsage(modality=name, input_tokens=of_input.get(name, 0), output_tokens=of_output.get(name, 0))
            for name in _MODALITIES
            if name in of_input or name in of_output
        ]
        return [
            BidiUsageEvent(
                event["input_tokens"],
                event["output_tokens"],
                event["total_tokens"],
                details or None,
                of_input.get("cache_read"),
            )
        ]

    def _connection_start(self, event: Event) -> list[Told]:
        return [BidiConnectionStartEvent(event["connection_id"], event["model"])]

    def _connection_restart(self, event: Event) -> list[Told]:
        why = event["timeout_error"]
        return [*self._abandon(), BidiConnectionRestartEvent("scheduled by Strands" if why is None else why)]

    def _connection_close(self, event: Event) -> list[Told]:
        return [*self._abandon(), BidiConnectionCloseEvent(event["connection_id"], event["reason"])]

    def _error(self, event: Event) -> list[Told]:
        return [BidiErrorEvent.from_wire(event)]


def _transcript_event(text: str, role: Any, is_final: bool, whole: str | None, event: Event) -> Told:
    delta = {"text": text}
    return BidiTranscriptStreamEvent(delta, text, role, is_final, whole, item_id=event.get("content_id"))


HANDLERS: dict[str, Callable[[StrandsEvents, Event], list[Told]]] = {
    "bidi_audio_delta": StrandsEvents._audio,
    "bidi_audio_stream": StrandsEvents._audio,
    "bidi_connection_close": StrandsEvents._connection_close,
    "bidi_connection_restart": StrandsEvents._connection_restart,
    "bidi_connection_start": StrandsEvents._connection_start,
    "bidi_connection_stop": StrandsEvents._connection_close,
    "bidi_error": StrandsEvents._error,
    "bidi_response_complete": StrandsEvents._complete,
    "bidi_response_start": StrandsEvents._start,
    "bidi_response_stop": StrandsEvents._complete,
    "bidi_tool_use_blocks": StrandsEvents._tool_use,
    "bidi_transcript_block": StrandsEvents._whole_transcript,
    "bidi_transcript_complete": StrandsEvents._whole_transcript,
    "bidi_transcript_delta": StrandsEvents._transcript,
    "bidi_transcript_stream": StrandsEvents._transcript,
    "bidi_usage": StrandsEvents._usage,
    "tool_result": StrandsEvents._tool_result,
    "tool_use_stream": StrandsEvents._tool_use,
}
"""Wire name → handler; interruptions, which need to know what is active, apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrandsAudio:
    """The audio of a Strands model, and how its agent is spoken to.

    Parameters
    ----------
    input_rate, output_rate
        Hertz.
    channels
        1 or 2, of both directions.
    takes_content
        Whether ``agent.send`` takes content (1.57 and later) or events.
    """

    input_rate: int
    output_rate: int
    channels: int
    takes_content: bool

    @classmethod
    def of(cls, model: object, *, takes_content: bool) -> Self:
        """Read it off a Strands model.

        Raises
        ------
        InvalidParameterError
            If it has neither, has no PCM, or different channels in its two directions.
        """
        resolve = getattr(model, "get_audio_config", None)
        config = getattr(model, "config", None)
        if callable(resolve):
            streams = resolve()
            given = [streams["input"], streams["output"]]
        elif isinstance(config, Mapping) and isinstance(audio := config.get("audio"), Mapping):
            shared = {"channels": audio.get("channels", 1), "format": audio.get("format", "pcm")}
            given = [{"sample_rate": audio.get(name), **shared} for name in ("input_rate", "output_rate")]
        else:
            raise InvalidParameterError("agent.model", "a Strands model that says what audio it has", model)
        for stream in given:
            check_sample_rate(stream["sample_rate"], "agent.model sample_rate")
            check_one_of("agent.model audio format", stream["format"], ("pcm",))
        channels = {stream["channels"] for stream in given}
        if len(channels) != 1:
            raise InvalidParameterError("agent.model channels", "the same in both directions", channels)
        return cls(
            input_rate=given[0]["sample_rate"],
            output_rate=given[1]["sample_rate"],
            channels=channels.pop(),
            takes_content=takes_content,
        )

    @property
    def config(self) -> dict[str, Any]:
        """The settings as ``model.config["audio"]`` of our models has them."""
        rates = {"input_rate": self.input_rate, "output_rate": self.output_rate}
        return {**rates, "channels": self.channels, "format": "pcm"}


def strands_input(event: object, audio: StrandsAudio) -> str | dict[str, Any]:
    """The argument of ``agent.send`` that says the same as an event of ours.

    Raises
    ------
    AudioError
        If audio is not PCM of the model's rate and channels: Strands sends on what it is given.
    InvalidParameterError
        If it is no input, is text of another role than ``"user"``, or the result of a tool: Strands runs its own.
    """
    match event:
        case BidiTextInputEvent():
            check_one_of("role", event.role, ("user",))
            return event.text
        case BidiAudioInputEvent():
            if (event.format, event.sample_rate, event.channels) != ("pcm", audio.input_rate, audio.channels):
                wanted = f"pcm, {audio.input_rate} Hz, {audio.channels} channel(s)"
                raise AudioError(f"the Strands model takes {wanted}, got {event!r}")
            if audio.takes_content:
                return {"audio_delta": {"format": "pcm", "source": {"bytes": event.data}}}
            return event.as_dict()
        case BidiImageInputEvent():
            if audio.takes_content:
                kind = event.mime_type.removeprefix("image/")
                return {"image": {"format": kind, "source": {"bytes": event.data}}}
            return event.as_dict()
        case ToolResultEvent():
            raise InvalidParameterError("content", "the user's input: a Strands agent runs its own tools", event)
        case _:
            raise InvalidParameterError("content", "an input event", event)
