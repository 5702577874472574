"""Survival: the Kaplan–Meier estimate of one right-censored sample.

Task
    The distribution of a duration of which some values are only known to be longer than what was waited for.
Unit
    Whatever the times are in; they may be negative.
Index
    `kaplan_meier`, `km_areas`, `km_quantile`, `survival_target`, `validate`

The product-limit estimate is ``S(t) = Π (1 - d/n)`` over the times ``t_i <= t`` at which ``d`` of the ``n`` still at
risk were observed; those censored at ``t_i`` are at risk there (events come before censorings at the same time). The
``q`` quantile is the least time with ``S(t) <= 1 - q``: an observed time; ``inf`` when survival never falls so low
("not reached"); NaN without data. Without censoring it is `bidilab.lab.metrics.statistics.quantile`.

References
----------
E. L. Kaplan, P. Meier, "Nonparametric estimation from incomplete observations", J. Am. Stat. Assoc. 53, 1958.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.statistics import ROUNDING_SLACK, check_quantile

__all__ = ["kaplan_meier", "km_areas", "km_quantile", "survival_target", "validate"]

FloatArray = npt.NDArray[np.float64]


def validate(
    times: npt.ArrayLike, observed: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[FloatArray, npt.NDArray[np.bool_], FloatArray]:
    """Check what `kaplan_meier` is given, and return it as arrays of one length.

    Raises
    ------
    InvalidParameterError
        If the shapes differ, a time is not finite, ``observed`` is not boolean, or a weight is negative or not finite.
    """
    time = np.asarray(times, dtype=np.float64)
    seen = np.asarray(observed)
    weight = np.ones(time.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if time.ndim != 1:
        raise InvalidParameterError("times", "of shape (n,)", time.shape)
    for name, array in (("observed", seen), ("weights", weight)):
        if array.shape != time.shape:
            raise InvalidParameterError(name, f"of shape {time.shape}, as times", array.shape)
    if not np.isfinite(time).all():
        raise InvalidParameterError("times", "finite numbers", float(time[~np.isfinite(time)][0]))
    if not np.isin(seen, (0, 1)).all():
        raise InvalidParameterError("observed", "true (observed) or false (censored)", observed)
    wrong = ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        raise InvalidParameterError("weights", "finite numbers >= 0", float(weight[wrong][0]))
    return time, seen.astype(np.bool_), weight


def kaplan_meier(
    times: npt.ArrayLike, observed: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Product-limit estimate of survival.

    Parameters
    ----------
    times
        ``(n,)`` finite numbers in any order; negative ones are allowed.
    observed
        ``(n,)`` booleans: whether the time was observed; otherwise it is censored there.
    weights
        ``(n,)`` numbers ``>= 0``: how often each is in the sample; once each by default.

    Returns
    -------
    times, survival
        ``(n_event_times,) float64``: the distinct times at which anything was observed, ascending, and the survival
        just after each, in [0, 1]. Survival before the first is 1. Both are empty when nothing was observed.

    Raises
    ------
    InvalidParameterError
        As `validate`.

    Examples
    --------
    Of four, one is heard at 10, one is given up at 20, two are heard at 30 and 40: 3/4, then 3/4 · 1/2, then 0.

    >>> kaplan_meier([10, 20, 30, 40], [True, False, True, True])
    (array([10., 30., 40.]), array([0.75 , 0.375, 0.   ]))
    """
    time, seen, weight = validate(times, observed, weights)
    time, seen, weight = time[weight > 0], seen[weight > 0], weight[weight > 0]
    distinct, of = np.unique(time, return_inverse=True)
    leaving = np.bincount(of, weights=weight, minlength=len(distinct))
    events = np.bincount(of, weights=weight * seen, minlength=len(distinct))
    at_risk = np.cumsum(leaving[::-1])[::-1]
    survival: FloatArray = np.cumprod(1 - events / at_risk, dtype=np.float64)
    return distinct[events > 0], survival[events > 0]


def km_quantile(times: npt.ArrayLike, observed: npt.ArrayLike, q: float, weights: npt.ArrayLike | None = None) -> float:
    """Quantile of a right-censored sample: the least time with survival ``<= 1 - q``.

    Parameters
    ----------
    times, observed, weights
        As `kaplan_meier`.
    q
        In (0, 1].

    Returns
    -------
    float
        An observed time; ``inf`` when the quantile is not reached; NaN without data.

    Raises
    ------
    InvalidParameterError
        As `validate`, or if ``q`` is out of range.

    Examples
    --------
    >>> km_quantile([10, 20, 30, 40], [True, False, True, True], 0.5)
    30.0
    >>> km_quantile([10, 20], [True, False], 0.9), km_quantile([], [], 0.9)
    (inf, nan)
    """
    target = survival_target(q)
    _, _, weight = validate(times, observed, weights)
    if not weight.any():
        return math.nan
    at, survival = kaplan_meier(times, observed, weights)
    reached = np.flatnonzero(survival <= target)
    return float(at[reached[0]]) if len(reached) else math.inf


def km_areas(times: FloatArray, survival: FloatArray, at_most: float) -> FloatArray:
    """Areas under the survival from 0 to ``at_most``: up to the first event, then from each event to the next.

    Their sum is the mean of ``min(time, at_most)`` (Irwin 1949).

    Parameters
    ----------
    times, survival
        As `kaplan_meier` gives them, with times ``>= 0``.
    at_most
        Finite, ``> 0``.

    Examples
    --------
    >>> km_areas(np.array([10.0, 30.0]), np.array([0.5, 0.0]), at_most=20)
    array([10.,  5.])
    """
    within = times < at_most
    edges = np.concatenate([[0.0], times[within], [at_most]])
    return np.concatenate([[1.0], survival[within]]) * np.diff(edges)


def survival_target(q: float) -> float:
    """Survival at or below which the ``q`` quantile is reached: ``1 - q``, with slack for rounding.

    Raises
    ------
    InvalidParameterError
        If ``q`` is not in (0, 1].
    """
    return (1 - check_quantile(q)) * (1 + ROUNDING_SLACK)
