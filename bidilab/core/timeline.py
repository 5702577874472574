"""Interval algebra on one clock.

An interval is half open, ``[start, end)``, in integer samples. A *timeline* is a sequence of intervals; a
*normal* timeline is sorted, disjoint, not touching and holds no empty interval.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Interval", "intersect", "normalize", "subtract", "total", "union"]


class Interval(NamedTuple):
    """A half-open stretch ``[start, end)`` of a stream, in samples."""

    start: int
    end: int

    @property
    def duration(self) -> int:
        """Samples in the interval; 0 when it is empty."""
        return max(0, self.end - self.start)

    def overlap(self, other: Interval) -> int:
        """Samples that both intervals hold."""
        return max(0, min(self.end, other.end) - max(self.start, other.start))

    def holds(self, position: int) -> bool:
        """Whether ``start <= position < end``."""
        return self.start <= position < self.end


def normalize(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Sort, drop empty intervals and merge those that overlap or touch.

    Examples
    --------
    >>> normalize([Interval(5, 9), Interval(0, 3), Interval(3, 4)])
    (Interval(start=0, end=4), Interval(start=5, end=9))
    """
    merged: list[Interval] = []
    for interval in sorted(i for i in intervals if i.end > i.start):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return tuple(merged)


def union(*timelines: Iterable[Interval]) -> tuple[Interval, ...]:
    """Normal timeline of all that any of the timelines holds."""
    return normalize(interval for timeline in timelines for interval in timeline)


def intersect(a: Iterable[Interval], b: Iterable[Interval]) -> tuple[Interval, ...]:
    """Normal timeline of all that both hold.

    Examples
    --------
    >>> intersect([Interval(0, 10)], [Interval(2, 4), Interval(8, 12)])
    (Interval(start=2, end=4), Interval(start=8, end=10))
    """
    left, right = normalize(a), normalize(b)
    out: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i].start, right[j].start), min(left[i].end, right[j].end)
        if start < end:
            out.append(Interval(start, end))
        if left[i].end <= right[j].end:
            i += 1
        else:
            j += 1
    return tuple(out)


def subtract(a: Iterable[Interval], b: Iterable[Interval]) -> tuple[Interval, ...]:
    """Normal timeline of all that ``a`` holds and ``b`` does not.

    Examples
    --------
    >>> subtract([Interval(0, 10)], [Interval(2, 4)])
    (Interval(start=0, end=2), Interval(start=4, end=10))
    """
    out: list[Interval] = []
    holes = normalize(b)
    for interval in normalize(a):
        start = interval.start
        for hole in holes:
            if hole.end <= start or hole.start >= interval.end:
                continue
            if hole.start > start:
                out.append(Interval(start, hole.start))
            start = max(start, hole.end)
        if start < interval.end:
            out.append(Interval(start, interval.end))
    return tuple(out)


def total(intervals: Iterable[Interval]) -> int:
    """Samples that a timeline holds, each counted once."""
    return sum(interval.duration for interval in normalize(intervals))
