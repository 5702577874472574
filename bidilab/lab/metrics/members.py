"""Members: labelled events, each judged for itself, so that their number is the same at every setting.

Task
    If the agent is speaking when this happens, does it stop, and when? Which events count follows from the labels
    alone; whether one is a hit follows from its own audio alone, with the detector at rest where its window begins.
Unit
    Integer samples at the VAD's rate.
Index
    `Member`, `MemberSet`, `members_of`, `delay_reference`, `MISSED`, `Stretch`

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
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval, intersect, normalize, subtract
from bidilab.core.units import check_sample_rate, frames_for_ms, ms_to_samples, s_to_samples
from bidilab.detect.turns import Guards, ScoreFunction, ScoreWanted, TurnParams
from bidilab.detect.turns.detect import ScoredEnding
from bidilab.detect.turns.guards import ScoredGuard, acted_at_reference
from bidilab.detect.turns.reference import detect_turns_reference
from bidilab.lab.datasets.labels import TRUE_KINDS, Kind, Segment
from bidilab.lab.metrics.pauses import Pause, find_pauses

__all__ = [
    "MIN_OVERLAP_MS",
    "MISSED",
    "PLACES",
    "TOLERANCE_MS",
    "Member",
    "MemberSet",
    "Place",
    "Stretch",
    "Window",
    "delay_reference",
    "members_of",
]

TOLERANCE_MS = 200.0
"""Lead-in and release of a segment."""
MIN_OVERLAP_MS = 200.0
"""Least part of a response that must be left for a turn that begins in it to be more than turn-taking."""
UNPROMPTED_RELEASE_MS = 500.0
"""After a labelled segment, what follows is still put down to it for this long."""

MISSED: int = int(np.iinfo(np.int64).max)
"""Stands for the delay of an event that is never acted upon."""

Place = Literal["member", "terminal", "crowded", "cut_in", "excluded", "outside", "unsure"]
PLACES: tuple[Place, ...] = ("member", "terminal", "crowded", "cut_in", "excluded", "outside", "unsure")


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
    def is_unsure(self) -> bool:
        """Whether it is marked as unsure: it enters no rate."""
        return self.place == "unsure"

    @property
    def is_turn(self) -> bool:
        """Whether its end is waited for."""
        return self.is_true and not self.is_unsure

    @property
    def is_member(self) -> bool:
        """Whether it enters a rate."""
        return self.place == "member"


class Stretch(NamedTuple):
    """A part of a response in which nothing is labelled: judged as a member is, and no word is said in it."""

    interval: Interval

    @property
    def windows(self) -> tuple[Window, ...]:
        """What is heard of it: all."""
        return (Window(self.interval.start, self.interval.end, self.interval.end),)

    @property
    def word_ends(self) -> tuple[int, ...]:
        """None are labelled."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSet:
    """The labels of one recording: responses, user segments with their places, unprompted stretches, pauses.

    Parameters
    ----------
    sample_rate
        Hertz.
    responses
        In time order.
    segments
        Every user segment, member or not, in time order.
    unprompted
        Stretches of responses with nothing labelled near.
    tolerance_samples
        The tolerance in samples.
    pauses
        Silences inside the turns (`bidilab.lab.metrics.pauses`), in time order.
    """

    sample_rate: int
    responses: tuple[Interval, ...]
    segments: tuple[Member, ...]
    unprompted: tuple[Stretch, ...]
    tolerance_samples: int
    pauses: tuple[Pause, ...] = ()

    @property
    def members(self) -> tuple[Member, ...]:
        """Those that enter a rate."""
        return tuple(s for s in self.segments if s.is_member)

    @property
    def is_labelled(self) -> bool:
        """Whether anything is labelled at all: without, no stop is true or false."""
        return bool(self.segments or self.responses)

    @property
    def judged(self) -> tuple[Member | Stretch, ...]:
        """All that is judged for itself: the members, then the unprompted stretches."""
        return (*self.members, *self.unprompted)

    @property
    def turns(self) -> tuple[Member, ...]:
        """Segments of kind ``turn`` and ``interruption``, wherever they lie: those whose end is waited for.

        Unsure ones are none.
        """
        return tuple(s for s in self.segments if s.is_turn)

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
    min_overlap_ms: float = MIN_OVERLAP_MS,
    speech: Sequence[Interval] = (),
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
    tolerance_ms, min_overlap_ms
        ``>= 0``. With less than ``min_overlap_ms`` of its response left, a ``turn`` is ``terminal``.
    speech
        Speech on the user's channel, for the pauses of turns without times of words: see `find_pauses`.

    Raises
    ------
    InvalidParameterError
        If two responses overlap, or a number is not allowed.
    """
    check_sample_rate(sample_rate)
    for name, value in (("tolerance_ms", tolerance_ms), ("min_overlap_ms", min_overlap_ms)):
        if not (is_number(value) and 0 <= value < math.inf):
            raise InvalidParameterError(name, "a finite number of milliseconds >= 0", value)
    tolerance = ms_to_samples(tolerance_ms, sample_rate)
    listed = list(segments)
    responses = tuple(sorted(s.interval(sample_rate) for s in listed if s.kind == "response"))
    for before, after in itertools.pairwise(responses):
        if after.start < before.end:
            raise InvalidParameterError("segments", "responses that do not overlap", (before, after))
    user = sorted((s for s in listed if s.channel == "user"), key=lambda s: s.interval(sample_rate))
    finder = _Finder(
        [(s.interval(sample_rate), s.kind) for s in user],
        responses,
        normalize(excluded),
        tolerance,
        ms_to_samples(min_overlap_ms, sample_rate),
        duration_samples,
    )
    found = []
    for index, segment in enumerate(user):
        place, response = finder.place(index)
        if segment.unsure:
            place = "unsure"
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
    return MemberSet(
        sample_rate=sample_rate,
        responses=responses,
        segments=tuple(found),
        unprompted=unprompted,
        tolerance_samples=tolerance,
        pauses=find_pauses(listed, sample_rate=sample_rate, speech=speech),
    )


class _Finder:
    """Places and windows of one recording's user segments, in time order."""

    def __init__(
        self,
        segments: Sequence[tuple[Interval, Kind]],
        responses: Sequence[Interval],
        excluded: tuple[Interval, ...],
        tolerance: int,
        min_overlap: int,
        duration: int,
    ) -> None:
        self._segments = segments
        self._responses = responses
        self._excluded = excluded
        self._tolerance = tolerance
        self._min_overlap = min_overlap
        self._duration = duration
        self._response_starts = [r.start for r in responses]
        self._foreground = [interval for interval, kind in segments if kind != "echo"]
        self._starts = [interval.start for interval in self._foreground]
        self._true_starts = [interval.start for interval, kind in segments if kind in TRUE_KINDS]
        self._latest_ends = _two_latest([interval.end for interval in self._foreground])

    def place(self, index: int) -> tuple[Place, int]:
        """Where a segment belongs, and the response that it starts in."""
        (a, b), kind = self._segments[index]
        response = bisect_right(self._response_starts, a) - 1
        if response >= 0 and not self._responses[response].holds(a):
            response = -1
        if intersect([Interval(a, b)], self._excluded):
            return "excluded", response
        if response < 0:
            if kind != "echo" and bisect_right(self._response_starts, a) < bisect_left(self._response_starts, b):
                return "cut_in", response
            if self._responses or kind in ("turn", "echo"):
                return "outside", response
        elif kind == "turn" and self._responses[response].end - a < self._min_overlap:
            return "terminal", response
        if kind != "echo" and self._is_crowded(self._segments[index][0]):
            return "crowded", response
        return "member", response

    def _is_crowded(self, interval: Interval) -> bool:
        """Whether another foreground segment that starts no later ends less than the tolerance before, or after."""
        latest, second = self._latest_ends[bisect_right(self._starts, interval.start)]
        other = second if latest == interval.end else latest
        return interval.start < other + self._tolerance

    def windows(self, index: int) -> tuple[Window, ...]:
        """What is heard of a member."""
        interval, kind = self._segments[index]
        if kind == "echo":
            return self._echo_windows(interval)
        a, b = interval
        earlier = self._latest_ends[bisect_left(self._starts, a)][0]
        start = max(a - self._tolerance, 0, earlier + self._tolerance)
        end = self._duration
        coming = max(bisect_left(self._starts, b), bisect_right(self._starts, a))
        if coming < len(self._starts):
            end = min(end, self._starts[coming])
        if kind not in TRUE_KINDS:
            inside = bisect_right(self._true_starts, a)
            if inside < len(self._true_starts) and self._true_starts[inside] < b:
                end = min(end, self._true_starts[inside])
        return (Window(start, end, b),)

    def _echo_windows(self, interval: Interval) -> tuple[Window, ...]:
        heard = Interval(max(interval.start - self._tolerance, 0), min(interval.end, self._duration))
        covered = [Interval(o.start - self._tolerance, o.end + self._tolerance) for o in self._foreground]
        pieces = (p for p in subtract([heard], covered) if p.duration >= self._tolerance)
        return tuple(Window(p.start, p.end, p.end) for p in pieces)


_NEVER = -(1 << 62)


def _two_latest(ends: Sequence[int]) -> list[tuple[int, int]]:
    """The latest and the second latest of the first ``k`` ends, for ``k`` from 0; equal ends count one by one."""
    latest = second = _NEVER
    found = [(latest, second)]
    for end in ends:
        if end > latest:
            latest, second = end, latest
        else:
            second = max(second, end)
        found.append((latest, second))
    return found


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
) -> tuple[Stretch, ...]:
    release = ms_to_samples(UNPROMPTED_RELEASE_MS, sample_rate)
    near = normalize([*(Interval(s.start - tolerance, s.end + release) for s in labelled), *excluded])
    starts, ends = [n.start for n in near], [n.end for n in near]
    pieces = (  # responses that touch stay apart: each stretch is judged from rest
        piece
        for response in responses
        for piece in subtract([response], near[bisect_right(ends, response.start) : bisect_left(starts, response.end)])
    )
    return tuple(Stretch(piece) for piece in pieces if piece.duration >= tolerance)


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
    lookahead_samples: int = 0,
    ending: ScoredEnding | None = None,
    scored: ScoredGuard | None = None,
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
    frame_samples, sample_rate, lookahead_samples
        Samples a frame, hertz, and what the VAD hears beyond a frame's end.
    ending
        How turns end by a score; ``None``: by silence. Behind a window nothing is asked.
    scored
        How speech interrupts by a score, asked in the same way; ``None`` for no scorer.
    """
    guards = guards or Guards()
    grain = {"frame_samples": frame_samples, "sample_rate": sample_rate}
    rule, lasting = params.in_frames(**grain), guards.in_frames(**grain).min_frames
    for window in windows:
        first = -(-max(window.start, 0) // frame_samples)
        end = min(window.end // frame_samples, len(probabilities))
        if end <= first:
            continue
        # Long enough for every turn to end and every guard to be passed.
        words = max((word // frame_samples + 1 - end for word in word_ends), default=0)
        timeout = frames_for_ms(ending.end_of_turn.timeout_ms, **grain) if ending is not None else 0
        if scored is not None and math.isfinite(scored.adaptive.window_ms):
            timeout += frames_for_ms(scored.adaptive.window_ms, **grain)
        silence = max(rule.silence_frames, timeout) + rule.min_speech_frames + lasting + max(0, words) + 1
        heard_in = partial(_heard_in, first=first, end=end, frame_samples=frame_samples, ahead=lookahead_samples)
        heard = np.concatenate([probabilities[first:end], np.zeros(silence, np.float32)])
        turns = detect_turns_reference(
            heard,
            params,
            frame_samples=frame_samples,
            sample_rate=sample_rate,
            lookahead_samples=lookahead_samples,
            **({} if ending is None else ending._replace(scores=heard_in(ending.scores))._asdict()),
        )
        shift = first * frame_samples
        acted = acted_at_reference(
            turns,
            guards,
            word_ends=[word - shift for word in word_ends],
            frame_samples=frame_samples,
            sample_rate=sample_rate,
            scored=None if scored is None else scored._replace(scores=heard_in(scored.scores)),
        )
        for turn, at in zip(turns, acted, strict=True):
            if at is not None and turn.onset + shift <= window.last_onset:
                return at + shift - onset
    return MISSED


def _heard_in(scores: ScoreFunction, *, first: int, end: int, frame_samples: int, ahead: int) -> ScoreFunction:
    """The same, asked in a window: it hears the recording as it is, and nothing is asked behind the window."""
    shift = first * frame_samples

    def score(question: ScoreWanted) -> float | None:
        asked_at = question.asked_at + shift
        if asked_at - ahead > end * frame_samples:
            return None
        return scores(
            ScoreWanted(onset=question.onset + shift, pause_start=question.pause_start + shift, asked_at=asked_at)
        )

    return score
