"""Make the columns of a settings table from evaluations: sums over recordings, rates, quantiles and their intervals.

Which columns there are, and which counts each ratio is made of, is declared in `bidilab.lab.metrics.columns`. Each
part of an evaluation (`bidilab.lab.sweep.evaluated`) gives columns of its own, once for all settings that share it.
Intervals have recordings, or what goes together of them, as the unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.lab.metrics.columns import (
    COUNTED,
    RESUME,
    SETTINGS,
    SIMULATED,
    TIMED,
    Count,
    Duration,
    Mean,
    Part,
    PerMinute,
    Quantile,
    Rate,
    Ratio,
    counted_in,
    setting_columns,
)
from bidilab.lab.metrics.intervals import clustered_quantile, clustered_rate, clustered_rate_per_exposure
from bidilab.lab.metrics.statistics import ROUNDING_SLACK
from bidilab.lab.metrics.waits import clustered_km_means, clustered_km_quantiles, rising_waits
from bidilab.lab.sweep.evaluated import DECIDED, MISSED, PARTS, UNDEFINED, EventVerdicts, TurnVerdicts
from bidilab.lab.sweep.problem import HasLabels

__all__ = [
    "CLIPPED_COLUMNS",
    "RESUME_COLUMNS",
    "SETTING_COLUMNS",
    "SIMULATED_COLUMNS",
    "Counted",
    "clipped_quantiles",
    "event_columns",
    "label_columns",
    "stop_columns",
    "turn_columns",
]

FloatArray = npt.NDArray[np.float64]
_Columns = dict[str, npt.NDArray[Any]]

SETTING_COLUMNS: tuple[str, ...] = setting_columns(simulated=False, resumes=False)
"""Columns of ``SweepResult.settings`` behind the axes."""
SIMULATED_COLUMNS: tuple[str, ...] = SETTINGS.names_in(SIMULATED)
"""Further columns of a simulated evaluation."""
RESUME_COLUMNS: tuple[str, ...] = SETTINGS.names_in(RESUME)
"""Further columns where guards resume."""

_COUNTS: Mapping[str, Count] = {count.name: count for count in (*SETTINGS.of(Count), *COUNTED)}
_DURATIONS: Mapping[str, Duration] = {duration.name: duration for duration in TIMED}
_PLACE: Mapping[str, tuple[Part, int]] = {
    column.name: (part, index) for part in PARTS for index, column in enumerate(counted_in(part))
}


def _parts(names: Iterable[str]) -> set[Part]:
    """The parts that count these columns."""
    found: set[Part] = set()
    for name in names:
        count = _COUNTS.get(name)
        found |= _parts(count.parts) if count is not None and count.parts else {_PLACE[name][0]}
    return found


def _part_of(ratio: Ratio) -> Part:
    """The part whose settings have a value of this ratio each: the one above the line."""
    (part,) = _parts(ratio.of)
    return part


class Counted:
    """Counts of evaluations by recording, addressed by column.

    Parameters
    ----------
    problem
        What was evaluated on.
    part
        Which part counted.
    counts
        ``(n_evaluations, n_recordings, n_columns) int32``.
    """

    def __init__(self, problem: HasLabels, part: Part, counts: npt.NDArray[np.integer[Any]]) -> None:
        self._problem = problem
        self._part = part
        self._counts = np.ascontiguousarray(np.moveaxis(counts, -1, 0))  # each column by itself

    @cached_property
    def totals(self) -> npt.NDArray[np.int64]:
        """Sums over recordings, ``(n_columns, n_evaluations)``."""
        totals: npt.NDArray[np.int64] = self._counts.sum(axis=-1, dtype=np.int64)
        return totals

    def by_cluster(self, names: Sequence[str]) -> FloatArray:
        """The sum of some columns in each cluster: ``(n_evaluations, n_clusters)``, ``(n_clusters,)`` of the labels."""
        found = sum((self._of(name) for name in names[1:]), start=self._of(names[0]))
        clusters = self._problem.clusters
        if np.array_equal(clusters, np.arange(len(clusters))):
            return found
        order = np.argsort(clusters, kind="stable")
        starts = np.searchsorted(clusters[order], np.arange(int(clusters.max()) + 1))
        summed: FloatArray = np.add.reduceat(found[..., order], starts, axis=-1)
        return summed

    def _of(self, name: str) -> FloatArray:
        count = _COUNTS.get(name)
        if count is not None and count.parts:
            return np.asarray(sum((self._of(part) for part in count.parts[1:]), start=self._of(count.parts[0])))
        part, index = _PLACE[name]
        values = self._counts[index] if part == self._part else self._problem.label_counts[:, index]
        if name in _DURATIONS:
            return _DURATIONS[name].of_samples(values, self._problem.sample_rate)
        return values.astype(np.float64)

    def columns(self) -> _Columns:
        """Sums of the counts and durations of this part, and its rates with their intervals."""
        table: _Columns = {}
        for index, column in enumerate(counted_in(self._part)):
            total = self.totals[index]
            if isinstance(column, Duration):
                total = column.of_samples(total, self._problem.sample_rate)
            table[column.name] = total
        for count in SETTINGS.of(Count):
            if count.parts and _parts(count.parts) == {self._part}:
                table[count.name] = np.sum([table[name] for name in count.parts], axis=0)
        for ratio in SETTINGS.of(Ratio):
            if _part_of(ratio) == self._part:
                self._add(table, ratio)
        return table

    def _add(self, table: _Columns, ratio: Ratio) -> None:
        over, under = self.by_cluster(ratio.of), self.by_cluster(ratio.per)
        if isinstance(ratio, Rate | PerMinute):
            make = clustered_rate if isinstance(ratio, Rate) else clustered_rate_per_exposure
            found = make(over, under)
            table[ratio.name], ends = found.value, (found.lo, found.hi)
            for name, end in zip(ratio.interval_columns, ends, strict=True):
                table[name] = end
            return
        above, below = over.sum(axis=-1), np.broadcast_to(under.sum(axis=-1), over.shape[:-1])
        table[ratio.name] = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def label_columns(problem: HasLabels) -> _Columns:
    """Columns that the labels alone decide, each of one element."""
    return Counted(problem, "labels", problem.label_counts[None]).columns()


def event_columns(problem: HasLabels, verdicts: EventVerdicts) -> _Columns:
    """Columns of events judged for themselves, ``(n_settings,)`` each; delays are those of true members."""
    table = Counted(problem, "events", verdicts.counts).columns()
    delays = verdicts.delays
    ms = np.where(delays == MISSED, np.inf, delays * (1000 / problem.sample_rate))
    clusters = problem.clusters[problem.true_recording]
    for column in _quantiles_of("latency_detected_ms"):
        found = clustered_quantile(ms, clusters, column.q)
        for name, values in zip(column.names, found[:3], strict=True):
            table[name] = values
    return table


def turn_columns(problem: HasLabels, verdicts: TurnVerdicts) -> _Columns:
    """Columns of the users' turns but the onset clipping, ``(n_settings,)`` each."""
    table = Counted(problem, "turns", verdicts.counts).columns()
    table["degenerate"] = (table["n_detector_turns"] > 0) & (table["n_detector_turns"] == table["n_flushed"])
    columns = _quantiles_of("endpoint_latency_ms")
    states, waits = verdicts.states, verdicts.waits
    # A wait of 0 without a decision is seen too: the agent has its turn already.
    seen = ((states & DECIDED) != 0) | ((waits == 0) & (states == 1))
    clusters = problem.clusters[problem.turn_recording]
    orders = rising_waits(waits, seen)
    found = clustered_km_quantiles(waits, seen, clusters, [column.q for column in columns], orders=orders)
    for k, column in enumerate(columns):
        for side, name in enumerate(column.names):
            table[name] = found[:, k, side] * (1000 / problem.sample_rate)
    for mean in SETTINGS.of(Mean):
        at_most = mean.at_most * problem.sample_rate / 1000
        means = clustered_km_means(waits, seen, clusters, at_most, orders=orders)
        for side, name in enumerate(mean.names):
            table[name] = means[:, side] * (1000 / problem.sample_rate)
    return table


def stop_columns(problem: HasLabels, counts: npt.NDArray[np.integer[Any]]) -> _Columns:
    """Columns of what a conversation costs, ``(n_evaluations,)`` each."""
    return Counted(problem, "stops", counts).columns()


def _quantiles_of(time: str) -> tuple[Quantile, ...]:
    return tuple(column for column in SETTINGS.of(Quantile) if column.of == time)


CLIPPED = _quantiles_of("onset_clipped_ms")
CLIPPED_COLUMNS: tuple[str, ...] = tuple(column.name for column in CLIPPED)
"""Columns that `clipped_quantiles` gives."""


def clipped_quantiles(problem: HasLabels, verdicts: TurnVerdicts, prefix_samples: Sequence[int]) -> FloatArray:
    """`CLIPPED_COLUMNS` in milliseconds, ``(n_settings, n_prefixes, n_columns)``; NaN where no onset was found.

    Prefix padding moves nothing but this, so one evaluation serves every padding.
    """
    out = np.full((len(verdicts.waits), len(prefix_samples), len(CLIPPED)), np.nan)
    if not verdicts.first_turn.size:
        return out
    onset, least = np.moveaxis(verdicts.first_turn.astype(np.int64), -1, 0)
    known = onset != UNDEFINED
    found = known.sum(axis=1)[:, None]
    quantiles = np.array([column.q for column in CLIPPED])
    place = np.maximum(np.ceil(quantiles * found * (1 - ROUNDING_SLACK)).astype(np.int64) - 1, 0)
    for k, prefix in enumerate(prefix_samples):
        audio_start = np.maximum(onset - prefix, np.maximum(least, 0))
        lost = np.maximum(audio_start - problem.turn_starts, 0)
        rising = np.sort(np.where(known, lost, np.iinfo(np.int64).max), axis=1)
        out[:, k] = np.where(found > 0, np.take_along_axis(rising, place, axis=1), np.nan)
    return out * 1000 / problem.sample_rate


def as_frame(columns: _Columns, *, simulated: bool, resumes: bool, scored: bool = False) -> pd.DataFrame:
    """A table of these columns in their order, those that there are."""
    names = setting_columns(simulated=simulated, resumes=resumes, scored=scored)
    return pd.DataFrame({name: columns[name] for name in names if name in columns})
