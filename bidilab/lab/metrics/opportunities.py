"""Which user segments could interrupt which response: a recording's labels, in samples, ready to be evaluated.

Recorded evaluation (DESIGN §8): the agent channel is what it was. A user segment is an *opportunity* when it starts in
a response with at least ``min_overlap`` of it left; one that starts later in it is *terminal overlap*, ordinary
turn-taking. Segments are held in time order, ties by end and then by the order of the labels.

A response that is made here and now, by a simulated agent or in a session, is active before it is heard: from
``active_from``, where it was created. A segment that starts in ``[active_from, audible)`` and lasts beyond the first
audible sample is heard under the response from there on, whatever its kind: an opportunity where at least
``min_overlap`` of the response is audible at all. One that is over by then is *unheard*: nothing was spoken over, so it
is no opportunity, and enters no rate whether detected or not. What a segment is never depends on the detector::

    agent      created          audible                     end
                  |--------------|===========================|
    segment  --|  .  outside     .                           .      begins before the response: the agent cut in on it
                  ---|  unheard  .                           .
                  . |---------------|  opportunity           .
                  .              .    |-------|  opportunity .
                  .              .                     min_overlap
                  .              .                        |--.---|  terminal
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.core.units import check_sample_rate, ms_to_samples
from bidilab.lab.datasets.labels import TRUE_KINDS, Kind, Segment

__all__ = ["MIN_OVERLAP_MS", "TOLERANCE_MS", "LabelledSegment", "RecordingLabels", "label_recording"]

MIN_OVERLAP_MS = 200.0
"""Least part of a response that must be left for a segment to be an opportunity."""
TOLERANCE_MS = 200.0
"""How long before a segment's labelled onset an interruption that belongs to it may begin."""

Place = Literal["outside", "opportunity", "terminal", "unheard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSegment:
    """A user segment and the response it starts in.

    Parameters
    ----------
    interval
        Samples at the evaluation's rate.
    kind
        One of the user kinds.
    place
        ``"opportunity"``, ``"terminal"``, ``"unheard"``, or ``"outside"`` when it starts in no response.
    response
        Index of the response it starts in, -1 for none.
    text, speaker
        As labelled.
    """

    interval: Interval
    kind: Kind
    place: Place
    response: int
    text: str | None = None
    speaker: str | None = None

    @property
    def is_true(self) -> bool:
        """Whether the segment ought to interrupt a response."""
        return self.kind in TRUE_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingLabels:
    """The responses and user segments of one recording, in samples at ``sample_rate``, in time order.

    ``tolerance_samples`` is the tolerance of matching (`TOLERANCE_MS`), ``min_overlap_samples`` what must be left of a
    response for a segment to be an opportunity (`MIN_OVERLAP_MS`).
    """

    sample_rate: int
    responses: tuple[Interval, ...]
    segments: tuple[LabelledSegment, ...]
    tolerance_samples: int
    min_overlap_samples: int

    def under(self, response: Interval, *, active_from: int) -> RecordingLabels:
        """The same user segments, placed under one other response: what a simulated agent's response meets.

        Parameters
        ----------
        response
            Where it was to be heard.
        active_from
            Where it was created, ``<= response.start``.
        """
        placed = tuple(
            replace(s, **_place_under(s.interval, response, active_from, self.min_overlap_samples))
            for s in self.segments
        )
        return replace(self, responses=(response,), segments=placed)


def label_recording(
    segments: Iterable[Segment],
    *,
    sample_rate: int,
    min_overlap_ms: float = MIN_OVERLAP_MS,
    tolerance_ms: float = TOLERANCE_MS,
) -> RecordingLabels:
    """Put a recording's labels on the sample clock and find its opportunities.

    Parameters
    ----------
    segments
        Labels of both channels.
    sample_rate
        Hertz of the clock to evaluate on: the VAD's.
    min_overlap_ms, tolerance_ms
        ``>= 0``.

    Raises
    ------
    InvalidParameterError
        If two responses overlap, or a duration is negative or not finite.
    """
    check_sample_rate(sample_rate)
    for name, value in (("min_overlap_ms", min_overlap_ms), ("tolerance_ms", tolerance_ms)):
        if not 0 <= value < math.inf:
            raise InvalidParameterError(name, "a finite number of milliseconds >= 0", value)
    listed = list(segments)
    responses = tuple(sorted(s.interval(sample_rate) for s in listed if s.kind == "response"))
    for before, after in itertools.pairwise(responses):
        if after.start < before.end:
            raise InvalidParameterError("segments", "responses that do not overlap", (before, after))
    min_overlap = ms_to_samples(min_overlap_ms, sample_rate)
    user = sorted((s for s in listed if s.channel == "user"), key=lambda s: s.interval(sample_rate))
    return RecordingLabels(
        sample_rate=sample_rate,
        responses=responses,
        segments=tuple(
            LabelledSegment(
                interval=s.interval(sample_rate),
                kind=s.kind,
                text=s.text,
                speaker=s.speaker,
                **_place(s.interval(sample_rate), responses, min_overlap),
            )
            for s in user
        ),
        tolerance_samples=ms_to_samples(tolerance_ms, sample_rate),
        min_overlap_samples=min_overlap,
    )


class _Placed(TypedDict):
    place: Place
    response: int


def _place(interval: Interval, responses: tuple[Interval, ...], min_overlap: int) -> _Placed:
    index = next((j for j, response in enumerate(responses) if response.holds(interval.start)), -1)
    if index < 0:
        return {"place": "outside", "response": -1}
    left = responses[index].end - interval.start
    return {"place": "opportunity" if left >= min_overlap else "terminal", "response": index}


def _place_under(interval: Interval, response: Interval, active_from: int, min_overlap: int) -> _Placed:
    if not active_from <= interval.start < response.start:
        return _place(interval, (response,), min_overlap)
    if interval.end <= response.start:
        return {"place": "unheard", "response": 0}
    return {"place": "opportunity" if response.duration >= min_overlap else "terminal", "response": 0}
