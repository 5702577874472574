"""The agent's sound in the user's channel, down to 25 dB below and further: how loud, how late, and what it explains.

The labeller's `find_leak` looks at all bands, as it must take the leak off of each. A faint leak is heard in few: those
in which the source is loudest. So it is looked for there alone, in a third of the bands, which hold most of the power.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.timeline import Interval
from bidilab.lab.datasets.labelling.leakage import find_leak
from bidilab.lab.datasets.labelling.noise import noise_floor, quiet_by_level, widened
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.tracks import RATE, STEP_SAMPLES

__all__ = ["Echo", "find_echo"]

_BANDS_SHARE = 1 / 3
_SPEAKS_UNDER_PEAK_DB = 25.0
_STEPS_A_S = RATE // STEP_SAMPLES
_AROUND_STEPS, _RINGING_STEPS = _STEPS_A_S // 10, _STEPS_A_S // 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Echo:
    """One side's sound in the other side's channel.

    Parameters
    ----------
    gain_db
        Its level where only that side speaks, relative to its own channel.
    lag_ms
        How much later it is heard.
    bands
        Indices of the bands it was looked for in.
    level_db
        ``(len(bands), n_steps)``: what is expected of it, dBFS.
    """

    gain_db: float
    lag_ms: float
    bands: npt.NDArray[np.intp]
    level_db: FloatArray

    def over_db(self, target_db: FloatArray, interval: Interval) -> float:
        """How far a stretch of the channel, in samples at 16 kHz, lies over the echo expected there, dB of power."""
        steps = slice(
            interval.start // STEP_SAMPLES, max(interval.start // STEP_SAMPLES + 1, interval.end // STEP_SAMPLES)
        )
        heard, expected = (
            float((10 ** (part[:, steps].astype(np.float64) / 10)).sum())
            for part in (target_db[self.bands], self.level_db)
        )
        return float(10 * np.log10(heard / expected))


def find_echo(target_db: FloatArray, source_db: FloatArray, rule: LabelRule) -> Echo | None:
    """The sound of a source's channel in a target's, ``None`` where none is heard.

    Parameters
    ----------
    target_db, source_db
        ``(n_bands, n_steps)``: levels of both, as the labeller's tracks have them.
    rule
        Numbers of the leak.
    """
    total_db = _together(source_db)
    loudest = float(np.quantile(total_db, 0.95))
    if loudest - float(total_db.min()) < _SPEAKS_UNDER_PEAK_DB:
        return None  # it never falls silent, so nothing can be told apart
    speaks = total_db > loudest - _SPEAKS_UNDER_PEAK_DB
    quiet = ~widened(speaks, _AROUND_STEPS, _RINGING_STEPS) & quiet_by_level(_together(target_db))
    floor = noise_floor(target_db, quiet)
    n_bands = max(2, round(len(source_db) * _BANDS_SHARE))
    bands = np.argsort(np.quantile(source_db[:, speaks], 0.9, axis=1))[::-1][:n_bands]
    in_bands = replace(
        floor,
        level_db=floor.level_db[bands],
        spread_db=floor.spread_db[bands],
        loud_level_db=floor.loud_level_db[bands],
        loud_spread_db=floor.loud_spread_db[bands],
    )
    leak = find_leak(target_db[bands], source_db[bands], speaks, in_bands, rule)
    if leak is None or not np.isfinite(leak.gain_db):
        return None
    return Echo(gain_db=leak.gain_db, lag_ms=1000 * leak.lag_samples / RATE, bands=bands, level_db=leak.level_db)


def _together(levels_db: FloatArray) -> FloatArray:
    return np.asarray(10 * np.log10((10 ** (levels_db / 10)).sum(axis=0)), dtype=np.float32)
