"""Members: labelled events, each judged for itself, so that their number is the same at every setting.

Task
    If the agent is speaking when this happens, does it stop, and when? Which events count follows from the labels
    alone; whether one is a hit follows from its own audio alone, with the detector at rest where its window begins.
Unit
    Integer samples at the VAD's rate.
Index
    `Member`, `MemberSet`, `members_of`, `delay_reference`, `MISSED`

*Foreground* is every user segment but ``echo``. For a segment ``[a, b)`` and a tolerance ``TOL`` of 200 ms::

    agent     s|==============================================|e      a in [s, e): it is met by this response
    user        |--TOL--|■■■■■■ segment ■■■■■■|--TOL--|
                w       a                     b                v      v: where the next foreground segment begins
                └ lead-in                     └ release
    judged      |~~~~~~~ its own audio ~~~~~~~~~~~~~~~~|0 0 0 0       from rest at w; silence after v

A segment that starts in a response is a member, unless it is

* ``terminal``: a ``turn`` that starts with less than ``TOL`` of the response left. That is turn-taking;
* ``crowded``: foreground that begins less than ``TOL`` after another foreground segment ended, or inside one. What is
  heard at its onset is the other;
* ``cut_in``: foreground that begins before the response and goes on into it. The agent began in the user's turn;
* ``excluded``: in, across or cut by a region that the corpus does not score.

One that starts in no response is ``outside``; in a recording without responses every foreground segment but ``turn`` is
a member. An ``echo`` is a member of its response, judged on the pieces that no foreground segment with its lead-in and
release covers.

The window begins at ``w = max(a - TOL, 0, b' + TOL of every foreground segment that starts earlier)``. It ends at
``v``, the least start after ``a`` of a foreground segment that starts at or after ``b``; for a member that must not
stop the agent also of a true segment that starts inside it. Frames that lie whole in ``[w, v)`` are heard, and then
silence.
A member is *hit* by the first turn whose onset is at most ``b`` and that the guards let act. Its delay is
``acted_at - a``, and `MISSED` where there is none. It may be acted upon after ``b``: the agent did stop, late.

*Unprompted* stretches are parts of a response, at least 200 ms long, with nothing labelled from 500 ms before to 200 ms
after; each is judged once, from rest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval, intersect, normalize, subtract
from bidilab.core.units import check_sample_rate, ms_to_samples, s_to_samples
from bidilab.detect.turns import Guards, TurnParams
from bidilab.detect.turns.guards import acted_at_reference
from bidilab.detect.turns.reference import detect_turns_reference
from bidilab.lab.datasets.labels import TRUE_KINDS, Kind, Segment

__all__ = [
    "MISSED",
    "PLACES",
    "TOLERANCE_MS",
    "Member",
    "MemberSet",
    "Place",
    "Window",
    "delay_reference",
    "members_of",
]

TOLERANCE_MS = 200.0
"""Lead-in and release of a segment, and the least part of a response that a turn must meet."""
UNPROMPTED_RELEASE_MS = 500.0
"""After a labelled segment, what follows is still put down to it for this long."""

MISSED: int = int(np.iinfo(np.int64).max)
"""Stands for the delay of an event that is never acted upon."""

Place = Literal["member", "terminal", "crowded", "cut_in", "excluded", "outside"]
PLACES: tuple[Place, ...] = ("member", "terminal", "crowded", "cut_in", "excluded", "outside")


class Window(NamedTuple):
    """What the detector hears of a member: frames whole in ``[start, end)``, then silence.

    A turn counts when its onset is at most ``last_onset``.
    """

    start: int
    end: int
    last_onset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A labelled user segment and what became of it.

    Parameters
    ----------
    interval
        ``[a, b)`` in samples.
    kind
        One of the user kinds.
    place
        One of `PLACES`.
    response
        Index of the response that it starts in, -1 for none.
    windows
        What is heard of it; several for an echo, none for what is no member.
    word_ends
        Where its own words end, rising; for guards that count words.
    outlasting
        Whether it lasts beyond the end of its response.
    text, speaker
        As labelled.
    """

    interval: Interval
    kind: Kind
    place: Place
    response: int = -1
    windows: tuple[Window, ...] = ()
    word_ends: tuple[int, ...] = ()
    outlasting: bool = False
    text: str | None = None
    speaker: str | None = None

    @property
    def is_true(self) -> bool:
        """Whether the segment ought to stop the agent."""
        return self.kind in TRUE_KINDS

    @property
    def is_member(self) -> bool:
        """Whether it enters a rate."""
        return self.place == "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSet:
    """All user segments of a recording with their places, in time order, and its unprompted stretches.

    Parameters
    ----------
    sample_rate
        Hertz.
    segments
        Every user segment, member or not.
    unprompted
        Stretches of responses with nothing labelled near.
    """

    sample_rate: int
    segments: tuple[Member, ...]
    unprompted: tuple[Interval, ...]

    @property
    def members(self) -> tuple[Member, ...]:
        """Those that enter a rate."""
        return tuple(s for s in self.segments if s.is_member)

    def count(self, place: Place) -> int:
        """How many segments are in a place."""
        return sum(s.place == place for s in self.segments)


def members_of(
    segments: Iterable[Segment],
    *,
    sample_rate: int,
    duration_samples: int,
    excluded: Sequence[Interval] = (),
    word_times: Literal["labelled", "spread"] = "labelled",
    tolerance_ms: float = TOLERANCE_MS,
) -> MemberSet:
    """Find the members of a recording.

    Parameters
    ----------
    segments
        Labels of both channels.
    sample_rate
        Hertz of the clock to judge on: the VAD's.
    duration_samples
        Length of the recording on that clock, ``>= 0``.
    excluded
        Regions that the corpus does not score.
    word_times
        As `bidilab.lab.datasets.words.word_ends_s`; a segment without words has none here.
    tolerance_ms
        ``>= 0``.

    Raises
    ------
    InvalidParameterError
        If two responses overlap, or a number is not allowed.
    """
    check_sample_rate(sample_rate)
    if not 0 <= tolerance_ms < math.inf:
        raise InvalidParameterError("tolerance_ms", "a finite number of milliseconds >= 0", tolerance_ms)
    tolerance = ms_to_samples(tolerance_ms, sample_rate)
    listed = list(segments)
    responses = tuple(sorted(s.interval(sample_rate) for s in listed if s.kind == "response"))
    for before, after in itertools.pairwise(responses):
        if after.start < before.end:
            raise InvalidParameterError("segments", "responses that do not overlap", (before, after))
    user = sorted((s for s in listed if s.channel == "user"), key=lambda s: s.interval(sample_rate))
    finder = _Finder(
        [(s.interval(sample_rate), s.kind) for s in user], responses, normalize(excluded), tolerance, duration_samples
    )
    found = []
    for index, segment in enumerate(user):
        place, response = finder.place(index)
        interval = segment.interval(sample_rate)
        windows = finder.windows(index) if place == "member" else ()
        if place == "member" and segment.kind == "echo" and not windows:
            place = "crowded"
        found.append(
            Member(
                interval=interval,
                kind=segment.kind,
                place=place,
                response=response,
                windows=windows,
                word_ends=_own_words(segment, sample_rate, word_times),
                outlasting=response >= 0 and interval.end > responses[response].end,
                text=segment.text,
                speaker=segment.speaker,
            )
        )
    unprompted = _unprompted([s.interval for s in found], responses, normalize(excluded), tolerance, sample_rate)
    return MemberSet(sample_rate=sample_rate, segments=tuple(found), unprompted=unprompted)


class _Finder:
    """Places and windows of one recording's user segments, in time order."""

    def __init__(
        self,
        segments: Sequence[tuple[Interval, Kind]],
        responses: Sequence[Interval],
        excluded: tuple[Interval, ...],
        tolerance: int,
        duration: int,
    ) -> None:
        self._segments = segments
        self._responses = responses
        self._excluded = excluded
        self._tolerance = tolerance
        self._duration = duration
        self._foreground = [(i, interval) for i, (interval, kind) in enumerate(segments) if kind != "echo"]

    def place(self, index: int) -> tuple[Place, int]:
        """Where a segment belongs, and the response that it starts in."""
        (a, b), kind = self._segments[index]
        response = next((j for j, r in enumerate(self._responses) if r.holds(a)), -1)
        if intersect([Interval(a, b)], self._excluded):
            return "excluded", response
        if response < 0:
            if kind != "echo" and any(a < r.start < b for r in self._responses):
                return "cut_in", response
            if self._responses or kind in ("turn", "echo"):
                return "outside", response
        elif kind == "turn" and self._responses[response].end - a < self._tolerance:
            return "terminal", response
        if kind != "echo" and self._is_crowded(index):
            return "crowded", response
        return "member", response

    def _is_crowded(self, index: int) -> bool:
        a = self._segments[index][0].start
        return any(other.start <= a < other.end + self._tolerance for i, other in self._foreground if i != index)

    def windows(self, index: int) -> tuple[Window, ...]:
        """What is heard of a member."""
        interval, kind = self._segments[index]
        if kind == "echo":
            return self._echo_windows(interval)
        a, b = interval
        others = [other for i, other in self._foreground if i != index]
        start = max([a - self._tolerance, 0, *(o.end + self._tolerance for o in others if o.start < a)])
        ends = [o.start for o in others if o.start >= b and o.start > a]
        if kind not in TRUE_KINDS:
            ends += [o.start for i, o in self._foreground if i != index and self._is_true(i) and a < o.start < b]
        return (Window(start, min([*ends, self._duration]), b),)

    def _is_true(self, index: int) -> bool:
        return self._segments[index][1] in TRUE_KINDS

    def _echo_windows(self, interval: Interval) -> tuple[Window, ...]:
        heard = Interval(max(interval.start - self._tolerance, 0), min(interval.end, self._duration))
        covered = [Interval(o.start - self._tolerance, o.end + self._tolerance) for _, o in self._foreground]
        pieces = (p for p in subtract([heard], covered) if p.duration >= self._tolerance)
        return tuple(Window(p.start, p.end, p.end) for p in pieces)


def _own_words(segment: Segment, sample_rate: int, word_times: str) -> tuple[int, ...]:
    if segment.words:
        return tuple(sorted(s_to_samples(word.end_s, sample_rate) for word in segment.words))
    said = (segment.text or "").split()
    if word_times != "spread" or not said:
        return ()
    length_s = segment.end_s - segment.start_s
    return tuple(s_to_samples(segment.start_s + length_s * (k + 1) / len(said), sample_rate) for k in range(len(said)))


def _unprompted(
    labelled: Sequence[Interval],
    responses: Sequence[Interval],
    excluded: Sequence[Interval],
    tolerance: int,
    sample_rate: int,
) -> tuple[Interval, ...]:
    release = ms_to_samples(UNPROMPTED_RELEASE_MS, sample_rate)
    near = [Interval(s.start - tolerance, s.end + release) for s in labelled]
    # Responses that touch stay apart: each stretch is judged from rest.
    pieces = (piece for response in responses for piece in subtract([response], [*near, *excluded]))
    return tuple(piece for piece in pieces if piece.duration >= tolerance)


def delay_reference(
    windows: Sequence[Window],
    onset: int,
    probabilities: npt.NDArray[np.float32],
    params: TurnParams,
    guards: Guards | None = None,
    *,
    word_ends: Sequence[int] = (),
    frame_samples: int,
    sample_rate: int,
) -> int:
    """How long after its onset a member is acted upon, written to be read: `MISSED` for never; may be negative.

    Parameters
    ----------
    windows
        What is heard, in time order.
    onset
        ``a``, in samples: where the delay counts from.
    probabilities
        ``(n_frames,)`` of the whole recording.
    params, guards
        What decides, and what must hold besides.
    word_ends
        Where the member's own words end.
    frame_samples, sample_rate
        Samples a frame, and hertz.
    """
    guards = guards or Guards()
    rule = params.in_frames(frame_samples=frame_samples, sample_rate=sample_rate)
    lasting = guards.in_frames(frame_samples=frame_samples, sample_rate=sample_rate).min_frames
    for window in windows:
        first = -(-max(window.start, 0) // frame_samples)
        end = min(window.end // frame_samples, len(probabilities))
        if end <= first:
            continue
        # Long enough for every turn to end and every guard to be passed.
        words = max((word // frame_samples + 1 - end for word in word_ends), default=0)
        silence = rule.silence_frames + rule.min_speech_frames + lasting + max(0, words) + 1
        heard = np.concatenate([probabilities[first:end], np.zeros(silence, np.float32)])
        turns = detect_turns_reference(heard, params, frame_samples=frame_samples, sample_rate=sample_rate)
        shift = first * frame_samples
        acted = acted_at_reference(
            turns,
            guards,
            word_ends=[word - shift for word in word_ends],
            frame_samples=frame_samples,
            sample_rate=sample_rate,
        )
        for turn, at in zip(turns, acted, strict=True):
            if at is not None and turn.onset + shift <= window.last_onset:
                return at + shift - onset
    return MISSED
