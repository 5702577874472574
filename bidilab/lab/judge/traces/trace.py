"""What every trace is read into: events on one clock, each with what its time means and how far it may be off.

A format is one file of this package; it knows its own traps (JUDGE §1). What a trace does not say is absent here, and
never a default.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from bidilab.core.errors import BidilabError, InvalidParameterError

__all__ = ["KINDS", "MEANINGS", "EventKind", "Meaning", "Trace", "TraceError", "TraceEvent", "merged"]

EventKind = Literal[
    "user_onset",
    "user_end",
    "decision",
    "event",
    "audible",
    "silent",
    "resumed",
    "transcript",
    "generated",
    "cleared",
    "settings",
]
"""``user_onset``, ``user_end``: the user's speech. ``decision``: the detector decided that the user speaks. ``event``:
the application was told to stop. ``audible``, ``silent``: the agent's sound begins and ends. ``resumed``: it goes on
after a false interruption. ``transcript``: words. ``generated``: generation of a response ended. ``cleared``: what was
still to be played was thrown away. ``settings``: settings in force changed."""
KINDS: tuple[EventKind, ...] = get_args(EventKind)

Meaning = Literal["happened", "onset", "decision", "arrival", "commit", "estimated"]
"""What a time is: of the thing itself; dated back to the onset; of a decision; when a message was seen; when text was
committed; rebuilt from other messages."""
MEANINGS: tuple[Meaning, ...] = get_args(Meaning)


class TraceError(BidilabError, ValueError):
    """A trace cannot be read; the message names the file and, where there is one, the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEvent:
    """One thing that a trace tells.

    Parameters
    ----------
    kind
        One of `KINDS`.
    at_s
        Seconds on the trace's clock.
    means
        What the time is: one of `MEANINGS`.
    error_s
        How far the time may be off, in seconds; NaN where nobody knows.
    side
        Whose words or settings, of a ``transcript``.
    response
        Id of the response it belongs to; empty where it names none.
    cut
        Of a ``silent`` or ``generated``: whether the trace says that the response was interrupted; ``None`` where it
        does not say.
    text
        Words, of a ``transcript``.
    detail
        Fields that were read and have no other place.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    kind: EventKind
    at_s: float
    means: Meaning
    error_s: float = math.nan
    side: Literal["user", "agent"] | None = None
    response: str = ""
    cut: bool | None = None
    text: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidParameterError("kind", f"one of {', '.join(KINDS)}", self.kind)
        if self.means not in MEANINGS:
            raise InvalidParameterError("means", f"one of {', '.join(MEANINGS)}", self.means)
        if not math.isfinite(self.at_s):
            raise InvalidParameterError("at_s", "a finite number of seconds", self.at_s)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """A call as a stack told it.

    Parameters
    ----------
    format
        Name of the format that read it.
    source
        The file.
    events
        In time order.
    clock
        What its times count from, in words: ``unix``, ``the recording``, ``the conversation``, ``the stream``.
    settings
        Settings in force that the trace states, under its own names. What is absent is not in the trace.
    audio_starts_s
        Where the recording's first sample lies on the clock, where the trace says so.
    user_channel
        The user's channel in the recording that goes with it, from 1, where the format fixes it.
    recording
        Name of that recording, where the trace has one.
    problems
        Lines or fields that were passed over, each with where it stood.
    measures
        What else was measured in it: ``sent_per_s``, seconds of the user's audio sent per second of the clock;
        ``stale_s``, seconds of audio that came for responses after they were truncated.
    """

    format: str
    source: Path
    events: tuple[TraceEvent, ...]
    clock: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    audio_starts_s: float | None = None
    user_channel: int | None = None
    recording: str | None = None
    problems: tuple[str, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", tuple(sorted(self.events, key=lambda event: event.at_s)))
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    def of(self, *kinds: EventKind) -> list[TraceEvent]:
        """The events of some kinds, in time order."""
        return [event for event in self.events if event.kind in kinds]

    def spoken(self, side: Literal["user", "agent"]) -> list[tuple[float, float]]:
        """Stretches in which a side speaks, in seconds on the trace's clock; one that never ends is not among them."""
        begins, ends = ("user_onset", "user_end") if side == "user" else ("audible", "silent")
        stretches: list[tuple[float, float]] = []
        since: float | None = None
        for event in self.events:
            if event.kind == begins and since is None:
                since = event.at_s
            elif event.kind == ends and since is not None:
                if event.at_s > since:
                    stretches.append((since, event.at_s))
                since = None
        return stretches

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self.of(kind))} {kind}" for kind in KINDS if self.of(kind))
        lines = [f"Trace({self.format}, {self.source.name})", f"  events    {counts or 'none'}"]
        stated = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        lines.append(f"  settings  {stated or 'not in the trace'}")
        lines += [f"  problem   {problem}" for problem in self.problems[:5]]
        if len(self.problems) > 5:
            lines.append(f"  and {len(self.problems) - 5} more problems")
        return "\n".join(lines)


def merged(traces: Sequence[Trace]) -> Trace:
    """One trace of several files of the same call, such as a report, its webhooks and the agent's settings.

    Raises
    ------
    InvalidParameterError
        If there is none, or two of them count from different beginnings.
    """
    if not traces:
        raise InvalidParameterError("traces", "at least one", "none")
    first, *rest = sorted(traces, key=lambda trace: (not trace.events, not trace.of("audible")))
    clocks = {trace.clock for trace in traces if trace.events}
    if len(clocks) > 1:
        raise InvalidParameterError(
            "traces", "files whose clocks start at the same moment", " and ".join(sorted(clocks))
        )
    settings: dict[str, Any] = {}
    for trace in (*reversed(rest), first):
        settings |= trace.settings
    return Trace(
        format=first.format,
        source=first.source,
        events=tuple(event for trace in traces for event in trace.events),
        clock=first.clock,
        settings=settings,
        audio_starts_s=_first(trace.audio_starts_s for trace in (first, *rest)),
        user_channel=_first(trace.user_channel for trace in (first, *rest)),
        recording=_first(trace.recording for trace in (first, *rest)),
        problems=tuple(problem for trace in traces for problem in trace.problems),
        measures={name: value for trace in reversed(traces) for name, value in trace.measures.items()},
    )


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)
