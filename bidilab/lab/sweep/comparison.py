"""Two settings of a sweep beside each other, on the same recordings.

Task
    Say by how much one setting differs from another, and how surely. Both are evaluated on the same recordings, so
    their difference is taken recording by recording: what makes a recording easy or hard for both settings cancels,
    which two separate intervals do not show. Rates by their influences (`bidilab.lab.metrics.intervals`); quantiles of
    latency by drawing whole recordings anew, the same for both (Davison & Hinkley 1997, §3.8).
Unit
    As the columns of ``SweepResult.settings``: rates in [0, 1], milliseconds, events per minute.
Index
    `compare`, `COMPARED`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.lab.metrics.columns import COMPARISON, SETTINGS, Quantile, Ratio
from bidilab.lab.metrics.intervals import paired_difference, rate_influences
from bidilab.lab.metrics.resampling import draw_clusters, drawn_quantiles
from bidilab.lab.metrics.statistics import rank
from bidilab.lab.sweep.evaluated import MISSED
from bidilab.lab.sweep.onesetting import recordings_table
from bidilab.lab.sweep.verdicts import SweptVerdicts

if TYPE_CHECKING:
    from bidilab.lab.sweep.result import SweepResult

__all__ = ["COMPARED", "COMPARISON_COLUMNS", "compare"]

FloatArray = npt.NDArray[np.float64]

COMPARISON_COLUMNS: tuple[str, ...] = COMPARISON.names
"""Columns of `compare`."""
COMPARED: tuple[str, ...] = (
    "missed_rate",
    "stopped_within_500ms_rate",
    "false_interruption_rate",
    "false_per_min",
    "premature_endpoint_rate",
    "cutoff_rate",
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


def compare(result: SweepResult, a: int, b: int) -> pd.DataFrame:
    """Differences ``b - a`` of two settings, paired by recording.

    Returns
    -------
    DataFrame
        One row per metric of `COMPARED`, with the columns `COMPARISON`. ``difference`` is NaN where either value is
        undefined or both are infinite. The 95 % interval is NaN where it is not paired, where fewer than two
        recordings hold data, and where in some resample neither setting reaches the quantile, so that their difference
        has no value there.
    """
    pair = (a, b)
    recordings = tuple(_recordings(result, setting) for setting in pair)
    clusters = None if result.outdated else result.verdicts.clusters
    rows = []
    for name in COMPARED:
        column = SETTINGS[name]
        if name not in result.settings:  # of an earlier rule
            continue
        first, second = (float(result.settings.loc[setting, name]) for setting in pair)  # type: ignore[arg-type]
        difference = float("nan") if np.isinf(first) and np.isinf(second) else second - first
        ends = None
        if isinstance(column, Ratio):
            ends = _of_ratio(recordings, column, difference, clusters)
        elif isinstance(column, Quantile) and column.of == _PAIRED_TIME and not result.outdated:
            ends = _of_latency(result.verdicts, pair, column.q, int(result.meta["n_resamples"]), result.seed)
        lo, hi = ends or (np.nan, np.nan)
        rows.append((name, first, second, difference, lo, hi, ends is not None))
    table = COMPARISON.frame([dict(zip(COMPARISON.names, row[1:], strict=True)) for row in rows])
    return table.set_index(pd.Index([row[0] for row in rows], name="metric"))


def _recordings(result: SweepResult, setting: int) -> pd.DataFrame:
    """Counts of a setting by recording, with times where the recordings are at hand."""
    if not result.has_recordings or not result.source_of(setting).at_hand:
        return result.counts_at(setting)
    source = result.source_of(setting)
    verdicts = source.evaluate_all(
        result.params(setting), result.guards(setting), result.end_of_turn(setting), result.adaptive(setting)
    )
    return recordings_table(source.problem, verdicts, [recording.id for recording in source.dataset])


def _of_ratio(
    recordings: Sequence[pd.DataFrame], column: Ratio, difference: float, clusters: npt.NDArray[np.int64] | None
) -> tuple[float, float] | None:
    """Ends of the paired interval; ``None`` where the columns are not there."""
    if not set(column.of + column.per) <= set(recordings[0].columns):
        return None
    of = np.arange(len(recordings[0])) if clusters is None else clusters
    over, under = (
        [np.bincount(of, weights=table[list(names)].sum(axis=1)) for table in recordings]
        for names in (column.of, column.per)
    )
    held = (under[0] > 0) | (under[1] > 0)
    if not (under[0].any() and under[1].any()):
        return float("nan"), float("nan")
    influences = [rate_influences(y[held], n[held]) for y, n in zip(over, under, strict=True)]
    found = paired_difference(influences[0], influences[1], difference, _CONFIDENCE)
    return float(found.lo), float(found.hi)


def _of_latency(
    verdicts: SweptVerdicts, pair: tuple[int, int], q: float, n_resamples: int, seed: int
) -> tuple[float, float]:
    """Ends of the percentile interval, as order statistics."""
    owner = verdicts.clusters[verdicts.true_recording]
    m = int(verdicts.clusters.max()) + 1
    nothing = (float("nan"), float("nan"))
    if len(np.unique(owner)) < 2:
        return nothing
    drawn = draw_clusters(m, n_resamples, seed)[owner]
    rows = [verdicts.delays[verdicts.event_of[setting]] for setting in pair]
    a, b = (drawn_quantiles(np.where(row == MISSED, np.inf, row), drawn, q) for row in rows)
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    if not len(a) or (np.isinf(a) & np.isinf(b)).any():
        return nothing
    ordered = np.sort(b - a) * 1000 / float(verdicts.sample_rate)
    tail = (1 - _CONFIDENCE) / 2
    return float(ordered[rank(len(ordered), tail)]), float(ordered[rank(len(ordered), 1 - tail)])
