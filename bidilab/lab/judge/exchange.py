"""Who speaks when, put in order: the user's events, the agent's responses, and where the one meets the other.

::

    agent   ────a0██████████████████a1──────a0'██████
    user    ─────────u0▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓u1────────────      an overlap: a0 <= u0 < a1
                     |-- to_silence -|                     a1 - u0
                     |-- talk_over --|                     the user's sound and the agent's together
                                       |-latency-|         a0' - u1, with no response between

All positions are integer samples of one recording. Everything here is a pure function of what was heard; that a
response was cut is not known here (`bidilab.lab.judge.chance`), unless somebody who knows has told it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from bidilab.core.timeline import Interval, intersect, total
from bidilab.core.units import ms_to_samples, samples_to_ms
from bidilab.lab.datasets.proposals import Speech, propose_kinds
from bidilab.lab.judge.hearing import AgentUnit, Heard, UserUnit
from bidilab.lab.judge.rule import JudgeRule
from bidilab.lab.metrics.yields import Beginning, EventKind

__all__ = [
    "Exchange",
    "Overlap",
    "Response",
    "ToldEnd",
    "UserEvent",
    "exchange_of",
    "own_pauses_ms",
]

_USER_LEVEL_LEAST_S = 2.0  # of speech that is needed to say how loud the user is
_AWAY_MS = 2000.0  # from the user, for what the agent does by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEnd:
    """What somebody who knows says of the end of a response: a trace, or a person.

    Parameters
    ----------
    position
        Sample at which the response ended, as they have it; the nearest end within half a second is meant.
    how
        ``"cut"`` or ``"natural"``.
    by
        Who says so, in a word; it becomes the evidence of the row.
    """

    position: int
    how: Literal["cut", "natural"]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEvent:
    """Something on the user's channel: an utterance with its pauses, or a sound.

    ``pieces`` are its stretches without the pauses; ``turn`` says that it began while the agent was silent, or is
    speech at length: the agent ought to answer.
    """

    interval: Interval
    kind: EventKind
    pieces: tuple[Interval, ...]
    turn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response of the agent.

    Parameters
    ----------
    interval
        From its first to its last audible sample.
    pieces
        Its stretches without the pauses.
    end_sound
        What the sound of the end says of a cut.
    whole
        Whether the recording goes on after it.
    begins
        How it begins.
    latency
        Samples from the user's end to its start, of one that begins after the user; else ``None``.
    told
        What was told of its end.
    """

    interval: Interval
    pieces: tuple[Interval, ...]
    end_sound: float
    whole: bool
    begins: Beginning
    latency: int | None
    told: ToldEnd | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """An event that begins while a response is audible.

    Parameters
    ----------
    event, response
        Their indices.
    ended
        Whether the response ended soon enough after the onset to be a yield.
    owner
        Whether the end, if it is a stop, is put down to this event: of several, speech at length before all else, and
        then what began last.
    age
        Samples for which the response had lasted at the onset.
    window
        Samples after the onset within which an end may be a yield.
    to_silence, talk_over, overrun
        Samples; see the head of the module. ``overrun`` is the agent's speech after the onset.
    censored
        Samples after the onset at which a delay that was not seen to end is known to be longer.
    resumed
        Where the next response begins, if it begins soon and the user has no turn before it; else ``None``.
    """

    event: int
    response: int
    ended: bool
    owner: bool
    age: int
    window: int
    to_silence: int
    talk_over: int
    overrun: int
    censored: int
    resumed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A call in order."""

    heard: Heard
    events: tuple[UserEvent, ...]
    responses: tuple[Response, ...]
    overlaps: tuple[Overlap, ...]
    own_ends: int
    """Ends of responses with nothing of the user's in the 2 s before."""
    own_gaps: int
    """Those of them after which the agent spoke again soon, without a turn of the user's between."""


def own_pauses_ms(heard: Heard, rule: JudgeRule) -> list[float]:
    """Pauses in the agent's speech, up to the longest of a response, with nothing of the user's for 2 s before."""
    rate = heard.sample_rate
    away, longest = ms_to_samples(_AWAY_MS, rate), ms_to_samples(rule.response_pause_ms, rate)
    pauses = []
    for first, second in pairwise(heard.agent):
        gap = Interval(first.end, second.start)
        beside = Interval(gap.start - away, gap.end)
        if gap.duration <= longest and not any(unit.interval.overlap(beside) for unit in heard.user):
            pauses.append(samples_to_ms(gap.duration, rate))
    return pauses


def exchange_of(
    heard: Heard, rule: JudgeRule, *, pause_ms: float | None = None, told: Sequence[ToldEnd] = ()
) -> Exchange:
    """Put a call in order.

    Parameters
    ----------
    heard
        What was heard.
    rule
        Numbers.
    pause_ms
        Longest pause inside a response; the rule's when ``None``.
    told
        What is known of the ends of responses from elsewhere.
    """
    rate = heard.sample_rate
    longest = ms_to_samples(rule.response_pause_ms if pause_ms is None else pause_ms, rate)
    kinds = [_kind_of(unit, heard, rule) for unit in heard.user]
    speech = [unit.interval for unit, kind in zip(heard.user, kinds, strict=True) if kind is None]
    at_length = [unit for unit in speech if unit.duration > ms_to_samples(rule.short_ms, rate)]
    cut = _told_cut(heard.agent, told, rate)
    spoken = _joined_responses(heard.agent, at_length, longest, ms_to_samples(rule.answer_pause_ms, rate), cut)
    extents = [Interval(units[0].start, units[-1].end) for units in spoken]
    events = _events(heard, kinds, extents, rule)
    begins = _Beginnings(events, [unit for event in events if event.turn for unit in event.pieces], rule, rate)
    responses = tuple(
        Response(
            interval=extent,
            pieces=tuple(unit.interval for unit in units),
            end_sound=units[-1].end_sound,
            whole=extent.end < heard.n_samples - ms_to_samples(rule.tolerance_ms, rate),
            begins=how,
            latency=latency,
            told=_told_of(extent.end, told, rate),
        )
        for units, extent, (how, latency) in zip(spoken, extents, begins.of(extents), strict=True)
    )
    overlaps = _overlaps(events, responses, rule, rate)
    ends, gaps = _own_ends(events, responses, rule, rate)
    return Exchange(heard=heard, events=events, responses=responses, overlaps=overlaps, own_ends=ends, own_gaps=gaps)


def _kind_of(unit: UserUnit, heard: Heard, rule: JudgeRule) -> EventKind | None:
    """What a stretch is when it is no speech of the user's; ``None`` for speech."""
    rate = heard.sample_rate
    if unit.over_echo_db is not None and unit.over_echo_db < rule.echo_db and _over_agent(unit, heard):
        return "echo"
    if unit.sound:
        return "noise"
    short = unit.interval.duration <= ms_to_samples(rule.short_ms, rate)
    if short and unit.voiced_ms < rule.voiced_ms:
        return "noise"
    level = _user_level(heard, unit)
    return "side_speech" if level is not None and unit.level_dbfs <= level - rule.side_db else None


def _over_agent(unit: UserUnit, heard: Heard) -> bool:
    lag = ms_to_samples(heard.echo_lag_ms or 0.0, heard.sample_rate)
    ringing = ms_to_samples(500, heard.sample_rate)
    late = [Interval(a.start + lag, a.end + lag + ringing) for a in heard.agent]
    return any(unit.interval.overlap(interval) for interval in late)


def _user_level(heard: Heard, without: UserUnit) -> float | None:
    """Level of most of the user's other speech: the median by duration; ``None`` where there is too little of it."""
    others = sorted((u.level_dbfs, u.interval.duration) for u in heard.user if not u.sound and u is not without)
    durations = np.cumsum([duration for _, duration in others])
    if not len(durations) or durations[-1] < _USER_LEVEL_LEAST_S * heard.sample_rate:
        return None
    return others[int(np.searchsorted(durations, durations[-1] / 2))][0]


def _joined_responses(
    units: Sequence[AgentUnit],
    at_length: Sequence[Interval],
    longest: int,
    answer: int,
    cut: Collection[Interval],
) -> list[list[AgentUnit]]:
    """Units of the agent with their pauses; after a told cut, or the user's speech at length, a response is new."""
    ends = sorted(interval.end for interval in at_length)
    spoken: list[list[AgentUnit]] = []
    for unit in units:
        if spoken:
            pause = Interval(spoken[-1][-1].end, unit.start)
            ended_in_it = bisect_right(ends, pause.end) > bisect_right(ends, pause.start)
            answers = ended_in_it and pause.duration >= answer
            if pause.duration <= longest and not answers and spoken[-1][-1].interval not in cut:
                spoken[-1].append(unit)
                continue
        spoken.append([unit])
    return spoken


def _events(
    heard: Heard, kinds: Sequence[EventKind | None], extents: Sequence[Interval], rule: JudgeRule
) -> tuple[UserEvent, ...]:
    rate = heard.sample_rate
    speech = [unit.interval for unit, kind in zip(heard.user, kinds, strict=True) if kind is None]
    said = propose_kinds([Speech(interval=s) for s in speech], extents, sample_rate=rate, rule=rule.proposals)
    found = [
        UserEvent(interval=unit.interval, kind=kind, pieces=(unit.interval,), turn=False)
        for unit, kind in zip(heard.user, kinds, strict=True)
        if kind is not None
    ]
    longest = ms_to_samples(rule.short_ms, rate)
    for utterance in said:
        interval = utterance.speech.interval
        short = interval.duration <= longest  # of its own length, never by what the agent did
        inside = any(extent.holds(interval.start) for extent in extents)
        found.append(
            UserEvent(
                interval=interval,
                kind="backchannel" if short else "interruption",
                pieces=tuple(unit for unit in speech if unit.overlap(interval)),
                turn=not (short and inside),
            )
        )
    return tuple(sorted(found, key=lambda event: (event.interval, event.kind)))


class _Beginnings:
    """How responses begin: after the user, in a pause of the user's, over the user, or by themselves."""

    def __init__(self, events: Sequence[UserEvent], spoken: Iterable[Interval], rule: JudgeRule, rate: int) -> None:
        self._turns = [event for event in events if event.turn]
        self._spoken = sorted(spoken)
        self._said = sorted(unit for e in events if e.kind in ("interruption", "backchannel") for unit in e.pieces)
        self._pause = ms_to_samples(rule.turn_pause_ms, rate)
        self._short = ms_to_samples(rule.short_ms, rate)
        self._tolerance = ms_to_samples(rule.tolerance_ms, rate)

    def of(self, extents: Sequence[Interval]) -> list[tuple[Beginning, int | None]]:
        """How each of the responses begins, with its latency."""
        return [self._one(extent.start, extents[index - 1] if index else None) for index, extent in enumerate(extents)]

    def _one(self, start: int, before: Interval | None) -> tuple[Beginning, int | None]:
        answered = self._answered(start, before)
        if any(unit.start < start < unit.end - self._tolerance for unit in self._said):
            return "over the user", None
        if self._in_a_pause(start):
            return "cut-in", answered
        return ("by itself", None) if answered is None else ("after the user", answered)

    def _answered(self, start: int, before: Interval | None) -> int | None:
        """The time since the latest end of a turn, if no response was heard after that end."""
        ends = [turn.interval.end for turn in self._turns if turn.interval.end <= start + self._tolerance]
        if not ends or (before is not None and before.end > max(ends)):
            return None
        return start - max(ends)

    def _in_a_pause(self, start: int) -> bool:
        """Whether the user goes on so soon that the response has cut in; a series of short ones has no such pause."""
        index = bisect_right(self._said, start, key=lambda unit: unit.start)
        if not 0 < index < len(self._said):
            return False
        before, after = self._said[index - 1], self._said[index]
        both_short = before.duration <= self._short and after.duration <= self._short
        return before.end <= start and after.start - before.end < self._pause and not both_short


def _told_of(end: int, told: Sequence[ToldEnd], rate: int) -> ToldEnd | None:
    near = [one for one in told if abs(one.position - end) <= rate // 2]
    return min(near, key=lambda one: abs(one.position - end), default=None)


def _told_cut(units: Sequence[AgentUnit], told: Sequence[ToldEnd], rate: int) -> set[Interval]:
    """Units of the agent that were cut, as is told: those that end nearest to a cut."""
    cut = set()
    for one in told:
        nearest = min(units, key=lambda unit: abs(unit.end - one.position), default=None)
        if one.how == "cut" and nearest is not None and abs(nearest.end - one.position) <= rate // 2:
            cut.add(nearest.interval)
    return cut


def _overlaps(
    events: Sequence[UserEvent], responses: Sequence[Response], rule: JudgeRule, rate: int
) -> tuple[Overlap, ...]:
    starts = [response.interval.start for response in responses]
    within = ms_to_samples(rule.max_yield_ms, rate)
    met: dict[int, list[int]] = {}
    for number, event in enumerate(events):
        index = bisect_right(starts, event.interval.start) - 1
        if index >= 0 and responses[index].interval.holds(event.interval.start):
            met.setdefault(index, []).append(number)
    found = []
    for index, numbers in met.items():
        response = responses[index]
        end = response.interval.end
        soon = [n for n in numbers if end <= max(events[n].interval.start + within, events[n].interval.end)]
        owner = max(soon, key=lambda n: (events[n].kind == "interruption", events[n].interval.start), default=None)
        resumed = _resumed(index, events, responses, rule, rate)
        for number in numbers:
            onset, until = events[number].interval
            ended = number in soon and response.whole
            after = [Interval(max(onset, piece.start), piece.end) for piece in response.pieces if piece.end > onset]
            found.append(
                Overlap(
                    event=number,
                    response=index,
                    ended=ended,
                    owner=ended and number == owner,
                    age=onset - response.interval.start,
                    window=max(onset + within, until) - onset,
                    to_silence=end - onset,
                    talk_over=total(intersect(events[number].pieces, response.pieces)),
                    overrun=total(after),
                    censored=min(until + within, end) - onset,
                    resumed=resumed,
                )
            )
    return tuple(sorted(found, key=lambda overlap: overlap.event))


def _resumed(
    index: int, events: Sequence[UserEvent], responses: Sequence[Response], rule: JudgeRule, rate: int
) -> int | None:
    if index + 1 >= len(responses):
        return None
    gap = Interval(responses[index].interval.end, responses[index + 1].interval.start)
    if gap.duration > ms_to_samples(rule.resume_ms, rate):
        return None
    return None if any(event.turn and event.interval.overlap(gap) for event in events) else gap.end


def _own_ends(
    events: Sequence[UserEvent], responses: Sequence[Response], rule: JudgeRule, rate: int
) -> tuple[int, int]:
    away = ms_to_samples(_AWAY_MS, rate)
    ends = gaps = 0
    for index, response in enumerate(responses):
        before = Interval(response.interval.end - away, response.interval.end)
        if response.whole and not any(event.interval.overlap(before) for event in events):
            ends += 1
            gaps += _resumed(index, events, responses, rule, rate) is not None
    return ends, gaps
