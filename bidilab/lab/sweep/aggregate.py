"""Make the columns of a settings table from evaluations: sums over recordings, rates, quantiles and their intervals.

Which columns there are, and which counts each ratio is made of, is declared in `bidilab.lab.metrics.columns`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.lab.metrics.columns import (
    RESUME,
    SETTINGS,
    SIMULATED,
    TIMED,
    Count,
    PerMinute,
    Quantile,
    Rate,
    Ratio,
    setting_columns,
)
from bidilab.lab.metrics.latency import bootstrap_km_quantiles, km_quantiles
from bidilab.lab.metrics.statistics import poisson_interval, poisson_rate, quantiles_by_row, rate, wilson_interval
from bidilab.lab.sweep.evaluated import COUNTS, UNDEFINED, Evaluated
from bidilab.lab.sweep.problem import SweepProblem

__all__ = [
    "CLIPPED_COLUMNS",
    "RESUME_COLUMNS",
    "SETTING_COLUMNS",
    "SIMULATED_COLUMNS",
    "aggregate",
    "clipped_quantiles",
]

_Columns = dict[str, npt.NDArray[Any]]

SETTING_COLUMNS: tuple[str, ...] = setting_columns(simulated=False, resumes=False)
"""Columns of ``SweepResult.settings`` behind the axes."""
SIMULATED_COLUMNS: tuple[str, ...] = SETTINGS.names_in(SIMULATED)
"""Further columns of a simulated evaluation."""
RESUME_COLUMNS: tuple[str, ...] = SETTINGS.names_in(RESUME)
"""Further columns where guards resume."""
_SHOWN = frozenset(SETTINGS.names)
_SUMS = tuple(count for count in SETTINGS.of(Count) if count.parts)
_RATIOS = SETTINGS.of(Ratio)


def aggregate(problem: SweepProblem, evaluated: Sequence[Evaluated], *, n_resamples: int, seed: int) -> pd.DataFrame:
    """All columns of `SETTINGS` but the axes and the onset clipping, one row per evaluation.

    Parameters
    ----------
    problem
        What was evaluated on.
    evaluated
        One for each setting.
    n_resamples, seed
        Of the bootstrap over recordings.
    """
    totals = np.stack([e.counts.sum(axis=0, dtype=np.int64) for e in evaluated])
    # Arrays by name until the end: a table that grows column by column costs more than all that is computed here.
    table: _Columns = dict(zip(COUNTS, totals.T, strict=True))
    for duration in TIMED:
        table[duration.name] = duration.of_samples(table.pop(duration.counted), problem.sample_rate)
    table["degenerate"] = (table["n_detector_turns"] > 0) & (table["n_detector_turns"] == table["n_flushed"])
    for count in _SUMS:
        table[count.name] = _sum(table, count.parts)
    for ratio in _RATIOS:
        _add_ratio(table, ratio)
    _add_latency(table, problem, evaluated, n_resamples, seed)
    _add_endpoint_latency(table, evaluated, problem.sample_rate)
    return pd.DataFrame({name: values for name, values in table.items() if name in _SHOWN})


def _sum(table: _Columns, names: Sequence[str]) -> npt.NDArray[Any]:
    first, *rest = names
    return sum((table[name] for name in rest), start=table[first])


def _add_ratio(table: _Columns, column: Ratio) -> None:
    over, under = _sum(table, column.of), _sum(table, column.per)
    low, high = column.interval_columns
    if isinstance(column, Rate):
        table[column.name] = rate(over, under)
        table[low], table[high] = wilson_interval(over, under)
    elif isinstance(column, PerMinute):
        table[column.name] = poisson_rate(over, under)
        table[low], table[high] = poisson_interval(over, under)
    else:
        table[column.name] = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)


def _quantiles_of(time: str) -> tuple[Quantile, ...]:
    return tuple(column for column in SETTINGS.of(Quantile) if column.of == time)


def _add_latency(
    table: _Columns, problem: SweepProblem, evaluated: Sequence[Evaluated], n_resamples: int, seed: int
) -> None:
    times = np.stack([e.latency for e in evaluated])
    states = np.stack([e.state for e in evaluated])
    ms = 1000 / problem.sample_rate
    columns = _quantiles_of("latency_detected_ms")
    quantiles = tuple(column.q for column in columns)
    point = km_quantiles(times, states, quantiles)
    interval = bootstrap_km_quantiles(
        times,
        states,
        problem.true_recording,
        problem.n_recordings,
        quantiles=quantiles,
        n_resamples=n_resamples,
        seed=seed,
    )
    for k, column in enumerate(columns):
        low, high = column.interval_columns
        table[column.name] = point[:, k] * ms
        table[low], table[high] = interval[:, k, 0] * ms, interval[:, k, 1] * ms


def _add_endpoint_latency(table: _Columns, evaluated: Sequence[Evaluated], sample_rate: int) -> None:
    values = np.stack([e.endpoint_latency for e in evaluated])
    columns = _quantiles_of("endpoint_latency_ms")
    found = quantiles_by_row(values, values != UNDEFINED, [column.q for column in columns]) * 1000 / sample_rate
    for k, column in enumerate(columns):
        table[column.name] = found[:, k]


CLIPPED = _quantiles_of("onset_clipped_ms")
CLIPPED_COLUMNS: tuple[str, ...] = tuple(column.name for column in CLIPPED)
"""Columns that `clipped_quantiles` fills, and `aggregate` does not."""


def clipped_quantiles(
    problem: SweepProblem, evaluated: Sequence[Evaluated], prefix_samples: Sequence[int]
) -> npt.NDArray[np.float64]:
    """`CLIPPED_COLUMNS` in milliseconds, ``(n_evaluated, n_prefixes, n_columns)``; NaN where no onset was found.

    Prefix padding moves nothing but this, so one evaluation serves every padding.
    """
    start = problem.segments[problem.segments[:, 3] >= 0, 0]
    onset, previous_end = (np.stack([e.first_turn[:, k] for e in evaluated]).astype(np.int64) for k in (0, 1))
    found = onset != int(UNDEFINED)
    out = np.empty((len(evaluated), len(prefix_samples), len(CLIPPED)))
    for k, prefix in enumerate(prefix_samples):
        audio_start = np.maximum(np.maximum(onset - prefix, previous_end), 0)
        out[:, k] = quantiles_by_row(np.maximum(audio_start - start, 0), found, [column.q for column in CLIPPED])
    return out * 1000 / problem.sample_rate
