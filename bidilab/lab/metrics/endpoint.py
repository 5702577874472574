"""Endpoint: how well the starts and ends of the user's turns were found.

Task
    Every ``turn`` and ``interruption`` of one recording under one setting: their number is the same at every setting.
Unit
    Integer samples at the VAD's rate.
Index
    `evaluate_endpoints`, `Endpoint`, `NEVER_HEARD`

A detected turn is a segment's own when ``turn.onset < segment.end`` and ``turn.offset > segment.start``.

* *premature endpoint* (cut-in): an own turn ends (not flushed) inside the segment, which goes on.
* *wait*: from the segment's end to the end of its first own turn that ends at or after it. Where the recording ends
  while such a turn is open, the wait is censored there: it is at least that long. Where all own turns ended inside the
  segment, the agent has its turn already and nothing is waited for: 0. Without an own turn the end is never heard.
* *onset clipping*: of the first own turn, ``max(0, audio_start - true onset)``.

Turns are those of the whole channel: the state in which the detector meets a segment is the user's doing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bidilab.detect.turns import Turn
from bidilab.detect.turns.detector import StopCause
from bidilab.lab.metrics.members import Member, MemberSet

__all__ = ["NEVER_HEARD", "Endpoint", "evaluate_endpoints"]

NEVER_HEARD: int = (1 << 31) - 1
"""Stands for the wait for the end of a segment of which nothing was heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How one user segment's start and end were found.

    Parameters
    ----------
    segment
        The segment.
    premature
        Whether the detector ended a turn inside it.
    wait
        Samples from its end to the decision that it is over, ``>= 0``; `NEVER_HEARD` where no turn overlaps it.
    decided
        Whether an own turn ended (not flushed) at or after the segment's end: ``wait`` is then that decision's.
    cause
        Why that turn ended, one of `bidilab.detect.turns.STOP_CAUSES`; ``None`` where none did.
    is_open
        Whether the recording ends first: the wait is then at least ``wait``.
    onset_clipped
        Samples of true speech before the turn's audio, ``>= 0``; ``None`` when no turn overlaps the segment.
    """

    segment: Member
    premature: bool
    wait: int
    decided: bool
    cause: StopCause | None
    is_open: bool
    onset_clipped: int | None


def evaluate_endpoints(labels: MemberSet, turns: Sequence[Turn]) -> tuple[Endpoint, ...]:
    """Evaluate every ``turn`` and ``interruption`` of a recording, in time order."""
    endpoints = []
    for segment in labels.turns:
        start, end = segment.interval
        own = [t for t in turns if t.onset < end and t.offset > start]
        last = next((t for t in own if t.flushed or t.stopped_at >= end), None)
        endpoints.append(
            Endpoint(
                segment=segment,
                premature=any(start < t.stopped_at < end for t in own if not t.flushed),
                wait=max(0, last.stopped_at - end) if last else 0 if own else NEVER_HEARD,
                decided=last is not None and not last.flushed,
                cause=None if last is None or last.flushed else last.cause,
                is_open=last is not None and last.flushed,
                onset_clipped=max(0, own[0].audio_start - start) if own else None,
            )
        )
    return tuple(endpoints)
