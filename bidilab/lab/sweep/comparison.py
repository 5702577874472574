"""Two settings of a sweep beside each other, on the same recordings.

Task
    Say by how much one setting differs from another, and how surely. The two were evaluated on the same recordings, so
    their difference is resampled as one (Davison & Hinkley 1997, §3.8, whole clusters): what makes a recording easy or
    hard for both settings cancels, which two separate intervals do not show.
Unit
    As the columns of ``SweepResult.settings``: rates in [0, 1], milliseconds, events per minute.
Index
    `compare`, `compare_settings`, `COMPARED`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.lab.metrics.columns import COMPARISON, SETTINGS, Quantile, Ratio
from bidilab.lab.metrics.latency import km_quantiles, resample_counts
from bidilab.lab.metrics.statistics import rank
from bidilab.lab.sweep.evaluated import ABSENT, Evaluated
from bidilab.lab.sweep.onesetting import recordings_table
from bidilab.lab.sweep.problem import SweepProblem

if TYPE_CHECKING:
    from bidilab.lab.sweep.result import SweepResult

__all__ = ["COMPARED", "COMPARISON_COLUMNS", "compare", "compare_settings"]

FloatArray = npt.NDArray[np.float64]

COMPARISON_COLUMNS: tuple[str, ...] = COMPARISON.names
"""Columns of `compare_settings`."""
COMPARED: tuple[str, ...] = (
    "missed_rate",
    "false_interruption_rate",
    "false_per_min",
    "premature_endpoint_rate",
    "latency_detected_ms_p50",
    "latency_detected_ms_p90",
    "endpoint_latency_ms_p50",
    "onset_clipped_ms_p90",
    "talk_over_s",
)
"""Metrics that are compared, in order: columns of ``SweepResult.settings``."""
_PAIRED_TIME = "latency_detected_ms"
"""The time whose quantiles are paired."""

_CONFIDENCE = 0.95
_RESAMPLES_AT_A_TIME = 100


def compare(result: SweepResult, a: int, b: int) -> pd.DataFrame:
    """Compare two settings of a sweep by its recordings, or by their stored counts where they are not at hand."""
    pair, n_resamples = (a, b), int(result.meta["n_resamples"])
    if not result.has_recordings:
        counts = result.counts_at(a), result.counts_at(b)
        return compare_settings(result.settings, pair, counts, n_resamples=n_resamples, seed=result.seed)
    ids = [recording.id for recording in result.dataset]
    problem = result.source_of(a).problem  # of the labels, which no condition moves
    first, second = (
        result.source_of(setting).evaluate_all(result.params(setting), result.guards(setting)) for setting in pair
    )
    return compare_settings(
        result.settings,
        pair,
        (
            recordings_table(problem, first, ids),
            recordings_table(result.source_of(b).problem, second, ids),
        ),
        problem=problem,
        evaluated=(first, second),
        n_resamples=n_resamples,
        seed=result.seed,
    )


def compare_settings(
    settings: pd.DataFrame,
    pair: tuple[int, int],
    recordings: tuple[pd.DataFrame, pd.DataFrame],
    *,
    problem: SweepProblem | None = None,
    evaluated: tuple[Evaluated, Evaluated] | None = None,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Differences ``b - a`` of two settings, with paired bootstrap intervals over recordings.

    Parameters
    ----------
    settings
        ``SweepResult.settings``.
    pair
        The settings a and b.
    recordings
        The counts of each, one row per recording, in one order; a ratio whose columns are absent is not paired.
    problem, evaluated
        What the latencies need; without them the latencies are not paired.
    n_resamples, seed
        Of the bootstrap; with those of the sweep both settings see its resamples.

    Returns
    -------
    DataFrame
        One row per metric of `COMPARED`, with the columns `COMPARISON`. ``difference`` is NaN where either value is
        undefined or both are infinite. The 95 % interval is NaN where it is not paired, where fewer than two
        recordings hold data for both, and where in some resample neither setting reaches the quantile, so that their
        difference has no value there.
    """
    resamples = resample_counts(len(recordings[0]), n_resamples, seed)
    rows = []
    for name in COMPARED:
        column = SETTINGS[name]
        values = [float(settings.loc[setting, name]) for setting in pair]  # type: ignore[arg-type]
        draws = None
        if isinstance(column, Ratio):
            draws = _ratio_draws(recordings, column.of, column.per, resamples)
        elif (
            isinstance(column, Quantile) and column.of == _PAIRED_TIME and problem is not None and evaluated is not None
        ):
            draws = _latency_draws(problem, evaluated, column.q, resamples)
        low, high = (np.nan, np.nan) if draws is None else _interval(draws)
        rows.append((*values, _minus(values[1], values[0]), low, high, draws is not None))
    table = COMPARISON.frame([dict(zip(COMPARISON.names, row, strict=True)) for row in rows])
    return table.set_index(pd.Index(COMPARED, name="metric"))


def _minus(b: float, a: float) -> float:
    """``b - a``; NaN, and no warning, where both are infinite."""
    return float("nan") if np.isinf(a) and np.isinf(b) else b - a


def _ratio_draws(
    recordings: tuple[pd.DataFrame, pd.DataFrame],
    numerator: tuple[str, ...],
    denominator: tuple[str, ...],
    resamples: npt.NDArray[np.uint16],
) -> FloatArray | None:
    """``(2, n_resamples)`` ratios; ``None`` where the columns are not there, NaN where too few recordings have data."""
    if not set(numerator + denominator) <= set(recordings[0].columns):
        return None
    over = [table[list(numerator)].sum(axis=1).to_numpy(dtype=np.float64) for table in recordings]
    under = [table[list(denominator)].sum(axis=1).to_numpy(dtype=np.float64) for table in recordings]
    out = np.full((2, resamples.shape[1]), np.nan)
    if min(np.count_nonzero(part) for part in under) < 2:
        return out
    weights = resamples.T.astype(np.float64)
    for k in (0, 1):
        bottom = weights @ under[k]
        np.divide(weights @ over[k], bottom, out=out[k], where=bottom > 0)
    return out


def _latency_draws(
    problem: SweepProblem, evaluated: tuple[Evaluated, Evaluated], q: float, resamples: npt.NDArray[np.uint16]
) -> FloatArray:
    """``(2, n_resamples)`` Kaplan–Meier quantiles in milliseconds."""
    ms = 1000 / problem.sample_rate
    out = np.full((2, resamples.shape[1]), np.nan)
    owners = [problem.true_recording[each.state != ABSENT] for each in evaluated]
    if min(len(np.unique(owner)) for owner in owners) < 2:
        return out
    for first in range(0, resamples.shape[1], _RESAMPLES_AT_A_TIME):
        part = slice(first, first + _RESAMPLES_AT_A_TIME)
        drawn = resamples[:, part].T[:, problem.true_recording]  # how often each opportunity is in each resample
        places = _places(drawn)
        for k, each in enumerate(evaluated):
            states = np.where(places >= 0, each.state[places], ABSENT).astype(np.uint8)
            out[k, part] = km_quantiles(each.latency[places], states, (q,))[:, 0] * ms
    return out


def _places(drawn: npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
    """Indices of the opportunities in each resample, repeated as drawn, in rows filled up with -1."""
    rows = [np.repeat(np.arange(drawn.shape[1]), row) for row in drawn]
    out = np.full((len(rows), max(len(row) for row in rows)), -1, dtype=np.int64)
    for filled, row in zip(out, rows, strict=True):
        filled[: len(row)] = row
    return out


def _interval(draws: FloatArray) -> tuple[float, float]:
    """Percentile interval of the difference, as order statistics; resamples without data for either are left out."""
    a, b = draws[:, ~np.isnan(draws).any(axis=0)]
    if not a.size or (np.isinf(a) & np.isinf(b)).any():
        return float("nan"), float("nan")
    ordered = np.sort(b - a)
    tail = (1 - _CONFIDENCE) / 2
    return float(ordered[rank(len(ordered), tail)]), float(ordered[rank(len(ordered), 1 - tail)])
