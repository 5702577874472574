"""Quantiles and means of waits, compiled, for many settings at once: `clustered_km_quantile` and `clustered_km_mean`.

Both are those of `bidilab.lab.metrics.intervals`.

Times are integers, so that equal ones are equal. Numba's cache looks at this file alone; what `metrics.intervals` fixes
stands here as literals, which the assertions compare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from bidilab.core.checks import is_number
from bidilab.core.compiling import kernel
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics import intervals
from bidilab.lab.metrics.statistics import ROUNDING_SLACK, check_confidence
from bidilab.lab.metrics.survival import survival_target

__all__ = ["clustered_km_means", "clustered_km_quantiles", "rising_waits"]

_SLACK = 1e-9
_FEW_EVENTS = 8
_CORRELATION = 0.3

assert (_SLACK, _FEW_EVENTS, _CORRELATION) == (
    ROUNDING_SLACK,
    intervals.FEW_EVENTS,
    intervals.ASSUMED_CORRELATION,
)


@kernel()
def _inverse(at, survival, n_at, fraction):  # type: ignore[no-untyped-def]  # pragma: no cover
    if fraction >= 1:
        return np.inf
    target = (1 - max(fraction, 0.0)) * (1 + _SLACK)
    for k in range(n_at):
        if survival[k] <= target:
            return at[k]
    return np.inf


@kernel()
def _quantiles(times, seen, orders, cluster, members, quantiles, targets, t, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    n = times.shape[1]
    m = 0
    squares = 0.0
    for c in range(len(members)):
        m += members[c] > 0
        squares += members[c] * members[c]
    assumed = 1 + _CORRELATION * (squares / n - 1)
    at = np.empty(n)
    survival = np.empty(n)
    hazard = np.empty(n)
    left = np.empty(n)
    own = np.empty(n)
    for row in range(times.shape[0]):
        order = orders[row]
        n_at = 0
        s = 1.0
        h = 0.0
        i = 0
        while i < n:
            time = times[row, order[i]]
            events = 0
            j = i
            while j < n and times[row, order[j]] == time:
                events += seen[row, order[j]]
                j += 1
            if events > 0:
                at_risk = n - i
                s *= 1 - events / at_risk
                at[n_at] = time
                survival[n_at] = s
                left[n_at] = at_risk - events
                if at_risk > events:
                    h += events / (at_risk * (at_risk - events))
                hazard[n_at] = h
                n_at += 1
            i = j
        for k in range(len(quantiles)):
            q = quantiles[k]
            reached = -1
            for a in range(n_at):
                if survival[a] <= targets[k]:
                    reached = a
                    break
            influence = np.zeros(len(members))
            holding = np.zeros(len(members))
            value = np.inf
            r = 1.0
            if reached < 0:
                for c in range(len(members)):  # to assign all at once takes a second to compile
                    holding[c] = members[c]
            else:
                value = at[reached]
                r = 1 - survival[reached]
                place = -1  # the last event time at or before the time looked at
                for i in range(n):
                    who = order[i]
                    time = min(times[row, who], value)
                    while place + 1 < n_at and at[place + 1] <= time:
                        place += 1
                    happened = seen[row, who] == 1 and times[row, who] <= value
                    holding[cluster[who]] += happened
                    if survival[reached] > 0:
                        own[who] = 1 / left[place] if happened else 0.0
                        hazarded = hazard[place] if place >= 0 else 0.0
                        influence[cluster[who]] += survival[reached] * (own[who] - hazarded)
            spread = 0.0
            some = 0
            lacking = 0
            for c in range(len(members)):
                spread += influence[c] * influence[c]
                some += holding[c] > 0
                lacking += holding[c] < members[c]
            effect = 1.0
            if 0 < r < 1:
                effect = np.nan if m < 2 else m / (m - 1) * spread / (r * (1 - r) / n)
            if min(some, lacking) < _FEW_EVENTS:
                effect = max(effect, assumed)
            out[row, k, 0] = value
            width = t * np.sqrt(q * (1 - q) * effect / n)
            if np.isnan(width):
                out[row, k, 1] = np.nan
                out[row, k, 2] = np.nan
            else:
                out[row, k, 1] = _inverse(at, survival, n_at, q - width)
                out[row, k, 2] = _inverse(at, survival, n_at, q + width)


@kernel()
def _means(times, seen, orders, cluster, at_most, values, influences, late):  # type: ignore[no-untyped-def]  # pragma: no cover
    n = times.shape[1]
    at = np.empty(n, np.int64)
    height = np.empty(n)  # of survival, from each time on
    left = np.empty(n)
    share = np.empty(n)  # events/(at risk · left), then with the area after it, summed up
    after = np.empty(n)
    for row in range(times.shape[0]):
        order = orders[row]
        n_at = 0
        s = 1.0
        i = 0
        while i < n and times[row, order[i]] < at_most:
            time = times[row, order[i]]
            events = 0
            j = i
            while j < n and times[row, order[j]] == time:
                events += seen[row, order[j]]
                j += 1
            if events > 0:
                at_risk = n - i
                s *= 1 - events / at_risk
                at[n_at] = time
                height[n_at] = s
                left[n_at] = at_risk - events
                share[n_at] = events / (at_risk * (at_risk - events)) if at_risk > events else 0.0
                n_at += 1
            i = j
        area = 0.0
        end = at_most
        for k in range(n_at - 1, -1, -1):
            area += height[k] * (end - at[k])
            after[k] = area
            end = at[k]
        summed = 0.0
        for k in range(n_at):
            summed += share[k] * after[k]
            share[k] = summed
        values[row] = area + end
        place = -1  # the last event time at or before the time looked at
        for i in range(n):
            who = order[i]
            time = times[row, who]
            while place + 1 < n_at and at[place + 1] <= time:
                place += 1
            own = share[place] if place >= 0 else 0.0
            if seen[row, who] == 1 and time < at_most and left[place] > 0:
                own -= after[place] / left[place]
            influences[row, cluster[who]] += own
            late[row, cluster[who]] += time >= at_most


def clustered_km_means(
    times: npt.NDArray[np.int32],
    observed: npt.NDArray[np.bool_],
    clusters: npt.NDArray[np.int64],
    at_most: float,
    confidence: float = 0.95,
    *,
    orders: npt.NDArray[np.int32] | None = None,
) -> npt.NDArray[np.float64]:
    """Means of waits of many settings, each counted up to a limit, with their intervals.

    Parameters
    ----------
    times, observed, clusters, confidence, orders
        As `clustered_km_quantiles`; times ``>= 0``.
    at_most
        The limit, > 0, in the unit of the times.

    Returns
    -------
    ndarray
        ``(n_settings, 3) float64``: value, lower and upper end; NaN without members, and for the ends with fewer than
        two clusters.

    Raises
    ------
    InvalidParameterError
        If shapes differ or the limit is not above 0.
    """
    _check_shapes(times, observed, clusters)
    if not (is_number(at_most) and 0 < at_most < np.inf):
        raise InvalidParameterError("at_most", "a finite number > 0", at_most)
    out = np.full((len(times), 3), np.nan)
    if not times.size:
        return out
    members = np.bincount(clusters)
    influences, late = np.zeros((2, len(times), len(members)))
    order = rising_waits(times, observed) if orders is None else orders
    values = np.empty(len(times))  # not a column of `out`, which is another type to the compiler where it has many rows
    _means(times, observed.astype(np.int8), order, clusters, float(at_most), values, influences, late)
    out[:, 0] = values
    out[:, 1], out[:, 2] = intervals.mean_ends(out[:, 0], influences, late, members, at_most, confidence)
    return out


def rising_waits(times: npt.NDArray[np.int32], observed: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Order of the waits of each setting, ``(n_settings, n_members) int32``; at one time those seen to end come first.

    It is most of the work of quantiles and means, and the same for both.
    """
    out = np.empty(times.shape, np.int32)
    for row, (waits, seen) in enumerate(
        zip(times, observed, strict=True)
    ):  # NumPy's sort: numba's compiles for seconds
        out[row] = np.argsort(2 * waits.astype(np.int64) + ~seen, kind="stable")
    return out


def _check_shapes(
    times: npt.NDArray[np.int32], observed: npt.NDArray[np.bool_], clusters: npt.NDArray[np.int64]
) -> None:
    if times.ndim != 2 or observed.shape != times.shape or clusters.shape != times.shape[1:]:
        shapes = (times.shape, observed.shape, clusters.shape)
        raise InvalidParameterError("times", "(n_settings, n_members), as observed, and clusters (n_members,)", shapes)


def clustered_km_quantiles(
    times: npt.NDArray[np.int32],
    observed: npt.NDArray[np.bool_],
    clusters: npt.NDArray[np.int64],
    quantiles: Sequence[float],
    confidence: float = 0.95,
    *,
    orders: npt.NDArray[np.int32] | None = None,
) -> npt.NDArray[np.float64]:
    """Quantiles of waits of many settings, some of which are only known to be longer, with their intervals.

    Parameters
    ----------
    times
        ``(n_settings, n_members) int32``; the greatest there is for one that was never observed.
    observed
        ``(n_settings, n_members)``: whether the wait was seen to end; otherwise it is censored there.
    clusters
        ``(n_members,)``: the cluster of each member, numbered from 0.
    quantiles
        Each in (0, 1).
    confidence
        In (0, 1).
    orders
        What `rising_waits` gives for these waits, where it is at hand.

    Returns
    -------
    ndarray
        ``(n_settings, n_quantiles, 3) float64``: value, lower and upper end in the unit of the times; ``inf`` where it
        is not reached, NaN without members, and for the ends with fewer than two clusters.

    Raises
    ------
    InvalidParameterError
        If shapes differ or a quantile is out of range.
    """
    _check_shapes(times, observed, clusters)
    out = np.full((len(times), len(quantiles), 3), np.nan)
    targets = np.array([survival_target(q) for q in quantiles])
    if not times.size:
        return out
    members = np.bincount(clusters).astype(np.float64)
    m = np.count_nonzero(members)
    t = float(special.stdtrit(m - 1, (1 + check_confidence(confidence)) / 2)) if m >= 2 else np.nan
    seen = observed.astype(np.int8)
    order = rising_waits(times, observed) if orders is None else orders
    _quantiles(times, seen, order, clusters, members, np.array(quantiles, np.float64), targets, t, out)
    return out
