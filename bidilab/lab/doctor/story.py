"""What happened in a call, from its sound, its trace or both, on one clock: what the causes are looked for in."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bidilab.lab.judge.exchange import Exchange
from bidilab.lab.judge.laid import LaidTrace
from bidilab.lab.judge.traces.trace import Trace

__all__ = ["Answer", "Overlapping", "Said", "Story", "story_of"]

MAX_YIELD_S = 2.0
_NEAR_S = 0.5
_WENT_ON_S = 0.5
_SAME_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something of the user's, seconds; ``kind`` is the judge's, or ``interruption`` from a trace alone."""

    start_s: float
    end_s: float
    kind: str = "interruption"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response as it was heard, seconds; ``cut`` is ``None`` where nobody knows."""

    start_s: float
    end_s: float
    cut: bool | None = None
    cut_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlapping:
    """Something of the user's that begins in a response.

    Parameters
    ----------
    said, answer
        The two.
    event_s, decided_s, cleared_s
        When the application was told, the detector decided and the buffer was cleared; ``None`` where not told.
    detected
        Whether the trace has a start of speech there; ``None`` where it has none anywhere.
    """

    said: Said
    answer: Answer
    event_s: float | None
    decided_s: float | None
    cleared_s: float | None
    detected: bool | None

    @property
    def missed(self) -> bool:
        """Whether the agent spoke on past the sound and for 2 s."""
        return self.answer.end_s > max(self.said.end_s, self.said.start_s + MAX_YIELD_S) and not self.answer.cut

    @property
    def outlived(self) -> bool:
        """Whether the agent was not stopped: it is missed, or the trace says that it came to its own end later."""
        went_on = self.answer.cut is False and self.answer.end_s > self.said.start_s + _WENT_ON_S
        return self.missed or went_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A call in order.

    Parameters
    ----------
    said, answers, overlaps
        What each side did, and where they met.
    turns
        The detector's turns as a trace has them ``(start_s, end_s)``.
    events_s, cleared_s
        Every event and clear that was told, seconds.
    settings, measures
        Of the trace.
    utterances
        Where the user speaks by our detector at its defaults; looked for only where a turn is asked to be long.
    steps_s
        Where the recording lost time against the trace: by how much.
    echo_db
        The agent in the user's channel; ``None`` for not heard.
    ducked_db, n_ducked, floor_drop_db
        How much softer the user is over the agent, and in how many overlaps, and how much quieter the channel's floor
        is; NaN without a recording.
    has_trace, has_sound
        What it is from.
    """

    said: tuple[Said, ...]
    answers: tuple[Answer, ...]
    overlaps: tuple[Overlapping, ...]
    turns: tuple[tuple[float, float], ...] = ()
    events_s: tuple[float, ...] = ()
    cleared_s: tuple[float, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    utterances: tuple[tuple[float, float], ...] = ()
    steps_s: tuple[float, ...] = ()
    echo_db: float | None = None
    ducked_db: float = math.nan
    n_ducked: int = 0
    floor_drop_db: float = math.nan
    has_trace: bool = False
    has_sound: bool = False


def story_of(
    exchange: Exchange | None,
    trace: Trace | None,
    laid: LaidTrace | None,
    *,
    utterances: Sequence[tuple[float, float]] = (),
) -> Story:
    """Put a call in order.

    Parameters
    ----------
    exchange
        What the judge heard; ``None`` without a recording that it can hear.
    trace, laid
        What was told, and where that lies on the recording; ``laid`` is ``None`` where it lies nowhere.
    utterances
        Without a recording: where the user speaks by our detector. What lies in no turn that was told was not detected.
    """
    told = trace if exchange is None or laid is not None else None
    at_s = laid.at_s if laid is not None and exchange is not None else (lambda event: event.at_s)

    def times(*kinds: Any) -> list[float]:
        return [] if told is None else sorted(at_s(event) for event in told.of(*kinds))

    turns = [] if told is None else _between(times("user_onset"), times("user_end"))
    if exchange is not None:
        rate = exchange.heard.sample_rate
        said = tuple(
            Said(
                start_s=event.interval.start / rate,
                end_s=event.interval.end / rate,
                kind=event.kind,
            )
            for event in exchange.events
        )
        answers = tuple(
            Answer(
                start_s=response.interval.start / rate,
                end_s=response.interval.end / rate,
                cut=None if response.told is None else response.told.how == "cut",
                cut_in=response.begins == "cut-in",
            )
            for response in exchange.responses
        )
    else:
        untold = [one for one in utterances if not any(start < one[1] and one[0] < end for start, end in turns)]
        said = tuple(Said(start_s=start, end_s=end) for start, end in sorted([*turns, *untold]))
        answers = () if told is None else _answers(told)
    events, decided, cleared = times("event"), times("decision"), times("cleared")
    onsets = times("user_onset", "decision", "event")
    overlaps = []
    for one in said:
        answer = next((a for a in answers if a.start_s <= one.start_s < a.end_s), None)
        if answer is None or one.kind == "echo":
            continue
        until_s = max(one.end_s, one.start_s + MAX_YIELD_S)
        event_s = _first(events, one.start_s - _NEAR_S, until_s)
        again_s = None if event_s is None else _first(events, event_s + _SAME_S, math.inf)
        cleared_until_s = min(until_s + MAX_YIELD_S, math.inf if again_s is None else again_s - 0.01)
        overlaps.append(
            Overlapping(
                said=one,
                answer=answer,
                event_s=event_s,
                decided_s=_first(decided, one.start_s - _NEAR_S, until_s),
                cleared_s=_first(cleared, one.start_s - _NEAR_S, cleared_until_s),
                detected=_first(onsets, one.start_s - _NEAR_S, until_s) is not None if onsets else None,
            )
        )
    return Story(
        said=said,
        answers=answers,
        overlaps=tuple(overlaps),
        turns=tuple(turns),
        utterances=tuple(utterances),
        events_s=tuple(events),
        cleared_s=tuple(cleared),
        settings={} if trace is None else trace.settings,
        measures={} if trace is None else trace.measures,
        steps_s=() if laid is None else tuple(step.by_s for step in laid.alignment.steps),
        echo_db=None if exchange is None else exchange.heard.echo_db,
        has_trace=trace is not None,
        has_sound=exchange is not None,
    )


def _answers(trace: Trace) -> tuple[Answer, ...]:
    answers: list[Answer] = []
    since: float | None = None
    for event in trace.of("audible", "silent"):
        if event.kind == "audible":
            since = event.at_s if since is None else since
        elif since is not None:
            answers.append(Answer(start_s=since, end_s=event.at_s, cut=event.cut))
            since = None
    return tuple(answers)


def _between(starts: Sequence[float], ends: Sequence[float]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start in starts:
        place = bisect_right(ends, start)
        if place < len(ends) and (not found or start >= found[-1][1]):
            found.append((start, ends[place]))
    return found


def _first(times: Sequence[float], since: float, until: float) -> float | None:
    place = bisect_left(times, since)
    return times[place] if place < len(times) and times[place] <= until else None
