"""Whether a result is worse than an older one: recordings paired, differences with one-sided bounds, Holm's correction.

Task
    Say whether a metric got worse. What makes a recording easy or hard for both builds cancels where both have it, so
    recordings are paired where that can be done. Rates by the influences of recordings; times by drawing whole
    recordings anew, the same for both.
Unit
    As the columns. A *worsening* is the difference in the direction that is worse, so a positive one is bad.
Index
    `Pairing`, `pair`, `Worsening`, `worsening`, `holm`

Where few recordings differ at all, the normal approximation is too sure of itself: with ``k`` recordings that differ,
swapping the builds in each gives ``2^k`` arrangements, so that no probability is taken to be below ``2^-k``.

References
----------
S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6, 1979.
A. C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application", Cambridge 1997, §3.8, §4.4.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse, special
from scipy.sparse import csgraph

from bidilab.lab.gate.evidence import Counted, Evidence, Judged, NotJudged, Times
from bidilab.lab.metrics.columns import Mean, Quantile
from bidilab.lab.metrics.intervals import difference_error, rate_influences
from bidilab.lab.metrics.resampling import draw_clusters, drawn_km_means, drawn_km_quantiles, drawn_quantiles
from bidilab.lab.metrics.statistics import rank

__all__ = ["Pairing", "Worsening", "holm", "p_worse", "pair", "worsening"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

N_RESAMPLES = 2000
SEED = 0
_AT_ONCE = 250  # resamples, so that memory stays bounded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairing:
    """Which recordings of two results go together.

    Parameters
    ----------
    new, old
        ``(n_recordings,)`` of each result: the cluster of each recording, numbered alike in both.
    n_paired
        Recordings that both have.
    by
        What they were found by, in words.
    unit
        What is paired: ``"recording"`` or ``"session"``.
    """

    new: IntArray
    old: IntArray
    n_paired: int
    by: str
    unit: str

    @property
    def n_clusters(self) -> int:
        """Clusters of both results together."""
        return int(max(self.new.max(initial=-1), self.old.max(initial=-1))) + 1

    @property
    def complete(self) -> bool:
        """Whether both results have the same recordings."""
        return self.n_paired == len(self.new) == len(self.old)

    def __str__(self) -> str:
        n, m, units = len(self.new), len(self.old), f"{self.unit}s"
        if not self.n_paired:
            return (
                f"Nothing is paired: of the {n} {units} here and the {m} of the baseline, none are {self.by}. The two "
                "are compared as independent samples, which shows less than the same recordings would."
            )
        if self.complete:
            return f"Paired: all {n} {units} are in both, found by {self.by}."
        return (
            f"Paired in part: {self.n_paired} of the {n} {units} here and the {m} of the baseline are in both, found "
            f"by {self.by}; the others count as independent samples."
        )


def pair(new: Evidence, old: Evidence) -> Pairing:
    """Find the recordings that two results have in common: by their audio where both know it, else by name.

    What goes together in either result (the recordings of a speaker) goes together in the pairing.

    Examples
    --------
    >>> import pandas as pd
    >>> from bidilab.lab.metrics.columns import SESSIONS
    >>> def evidence(*names):
    ...     return Evidence(title="", kind="", schema=SESSIONS, counts=pd.DataFrame(index=list(names)))
    >>> found = pair(evidence("a", "b", "c"), evidence("c", "d", "a"))
    >>> found.n_paired, found.new.tolist(), found.old.tolist()
    (2, [0, 1, 2], [2, 3, 0])
    """
    if new.audio is not None and old.audio is not None:
        keys, by = (_counted(new.audio), _counted(old.audio)), "the same audio"
    else:
        keys = (_counted(new.recordings), _counted(old.recordings))
        same = bool(new.dataset) and new.dataset == old.dataset
        by = "their name in the same dataset" if same else "their name alone (nothing says that the audio is the same)"
    place = {key: k for k, key in enumerate(keys[1])}
    both = [(k, place[key]) for k, key in enumerate(keys[0]) if key in place]
    # Nodes: recordings here, then those of the baseline, then the clusters of each.
    n, m = len(keys[0]), len(keys[1])
    ours, theirs = (n + m + new.groups), (n + m + int(new.groups.max(initial=-1)) + 1 + old.groups)
    edges = [
        *((k, n + j) for k, j in both),
        *zip(range(n), ours, strict=True),
        *zip(range(n, n + m), theirs, strict=True),
    ]
    size = int(max(n + m, ours.max(initial=-1) + 1, theirs.max(initial=-1) + 1))
    rows, columns = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    _, component = csgraph.connected_components(graph, directed=False)
    used, of = np.unique(component[: n + m], return_inverse=True)
    first = np.full(len(used), n + m)
    np.minimum.at(first, of, np.arange(n + m))
    number = np.argsort(np.argsort(first))[of]  # in the order in which they first appear
    return Pairing(new=number[:n], old=number[n:], n_paired=len(both), by=by, unit=new.unit)


def _counted(keys: Sequence[str]) -> list[tuple[str, int]]:
    """Each key with how often it stood before, so that no two are equal."""
    before: Counter[str] = Counter()
    numbered = []
    for key in keys:
        numbered.append((key, before[key]))
        before[key] += 1
    return numbered


class Worsening(Protocol):
    """By how much a metric got worse, and how surely."""

    @property
    def value(self) -> float:
        """The difference, positive where it is worse; NaN where neither result reaches the quantile."""

    @property
    def n_differing(self) -> int:
        """Clusters that are not the same in both results."""

    def p_worse(self, margin: float) -> float:
        """Probability of data like these if the worsening were at most the margin."""

    def p_within(self, margin: float) -> float:
        """Probability of data like these if the worsening were more than the margin."""

    def least(self, alpha: float) -> float:
        """The least worsening that fits the data, at a one-sided level of ``1 - alpha``."""

    def most(self, alpha: float) -> float:
        """The greatest worsening that fits the data, at a one-sided level of ``1 - alpha``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Linear:
    """A worsening whose standard error is known: Student's ``t``."""

    value: float
    error: float
    freedom: int
    n_differing: int

    def p_worse(self, margin: float) -> float:
        return self._tail(margin - self.value) if self.error else float(self.value <= margin)

    def p_within(self, margin: float) -> float:
        return self._tail(self.value - margin) if self.error else float(self.value > margin)

    def least(self, alpha: float) -> float:
        return self.value - self._half(alpha)

    def most(self, alpha: float) -> float:
        return self.value + self._half(alpha)

    def _tail(self, distance: float) -> float:
        return float(special.stdtr(self.freedom, distance / self.error))

    def _half(self, alpha: float) -> float:
        return float(special.stdtrit(self.freedom, 1 - alpha)) * self.error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Resampled:
    """A worsening by resamples; where neither result reaches the quantile, it is neither shown nor excluded."""

    value: float
    draws: FloatArray
    n_differing: int

    def p_worse(self, margin: float) -> float:
        return (1 + int(np.count_nonzero(~(self.draws > margin)))) / (1 + len(self.draws))

    def p_within(self, margin: float) -> float:
        return (1 + int(np.count_nonzero(~(self.draws <= margin)))) / (1 + len(self.draws))

    def least(self, alpha: float) -> float:
        rising = np.sort(np.where(np.isnan(self.draws), -np.inf, self.draws))
        return float(rising[rank(len(rising), alpha)])

    def most(self, alpha: float) -> float:
        rising = np.sort(np.where(np.isnan(self.draws), np.inf, self.draws))
        return float(rising[rank(len(rising), 1 - alpha)])


def worsening(new: Evidence, old: Evidence, column: Judged, pairing: Pairing) -> Worsening:
    """By how much a metric got worse from ``old`` to ``new``.

    Raises
    ------
    NotJudged
        If either result does not have it, or fewer than two clusters of either have members.
    """
    tallies = new.tally(column), old.tally(column)
    sign = -1.0 if column.better == "higher" else 1.0
    if isinstance(tallies[0], Times) and isinstance(tallies[1], Times):
        assert isinstance(column, Quantile | Mean)
        return _of_times(tallies[0], tallies[1], column, pairing, sign)
    assert isinstance(tallies[0], Counted)
    assert isinstance(tallies[1], Counted)
    return _of_ratio(tallies[0], tallies[1], pairing, sign)


def _of_ratio(new: Counted, old: Counted, pairing: Pairing, sign: float) -> Worsening:
    size = pairing.n_clusters
    y, n = _by_cluster(pairing.new, size, new.above, new.below)
    y0, n0 = _by_cluster(pairing.old, size, old.above, old.below)
    m = _least_clusters(n > 0, n0 > 0, pairing)
    error = difference_error(rate_influences(y, n), rate_influences(y0, n0), m)
    return _Linear(
        value=sign * float(y.sum() / n.sum() - y0.sum() / n0.sum()),
        error=float(error),
        freedom=m - 1,
        n_differing=int(np.count_nonzero((y != y0) | (n != n0))),
    )


def _by_cluster(of: IntArray, size: int, *sums: FloatArray) -> list[FloatArray]:
    return [np.bincount(of, weights=each, minlength=size).astype(np.float64) for each in sums]


def _least_clusters(new: npt.NDArray[np.bool_], old: npt.NDArray[np.bool_], pairing: Pairing) -> int:
    counts = int(np.count_nonzero(new)), int(np.count_nonzero(old))
    for m, words in zip(counts, ("here", "in the baseline"), strict=True):
        if m < 2:
            holding = f"only one {pairing.unit} holds" if m else f"no {pairing.unit} holds"
            raise NotJudged(f"{holding} events {words}, and a bound needs at least two")
    return min(counts)


def _of_times(new: Times, old: Times, column: Quantile | Mean, pairing: Pairing, sign: float) -> Worsening:
    own, theirs = pairing.new[new.owner], pairing.old[old.owner]
    size = pairing.n_clusters
    _least_clusters(np.bincount(own, minlength=size) > 0, np.bincount(theirs, minlength=size) > 0, pairing)
    weights = draw_clusters(size, N_RESAMPLES, SEED)
    draws = []
    with np.errstate(invalid="ignore"):
        for first in range(0, N_RESAMPLES, _AT_ONCE):
            some = weights[:, first : first + _AT_ONCE]
            draws.append(sign * (_drawn(new, some[own], column) - _drawn(old, some[theirs], column)))
        once = np.ones((size, 1), dtype=np.int64)
        value = sign * float((_drawn(new, once[own], column) - _drawn(old, once[theirs], column))[0])
    differing = sum(_sorted(new, own == cluster) != _sorted(old, theirs == cluster) for cluster in range(size))
    return _Resampled(value=value, draws=np.concatenate(draws), n_differing=differing)


def _drawn(times: Times, drawn: IntArray, column: Quantile | Mean) -> FloatArray:
    if isinstance(column, Mean):
        return drawn_km_means(times.values, times.observed, drawn, column.at_most)
    if times.censored:
        weights = drawn if times.weights is None else drawn * times.weights[:, None]
        return drawn_km_quantiles(times.values, times.observed, weights, column.q)
    return drawn_quantiles(times.values, drawn, column.q)


def _sorted(times: Times, some: npt.NDArray[np.bool_]) -> list[tuple[float, ...]]:
    weights = np.ones(len(times.values)) if times.weights is None else times.weights
    return sorted(zip(times.values[some], times.observed[some], weights[some], strict=True))


def p_worse(found: Worsening, margin: float) -> float:
    """The probability that decides: not below what the recordings that differ could show by any method."""
    return max(found.p_worse(margin), math.ldexp(1.0, -min(found.n_differing, 1000)))


def holm(probabilities: Sequence[float], alpha: float = 0.05) -> list[tuple[float, bool]]:
    """Holm's correction: the level at which each is tested, and whether it is shown there.

    The least probability is tested at ``alpha/k``, the next at ``alpha/(k-1)``, and so on; after the first that is not
    shown none is, so that any false alarm among the ``k`` has a probability of at most ``alpha``.

    Examples
    --------
    >>> holm([0.04, 0.001, 0.03])  # 0.001 <= 0.05/3; 0.03 > 0.05/2, and there it ends
    [(0.025, False), (0.016666666666666666, True), (0.025, False)]
    """
    k = len(probabilities)
    found: list[tuple[float, bool]] = [(alpha, False)] * k
    stopped_at: float | None = None
    for step, index in enumerate(sorted(range(k), key=lambda i: probabilities[i])):
        level = stopped_at or alpha / (k - step)
        shown = stopped_at is None and probabilities[index] <= level
        found[index] = (level, shown)
        if not shown:
            stopped_at = level
    return found
