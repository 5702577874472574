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
_ONE_LEVEL_DB = 0.01  # levels that differ by less are one: rounding, in digital silence and on a constant floor
_FLAT_SEPARABILITY = 0.75  # of levels spread evenly; more, and there is a valley between the two parts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Floor:
    """What is to be exceeded.

    Parameters
    ----------
    level_db
        ``(n_bands, n_steps) float32``: median level of the quietest noise nearby, dBFS.
    spread_db
        ``(n_bands, n_steps) float32``: its 90 % quantile less its median, dB, at least 1.5.
    leaks
        ``(n_steps,)``: where the other channel may be heard in this one.
    loud
        ``(n_steps,)``: where the channel is as loud as a louder noise that was heard within 5 s.
    loud_level_db, loud_spread_db
        The same of what is louder; of the only noise, where there is one.
    quiet
        ``(n_steps,)``: where nobody speaks.
    """

    level_db: FloatArray
    spread_db: FloatArray
    leaks: npt.NDArray[np.bool_]
    loud: npt.NDArray[np.bool_]
    loud_level_db: FloatArray
    loud_spread_db: FloatArray
    quiet: npt.NDArray[np.bool_]


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

    Notes
    -----
    A spread is that of one noise. A dog that barks in a silent room makes two, one after the other; a spread over both
    would be as wide as the bark is loud, and hide what is said between the barks. So where the levels of what is quiet
    fall apart in two, level and spread are those of the quieter part; those of the rest are kept apart.
    """
    n_steps = levels_db.shape[1]
    floors = np.empty((4, *levels_db.shape), np.float32)
    over_dbfs = np.full(n_steps, np.inf, np.float32)
    total_db = _smoothed(_together_db(levels_db))
    whole = _noises(levels_db[:, quiet], total_db[quiet]) if quiet.sum() >= _LEAST_STEPS else None
    if whole is None:
        lowest = np.quantile(levels_db, 0.1, axis=1)
        unknown = np.full_like(lowest, _SPREAD_UNKNOWN_DB)
        whole = np.stack([lowest, unknown, lowest, unknown]), np.inf
    for start in range(0, n_steps, _BLOCK_STEPS):
        end = start + _BLOCK_STEPS
        near = slice(max(0, start - _AROUND_STEPS), end + _AROUND_STEPS)
        here = quiet[near]
        enough = here.sum() >= _LEAST_STEPS
        found, over_dbfs[start:end] = _noises(levels_db[:, near][:, here], total_db[near][here]) if enough else whole
        floors[:, :, start:end] = found[:, :, None]
    level, spread, loud_level, loud_spread = floors
    return Floor(
        level_db=level,
        spread_db=spread,
        leaks=np.zeros(n_steps, np.bool_),
        loud=np.asarray(total_db > over_dbfs, dtype=np.bool_),
        loud_level_db=loud_level,
        loud_spread_db=loud_spread,
        quiet=quiet,
    )


def _noises(levels_db: FloatArray, total_db: FloatArray) -> tuple[FloatArray, float]:
    """The quietest noise and all louder ones.

    Returns
    -------
    floors
        ``(4, n_bands) float32``: level and spread of the quietest, level and spread of the louder.
    over_dbfs
        Level of all bands from which it is a louder one; infinite when there is one noise.
    """
    over_dbfs, below = np.inf, np.ones(len(total_db), np.bool_)
    while True:
        split = _split(total_db[below])
        apart = split.separability > _FLAT_SEPARABILITY and split.apart_db >= 2 * _LEAST_SPREAD_DB
        if not apart or (total_db <= split.at_db).sum() < _LEAST_STEPS:
            break
        over_dbfs, below = split.at_db, total_db <= split.at_db
    level, spread = _median_and_spread(levels_db[:, below])
    if below.all():
        return np.stack([level, spread, level, spread]), over_dbfs
    loud_level, loud_spread = _median_and_spread(levels_db[:, ~below])
    return np.stack([level, spread, np.maximum(level, loud_level), loud_spread]), over_dbfs


def _median_and_spread(levels_db: FloatArray) -> tuple[FloatArray, FloatArray]:
    middle, high = np.quantile(levels_db, [0.5, 0.9], axis=1).astype(np.float32)
    return middle, np.maximum(high - middle, _LEAST_SPREAD_DB)


def quiet_by_level(total_db: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a channel is quiet by its level alone, ``(n_steps,)``: for noise that a detector takes for speech."""
    levels = _smoothed(total_db)
    return np.asarray(levels <= _split(levels).at_db, dtype=np.bool_)


def _together_db(levels_db: FloatArray) -> FloatArray:
    return np.asarray(10 * np.log10((10 ** (levels_db / 10)).sum(axis=0)), dtype=np.float32)


def _smoothed(levels_db: FloatArray) -> FloatArray:
    before = _SMOOTHED_STEPS // 2
    padded = np.pad(levels_db, (before, _SMOOTHED_STEPS - 1 - before), mode="edge")
    kernel = np.full(_SMOOTHED_STEPS, 1 / _SMOOTHED_STEPS)
    return np.asarray(np.convolve(padded, kernel, mode="valid"), dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """Levels in two: where, how far apart the means of the parts are, and what share of the variance is between."""

    at_db: float
    apart_db: float
    separability: float


def _split(levels_db: FloatArray) -> _Split:
    """Levels in two so that the variance between the parts is greatest.

    Otsu 1979, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9; the share of the variance
    that lies between the parts is his measure of separability (his eq. 12). What has one level is not split: all of it
    is below.
    """
    levels_db = levels_db.astype(np.float64)  # in float32, bins between two neighbouring values have no width
    loudest = float(levels_db.max())
    if loudest - levels_db.min() < _ONE_LEVEL_DB:
        return _Split(at_db=loudest, apart_db=0.0, separability=0.0)
    counts, edges = np.histogram(levels_db, bins=_BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * middles)[:-1]
    above = counts.sum() - below
    apart = ((counts * middles).sum() - sums) / np.maximum(above, 1) - sums / np.maximum(below, 1)
    between = below * above * apart**2
    best = int(np.argmax(between))
    n = counts.sum()
    variance = float(np.var(levels_db))
    return _Split(
        at_db=float(edges[1 + best]),
        apart_db=float(apart[best]),
        separability=float(between[best]) / n**2 / variance if variance else 0.0,
    )
