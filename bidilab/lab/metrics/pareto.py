"""Two quantities that should both be small: the Pareto front, and the least of one within a budget of the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError

__all__ = ["BUDGET_SLACK", "least_within", "pareto_front"]

BUDGET_SLACK = 1e-9
"""By so much a budget may be passed: the rounding of a sum of latencies must not decide (eot-bench's own tolerance)."""


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


def least_within(wanted: npt.ArrayLike, limited: npt.ArrayLike, budget: float) -> int | None:
    """Position of the point with the least of one quantity among those that keep a budget of the other.

    Parameters
    ----------
    wanted, limited
        ``(n_points,)`` numbers: what should be small, and what must be at most ``budget``, give or take
        `BUDGET_SLACK`. Of points with the same least, the one with less of the other is taken, then the first. NaN and
        infinity are never the least.
    budget
        A number.

    Returns
    -------
    int or None
        ``None`` where no point keeps the budget.

    Raises
    ------
    InvalidParameterError
        If they are not two one-dimensional arrays of one length, or the budget is no number.

    Examples
    --------
    The least latency at which at most 5 % are cut off:

    >>> least_within([295, 543, 1051], [0.099, 0.0496, 0.048], 0.05)
    1
    """
    xs, ys = np.asarray(wanted, dtype=np.float64), np.asarray(limited, dtype=np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise InvalidParameterError("wanted, limited", "two one-dimensional arrays of one length", (xs.shape, ys.shape))
    if np.isnan(budget):
        raise InvalidParameterError("budget", "a number", budget)
    usable = np.flatnonzero(np.isfinite(xs) & (ys <= budget + BUDGET_SLACK))
    if not usable.size:
        return None
    return int(usable[np.lexsort((ys[usable], xs[usable]))[0]])
