"""Pareto front of two quantities that should both be small."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError

__all__ = ["pareto_front"]


def pareto_front(x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Positions of the points that no other point beats, both coordinates being better when smaller.

    Point ``j`` beats point ``i`` when it is not larger in either coordinate and smaller in at least one. Points
    that coincide do not beat each other: all of them are on the front or none. A point with a ``NaN`` or an
    infinite coordinate is neither on the front nor beats another.

    Parameters
    ----------
    x, y
        ``(n_points,)`` numbers, in any order.

    Returns
    -------
    numpy.ndarray
        ``(n_front,) intp`` positions in the input, in rising ``x`` (hence falling ``y``), coinciding points
        in input order. O(n log n).

    Raises
    ------
    InvalidParameterError
        If ``x`` and ``y`` are not two one-dimensional arrays of one length.

    Examples
    --------
    >>> pareto_front([1.0, 2.0, 3.0, 2.0], [5.0, 2.0, 2.0, 4.0]).tolist()
    [0, 1]
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise InvalidParameterError("x, y", "two one-dimensional arrays of one length", (xs.shape, ys.shape))
    usable = np.flatnonzero(np.isfinite(xs) & np.isfinite(ys))
    if usable.size == 0:
        return usable
    order = usable[np.lexsort((ys[usable], xs[usable]))]
    # Points of one x form a column whose first, by the sort, is its lowest.
    new_column = np.concatenate(([True], np.diff(xs[order]) > 0))
    column = np.cumsum(new_column) - 1
    lowest = ys[order][new_column]
    lowest_before = np.concatenate(([np.inf], np.minimum.accumulate(lowest)[:-1]))
    on_front = (ys[order] == lowest[column]) & (ys[order] < lowest_before[column])
    front: npt.NDArray[np.intp] = order[on_front]
    return front
