"""Pauses: silences inside a turn of the user, and whether the detector takes them for its end.

Task
    How often a user who only pauses is cut off. A pause lies inside a ``turn`` or an ``interruption`` that is not
    unsure, between speech of that segment before it and after it, and lasts from 200 ms to 5 s. It is *cut off* when
    the detector decides strictly inside it that the turn is over::

        user   |■■■ phrase ■■■|~~~~~~~~ pause ~~~~~~~~|■■■ phrase ■■■|         one segment
               since          start     ^ decided      end                      start < decided < end: cut off

    or has decided so in the phrase before it, and no turn has begun since: ``since < decided <= start``. A detector
    that is quick to hear silence decides before the pause begins by the truth; it must not look patient by that.
    The cut-off rate is the number of pauses that are cut off per pause. How long the user waits at the end of the turn
    is the other side of it: `bidilab.lab.metrics.endpoint`.
Unit
    Integer samples at the VAD's rate.
Index
    `Pause`, `find_pauses`, `needs_speech`, `speech_heard`, `cut_offs`

The pauses are part of the truth, and no setting moves them. They come from the times of the words where the labels of
the segment have them, and else from Silero at its defaults on the audio as it was recorded: probability 0.5 to begin
and 0.35 to go on, gaps of less than 100 ms closed, bits of less than 100 ms dropped. A gap in which somebody else
speaks by the labels (another turn, a backchannel, speech to a third person) is no pause.

Each pause is judged for itself: after one that is cut off, the next counts all the same. These are the rules by which
eot-bench counts the spans that it calls *hold* (`bidilab.lab.benchmarks.eotbench`).
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.core.timeline import Interval, normalize
from bidilab.core.units import ms_to_samples, s_to_samples
from bidilab.detect.turns import Turn, TurnParams, detect_turns
from bidilab.lab.datasets.labels import TRUE_KINDS, Segment

__all__ = [
    "LONGEST_PAUSE_MS",
    "SHORTEST_PAUSE_MS",
    "Pause",
    "PauseOrigin",
    "cut_offs",
    "find_pauses",
    "needs_speech",
    "speech_heard",
]

SHORTEST_PAUSE_MS = 200.0
"""A shorter gap belongs to speaking itself (`bidilab.lab.datasets.proposals`), and eot-bench leaves it out too."""
LONGEST_PAUSE_MS = 5000.0
"""After a longer silence nobody can say that the turn was not over; eot-bench leaves it out too."""

PauseOrigin = Literal["words", "silero"]

_SPOKEN = (*TRUE_KINDS, "backchannel", "side_speech")
_SPEECH = TurnParams(threshold=0.5, silence_duration_ms=100)
_SHORTEST_SPEECH_MS = 100.0


class Pause(NamedTuple):
    """A silence inside a turn of the user.

    ``since`` is where the phrase before it begins: at the end of the silence of 200 ms or more before that, or where
    the segment begins. ``origin`` says what the ends come from.
    """

    interval: Interval
    since: int
    origin: PauseOrigin


def _has_pauses(segment: Segment) -> bool:
    return segment.channel == "user" and segment.kind in TRUE_KINDS and not segment.unsure


def needs_speech(segments: Iterable[Segment]) -> bool:
    """Whether some turn has no times of words, so that its pauses have to be heard."""
    return any(_has_pauses(segment) and not segment.words for segment in segments)


def speech_heard(
    probabilities: npt.NDArray[np.float32], *, frame_samples: int, sample_rate: int
) -> tuple[Interval, ...]:
    """Stretches of speech by Silero at its defaults.

    Parameters
    ----------
    probabilities
        ``(n_frames,) float32`` of Silero, of the user's channel as it was recorded.
    frame_samples, sample_rate
        Samples per frame, and hertz.

    Returns
    -------
    tuple of Interval
        In time order, with gaps of at least 100 ms between them.
    """
    shortest = ms_to_samples(_SHORTEST_SPEECH_MS, sample_rate)
    turns = detect_turns(probabilities, _SPEECH, frame_samples=frame_samples, sample_rate=sample_rate)
    return tuple(Interval(t.onset, t.offset) for t in turns if t.offset - t.onset >= shortest)


def find_pauses(segments: Iterable[Segment], *, sample_rate: int, speech: Sequence[Interval] = ()) -> tuple[Pause, ...]:
    """Find the pauses of a recording.

    Parameters
    ----------
    segments
        Labels of both channels.
    sample_rate
        Hertz of the clock to judge on.
    speech
        Speech on the user's channel, in time order and disjoint, for turns without times of words. Where it is not
        given, such turns have no pauses.

    Returns
    -------
    tuple of Pause
        In time order; no two overlap.
    """
    spoken = [segment for segment in segments if segment.channel == "user" and segment.kind in _SPOKEN]
    taken = _covered_twice(segment.interval(sample_rate) for segment in spoken)
    ends = [each.end for each in taken]
    shortest, longest = (ms_to_samples(ms, sample_rate) for ms in (SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS))
    found = []
    for segment in filter(_has_pauses, spoken):
        origin: PauseOrigin = "words" if segment.words else "silero"
        phrases = _words(segment, sample_rate) if segment.words else _inside(speech, segment.interval(sample_rate))
        since = segment.interval(sample_rate).start
        for before, after in itertools.pairwise(phrases):
            gap = Interval(before.end, after.start)
            if gap.duration < shortest:
                continue
            near = bisect_right(ends, gap.start)
            if gap.duration <= longest and not (near < len(taken) and taken[near].start < gap.end):
                found.append(Pause(gap, since, origin))
            since = gap.end
    return tuple(sorted(found))


def _covered_twice(spans: Iterable[Interval]) -> tuple[Interval, ...]:
    """What at least two of the spans hold. A gap inside of one segment overlaps another exactly where it meets this."""
    found, reach = [], 0
    for start, end in sorted(spans):
        found.append(Interval(start, min(end, reach)))
        reach = max(reach, end)
    return normalize(found)


def _words(segment: Segment, sample_rate: int) -> list[Interval]:
    return [Interval(*(s_to_samples(at, sample_rate) for at in word[:2])) for word in segment.words]


def _inside(speech: Sequence[Interval], segment: Interval) -> list[Interval]:
    """The speech in a segment, cut at its ends."""
    first = bisect_right(speech, segment.start, key=lambda each: each.end)
    last = bisect_left(speech, segment.end, key=lambda each: each.start)
    return [Interval(max(s.start, segment.start), min(s.end, segment.end)) for s in speech[first:last]]


def cut_offs(pauses: Sequence[Pause], turns: Sequence[Turn]) -> tuple[bool, ...]:
    """Whether each pause is cut off; the end of the stream decides nothing."""
    return tuple(_is_cut_off(pause, turns) for pause in pauses)


def _is_cut_off(pause: Pause, turns: Sequence[Turn]) -> bool:
    start, end = pause.interval
    if any(start < turn.stopped_at < end and not turn.flushed for turn in turns):
        return True
    begun = [turn for turn in turns if turn.onset < start]
    return bool(begun) and pause.since < begun[-1].stopped_at <= start and not begun[-1].flushed
