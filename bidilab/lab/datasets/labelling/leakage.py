"""One channel heard in the other: crosstalk, or a loudspeaker in front of a microphone.

The model is of powers, not of waves, so that it holds through codecs, drifting clocks and small loudspeakers: in band
``b`` the leak is ``gain_b`` times the source's power some time ago, ringing on as in a room. Lag and reverberation are
those for which the two level tracks correlate best while the source speaks; each band's gain is the median of the
level difference there, as whoever speaks on the channel itself does so for less than half of that time. A leak
is weaker than its source, and comes no earlier; anything else that correlates is not one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.units import ms_to_samples
from bidilab.lab.datasets.labelling.noise import Floor, widened
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.tracks import RATE, STEP_SAMPLES

__all__ = ["Leak", "find_leak", "over_leak"]

_STEPS_A_S = RATE // STEP_SAMPLES
_RT60_S = (0.0, 0.15, 0.3, 0.5, 0.8)
_LEAST_S = 1.0  # of the source's speech, to say anything
_STRONGEST_DB = -3.0
_TYPICAL_QUANTILE = 0.3  # of the differences: leak alone, though somebody talks over it half of the time
_OVER_TYPICAL_DB = 10.0
_STRONG_QUANTILE = 0.5  # of the source's speech; in its loudest half a leak stands out most from the noise
_ALONE_QUANTILE = 0.4  # of the ratios there; more than half are leak alone, and who talks over it is louder
_ALONE_DB = 5.0
_MOST_STEPS = 20_000  # of the source's speech that are compared, spread over the recording
_HEARD_UNDER_DB = 10.0  # a leak so far below the noise is not heard
_RINGING_STEPS = _STEPS_A_S // 4
_COARSE = 2  # lags are tried in steps of 10 ms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leak:
    """A leak that was found.

    Parameters
    ----------
    lag_samples
        How much later it is heard, at `RATE`.
    correlation
        Correlation of the level tracks.
    gain_db
        Level of all bands together, noise taken off, relative to the source, where only the source speaks.
    level_db
        ``(n_bands, n_steps)``: what it amounts to in the other channel, dBFS.
    spread_db
        ``(n_bands, 1)``: 97 % quantile less median of the difference between what is there and what is expected.
    """

    lag_samples: int
    correlation: float
    gain_db: float
    level_db: FloatArray
    spread_db: FloatArray


def _ringing(levels_db: FloatArray, rt60_s: float) -> FloatArray:
    """Levels that fall no faster than a room of this reverberation time lets them."""
    if not rt60_s:
        return levels_db
    slope = 60 / (rt60_s * _STEPS_A_S)  # dB a step
    ramp = slope * np.arange(levels_db.shape[1], dtype=np.float64)
    return np.asarray(np.maximum.accumulate(levels_db + ramp, axis=1) - ramp, dtype=np.float32)


def _later(levels_db: FloatArray, steps: int) -> FloatArray:
    if not steps:
        return levels_db
    return np.concatenate([np.repeat(levels_db[:, :1], steps, axis=1), levels_db[:, :-steps]], axis=1)


def _correlation(a: FloatArray, b: FloatArray) -> float:
    """Mean over the bands of the correlation, 0 for too few steps; a band that does not vary has none."""
    if a.shape[1] < _LEAST_S * _STEPS_A_S / 2:
        return 0.0
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    varies = scale > 0
    return float(((a * b).sum(axis=1)[varies] / scale[varies]).mean()) if varies.any() else 0.0


def _compared(heard: FloatArray, source: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The steps that may be leak alone: not louder than a leak can be, and not far above what most are."""
    over = np.mean(heard - source, axis=0)
    over_typical = over - np.quantile(over, _TYPICAL_QUANTILE) if len(over) else over
    alone = (over <= _STRONGEST_DB) & (over_typical <= _OVER_TYPICAL_DB)
    return heard[:, alone], source[:, alone]


def _gain_db(target_db: FloatArray, source_db: FloatArray, floor_db: FloatArray) -> float:
    """Power of the leak over that of its source, dB, where the source speaks and the target holds the leak alone.

    The noise's power is taken off before bands are added up. A level difference band by band would be that of the
    noise in each band that the leak does not reach, which is most of them.
    """
    heard, noise, sent = (
        (10 ** (levels.astype(np.float64) / 10)).sum(axis=0) for levels in (target_db, floor_db, source_db)
    )
    strong = sent >= np.quantile(sent, _STRONG_QUANTILE)
    ratio_db = 10 * np.log10(np.maximum(heard[strong] - noise[strong], 1e-3 * noise[strong]) / sent[strong])
    alone = np.abs(ratio_db - np.quantile(ratio_db, _ALONE_QUANTILE)) <= _ALONE_DB
    leaked = float((heard - noise)[strong][alone].sum())
    return float(10 * np.log10(leaked / sent[strong][alone].sum())) if leaked > 0 else -np.inf


def find_leak(
    target_db: FloatArray, source_db: FloatArray, source_speaks: npt.NDArray[np.bool_], floor: Floor, rule: LabelRule
) -> Leak | None:
    """The leak of a source into a target channel, ``None`` when there is none.

    Parameters
    ----------
    target_db, source_db
        ``(n_bands, n_steps)`` levels of both.
    source_speaks
        ``(n_steps,)``: where the source's channel holds speech.
    floor
        Noise of the target.
    rule
        Numbers.
    """
    if source_speaks.sum() < _LEAST_S * _STEPS_A_S:
        return None
    heard = np.maximum(target_db, floor.level_db)
    spoken = np.flatnonzero(source_speaks)
    spoken = spoken[:: -(-len(spoken) // _MOST_STEPS)]
    longest = ms_to_samples(rule.leak_lag_ms, RATE) // STEP_SAMPLES
    best = (-1.0, 0, 0.0)
    for rt60_s in _RT60_S:
        source = _ringing(source_db, rt60_s)
        for lag in range(0, longest + 1, _COARSE):
            there = spoken[: int(np.searchsorted(spoken, heard.shape[1] - lag))]
            best = max(best, (_correlation(*_compared(heard[:, there + lag], source[:, there])), lag, rt60_s))
    correlation, lag, rt60_s = best
    if correlation < rule.leak_correlation:
        return None
    expected = _later(_ringing(source_db, rt60_s), lag)
    there = spoken[: int(np.searchsorted(spoken, heard.shape[1] - lag))] + lag
    there_db, expected_db = _compared(heard[:, there], expected[:, there])
    gain, high = np.quantile(there_db - expected_db, [0.5, 0.97], axis=1, keepdims=True).astype(np.float32)
    if float(np.median(gain)) > _STRONGEST_DB:
        return None
    return Leak(
        lag_samples=lag * STEP_SAMPLES,
        correlation=correlation,
        gain_db=_gain_db(target_db[:, there], source_db[:, there - lag], floor.level_db[:, there]),
        level_db=expected + gain,
        spread_db=high - gain,
    )


def over_leak(floor: Floor, leak: Leak) -> Floor:
    """The floor with a leak on top of each noise: powers add, and the spread is that of the stronger."""
    level, spread = _added(floor.level_db, floor.spread_db, leak)
    loud_level, loud_spread = _added(floor.loud_level_db, floor.loud_spread_db, leak)
    around = np.mean(leak.level_db - floor.level_db, axis=0) > -_HEARD_UNDER_DB
    leaks = widened(around, _RINGING_STEPS, _RINGING_STEPS)
    return replace(
        floor, level_db=level, spread_db=spread, loud_level_db=loud_level, loud_spread_db=loud_spread, leaks=leaks
    )


def _added(level_db: FloatArray, spread_db: FloatArray, leak: Leak) -> tuple[FloatArray, FloatArray]:
    level = 10 * np.log10(10 ** (level_db / 10) + 10 ** (leak.level_db / 10))
    spread = np.where(leak.level_db > level_db, np.maximum(leak.spread_db, spread_db), spread_db)
    return level.astype(np.float32), spread.astype(np.float32)
