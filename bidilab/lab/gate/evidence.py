"""What a gate judges: counts and times of one result, recording by recording, whatever the result is.

Task
    Give the figures of a result with their bounds, and the influence of each recording on them, so that a sweep, a
    folder of replays, a client probe and judged calls are judged by one rule.
Unit
    As the columns: rates in [0, 1], milliseconds, events per minute.
Index
    `Evidence`, `Times`, `NotJudged`
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.columns import Mean, PerMinute, Quantile, Rate, Schema
from bidilab.lab.metrics.intervals import (
    Estimate,
    clustered_km_mean,
    clustered_km_quantile,
    clustered_quantile,
    clustered_rate,
    clustered_rate_per_exposure,
)

__all__ = ["Counted", "Evidence", "Judged", "NotJudged", "Times"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Judged: TypeAlias = Rate | PerMinute | Quantile | Mean
"""The kinds of columns that have bounds."""

TWO_SIDED = 0.90
"""The level of the two-sided interval of which each end is a one-sided bound of 95 %."""


class NotJudged(Exception):  # noqa: N818 - a verdict with its reason, not a failure
    """A metric that this result cannot be judged by; the message says why, as a sentence without its full stop."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Times:
    """Times of which a quantile or the mean is judged.

    Parameters
    ----------
    values
        ``(n_members,) float64`` milliseconds; infinite where it never came.
    observed
        ``(n_members,)`` booleans; false where the time is only known to be longer.
    owner
        ``(n_members,)``: place of the recording that each is of.
    weights
        ``(n_members,) float64``: how much of a member each is, where it is only likely that it was seen to end; 1 each
        when not given.
    """

    values: FloatArray
    observed: BoolArray
    owner: IntArray
    weights: FloatArray | None = None

    @property
    def censored(self) -> bool:
        """Whether some are only known to be longer than a finite time, or are parts of a member."""
        return self.weights is not None or bool((~self.observed & np.isfinite(self.values)).any())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """Sums of which a ratio is judged, ``(n_recordings,) float64`` each: above and below the line."""

    above: FloatArray
    below: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """Counts and times of a result by recording.

    Parameters
    ----------
    title
        What is judged, in words: ``sweep of calls: threshold 0.75, … (recommended)``.
    kind
        What sort of result it is, in words; only results of one kind are compared.
    schema
        Its columns; a metric is the name of a rate, a rate per minute, a quantile or a mean among them.
    counts
        One row per recording, indexed by its name: the counts that the rates are made of.
    times
        By the name of the time (``latency_detected_ms``), in milliseconds.
    clusters
        ``(n_recordings,)``: which recordings go together where bounds are made; each for itself when not given.
    audio
        A digest of each recording's audio, by which recordings of two results are found to be the same; ``None``
        where it is not known.
    dataset
        Digest of the dataset that they are of; empty where it is not known.
    unit
        What a row of ``counts`` is: ``"recording"`` or ``"session"``.
    aliases
        Other spellings of metrics.
    absent
        Metrics and times that this result does not have, each with the reason.
    heard_again
        Gives ``counts`` with further columns, at the price of going through the recordings; raises `NotJudged` where
        they are not at hand.
    limits
        The limits that the result itself was made to keep, by metric.
    made
        How it was made, in words: ``detector``, ``evaluation``. What differs from a baseline is said.
    notes
        What else is to be known of it, a sentence each.
    """

    title: str
    kind: str
    schema: Schema
    counts: pd.DataFrame
    times: Mapping[str, Times] = field(default_factory=dict)
    clusters: IntArray | None = None
    audio: tuple[str, ...] | None = None
    dataset: str = ""
    unit: str = "recording"
    aliases: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    heard_again: Callable[[], pd.DataFrame] | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def recordings(self) -> tuple[str, ...]:
        """Names of the recordings, in order."""
        return tuple(map(str, self.counts.index))

    @property
    def groups(self) -> IntArray:
        """``(n_recordings,)``: the cluster of each recording."""
        return np.arange(len(self.counts)) if self.clusters is None else np.asarray(self.clusters)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what this result can be judged by."""
        return tuple(
            column.name
            for column in self.schema
            if isinstance(column, Rate | PerMinute | Quantile | Mean) and column.interval
            if not self.absent.keys() & _sources(column)
        )

    def column(self, metric: str) -> Judged:
        """The declaration of a metric.

        Raises
        ------
        InvalidParameterError
            If there is none of that name, or it has no bound; the message names near ones.
        """
        name = self.aliases.get(metric, metric)
        found = next((column for column in self.schema if column.name == name), None)
        if isinstance(found, Rate | PerMinute | Quantile | Mean) and found.interval:
            return found
        known = (*self.metrics, *self.aliases)
        near = difflib.get_close_matches(str(metric), known, n=4, cutoff=0.5)
        allowed = f"a metric of a {self.kind}: {', '.join(near or known)}" + (", …" if near else "")
        if found is not None:
            allowed += f" ({name} is a {type(found).__name__.lower()}, which has no bound)"
        raise InvalidParameterError("metric", allowed, metric)

    def tally(self, column: Judged) -> Counted | Times:
        """What a metric is made of.

        Raises
        ------
        NotJudged
            If this result does not have it.
        """
        for name in self.absent.keys() & _sources(column):
            raise NotJudged(self.absent[name])
        if isinstance(column, Quantile | Mean):
            return self.times[column.of]
        counts, wanted = self.counts, {*column.of, *column.per}
        if not wanted <= set(counts.columns) and self.heard_again is not None:
            counts = self.heard_again()
        above, below = _summed(counts, column.of), _summed(counts, column.per)
        if isinstance(column, Rate):  # sums of probabilities may be above by what rounding adds
            above = np.where(np.isclose(above, below, rtol=1e-9, atol=0), np.minimum(above, below), above)
        return Counted(above=above, below=below)

    def estimate(self, column: Judged, confidence: float = TWO_SIDED) -> Estimate:
        """A metric with the ends of its interval; the unit of the interval is the cluster.

        Raises
        ------
        NotJudged
            If this result does not have the metric.
        """
        tally, groups = self.tally(column), self.groups
        if isinstance(tally, Times):
            own = groups[tally.owner]
            if isinstance(column, Mean):
                return clustered_km_mean(tally.values, tally.observed, own, column.at_most, confidence)
            assert isinstance(column, Quantile)
            if tally.censored:
                return clustered_km_quantile(
                    tally.values, tally.observed, own, column.q, confidence, weights=tally.weights
                )
            return clustered_quantile(tally.values, own, column.q, confidence)
        above, below = (np.bincount(groups, weights=sums) for sums in (tally.above, tally.below))
        make = clustered_rate if isinstance(column, Rate) else clustered_rate_per_exposure
        return make(above, below, confidence)

    def n(self, column: Judged) -> float:
        """What a metric rests on: members, or minutes of exposure."""
        tally = self.tally(column)
        if isinstance(tally, Times):
            return float(len(tally.values) if tally.weights is None else tally.weights.sum())
        return float(tally.below.sum())


def _sources(column: Judged) -> set[str]:
    """The metric's own name, and those of the time or the counts that it is made of."""
    return {column.name, *([column.of] if isinstance(column, Quantile | Mean) else column.of)}


def _summed(counts: pd.DataFrame, names: Sequence[str]) -> FloatArray:
    total: FloatArray = np.sum([counts[name].to_numpy(np.float64) for name in names], axis=0)
    return total
