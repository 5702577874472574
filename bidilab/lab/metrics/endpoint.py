"""Endpoint: how well the starts and ends of the user's turns were found.

Task
    One recording under one setting (DESIGN §2, §9), over its user segments of kind ``turn`` and ``interruption``.
Unit
    Integer samples at the VAD's rate.
Index
    `evaluate_endpoints`, `Endpoint`

A detected turn belongs to a segment when ``turn.onset < segment.end`` and ``turn.offset > segment.start``.

* *premature endpoint* (cut-in): such a turn ends (not flushed) inside the segment, which goes on.
* *endpoint latency*: of the first such turn that ends at or after the segment does, decision - true offset.
* *onset clipping*: of the first such turn, ``max(0, audio_start - true onset)``.

A segment without such a turn is counted, not averaged in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bidilab.detect.turns import Turn
from bidilab.lab.metrics.opportunities import LabelledSegment, RecordingLabels

__all__ = ["Endpoint", "evaluate_endpoints"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How one user segment's start and end were found.

    Parameters
    ----------
    segment
        The segment.
    premature
        Whether the detector ended a turn inside it.
    latency
        Endpoint latency in samples, ``>= 0``; ``None`` when no turn of it was ended at or after its offset.
    onset_clipped
        Samples of true speech before the turn's audio, ``>= 0``; ``None`` when no turn overlaps the segment.
    """

    segment: LabelledSegment
    premature: bool
    latency: int | None
    onset_clipped: int | None


def evaluate_endpoints(labels: RecordingLabels, turns: Sequence[Turn]) -> tuple[Endpoint, ...]:
    """Evaluate every ``turn`` and ``interruption`` of a recording, in time order."""
    endpoints = []
    for segment in labels.segments:
        if not segment.is_true:
            continue
        start, end = segment.interval
        own = [t for t in turns if t.onset < end and t.offset > start]
        decided = [t for t in own if not t.flushed]
        endpoints.append(
            Endpoint(
                segment=segment,
                premature=any(start < t.stopped_at < end for t in decided),
                latency=next((t.stopped_at - end for t in decided if t.stopped_at >= end), None),
                onset_clipped=max(0, own[0].audio_start - start) if own else None,
            )
        )
    return tuple(endpoints)
