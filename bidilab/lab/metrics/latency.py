"""Latency: how long an interruption takes when some never come.

Task
    The distribution of a latency of which some values are only known to be longer than what was waited for: a missed
    interruption is *censored* where its chance ended (DESIGN §9), so that a deaf detector cannot look fast.
Unit
    Integer samples in, samples out.
Index
    `km_quantiles`, `bootstrap_km_quantiles`, `resample_counts`; of one sample `kaplan_meier`, `km_quantile`

Of one sample these are the estimates of `bidilab.lab.metrics.survival`, whose names are here too. An interruption may
be heard slightly before the labelled onset, so latencies may be slightly negative.

References
----------
A. C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application", 1997, §3.8 (resampling whole clusters).
B. Efron, "Censored data and the bootstrap", J. Am. Stat. Assoc. 76, 1981.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.latency_kernels import CENSORED, EVENT, quantile_intervals
from bidilab.lab.metrics.statistics import check_confidence, rank
from bidilab.lab.metrics.survival import kaplan_meier, km_quantile, survival_target

__all__ = [
    "ABSENT",
    "CENSORED",
    "EVENT",
    "bootstrap_km_quantiles",
    "check_resampling",
    "kaplan_meier",
    "km_quantile",
    "km_quantiles",
    "resample_counts",
]

FloatArray = npt.NDArray[np.float64]
CountArray = npt.NDArray[np.uint16]

ABSENT = 0
"""State of an opportunity that is not in the data of a setting (masked, preempted, …)."""

_CELLS_AT_A_TIME = 1 << 20  # of settings × opportunities: bounds the memory of sorting to some 30 MB


def check_resampling(n_resamples: int, seed: int) -> None:
    """Raise `InvalidParameterError` for a number of resamples below 1 or a seed below 0, or one that is not whole."""
    for name, value, least, most in (("n_resamples", n_resamples, 1, 2**31 - 1), ("seed", seed, 0, 2**63 - 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
            raise InvalidParameterError(name, f"a whole number in [{least}, {most}]", value)


@lru_cache(maxsize=2)  # a sweep asks for the same resamples for each of its thresholds
def resample_counts(n_clusters: int, n_resamples: int, seed: int) -> CountArray:
    """Draw bootstrap resamples of whole clusters: ``n_clusters`` of them, with replacement, each time.

    Parameters
    ----------
    n_clusters
        ``>= 1`` and at most 65,535.
    n_resamples
        ``>= 1``.
    seed
        ``>= 0``; the same seed gives the same resamples.

    Returns
    -------
    ndarray
        ``(n_clusters, n_resamples) uint16``: how often each cluster is in each resample; columns sum to
        ``n_clusters``.

    Raises
    ------
    InvalidParameterError
        If a number is out of range.
    """
    if not 1 <= n_clusters <= 65_535:
        raise InvalidParameterError("n_clusters", "a whole number in [1, 65535]", n_clusters)
    check_resampling(n_resamples, seed)
    generator = np.random.default_rng(seed)
    counts = np.empty((n_resamples, n_clusters), dtype=np.uint16)
    for row in counts:
        row[:] = np.bincount(generator.integers(0, n_clusters, n_clusters), minlength=n_clusters)
    counts = np.ascontiguousarray(counts.T)
    counts.flags.writeable = False
    return counts


def km_quantiles(times: npt.ArrayLike, states: npt.ArrayLike, quantiles: Sequence[float] = (0.5, 0.9)) -> FloatArray:
    """`km_quantile` of each row.

    Parameters
    ----------
    times
        ``(n_settings, n_opportunities)`` integers, in samples; any value where absent.
    states
        ``(n_settings, n_opportunities)``: `ABSENT` (0), `EVENT` (1) or `CENSORED` (2).
    quantiles
        Each in (0, 1].

    Returns
    -------
    ndarray
        ``(n_settings, n_quantiles) float64``, in samples; ``inf`` not reached, NaN without data.

    Raises
    ------
    InvalidParameterError
        If shapes differ, times are not integers, or a state or quantile is not allowed.

    Examples
    --------
    >>> km_quantiles([[10, 20, 30, 40], [10, 20, 30, 40]], [[1, 2, 1, 1], [1, 2, 0, 0]])
    array([[30., 40.],
           [10., inf]])
    """
    time, state = _check_table(times, states)
    cluster = np.zeros(time.shape[1], dtype=np.int64)
    once = np.ones((1, 1), dtype=np.uint16)
    return _intervals(time, state, cluster, once, quantiles, (0.5, 0.5), min_clusters=1)[:, :, 0]


def bootstrap_km_quantiles(
    times: npt.ArrayLike,
    states: npt.ArrayLike,
    cluster: npt.ArrayLike,
    n_clusters: int,
    *,
    quantiles: Sequence[float] = (0.5, 0.9),
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> FloatArray:
    """Percentile bootstrap intervals of Kaplan–Meier quantiles, resampling whole recordings.

    Opportunities of one recording share a voice, a room and a noise, so recordings are drawn, not opportunities. All
    settings see the same resamples, so they are compared like with like, and any slice of the settings gives the same
    rows as the whole. It releases the interpreter lock while it counts.

    Parameters
    ----------
    times
        ``(n_settings, n_opportunities)`` integers, in samples; any value where absent.
    states
        ``(n_settings, n_opportunities)``: `ABSENT` (0), `EVENT` (1) or `CENSORED` (2).
    cluster
        ``(n_opportunities,)`` integers in [0, n_clusters): the recording of each opportunity.
    n_clusters
        Recordings, with those that hold no opportunity.
    quantiles
        Each in (0, 1].
    n_resamples
        ``>= 1``.
    seed
        ``>= 0``.
    confidence
        In (0, 1).

    Returns
    -------
    ndarray
        ``(n_settings, n_quantiles, 2) float64``: lower and upper end, in samples, as order statistics of the resampled
        quantiles (``inf`` when that one is not reached). Resamples without data are left out. NaN where fewer than two
        recordings hold data in that setting: one recording does not tell how recordings differ.

    Raises
    ------
    InvalidParameterError
        If shapes differ, a value is not allowed, or the counts could overflow 31 bits.

    Examples
    --------
    >>> bootstrap_km_quantiles([[10, 20, 30, 40]], [[1, 1, 1, 1]], [0, 0, 1, 1], 2, quantiles=[0.5])
    array([[[10., 30.]]])
    """
    time, state = _check_table(times, states)
    recording = np.asarray(cluster)
    if recording.shape != time.shape[1:]:
        raise InvalidParameterError("cluster", f"of shape {time.shape[1:]}", recording.shape)
    if recording.size and not np.issubdtype(recording.dtype, np.integer):
        raise InvalidParameterError("cluster", "integers", recording.dtype)
    if recording.size and not ((recording >= 0) & (recording < n_clusters)).all():
        raise InvalidParameterError("cluster", f"indices in [0, {n_clusters})", np.unique(recording))
    recording = recording.astype(np.int64)
    tail = (1 - check_confidence(confidence)) / 2
    counts = resample_counts(n_clusters, n_resamples, seed)
    if time.shape[1] * int(counts.max()) >= 2**31:
        raise InvalidParameterError("times", "few enough that a resample's size fits 31 bits", time.shape)
    return _intervals(time, state, recording, counts, quantiles, (tail, 1 - tail), min_clusters=2)


def _check_table(times: npt.ArrayLike, states: npt.ArrayLike) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.uint8]]:
    time, state = np.asarray(times), np.asarray(states)
    if time.ndim != 2:
        raise InvalidParameterError("times", "of shape (n_settings, n_opportunities)", time.shape)
    if state.shape != time.shape:
        raise InvalidParameterError("states", f"of shape {time.shape}, as times", state.shape)
    if time.size == 0:
        return time.astype(np.int64), state.astype(np.uint8)
    if not np.issubdtype(time.dtype, np.integer):
        raise InvalidParameterError("times", "integers, in samples", time.dtype)
    if max(abs(int(time.min())), abs(int(time.max()))) >= 2**52:
        raise InvalidParameterError("times", "less than 2**52 samples", (int(time.min()), int(time.max())))
    if not np.issubdtype(state.dtype, np.integer) or state.min() < ABSENT or state.max() > CENSORED:
        raise InvalidParameterError("states", "0 (absent), 1 (event) or 2 (censored)", np.unique(state))
    return time, state.astype(np.uint8, copy=False)


def _intervals(
    times: npt.NDArray[np.integer],
    states: npt.NDArray[np.uint8],
    cluster: npt.NDArray[np.int64],
    counts: CountArray,
    quantiles: Sequence[float],
    sides: tuple[float, float],
    *,
    min_clusters: int,
) -> FloatArray:
    targets = np.array([survival_target(q) for q in quantiles], dtype=np.float64)
    n_settings, n = times.shape
    out = np.full((n_settings, len(targets), 2), np.nan)
    if n == 0:
        return out
    ranks = np.array([[rank(max(m, 1), side) for side in sides] for m in range(counts.shape[1] + 1)])
    step = max(1, _CELLS_AT_A_TIME // n)
    for start in range(0, n_settings, step):
        part = slice(start, start + step)
        quantile_intervals(
            times[part],
            states[part],
            _order(times[part], states[part]),
            cluster,
            counts,
            targets,
            ranks,
            min_clusters,
            out[part],
        )
    return out


def _order(times: npt.NDArray[np.integer], states: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Opportunities of each setting by time, events before censorings at the same time, absent ones last."""
    key = 2 * times.astype(np.int64) + (states == CENSORED)
    key[states == ABSENT] = np.iinfo(np.int64).max
    return np.argsort(key, axis=1)
