"""Kaplan–Meier quantiles of many weighted resamples at once, compiled. Arrays in, arrays out.

`latency` is what to call; `latency_reference` says the same slowly.

With ``R`` the weight still at risk, the survival ``S`` falls by ``R_after/R_before`` at each event and stays at each
censoring. The factors of consecutive events cancel, so ``S <= 1 - q`` is ``R <= limit`` with one ``limit`` for each
resample, ``(1 - q) R_0`` at first, that changes at censorings alone: ``limit *= R_after/R_before``. An event then costs
one integer subtraction and one integer comparison for each resample, in vector lanes over the resamples. ``S`` never
rises, so counting the events *after which it is still above* ``1 - q`` finds the event that takes it there.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["BLOCK", "CENSORED", "EVENT", "quantile_intervals"]

EVENT = 1
CENSORED = 2

BLOCK = 256
"""Resamples taken at a time: all that is kept for them stays in the first-level cache."""
_CHECK_EVERY = 16  # events between two looks whether every resample has reached its quantile


@numba.njit(cache=True, nogil=True)
def _settle_censored(at_risk, lost, limit, whole, width):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Take the censored weight ``lost`` out of those at risk, and keep the limits in proportion."""
    for q in range(limit.shape[0]):
        for b in range(width):
            before = at_risk[b]
            rest = before - lost[b]
            if rest > 0:
                limit[q, b] *= rest / before
                whole[q, b] = np.int32(np.floor(limit[q, b]))
            elif before > whole[q, b]:
                # Nobody is left and the quantile was not reached: it never will be.
                limit[q, b] = -1.0
                whole[q, b] = -1
    for b in range(width):
        at_risk[b] -= lost[b]
        lost[b] = 0


@numba.njit(cache=True, nogil=True)
def _is_reached(at_risk, whole, width):  # type: ignore[no-untyped-def]  # pragma: no cover
    above = 0
    for b in range(width):
        above += at_risk[b] > whole[b]
    return above == 0


@numba.njit(cache=True, nogil=True)
def _events_passed(clusters, censored, counts, targets, passed, total):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Count, for each quantile and resample, the events after which survival is still above its target.

    Parameters
    ----------
    clusters, censored
        ``(n,)``: cluster of each opportunity in order of time, events before censorings; whether it was censored. The
        last is an event.
    counts
        ``(n_clusters, n_resamples) uint16``.
    targets
        ``(n_quantiles,) float64``: the survival to reach.
    passed, total
        ``(n_quantiles, n_resamples) int32``, written; ``(n_resamples,) int32``: weight at risk at first.
    """
    n_resamples = counts.shape[1]
    n_quantiles = len(targets)
    at_risk = np.empty(BLOCK, np.int32)
    lost = np.empty(BLOCK, np.int32)
    limit = np.empty((n_quantiles, BLOCK), np.float64)
    whole = np.empty((n_quantiles, BLOCK), np.int32)
    still = np.empty((n_quantiles, BLOCK), np.int32)
    is_open = np.empty(n_quantiles, np.bool_)
    for start in range(0, n_resamples, BLOCK):
        width = min(BLOCK, n_resamples - start)
        at_risk[:width] = total[start : start + width]
        lost[:] = 0
        still[:] = 0
        is_open[:] = True
        for q in range(n_quantiles):
            for b in range(width):
                limit[q, b] = at_risk[b] * targets[q]
                whole[q, b] = np.int32(np.floor(limit[q, b]))
        has_lost = False
        n_events = 0
        n_open = n_quantiles
        for j in range(len(clusters)):
            weight = counts[clusters[j], start : start + width]
            if censored[j]:
                for b in range(width):
                    lost[b] += weight[b]
                has_lost = True
                continue
            if has_lost:
                _settle_censored(at_risk, lost, limit, whole, width)
                has_lost = False
            for b in range(width):
                at_risk[b] -= weight[b]
            n_events += 1
            for q in range(n_quantiles):
                if is_open[q]:
                    row, least = still[q], whole[q]
                    for b in range(width):
                        row[b] += np.int32(at_risk[b] > least[b])
                    if n_events % _CHECK_EVERY == 0 and _is_reached(at_risk, least, width):
                        is_open[q] = False
                        n_open -= 1
            if n_open == 0:
                break
        passed[:, start : start + width] = still[:, :width]


@numba.njit(cache=True, nogil=True)
def _order_statistics(passed, total, n_events, ranks, histogram, found):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Order statistics ``found`` of ``passed`` over the resamples that hold anything, by a histogram."""
    histogram[: n_events + 1] = 0
    n_valid = 0
    for b in range(len(passed)):
        if total[b] > 0:
            histogram[passed[b]] += 1
            n_valid += 1
    for side in range(2):
        found[side] = -1
        if n_valid == 0:
            continue
        below = 0
        for value in range(n_events + 1):
            below += histogram[value]
            if below > ranks[n_valid, side]:
                found[side] = value
                break


@numba.njit(cache=True, nogil=True)
def quantile_intervals(  # type: ignore[no-untyped-def]  # pragma: no cover
    times: npt.NDArray[Any],
    states: npt.NDArray[Any],
    order: npt.NDArray[Any],
    cluster: npt.NDArray[Any],
    counts: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    ranks: npt.NDArray[Any],
    min_clusters: int,
    out: npt.NDArray[Any],
):
    """Fill ``out`` with two order statistics, over the resamples, of each quantile of each setting.

    Parameters
    ----------
    times
        ``(n_settings, n_opportunities)`` integers.
    states
        ``(n_settings, n_opportunities)``: `EVENT`, `CENSORED`, anything else for absent.
    order
        ``(n_settings, n_opportunities) int64``: opportunities by time, events before censorings, absent ones last.
    cluster
        ``(n_opportunities,) int64`` in [0, n_clusters).
    counts
        ``(n_clusters, n_resamples) uint16``: how often each cluster is in each resample.
    targets
        ``(n_quantiles,) float64``: the survival to reach, ``1 - q``.
    ranks
        ``(n_resamples + 1, 2) int64``: for each number of valid resamples, the two ranks from 0.
    min_clusters
        Settings with data in fewer clusters than this are left NaN.
    out
        ``(n_settings, n_quantiles, 2) float64``, NaN at first, written: a time, ``inf`` (not reached) or NaN (no
        resample holds anything).
    """
    n_settings, n = times.shape
    n_clusters, n_resamples = counts.shape
    passed = np.empty((len(targets), n_resamples), np.int32)
    total = np.empty(n_resamples, np.int32)
    clusters = np.empty(n, np.int64)
    censored = np.empty(n, np.bool_)
    event_time = np.empty(n, np.float64)
    size = np.empty(n_clusters, np.int32)
    histogram = np.empty(n + 1, np.int64)
    found = np.empty(2, np.int64)
    for s in range(n_settings):
        size[:] = 0
        n_events = 0
        until = 0  # censorings after the last event change nothing
        for j in range(n):
            i = order[s, j]
            if states[s, i] != EVENT and states[s, i] != CENSORED:
                break
            clusters[j] = cluster[i]
            censored[j] = states[s, i] == CENSORED
            size[cluster[i]] += 1
            if not censored[j]:
                event_time[n_events] = times[s, i]
                n_events += 1
                until = j + 1
        if np.sum(size > 0) < min_clusters:
            continue
        total[:] = 0
        for c in range(n_clusters):
            if size[c] > 0:
                for b in range(n_resamples):
                    total[b] += size[c] * counts[c, b]
        _events_passed(clusters[:until], censored[:until], counts, targets, passed, total)
        for q in range(len(targets)):
            _order_statistics(passed[q], total, n_events, ranks, histogram, found)
            for side in range(2):
                if found[side] < 0:
                    out[s, q, side] = np.nan
                elif found[side] == n_events:
                    out[s, q, side] = np.inf
                else:
                    out[s, q, side] = event_time[found[side]]
