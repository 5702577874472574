"""Statistics of counts: rates, their intervals, and quantiles that are observed values.

Task
    Turn counts into ratios that carry their own uncertainty (DESIGN §9: counts before ratios, a ratio never without
    its interval).
Unit
    Ratios are numbers in [0, 1]; Poisson rates are per unit of the exposure given (minutes in, per minute out).
Index
    `rate`, `wilson_interval`, `poisson_rate`, `poisson_interval`, `quantile`, `rank`

Undefined is NaN (nothing was tried, no exposure, no value), never 0. Everything works element by element on arrays
that broadcast together; numbers in give numbers out.

References
----------
E. B. Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22, 1927.
F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936.
R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50, 1996 (definition 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import special

from bidilab.core.errors import InvalidParameterError

__all__ = [
    "ROUNDING_SLACK",
    "check_confidence",
    "check_quantile",
    "poisson_interval",
    "poisson_rate",
    "quantile",
    "quantiles_by_row",
    "rank",
    "rate",
    "wilson_interval",
]

FloatArray = npt.NDArray[np.float64]

ROUNDING_SLACK = 1e-9
"""Relative slack of comparisons with a quantile: 0.9 of 10 is 9, although ``1 - 0.9`` is a little less than 0.1.

Far above the rounding of a product of some thousand factors (1e-12), far below what one observation among 100 million
moves (1e-8).
"""


def check_confidence(confidence: float) -> float:
    """Return a confidence level in (0, 1).

    Raises
    ------
    InvalidParameterError
        If it is not.
    """
    if not 0 < confidence < 1:
        raise InvalidParameterError("confidence", "a number in (0, 1)", confidence)
    return float(confidence)


def check_quantile(q: float) -> float:
    """Return a quantile in (0, 1].

    Raises
    ------
    InvalidParameterError
        If it is not.
    """
    if not 0 < q <= 1:
        raise InvalidParameterError("q", "a number in (0, 1]", q)
    return float(q)


def _counts(name: str, values: npt.ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    wrong = ~(np.isfinite(array) & (array >= 0) & (array == np.floor(array)))
    if wrong.any():
        raise InvalidParameterError(name, "whole numbers >= 0", float(array[wrong][0]))
    return array


def _exposures(values: npt.ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        raise InvalidParameterError("exposure", "finite numbers >= 0", float(array[wrong][0]))
    return array


def _of_trials(successes: npt.ArrayLike, n: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    k, trials = np.broadcast_arrays(_counts("successes", successes), _counts("n", n))
    if (k > trials).any():
        at = int(np.argmax((k > trials).ravel()))
        raise InvalidParameterError("successes", f"at most n ({trials.ravel()[at]:.0f})", float(k.ravel()[at]))
    return k, trials


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotient, NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    out = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return np.asarray(out[()])


def rate(successes: npt.ArrayLike, n: npt.ArrayLike) -> FloatArray:
    """Proportion ``successes / n``, in [0, 1]; NaN where ``n`` is 0.

    Parameters
    ----------
    successes, n
        Whole numbers, ``0 <= successes <= n``; any shapes that broadcast together.

    Raises
    ------
    InvalidParameterError
        If a count is negative, not whole or NaN, or there are more successes than trials.

    Examples
    --------
    >>> rate([1, 0, 0], [4, 4, 0])
    array([0.25, 0.  ,  nan])
    """
    k, trials = _of_trials(successes, n)
    return _divide(k, trials)[()]


def wilson_interval(
    successes: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval of a proportion.

    ``(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)``, ``p = successes/n``, ``z`` the normal quantile of
    ``(1 + confidence)/2`` (Wilson 1927).

    Parameters
    ----------
    successes, n
        Whole numbers, ``0 <= successes <= n``; any shapes that broadcast together.
    confidence
        In (0, 1).

    Returns
    -------
    lo, hi
        In [0, 1], ``lo <= successes/n <= hi``; NaN where ``n`` is 0. ``lo`` is exactly 0 without a success, ``hi``
        exactly 1 without a failure.

    Raises
    ------
    InvalidParameterError
        As `rate`, or if ``confidence`` is out of range.

    Examples
    --------
    >>> lo, hi = wilson_interval(0, 10)
    >>> print(f"{lo:.4f} {hi:.4f}")  # hi = z²/(n + z²) = 3.8415/13.8415
    0.0000 0.2775
    """
    k, trials = _of_trials(successes, n)
    z2 = float(special.ndtri((1 + check_confidence(confidence)) / 2)) ** 2
    # With both sides multiplied by n the formula has one denominator, n + z².
    centre = k + z2 / 2
    half = np.sqrt(z2 * (_divide(k * (trials - k), trials) + z2 / 4))
    lo = np.where(k == 0, 0.0, (centre - half) / (trials + z2))
    hi = np.where(k == trials, 1.0, (centre + half) / (trials + z2))
    nothing = trials == 0
    return np.where(nothing, np.nan, lo)[()], np.where(nothing, np.nan, hi)[()]


def poisson_rate(count: npt.ArrayLike, exposure: npt.ArrayLike) -> FloatArray:
    """Events per unit of exposure, ``count / exposure``; NaN where the exposure is 0.

    Parameters
    ----------
    count
        Whole numbers ``>= 0``.
    exposure
        Finite numbers ``>= 0`` in the unit wanted (minutes for a rate per minute).

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.

    Examples
    --------
    >>> poisson_rate([3, 0], [2.0, 0.0])
    array([1.5, nan])
    """
    return _divide(_counts("count", count), _exposures(exposure))[()]


def poisson_interval(
    count: npt.ArrayLike, exposure: npt.ArrayLike, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Exact interval of a Poisson rate.

    ``χ²(α/2; 2k) / 2T`` to ``χ²(1 - α/2; 2k + 2) / 2T`` for ``k`` events in exposure ``T``, ``α = 1 - confidence``
    (Garwood 1936). Half a χ² quantile of ``2k`` degrees of freedom is a gamma quantile of shape ``k``.

    Parameters
    ----------
    count
        Whole numbers ``>= 0``; any shape that broadcasts with ``exposure``.
    exposure
        Finite numbers ``>= 0``.
    confidence
        In (0, 1).

    Returns
    -------
    lo, hi
        Per unit of exposure, ``lo <= count/exposure <= hi``; NaN where the exposure is 0.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.

    Examples
    --------
    >>> lo, hi = poisson_interval(0, 1.0)
    >>> print(f"{lo:.4f} {hi:.4f}")  # hi = -ln 0.025
    0.0000 3.6889
    """
    k, time = np.broadcast_arrays(_counts("count", count), _exposures(exposure))
    tail = (1 - check_confidence(confidence)) / 2
    # A gamma variable of shape 0 is 0; the shape 1 in its place is never used.
    lower = np.where(k == 0, 0.0, special.gammaincinv(np.maximum(k, 1), tail))
    upper = special.gammainccinv(k + 1, tail)
    return _divide(np.asarray(lower), time)[()], _divide(np.asarray(upper), time)[()]


def rank(n: int, q: float) -> int:
    """Index, from 0, of the ``q`` quantile among ``n`` sorted values: the least ``i`` with ``(i + 1)/n >= q``.

    Parameters
    ----------
    n
        ``>= 1``.
    q
        In [0, 1]; 0 gives the least value.

    Examples
    --------
    >>> rank(10, 0.9), rank(10, 0.91), rank(1000, 0.025), rank(5, 0.0)
    (8, 9, 24, 0)
    """
    return min(max(math.ceil(n * q * (1 - ROUNDING_SLACK)), 1), n) - 1


def quantile(values: npt.ArrayLike, q: float) -> float:
    """Quantile as an observed value: the least that at least ``q`` of the values do not exceed.

    Definition 1 of Hyndman & Fan 1996 (NumPy's ``inverted_cdf``), which is the Kaplan–Meier quantile when nothing is
    censored (`bidilab.lab.metrics.survival.km_quantile`).

    Parameters
    ----------
    values
        ``(n,)`` numbers in any order, in any unit; infinities are ordered as usual.
    q
        In (0, 1].

    Returns
    -------
    float
        One of the values; NaN when there are none.

    Raises
    ------
    InvalidParameterError
        If a value is NaN, ``values`` has another shape, or ``q`` is out of range.

    Examples
    --------
    >>> quantile([30, 10, 20, 40], 0.5), quantile([30, 10, 20, 40], 0.9), quantile([], 0.5)
    (20.0, 40.0, nan)
    """
    check_quantile(q)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise InvalidParameterError("values", "of shape (n,)", array.shape)
    if np.isnan(array).any():
        raise InvalidParameterError("values", "numbers, not NaN", float("nan"))
    if not len(array):
        return math.nan
    at = rank(len(array), q)
    return float(np.partition(array, at)[at])


def quantiles_by_row(
    values: npt.NDArray[np.integer], defined: npt.NDArray[np.bool_], quantiles: Sequence[float]
) -> FloatArray:
    """`quantile` of each row of a table of integers, over the values that are defined there.

    Parameters
    ----------
    values, defined
        ``(n_rows, n)``: integers, and which of them count.
    quantiles
        Each in (0, 1].

    Returns
    -------
    ndarray
        ``(n_rows, n_quantiles) float64``; NaN where a row has none.

    Examples
    --------
    >>> quantiles_by_row(np.array([[3, 1, 2]]), np.array([[True, True, False]]), [0.5])
    array([[1.]])
    """
    ordered = np.sort(np.where(defined, values, np.iinfo(values.dtype).max), axis=1)
    counts = defined.sum(axis=1)
    out = np.full((len(values), len(quantiles)), np.nan)
    rows = np.flatnonzero(counts)
    for k, q in enumerate(quantiles):
        check_quantile(q)
        ranks = np.array([rank(int(n), q) for n in counts[rows]], dtype=np.int64)
        out[rows, k] = ordered[rows, ranks]
    return out
