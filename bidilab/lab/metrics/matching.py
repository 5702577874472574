"""Matching: which interruption belongs to which labelled segment.

Task
    One-to-one matching of detected onsets with segments (DESIGN §9): an onset may belong to a segment when it lies in
    ``[segment onset - tolerance, segment offset]``, both ends included.
Unit
    Integer samples.
Index
    `match`

Among all matchings the one taken matches, first, as many true segments as can be; then as many segments as can be;
then the earliest of them. Each onset, in time order, goes to the segment whose window closes first.

The sets of segments that can be matched at once are the independent sets of a transversal matroid, so taking segments
in order of preference, each kept when all kept so far can still be matched, is optimal (Edmonds 1971). The windows are
intervals, so one pass in time order tells whether a set can be matched (Glover 1967).

References
----------
J. Edmonds, "Matroids and the greedy algorithm", Mathematical Programming 1, 1971.
F. Glover, "Maximum matching in a convex bipartite graph", Naval Research Logistics Quarterly 14, 1967.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval

__all__ = ["match", "validate"]


class _Window(NamedTuple):
    """Where an onset of a segment may lie, both ends included."""

    first: int
    last: int
    segment: int


class _Onset(NamedTuple):
    position: int
    interruption: int


def validate(
    onsets: Sequence[int], segments: Sequence[Interval], is_true: Sequence[bool], *, tolerance_samples: int
) -> None:
    """Check what `match` is given.

    Raises
    ------
    InvalidParameterError
        If a position is not whole, a segment ends before it starts, the lengths differ, or the tolerance is negative.
    """
    if len(is_true) != len(segments):
        raise InvalidParameterError("is_true", f"one value for each of {len(segments)} segments", len(is_true))
    if tolerance_samples != int(tolerance_samples) or tolerance_samples < 0:
        raise InvalidParameterError("tolerance_samples", "a whole number of samples >= 0", tolerance_samples)
    for onset in onsets:
        if onset != int(onset):
            raise InvalidParameterError("onsets", "whole numbers of samples", onset)
    for segment in segments:
        if segment.start != int(segment.start) or segment.end != int(segment.end) or segment.end < segment.start:
            raise InvalidParameterError("segments", "intervals of whole samples, start <= end", segment)


def match(
    onsets: Sequence[int], segments: Sequence[Interval], is_true: Sequence[bool], *, tolerance_samples: int
) -> list[int | None]:
    """Match interruptions with segments, one to one.

    Parameters
    ----------
    onsets
        Onset of each interruption, in samples, in any order.
    segments
        Labelled segments, in any order; they may overlap.
    is_true
        For each segment, whether it ought to interrupt.
    tolerance_samples
        How long before its onset a segment may be hit, ``>= 0``.

    Returns
    -------
    list of int or None
        For each interruption the index of its segment, ``None`` when it belongs to none.

    Raises
    ------
    InvalidParameterError
        As `validate`.

    Examples
    --------
    The second onset lies in both segments; the backchannel has no other.

    >>> match([40, 70], [Interval(30, 90), Interval(60, 80)], [True, False], tolerance_samples=10)
    [0, 1]

    With one onset for both, the true segment goes first.

    >>> match([70], [Interval(30, 90), Interval(60, 80)], [False, True], tolerance_samples=10)
    [1]
    """
    validate(onsets, segments, is_true, tolerance_samples=tolerance_samples)
    windows = sorted(_Window(s.start - tolerance_samples, s.end, i) for i, s in enumerate(segments))
    points = sorted(_Onset(position, i) for i, position in enumerate(onsets))
    segment_of: list[int | None] = [None] * len(onsets)
    for group in _groups(windows):
        first, last = group[0].first, max(w.last for w in group)
        near = [p for p in points if first <= p.position <= last]
        kept: list[_Window] = []
        for window in sorted(group, key=lambda w: not is_true[w.segment]):  # stable: in time order
            if _assign(near, [*kept, window]) is not None:
                kept.append(window)
        for onset, segment in (_assign(near, kept) or {}).items():
            segment_of[onset] = segment
    return segment_of


def _groups(windows: Sequence[_Window]) -> Iterator[list[_Window]]:
    """Sorted windows, parted wherever none lies over the gap: each group can be matched by itself."""
    group: list[_Window] = []
    reach = 0
    for window in windows:
        if group and window.first > reach:
            yield group
            group = []
        reach = max(reach, window.last) if group else window.last
        group.append(window)
    if group:
        yield group


def _assign(points: Sequence[_Onset], windows: Sequence[_Window]) -> dict[int, int] | None:
    """Segment of each onset, with every window matched; ``None`` when that cannot be.

    In time order, each onset goes to the open window that closes first (Glover 1967).
    """
    coming = sorted(windows, reverse=True)
    open_: list[tuple[int, int, int]] = []
    assigned: dict[int, int] = {}
    for point in points:
        while coming and coming[-1].first <= point.position:
            first, last, segment = coming.pop()
            heapq.heappush(open_, (last, first, segment))
        if not open_:
            continue
        last, _, segment = heapq.heappop(open_)
        if last < point.position:
            return None
        assigned[point.interruption] = segment
    return None if coming or open_ else assigned
