"""Quantiles and means of times in resamples: whole recordings drawn anew, for differences that no formula gives.

Task
    The distribution of a quantile, or of the difference of two, over other recordings of the same kind. Two figures are
    drawn with the same weights, so that what makes a recording easy or hard for both cancels.
Unit
    Times are in any unit; infinite ones never came. A weight says how often a member stands in a resample.
Index
    `draw_clusters`, `drawn_quantiles`, `drawn_km_quantiles`, `drawn_km_means`

References
----------
A. C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application", Cambridge 1997, §3.8.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.lab.metrics.statistics import rank
from bidilab.lab.metrics.survival import kaplan_meier, km_areas, km_quantile

__all__ = ["draw_clusters", "drawn_km_means", "drawn_km_quantiles", "drawn_quantiles"]

FloatArray = npt.NDArray[np.float64]


def draw_clusters(n_clusters: int, n_resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each cluster stands in each resample of as many clusters, ``(n_clusters, n_resamples)``."""
    shares = np.full(n_clusters, 1 / n_clusters)
    return np.random.default_rng(seed).multinomial(n_clusters, shares, size=n_resamples).T


def drawn_quantiles(times: FloatArray, drawn: npt.NDArray[np.int64], q: float) -> FloatArray:
    """The quantile of each resample; NaN for one without members.

    Parameters
    ----------
    times
        ``(n_members,)``, infinite where it never came.
    drawn
        ``(n_members, n_resamples)``: how often each stands in each.
    q
        In (0, 1].

    Returns
    -------
    ndarray
        ``(n_resamples,)``.

    Examples
    --------
    >>> drawn_quantiles(np.array([30.0, 10.0]), np.array([[1, 0, 0], [1, 2, 0]]), 0.9)
    array([30., 10., nan])
    """
    order = np.argsort(times, kind="stable")
    counted = np.cumsum(drawn[order], axis=0)
    n = counted[-1]
    place = np.array([np.searchsorted(counted[:, k], rank(max(int(n[k]), 1), q) + 1) for k in range(len(n))])
    found: FloatArray = np.where(n > 0, times[order][np.minimum(place, len(order) - 1)], np.nan)
    return found


def drawn_km_quantiles(
    times: FloatArray, observed: npt.NDArray[np.bool_], drawn: npt.NDArray[np.int64] | FloatArray, q: float
) -> FloatArray:
    """As `drawn_quantiles`, of times of which some are only known to be longer (``observed`` is false).

    Examples
    --------
    >>> seen = np.array([True, False])
    >>> drawn_km_quantiles(np.array([10.0, 20.0]), seen, np.array([[1, 3], [1, 1]]), 0.6)
    array([inf, 10.])
    """
    finite = np.isfinite(times)
    later = float(times[finite].max(initial=0.0)) + 1  # than all that was seen: it never leaves the risk set
    held, seen = np.where(finite, times, later), observed & finite
    return np.array([km_quantile(held, seen, q, weights=drawn[:, k]) for k in range(drawn.shape[1])])


def drawn_km_means(
    times: FloatArray, observed: npt.NDArray[np.bool_], drawn: npt.NDArray[np.int64], at_most: float
) -> FloatArray:
    """The mean of each resample, every time counted up to ``at_most``; as `drawn_km_quantiles` else.

    Examples
    --------
    >>> drawn_km_means(np.array([10.0, np.inf]), np.array([True, False]), np.array([[1, 1, 0], [1, 0, 0]]), 50)
    array([30., 10., nan])
    """
    held = np.minimum(times, 2 * at_most)  # all that is later is one
    seen = observed & (held < 2 * at_most)
    means = [
        km_areas(*kaplan_meier(held, seen, drawn[:, k]), at_most).sum() if drawn[:, k].any() else np.nan
        for k in range(drawn.shape[1])
    ]
    return np.array(means)
