"""Facts of a recording's two channels that say whether the agent can hear its user at all. Samples in, numbers out.

Everything is measured in frames of 20 ms. Where the agent speaks is known from its own channel's level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError

__all__ = ["FULL_SCALE", "HeardTracks", "SoundFacts", "ducked_db", "sound_facts", "track_facts"]

BoolArray = npt.NDArray[np.bool_]

FRAME_S = 0.02
SPEAKS_DBFS = -50.0
_UNDER_LOUD_DB = 25.0
_HUMS_HZ = (50.0, 60.0, 100.0, 120.0)
_HUM_WIDTH_HZ = 3.0
_HOLE_S = (0.008, 0.07)
FULL_SCALE = 0.999
_LONGEST_LAG_S = 0.5
_EMPTY_DB = -120.0
_LEAST_OVERLAP_S = 0.2
_FEWEST_WITHIN = 2
_SURELY_DB, _SAME_FLOOR_DB = 15.0, 4.0
_AROUND_S, _NEAR_S = 0.3, 3.0
_LEAST_FLOOR_S = 1.0
_SPOKEN, _LEAST_SPOKEN_S = 0.5, 0.5
_LEAST_TRACK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundFacts:
    """What was measured on the user's channel; NaN where there was nothing to measure.

    Parameters
    ----------
    duration_s, agent_s
        Length, and for how long the agent is audible, seconds.
    equal_share
        Share of the samples that have one value.
    zeros_with_agent, zeros_without_agent
        Share of frames that are digitally silent while the agent is audible, and where it is not for 0.3 s around.
    active_dbfs
        Level that the loudest twentieth of the frames reaches.
    quiet_dbfs
        Level of the quietest tenth of those that are not digitally silent.
    clipped_share
        Share of the samples at full scale.
    hum_share
        Share of the power at 50, 60, 100 and 120 Hz.
    holes_per_min
        Stretches of 8 to 70 ms without a signal inside sound, per minute of sound.
    agent_correlation, agent_gain_db
        How the channel follows the agent's level, at the best lag up to 0.5 s, and how loud it is against it.
    floor_drop_db
        How much lower the quietest tenth of the frames is while the agent is audible than within 3 s of it.
    """

    duration_s: float
    agent_s: float
    equal_share: float
    zeros_with_agent: float
    zeros_without_agent: float
    active_dbfs: float
    quiet_dbfs: float
    clipped_share: float
    hum_share: float
    holes_per_min: float
    agent_correlation: float
    agent_gain_db: float
    floor_drop_db: float


def sound_facts(user: FloatArray, agent: FloatArray, sample_rate: int) -> SoundFacts:
    """Measure the user's channel beside the agent's.

    Parameters
    ----------
    user, agent
        ``(n,) float32`` in [-1, 1], of one length, ``n`` at least a second.
    sample_rate
        Hertz.

    Raises
    ------
    InvalidParameterError
        If the channels differ in length, or are shorter than a second.
    """
    if user.shape != agent.shape or len(user) < sample_rate:
        raise InvalidParameterError(
            "user, agent", "two channels of one length, a second or more", (user.shape, agent.shape)
        )
    step = max(1, round(FRAME_S * sample_rate))
    n_frames = len(user) // step
    frames, others = user[: n_frames * step].reshape(n_frames, step), agent[: n_frames * step].reshape(n_frames, step)
    level, agent_level = _levels(frames), _levels(others)
    speaks = agent_level > max(SPEAKS_DBFS, float(agent_level.max()) - _UNDER_LOUD_DB)
    away = ~_widened(speaks, round(_AROUND_S / FRAME_S))  # the agent's own pauses are no time without it
    silent = np.ptp(frames, axis=1) == 0
    begun = np.logical_or.accumulate(~silent) & np.logical_or.accumulate(~silent[::-1])[::-1]
    with_agent, without = speaks & begun, away & begun  # where a channel has ended, the other may go on
    real = level[~silent]
    _, counts = np.unique(user, return_counts=True)
    correlation, gain_db = _follows(level, agent_level)
    return SoundFacts(
        duration_s=len(user) / sample_rate,
        agent_s=float(speaks.sum()) * FRAME_S,
        equal_share=float(counts.max()) / len(user),
        zeros_with_agent=float(silent[with_agent].mean()) if with_agent.any() else math.nan,
        zeros_without_agent=float(silent[without].mean()) if without.any() else math.nan,
        active_dbfs=float(np.quantile(level, 0.95)),
        quiet_dbfs=float(np.quantile(real, 0.1)) if len(real) else math.nan,
        clipped_share=float(np.mean(np.abs(user) >= FULL_SCALE)),
        hum_share=_hum(user, sample_rate),
        holes_per_min=_holes(user, level, silent, sample_rate),
        agent_correlation=correlation,
        agent_gain_db=gain_db,
        floor_drop_db=_floor_drop(level, with_agent, without, FRAME_S),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeardTracks:
    """What is kept of the user's sound while a session goes on, frame by frame.

    Parameters
    ----------
    first_s, frame_s
        Where the first frame begins, on the session's clock, and how long each is, seconds.
    level_db
        ``(n,) float32``: RMS level, dB below full scale.
    silence_db
        A level that stands for digital silence, and all below it.
    probability
        ``(n,) float32``: probability of speech, in [0, 1].
    clipped_share
        Share of all samples so far that are at full scale.
    """

    first_s: float
    frame_s: float
    level_db: FloatArray
    silence_db: float
    probability: FloatArray
    clipped_share: float


def track_facts(heard: HeardTracks, agent: Sequence[tuple[float, float]]) -> SoundFacts:
    """What tracks tell of the user's channel; NaN for what needs the samples, or somebody who speaks.

    Parameters
    ----------
    heard
        The user's tracks.
    agent
        Where the agent is audible, seconds on their clock.
    """
    level = heard.level_db.astype(np.float64)
    at_s = heard.first_s + heard.frame_s * np.arange(len(level))
    speaks = np.zeros(len(level), dtype=np.bool_)
    for start_s, end_s in agent:
        speaks |= (at_s >= start_s) & (at_s + heard.frame_s <= end_s)
    away = ~_widened(speaks, round(_AROUND_S / heard.frame_s))
    silent = level <= heard.silence_db
    spoken = level[heard.probability >= _SPOKEN]
    real = level[~silent]
    long = len(level) * heard.frame_s >= _LEAST_TRACK_S
    return SoundFacts(
        duration_s=len(level) * heard.frame_s,
        agent_s=float(speaks.sum()) * heard.frame_s,
        equal_share=float(silent.mean()) if long else math.nan,
        zeros_with_agent=_share(silent, speaks, heard.frame_s),
        zeros_without_agent=_share(silent, away, heard.frame_s),
        active_dbfs=float(np.quantile(spoken, 0.95)) if len(spoken) * heard.frame_s >= _LEAST_SPOKEN_S else math.nan,
        quiet_dbfs=float(np.quantile(real, 0.1)) if len(real) else math.nan,
        clipped_share=heard.clipped_share,
        hum_share=math.nan,
        holes_per_min=math.nan,
        agent_correlation=math.nan,
        agent_gain_db=math.nan,
        floor_drop_db=_floor_drop(level, speaks, away, heard.frame_s),
    )


def _share(mask: BoolArray, of: BoolArray, frame_s: float) -> float:
    return float(mask[of].mean()) if of.sum() * frame_s >= _LEAST_FLOOR_S else math.nan


def ducked_db(
    user: FloatArray, agent: FloatArray, sample_rate: int, speech: Sequence[tuple[float, float]], floor_drop_db: float
) -> tuple[float, int]:
    """How much softer the user's speech is while the agent is audible.

    Parameters
    ----------
    user, agent, sample_rate
        As in `sound_facts`.
    speech
        Where the user speaks, seconds.
    floor_drop_db
        Of `SoundFacts`: where the channel's own noise is as loud with the agent as without, nothing turns it down.

    Returns
    -------
    down_db : float
        Within stretches that are partly over the agent: level alone less level over it, the median. With fewer than two
        of them, between stretches alone and stretches over it, which differ by nature, so that less than 15 dB counts
        as 0, and so does any difference that the floor does not share. NaN without any.
    n_overlaps : int
        How many stretches over the agent it rests on, each of 200 ms or more.
    """
    step = max(1, round(FRAME_S * sample_rate))
    n_frames = len(user) // step
    level = _levels(user[: n_frames * step].reshape(n_frames, step))
    agent_level = _levels(agent[: n_frames * step].reshape(n_frames, step))
    speaks = agent_level > max(SPEAKS_DBFS, float(agent_level.max()) - _UNDER_LOUD_DB)
    within: list[float] = []
    over_db: list[float] = []
    alone_db: list[float] = []
    for start_s, end_s in speech:
        frames = slice(round(start_s / FRAME_S), max(round(start_s / FRAME_S) + 1, round(end_s / FRAME_S)))
        over, alone = level[frames][speaks[frames]], level[frames][~speaks[frames]]
        if min(len(over), len(alone)) * FRAME_S >= _LEAST_OVERLAP_S:
            within.append(_loud(alone) - _loud(over))
        elif max(len(over), len(alone)) * FRAME_S >= _LEAST_OVERLAP_S:
            (over_db if len(over) > len(alone) else alone_db).append(_loud(over if len(over) > len(alone) else alone))
    if len(within) >= _FEWEST_WITHIN:
        return float(np.median(within)), len(within)
    if min(len(over_db), len(alone_db)) >= _FEWEST_WITHIN:
        down = float(np.median(alone_db) - np.median(over_db))
        by_nature = down < _SURELY_DB or floor_drop_db < _SAME_FLOOR_DB
        return (0.0 if by_nature else down), len(over_db)
    return math.nan, len(within)


def _floor_drop(level: npt.NDArray[np.float64], speaks: BoolArray, away: BoolArray, frame_s: float) -> float:
    """What takes the agent's echo off may take the room off, too: a room alone is no quieter while the agent speaks."""
    near = away & _widened(speaks, round(_NEAR_S / frame_s))
    if min(speaks.sum(), near.sum()) * frame_s < _LEAST_FLOOR_S:
        return math.nan
    return float(np.quantile(level[near], 0.1) - np.quantile(level[speaks], 0.1))


def _widened(mask: BoolArray, by: int) -> BoolArray:
    """Also true up to ``by`` places beside what is true."""
    from scipy.ndimage import binary_dilation

    widened: BoolArray = binary_dilation(mask, iterations=by)
    return widened


def _loud(levels: npt.NDArray[np.float64]) -> float:
    """Mean level of the louder half."""
    return float(np.sort(levels)[len(levels) // 2 :].mean())


def _levels(frames: FloatArray) -> npt.NDArray[np.float64]:
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    found: npt.NDArray[np.float64] = 10 * np.log10(np.maximum(power, 10 ** (_EMPTY_DB / 10)))
    return found


def _follows(level: npt.NDArray[np.float64], agent: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Correlation of the levels at the best lag at which the user's channel follows the agent's, and its gain there."""
    floor = max(SPEAKS_DBFS, float(agent.max()) - 40) - 10
    a, b = np.maximum(agent, floor), np.maximum(level, floor)
    best = (math.nan, math.nan)
    for lag in range(round(_LONGEST_LAG_S / FRAME_S) + 1):
        x, y = a[: len(a) - lag], b[lag:]
        if len(x) < 50 or not x.std() or not y.std():
            continue
        correlation = float(np.corrcoef(x, y)[0, 1])
        if math.isnan(best[0]) or correlation > best[0]:
            loud = x > floor + 20
            best = correlation, float(np.median((y - x)[loud])) if loud.any() else math.nan
    return best


def _hum(user: FloatArray, sample_rate: int) -> float:
    from scipy.signal import welch

    size = min(len(user), 1 << math.ceil(math.log2(sample_rate)))
    hertz, power = welch(user, sample_rate, nperseg=size)
    total = float(power.sum())
    near = np.zeros(len(hertz), dtype=np.bool_)
    for hum in _HUMS_HZ:
        near |= np.abs(hertz - hum) <= _HUM_WIDTH_HZ
    return float(power[near].sum()) / total if total else 0.0


def _holes(user: FloatArray, level: npt.NDArray[np.float64], silent: BoolArray, sample_rate: int) -> float:
    """Stretches without a signal, with sound on both sides, per minute of sound."""
    flat = np.concatenate(([0], (np.diff(user) == 0).astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(flat))
    starts, ends = edges[::2], edges[1::2] + 1
    lengths = (ends - starts) / sample_rate
    sounds = level > max(SPEAKS_DBFS, float(np.quantile(level, 0.95)) - _UNDER_LOUD_DB)
    step = max(1, round(FRAME_S * sample_rate))
    holes = (lengths >= _HOLE_S[0]) & (lengths <= _HOLE_S[1])
    found = 0
    for start, end in zip(starts[holes], ends[holes], strict=True):
        before, after = start // step - 1, end // step + 1
        if before >= 0 and after < len(sounds) and sounds[before] and sounds[after]:
            found += 1
    minutes = float((sounds & ~silent).sum()) * FRAME_S / 60
    return found / minutes if minutes else 0.0
