"""Which parts of a recording count: what a UEM scores, less what the labels exclude from scoring."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce

from bidilab.core.timeline import Interval, intersect, normalize, subtract, total

__all__ = ["LONGEST_S", "Regions", "Span", "is_unscored", "scored_regions"]

Span = tuple[float, float]
Regions = dict[str, dict[str, list[Span]]]
"""What a UEM scores, in seconds, by recording and by the UEM's own name of the channel."""

LONGEST_S = 1e6
"""No recording is eleven days long: a time beyond it is a fault of the file."""
_PER_S = 1_000_000
_LONG_MARKS = frozenset(("ignoretimesegmentinscoring", "excludedregion"))
_MARKS = _LONG_MARKS | {"excluded", "excludedregions", "redacted", "noscore", "noscoring", "notscored", "unscored"}


def is_unscored(speaker: str | None, text: str | None) -> bool:
    """Whether a label says that its stretch does not count (``excluded_region``, ``[redacted]``)."""
    if speaker is not None and re.sub(r"[\W_]+", "", speaker.casefold()) in _MARKS:
        return True
    letters = re.sub(r"[\W_]+", "", (text or "").casefold())
    return letters in _LONG_MARKS or (letters in _MARKS and (text or "").strip()[0] in "[<({")


def _timeline(spans: Iterable[Span]) -> tuple[Interval, ...]:
    return normalize(Interval(round(start * _PER_S), round(end * _PER_S)) for start, end in spans)


def scored_regions(
    uem: dict[str, list[Span]] | None, excluded: list[Span], duration_s: float
) -> tuple[list[Span], tuple[str, ...]]:
    """The parts of a recording that count, in order and disjoint, and notes on how they came about.

    Parameters
    ----------
    uem
        What counts on each channel; ``None`` when there is no UEM. What does not count on every channel that the UEM
        names does not count.
    excluded
        What the labels exclude.
    duration_s
        Length of the recording, seconds.
    """
    notes: list[str] = []
    whole = _timeline([(0.0, duration_s)])
    counted = whole
    if uem is not None:
        counted = reduce(intersect, map(_timeline, uem.values()), _timeline([(0.0, LONGEST_S)]))
        n_lines = sum(map(len, uem.values()))
        if n_lines > len(counted):
            regions = f"{len(counted)} region{'s' if len(counted) != 1 else ''}"
            notes.append(f"the UEM's {n_lines} lines are {regions} that count on every channel")
    if excluded:
        before = intersect(counted, whole)
        counted = subtract(before, _timeline(excluded))
        left_out_s = (total(before) - total(counted)) / _PER_S
        notes.append(f"left out {left_out_s:.3f} s that the labels exclude from scoring")
    return [(interval.start / _PER_S, interval.end / _PER_S) for interval in counted], tuple(notes)
