"""Intervals of rates, rates per minute and quantiles when recordings, not events, are the unit that was sampled.

Task
    Say how far a figure would move if other recordings of the same kind had been made. Events of one recording are
    alike (the same voice, line and noise), so an interval that counts each event as independent is too narrow.
Unit
    Rates are numbers in [0, 1]; rates per minute are per unit of the exposure given; quantiles are in the unit of the
    delays. Intervals are two-sided.
Index
    `Estimate`, `clustered_rate`, `clustered_rate_per_exposure`, `clustered_quantile`, `clustered_km_quantile`,
    `clustered_km_mean`, `mean_ends`, `paired_difference`, `difference_error`, `rate_influences`, `members_to_show`,
    `too_few_to_say`

A *cluster* is a recording, or a speaker where speakers are the unit. All formulas linearise: the *influence* of a
cluster on a ratio ``r = Σy/Σn`` is ``(y_i - r n_i)/Σn``, and the variance is ``m/(m-1)`` times the sum of the squared
influences of the ``m`` clusters that have members (Cochran 1977). The *design effect* ``D`` is that variance over the
one of independent events. Undefined is NaN: no member, or fewer than two clusters for an interval.

References
----------
W. G. Cochran, "Sampling Techniques", 3rd ed., Wiley 1977, chapters 2 and 9.
E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected number of positive counts
estimated from survey data", Survey Methodology 24, 1998.
N. Dean, M. Pagano, "Evaluating confidence interval methods for binomial proportions in clustered surveys", J. Survey
Statistics and Methodology 3, 2015.
F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936.
R. S. Woodruff, "Confidence intervals for medians and other position measures", J. Am. Stat. Assoc. 47, 1952.
C. A. Francisco, W. A. Fuller, "Quantile estimation with a complex survey design", Annals of Statistics 19, 1991.
J. O. Irwin, "The standard error of an estimate of expectation of life", J. Hygiene 47, 1949.
G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures: a general approach", Statistics in
Medicine 27, 2008.
R. L. Williams, "Product-limit survival functions with correlated survival times", Lifetime Data Analysis 1, 1995.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.statistics import ROUNDING_SLACK, check_confidence, check_quantile
from bidilab.lab.metrics.survival import kaplan_meier, km_areas, survival_target, validate

__all__ = [
    "ASSUMED_CORRELATION",
    "FEWEST_CLUSTERS",
    "FEW_EVENTS",
    "WIDEST_INTERVAL",
    "Estimate",
    "clustered_km_mean",
    "clustered_km_quantile",
    "clustered_quantile",
    "clustered_rate",
    "clustered_rate_per_exposure",
    "difference_error",
    "mean_ends",
    "members_to_show",
    "paired_difference",
    "rate_influences",
    "too_few_to_say",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]

FEWEST_CLUSTERS = 5
"""With fewer recordings than this a figure is too uncertain to be said in words."""
WIDEST_INTERVAL = 0.5
"""A rate whose interval is wider than this is too uncertain to be said in words."""

FEW_EVENTS = 8  # clusters that hold an event, below which the observed design effect is not trusted alone
ASSUMED_CORRELATION = 0.3  # of events in one cluster, where too few clusters hold one to tell


class Estimate(NamedTuple):
    """A figure with its interval; arrays of one shape, one element per setting.

    Attributes
    ----------
    value
        The figure.
    lo, hi
        Ends of the interval; NaN with fewer than two clusters. An infinite ``hi`` is no upper end.
    design_effect
        Variance over that of independent events; NaN where there is nothing.
    n_clusters
        Clusters that have members.
    """

    value: FloatArray
    lo: FloatArray
    hi: FloatArray
    design_effect: FloatArray
    n_clusters: IntArray


def _t_quantile(n_clusters: npt.ArrayLike, confidence: float) -> FloatArray:
    """Student's ``t`` with ``m - 1`` degrees of freedom; NaN where ``m < 2``."""
    freedom = np.asarray(n_clusters, dtype=np.float64) - 1
    t = special.stdtrit(np.maximum(freedom, 1), (1 + check_confidence(confidence)) / 2)
    return np.where(freedom >= 1, t, np.nan)


def _table(name: str, values: npt.ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim < 1:
        raise InvalidParameterError(name, "an array whose last axis is the clusters", values)
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        raise InvalidParameterError(name, "finite numbers >= 0", float(array[wrong][0]))
    return array


def _together(names: tuple[str, str], events: npt.ArrayLike, members: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    y, n = _table(names[0], events), _table(names[1], members)
    if y.shape[-1] != n.shape[-1]:
        raise InvalidParameterError(names[0], f"of {n.shape[-1]} clusters, as {names[1]}", y.shape)
    return y, n


class _Ratio(NamedTuple):
    """``Σy/Σn`` by clusters, and the variance of it; arrays without the axis of clusters."""

    value: FloatArray
    variance: FloatArray
    total: FloatArray
    m: FloatArray


def _ratio(y: FloatArray, n: FloatArray) -> _Ratio:
    total = n.sum(axis=-1)
    m = np.count_nonzero(n > 0, axis=-1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = y.sum(axis=-1) / total
        # Σ(y - r n)², multiplied out: no array of settings by clusters is made.
        squares = (y * y).sum(axis=-1) - 2 * value * (y * n).sum(axis=-1) + value**2 * (n * n).sum(axis=-1)
        variance = m / (m - 1) * np.maximum(squares, 0) / total**2
    return _Ratio(value, variance, total, m)


def _assumed_design_effect(n: FloatArray) -> FloatArray:
    """``1 + 0.3 (Σn²/Σn - 1)``: the design effect if events of a cluster were correlated by 0.3."""
    with np.errstate(invalid="ignore", divide="ignore"):
        assumed: FloatArray = 1 + ASSUMED_CORRELATION * ((n * n).sum(axis=-1) / n.sum(axis=-1) - 1)
    return assumed


def _design_effect(ratio: _Ratio, y: FloatArray, n: FloatArray) -> FloatArray:
    r = ratio.value
    with np.errstate(invalid="ignore", divide="ignore"):
        effect = np.where((r <= 0) | (r >= 1), 1.0, ratio.variance / (r * (1 - r) / ratio.total))
    holding = np.minimum(np.count_nonzero(y > 0, axis=-1), np.count_nonzero(y < n, axis=-1))
    effect = np.where(holding < FEW_EVENTS, np.maximum(effect, _assumed_design_effect(n)), effect)
    return np.where(ratio.total > 0, effect, np.nan)


def clustered_rate(events: npt.ArrayLike, members: npt.ArrayLike, confidence: float = 0.95) -> Estimate:
    """A rate and its interval, with recordings as the unit.

    Wilson's score interval with the effective sample size ``Σn/D`` in the place of ``n`` and ``t`` of ``m - 1`` degrees
    of freedom in the place of ``z`` (Korn & Graubard 1998; Dean & Pagano 2015). Where fewer than 8 clusters hold an
    event, or fewer than 8 hold a member without one, ``D`` is at least ``1 + 0.3 (Σn²/Σn - 1)``.

    Parameters
    ----------
    events
        ``(..., n_clusters)``: events in each cluster, ``0 <= events <= members``.
    members
        ``(..., n_clusters)``: members of each cluster; broadcast against ``events``.
    confidence
        In (0, 1).

    Returns
    -------
    Estimate
        Arrays of the shape without the last axis.

    Raises
    ------
    InvalidParameterError
        If a count is negative or not finite, or there are more events than members.

    Examples
    --------
    Eighteen recordings without an event and two in which both members are one:

    >>> estimate = clustered_rate([0] * 18 + [2, 2], [2] * 20)
    >>> print("{:.4f} ({:.4f}–{:.4f}), D = {:.4f}".format(*estimate[:4]))
    0.1000 (0.0250–0.3249), D = 2.1053
    """
    y, n = _together(("events", "members"), events, members)
    if (y > n).any():
        raise InvalidParameterError("events", "at most the members of their cluster", float((y - n).max()))
    ratio = _ratio(y, n)
    effect = _design_effect(ratio, y, n)
    t = _t_quantile(ratio.m, confidence)
    r = ratio.value
    with np.errstate(invalid="ignore", divide="ignore"):
        size = ratio.total / effect
        centre = (r + t * t / (2 * size)) / (1 + t * t / size)
        half = t * np.sqrt(r * (1 - r) / size + t * t / (4 * size * size)) / (1 + t * t / size)
        lo = np.where((r <= 0) & ~np.isnan(half), 0.0, centre - half)
        hi = np.where((r >= 1) & ~np.isnan(half), 1.0, centre + half)
    return Estimate(r[()], lo[()], hi[()], effect[()], ratio.m.astype(np.int64)[()])


def clustered_rate_per_exposure(events: npt.ArrayLike, exposures: npt.ArrayLike, confidence: float = 0.95) -> Estimate:
    """Events per unit of exposure and its interval, with recordings as the unit.

    Garwood's interval of ``kε`` events in an exposure of ``Xε``, with ``ε = (z/t)²/φ`` and ``φ`` the dispersion
    ``v X²/k`` (1 when there is no event), ``v`` as for a rate with exposures in the place of members.

    Parameters
    ----------
    events
        ``(..., n_clusters)``: events in each cluster, ``>= 0``.
    exposures
        ``(..., n_clusters)``: such as minutes of agent speech, ``>= 0``; broadcast against ``events``.
    confidence
        In (0, 1).

    Returns
    -------
    Estimate
        The design effect is ``φ``.

    Raises
    ------
    InvalidParameterError
        If a value is negative or not finite.

    Examples
    --------
    >>> estimate = clustered_rate_per_exposure([3, 0, 1, 0, 2, 1], [1, 1, 2, 1, 1, 2])
    >>> print("{:.3f} a minute ({:.4f}–{:.4f})".format(*estimate[:3]))
    0.875 a minute (0.1679–2.6391)
    """
    y, x = _together(("events", "exposures"), events, exposures)
    ratio = _ratio(y, x)
    k = np.broadcast_to(y, np.broadcast_shapes(y.shape, x.shape)).sum(axis=-1)
    t = _t_quantile(ratio.m, confidence)
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        dispersion = np.where(k > 0, ratio.variance * ratio.total**2 / k, 1.0)
        shrink = (special.ndtri(1 - tail) / t) ** 2 / dispersion
        counted, exposed = k * shrink, ratio.total * shrink
        lo = np.where(k > 0, special.gammaincinv(np.where(k > 0, counted, 1.0), tail), 0.0) / exposed
        hi = special.gammaincinv(counted + 1, 1 - tail) / exposed
    defined = (ratio.total > 0) & (ratio.m >= 2)
    lo, hi = np.where(defined, lo, np.nan), np.where(defined, hi, np.nan)
    effect = np.where(ratio.total > 0, dispersion, np.nan)
    return Estimate(ratio.value[()], lo[()], hi[()], effect[()], ratio.m.astype(np.int64)[()])


def _group_starts(clusters: npt.ArrayLike, n_members: int) -> tuple[IntArray, IntArray]:
    """Order in which members of a cluster stand together, and where each cluster starts in it."""
    of = np.asarray(clusters)
    if of.shape != (n_members,):
        raise InvalidParameterError("clusters", f"of shape ({n_members},), one per member", of.shape)
    order = np.argsort(of, kind="stable")
    ordered = of[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if n_members else np.zeros(0, int)
    return order, starts


def _rank(fraction: FloatArray, n: int) -> npt.NDArray[np.intp]:
    """Index, from 0, of the least value with at least that fraction at or below it."""
    return (np.ceil(np.maximum(fraction, 0) * n * (1 - ROUNDING_SLACK)).astype(np.intp) - 1).clip(0, n - 1)


def clustered_quantile(delays: npt.ArrayLike, clusters: npt.ArrayLike, q: float, confidence: float = 0.95) -> Estimate:
    """A quantile of delays and its interval, with recordings as the unit and without censoring.

    The quantile is the least delay with at least a fraction ``q`` of all members at or below it; an event that never
    happened has an infinite delay. The interval is ``[F⁻¹(q - h), F⁻¹(q + h)]`` with ``h = t √(q(1-q) D/n)`` and ``D``
    the design effect of ``[delay <= quantile]`` (Woodruff 1952; Francisco & Fuller 1991). Where ``q + h >= 1``, or the
    delay there is infinite, there is no upper end: it is infinite.

    Parameters
    ----------
    delays
        ``(..., n_members)``: numbers, negative ones and infinity allowed.
    clusters
        ``(n_members,)``: the cluster of each member.
    q
        In (0, 1).
    confidence
        In (0, 1).

    Returns
    -------
    Estimate
        Arrays of the shape without the last axis; NaN without members.

    Raises
    ------
    InvalidParameterError
        If a delay is NaN, shapes differ, or ``q`` is out of range.

    Examples
    --------
    Twelve recordings with one member each, of which one is never acted upon:

    >>> delays = [40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, float("inf")]
    >>> for q in (0.5, 0.9):
    ...     print("{:.0f} ({:.0f}–{:.0f})".format(*clustered_quantile(delays, range(12), q)[:3]))
    90 (60–130)
    140 (120–inf)
    """
    values = np.asarray(delays, dtype=np.float64)
    if values.ndim < 1 or np.isnan(values).any():
        raise InvalidParameterError("delays", "an array of numbers (infinity where it never came), no NaN", delays)
    check_quantile(q)
    n = values.shape[-1]
    order, starts = _group_starts(clusters, n)
    shape = values.shape[:-1]
    if not n:
        nothing = np.full(shape, np.nan)[()]
        return Estimate(nothing, nothing, nothing, nothing, np.zeros(shape, np.int64)[()])
    rising = np.sort(values, axis=-1)
    value = rising[..., _rank(np.asarray(q), n)]
    y = np.add.reduceat((values <= value[..., None])[..., order].astype(np.float64), starts, axis=-1)
    members = np.diff(np.append(starts, n)).astype(np.float64)
    ratio = _ratio(y, members)
    effect = _design_effect(ratio, y, members)
    h = _t_quantile(ratio.m, confidence) * np.sqrt(q * (1 - q) * effect / n)
    known = ~np.isnan(h)
    at_lo, at_hi = (_rank(np.where(known, q + side * h, q), n) for side in (-1, 1))
    lo = np.where(known, np.take_along_axis(rising, at_lo[..., None], -1)[..., 0], np.nan)
    hi = np.where(known, np.take_along_axis(rising, at_hi[..., None], -1)[..., 0], np.nan)
    hi = np.where(known & (q + h >= 1), np.inf, hi)
    return Estimate(value[()], lo[()], hi[()], effect[()], np.broadcast_to(ratio.m, shape).astype(np.int64)[()])


def clustered_km_quantile(
    times: npt.ArrayLike,
    observed: npt.ArrayLike,
    clusters: npt.ArrayLike,
    q: float,
    confidence: float = 0.95,
    weights: npt.ArrayLike | None = None,
) -> Estimate:
    """A quantile of delays of which some are only known to be longer, and its interval, with recordings as the unit.

    As `clustered_quantile`, with the Kaplan–Meier estimate for ``F`` and for its variance the sum over clusters of the
    squared influences ``S(t)[δ_j/(Y_j - d_j) - Σ_{s <= min(T_j, t)} d_s/(Y_s (Y_s - d_s))]`` (Williams 1995), ``Y`` at
    risk and ``d`` events. Without censoring both functions give the same.

    Parameters
    ----------
    times
        ``(n_members,)``: delays; an infinite one was never observed and is censored after all others.
    observed
        ``(n_members,)``: whether the delay was seen to end; otherwise it is censored there.
    clusters
        ``(n_members,)``: the cluster of each member.
    q, confidence
        As `clustered_quantile`.
    weights
        ``(n_members,)`` numbers ``>= 0``: how much of a member each is; one each by default. A delay of which it is
        only likely that it was seen to end is two, the one seen and the other censored, whose weights add up to 1.

    Returns
    -------
    Estimate
        Scalars.

    Raises
    ------
    InvalidParameterError
        If shapes differ, a time is NaN, or ``q`` is out of range.

    Examples
    --------
    >>> times = [40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, float("inf")]
    >>> print("{:.0f} ({:.0f}–{:.0f})".format(*clustered_km_quantile(times, [True] * 11 + [False], range(12), 0.5)[:3]))
    90 (60–130)
    """
    time = np.asarray(times, dtype=np.float64)
    seen = np.asarray(observed, dtype=np.bool_) & np.isfinite(time)
    last = time[np.isfinite(time)].max(initial=0.0)
    time = np.where(time == np.inf, last + 1.0, time)  # later than all that was seen: it never leaves the risk set
    time, seen, weight = validate(time, seen, weights)
    target = survival_target(q)
    order, starts = _group_starts(clusters, len(time))
    nan = float("nan")
    if weights is not None and not weight.all():
        kept = weight > 0
        return clustered_km_quantile(time[kept], seen[kept], np.asarray(clusters)[kept], q, confidence, weight[kept])
    m, n = len(starts), float(weight.sum())
    if not n:
        return _scalar(nan, nan, nan, nan, 0)
    at, survival = kaplan_meier(time, seen, weight)
    reached = np.flatnonzero(survival <= target)
    members = np.add.reduceat(weight[order], starts)
    if len(reached):
        value, s = float(at[reached[0]]), float(survival[reached[0]])
        influence = np.add.reduceat(_km_influences(time, seen, weight, at, s, value)[order], starts)
        y = np.add.reduceat((weight * (seen & (time <= value)))[order], starts)
    else:  # as with delays that are infinite: all are at or below it
        value, s, influence, y = float("inf"), 0.0, np.zeros(m), members
    variance = m / (m - 1) * float(influence @ influence) if m > 1 else np.nan
    ratio = _Ratio(*(np.asarray(v, dtype=np.float64) for v in (1 - s, variance, n, m)))
    effect = _design_effect(ratio, y, members)
    h = float(_t_quantile(m, confidence) * np.sqrt(q * (1 - q) * effect / n))
    if np.isnan(h):
        return _scalar(value, nan, nan, float(effect), m)
    lo, hi = (_km_inverse(at, survival, q + side * h) for side in (-1, 1))
    return _scalar(value, lo, hi, float(effect), m)


def clustered_km_mean(
    times: npt.ArrayLike, observed: npt.ArrayLike, clusters: npt.ArrayLike, at_most: float, confidence: float = 0.95
) -> Estimate:
    """A mean of delays of which some are only known to be longer, each counted up to a limit, and its interval.

    The area under the Kaplan–Meier estimate ``S`` from 0 to the limit (Irwin 1949): without censoring, the mean of
    ``min(delay, limit)``. Beyond the last time that was seen ``S`` stays where it is, so that what is not seen to end
    counts up to the limit. The influence of a member is minus that on ``F`` (`clustered_km_quantile`), integrated over
    the same stretch. How far the interval goes: `mean_ends`.

    Parameters
    ----------
    times
        ``(n_members,)``: delays ``>= 0``; an infinite one was never observed and is censored after all others.
    observed
        ``(n_members,)``: whether the delay was seen to end; otherwise it is censored there.
    clusters
        ``(n_members,)``: the cluster of each member.
    at_most
        The limit, > 0, in the unit of the delays.
    confidence
        In (0, 1).

    Returns
    -------
    Estimate
        Scalars.

    Raises
    ------
    InvalidParameterError
        If shapes differ, a time is NaN or negative, or the limit is not above 0.

    Examples
    --------
    Four recordings: 400, 600 and 800 ms, and one never heard, which counts as 5 s:

    >>> found = clustered_km_mean([400, 600, 800, float("inf")], [True, True, True, False], range(4), 5000)
    >>> float(found.value)
    1700.0
    """
    if not (np.isfinite(at_most) and at_most > 0):
        raise InvalidParameterError("at_most", "a finite number > 0", at_most)
    time = np.minimum(np.asarray(times, dtype=np.float64), 2 * at_most)  # all that is later is one
    seen = np.asarray(observed, dtype=np.bool_) & (time < 2 * at_most)
    time, seen, _ = validate(time, seen, None)
    if (time < 0).any():
        raise InvalidParameterError("times", "numbers >= 0", float(time.min()))
    n = len(time)
    order, starts = _group_starts(clusters, n)
    nan = float("nan")
    if not n:
        return _scalar(nan, nan, nan, nan, 0)
    at, survival = kaplan_meier(time, seen)
    areas = km_areas(at, survival, at_most)
    value = float(areas.sum())
    after = np.cumsum(areas[::-1])[::-1][1:]  # under S from each time on
    influence = _km_mean_influences(time, seen, at[at < at_most], after)
    of_clusters = np.add.reduceat(influence[order], starts)
    late = np.add.reduceat((time >= at_most)[order].astype(np.float64), starts)
    members = np.diff(np.append(starts, n)).astype(np.float64)
    m = len(starts)
    lo, hi = mean_ends(value, of_clusters, late, members, at_most, confidence)
    alone = n / (n - 1) * float(influence @ influence) if n > 1 else nan
    effect = m / (m - 1) * float(of_clusters @ of_clusters) / alone if m > 1 and alone > 0 else nan
    return _scalar(value, float(lo), float(hi), effect, m)


def mean_ends(
    values: npt.ArrayLike,
    influences: npt.ArrayLike,
    late: npt.ArrayLike,
    members: npt.ArrayLike,
    at_most: float,
    confidence: float = 0.95,
) -> tuple[FloatArray, FloatArray]:
    """Ends of the interval of means of delays that are counted up to a limit.

    The few members that reach the limit make most of the variance, and a sample may hold none or one of them: ``t``
    standard errors on either side would then be far too narrow. So the mean is taken apart into ``c + u (limit - c)``,
    with ``u`` the share of members at the limit and ``c`` the mean of the others. The interval of ``u`` is that of a
    rate (`clustered_rate`), that of ``c`` has ``t`` standard errors, and the two are put together by their distances
    (MOVER; Zou & Donner 2008), within 0 and the limit.

    Parameters
    ----------
    values
        ``(...)``: the means.
    influences
        ``(..., n_clusters)``: of each cluster on the mean.
    late
        ``(..., n_clusters)``: members of each cluster that reach the limit.
    members
        ``(n_clusters,)``: members of each cluster.
    at_most
        The limit.
    confidence
        In (0, 1).

    Returns
    -------
    lo, hi
        ``(...)``; NaN with fewer than two clusters.
    """
    value, influence = np.asarray(values, dtype=np.float64), np.asarray(influences, dtype=np.float64)
    y, n = np.asarray(late, dtype=np.float64), np.asarray(members, dtype=np.float64)
    share = clustered_rate(y, n, confidence)
    u, m = share.value, np.asarray(share.n_clusters, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = np.where(u < 1, (value - u * at_most) / (1 - u), 0.0)
        further = at_most - rest
        of_rest = influence - further[..., None] * rate_influences(y, np.broadcast_to(n, y.shape))
        half = _t_quantile(m, confidence) * np.sqrt(m / (m - 1) * (of_rest * of_rest).sum(axis=-1))
        lo = value - np.hypot(half, (u - share.lo) * further)
        hi = value + np.hypot(half, (share.hi - u) * further)
    return np.clip(lo, 0, at_most), np.clip(hi, 0, at_most)


def _km_mean_influences(time: FloatArray, seen: npt.NDArray[np.bool_], at: FloatArray, after: FloatArray) -> FloatArray:
    """Influence of each member on the area under S; ``after`` is the area from each event time on."""
    rising = np.sort(time)
    at_risk = (len(time) - np.searchsorted(rising, at, side="left")).astype(np.float64)
    events = np.array([np.count_nonzero(seen & (time == t)) for t in at], dtype=np.float64)
    staying = at_risk > events  # where nobody stays, nothing is left under S
    kept = np.where(staying, at_risk - events, 1.0)
    hazard = np.concatenate([[0.0], np.cumsum(np.where(staying, events / (at_risk * kept) * after, 0.0))])
    influence: FloatArray = hazard[np.searchsorted(at, time, side="right")].copy()
    happened = seen & np.isin(time, at)
    which = np.searchsorted(at, time[happened])
    influence[happened] -= np.where(staying, after / kept, 0.0)[which]
    return influence


def _scalar(value: float, lo: float, hi: float, design_effect: float, n_clusters: int) -> Estimate:
    at, low, high, effect = (np.asarray(figure, dtype=np.float64)[()] for figure in (value, lo, hi, design_effect))
    return Estimate(at, low, high, effect, np.asarray(n_clusters)[()])


def _km_influences(
    time: FloatArray,
    seen: npt.NDArray[np.bool_],
    weight: FloatArray,
    at: FloatArray,
    survival: float,
    cut: float,
) -> FloatArray:
    """Influence of each member on ``F`` at ``cut``; zero where survival is, as nothing is left to vary."""
    if survival <= 0 or not len(at):
        return np.zeros(len(time))
    order = np.argsort(time, kind="stable")
    rising, later = time[order], np.append(np.cumsum(weight[order][::-1])[::-1], 0.0)
    at = at[at <= cut]
    at_risk = later[np.searchsorted(rising, at, side="left")]
    events = np.array([weight[seen & (time == t)].sum() for t in at], dtype=np.float64)
    hazard = np.concatenate([[0.0], np.cumsum(events / (at_risk * (at_risk - events)))])
    until = np.searchsorted(at, np.minimum(time, cut), side="right")
    own = np.zeros(len(time))
    happened = seen & (time <= cut)
    which = np.searchsorted(at, time[happened])
    own[happened] = 1 / (at_risk - events)[which]
    influence: FloatArray = survival * weight * (own - hazard[until])
    return influence


def _km_inverse(at: FloatArray, survival: FloatArray, fraction: float) -> float:
    if fraction >= 1:
        return float("inf")
    reached = np.flatnonzero(survival <= (1 - max(fraction, 0.0)) * (1 + ROUNDING_SLACK))
    return float(at[reached[0]]) if len(reached) else float("inf")


def rate_influences(sums: npt.ArrayLike, members: npt.ArrayLike) -> FloatArray:
    """The influence of each cluster on a mean ``Σy/Σn``: ``(y_i - r n_i)/Σn``.

    Parameters
    ----------
    sums
        ``(..., n_clusters)``: what each cluster adds, any finite numbers ``>= 0``.
    members
        ``(..., n_clusters)``: members of each cluster.

    Returns
    -------
    ndarray
        ``(..., n_clusters)``; NaN where there are no members at all.
    """
    y, n = _together(("sums", "members"), sums, members)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = n.sum(axis=-1, keepdims=True)
        influences: FloatArray = (y - y.sum(axis=-1, keepdims=True) / total * n) / total
    return influences


def difference_error(first: npt.ArrayLike, second: npt.ArrayLike, n_clusters: int | None = None) -> FloatArray:
    """Standard error of the difference of two figures, from the influences of the clusters on each.

    ``√(m/(m-1) Σ (z_i - z'_i)²)``. A cluster that one of the two figures does not have has no influence on it, 0.

    Parameters
    ----------
    first, second
        ``(..., n_clusters)``: influences, as `rate_influences` gives them.
    n_clusters
        ``m``; how many there are when not given. Where the figures do not rest on the same clusters, the number of
        those that the smaller one rests on.

    Returns
    -------
    ndarray
        ``(...)``; NaN where ``m < 2``.
    """
    z = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    m = z.shape[-1] if n_clusters is None else n_clusters
    if m < 2:
        return np.full(z.shape[:-1], np.nan)
    return np.asarray(np.sqrt(np.float64(m) / (m - 1) * (z * z).sum(axis=-1)))


def paired_difference(
    first: npt.ArrayLike, second: npt.ArrayLike, difference: npt.ArrayLike, confidence: float = 0.95
) -> Estimate:
    """Interval of a difference of two figures on the same recordings, from their influences.

    `difference_error` with ``t`` of ``m - 1`` degrees of freedom.

    Parameters
    ----------
    first, second
        ``(..., n_clusters)``: influences of the clusters that have members, as `rate_influences` gives them.
    difference
        ``(...)``: the difference of the figures.
    confidence
        In (0, 1).

    Returns
    -------
    Estimate
        ``design_effect`` is NaN: a difference has none. The standard error is ``(hi - lo)/(2 t)``.
    """
    m = np.asarray(first).shape[-1]
    half = _t_quantile(m, confidence) * difference_error(first, second)
    value = np.asarray(difference, dtype=np.float64)
    lo, hi = value - half, value + half
    return Estimate(value[()], lo[()], hi[()], np.full(lo.shape, np.nan)[()], np.full(lo.shape, m)[()])


def members_to_show(
    rate: float, design_effect: float, n_clusters: int, limit: float, confidence: float = 0.95
) -> float:
    """Members like these that would show that a rate keeps a limit; infinite where it does not keep it.

    ``n >= D t² l (1 - l)/(l - r)²``: the end of the interval of `clustered_rate` is at the limit ``l`` exactly then.

    Parameters
    ----------
    rate, design_effect, n_clusters
        As `clustered_rate` found them.
    limit
        In [0, 1]; one that the rate lies below is an upper limit, and the other way round.
    confidence
        Of the two-sided interval.

    Examples
    --------
    >>> members_to_show(0.10, 1.0, 10_000, limit=0.15)
    196.0
    """
    if not abs(limit - rate) > 0:
        return float("inf")
    t = float(_t_quantile(max(n_clusters, 2), confidence))
    return float(np.ceil(design_effect * t * t * limit * (1 - limit) / (limit - rate) ** 2))


def too_few_to_say(lo: npt.ArrayLike, hi: npt.ArrayLike, n_clusters: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether a rate is too uncertain to be said in words: an interval wider than 0.5, or fewer than 5 recordings.

    Examples
    --------
    >>> too_few_to_say([0.1, 0.1, 0.1], [0.3, 0.7, 0.3], [20, 20, 4])
    array([False,  True,  True])
    """
    wide = ~(np.asarray(hi, dtype=np.float64) - np.asarray(lo, dtype=np.float64) <= WIDEST_INTERVAL)
    return wide | (np.asarray(n_clusters) < FEWEST_CLUSTERS)
