"""The noise under a channel: level and spread of each band where nobody speaks, nearby."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.lab.datasets.labelling.tracks import RATE, STEP_SAMPLES

__all__ = ["Floor", "noise_floor", "quiet_by_level", "widened"]

_STEPS_A_S = RATE // STEP_SAMPLES
_BLOCK_STEPS = 2 * _STEPS_A_S  # the floor is one number over 2 s
_AROUND_STEPS = 5 * _STEPS_A_S  # from what is within 5 s
_LEAST_STEPS = _STEPS_A_S // 2  # half a second of noise, else the whole recording's
_SMOOTHED_STEPS = _STEPS_A_S // 10
_BINS = 60
_LEAST_SPREAD_DB = 1.5
_SPREAD_UNKNOWN_DB = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Floor:
    """What is to be exceeded.

    Parameters
    ----------
    level_db
        ``(n_bands, n_steps) float32``: median level, dBFS.
    spread_db
        ``(n_bands, n_steps) float32``: 90 % quantile less median, dB, at least 1.5.
    leaks
        ``(n_steps,)``: where the other channel may be heard in this one.
    """

    level_db: FloatArray
    spread_db: FloatArray
    leaks: npt.NDArray[np.bool_]


def widened(mask: npt.NDArray[np.bool_], before: int, after: int) -> npt.NDArray[np.bool_]:
    """Each true stretch of a mask, with steps before and after it."""
    out = np.zeros(len(mask) + 1, np.int32)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    np.add.at(out, np.maximum(starts - before, 0), 1)
    np.add.at(out, np.minimum(ends + after, len(mask)), -1)
    return np.asarray(np.cumsum(out)[:-1] > 0, dtype=np.bool_)


def noise_floor(levels_db: FloatArray, quiet: npt.NDArray[np.bool_]) -> Floor:
    """The floor of a channel.

    Parameters
    ----------
    levels_db
        ``(n_bands, n_steps)``.
    quiet
        ``(n_steps,)``: where nobody speaks. Where there is less than half a second of it within 5 s, that of the whole
        recording stands in; with less than that in all, the 10 % quantile of everything.
    """
    level, spread = np.empty_like(levels_db), np.empty_like(levels_db)
    whole = _median_and_spread(levels_db[:, quiet]) if quiet.sum() >= _LEAST_STEPS else None
    if whole is None:
        lowest = np.quantile(levels_db, 0.1, axis=1, keepdims=True)
        whole = lowest, np.full_like(lowest, _SPREAD_UNKNOWN_DB)
    for start in range(0, levels_db.shape[1], _BLOCK_STEPS):
        end = start + _BLOCK_STEPS
        near = slice(max(0, start - _AROUND_STEPS), end + _AROUND_STEPS)
        here = quiet[near]
        enough = here.sum() >= _LEAST_STEPS
        found = _median_and_spread(levels_db[:, near][:, here]) if enough else whole
        level[:, start:end], spread[:, start:end] = found
    return Floor(level_db=level, spread_db=spread, leaks=np.zeros(levels_db.shape[1], np.bool_))


def _median_and_spread(levels_db: FloatArray) -> tuple[FloatArray, FloatArray]:
    middle, high = np.quantile(levels_db, [0.5, 0.9], axis=1, keepdims=True).astype(np.float32)
    return middle, np.maximum(high - middle, _LEAST_SPREAD_DB)


def quiet_by_level(total_db: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a channel is quiet by its level alone, ``(n_steps,)``: for noise that a detector takes for speech.

    The levels (means over 100 ms) are split in two so that the variance between the halves is greatest (Otsu 1979,
    "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9).
    """
    kernel = np.full(_SMOOTHED_STEPS, 1 / _SMOOTHED_STEPS)
    levels = np.convolve(total_db, kernel, mode="same")
    counts, edges = np.histogram(levels, bins=_BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * middles)[:-1]
    above = counts.sum() - below
    apart = sums / np.maximum(below, 1) - ((counts * middles).sum() - sums) / np.maximum(above, 1)
    return np.asarray(levels <= edges[1 + int(np.argmax(below * above * apart**2))], dtype=np.bool_)
