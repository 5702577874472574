"""Sounds on a channel that stand out from its floor and are no speech: what a detector of speech does not hear.

Labels that come from a speech detector alone hold no sound that it ignores. A sweep of that detector then finds nearly
every event that must not stop the agent stopping it, since the others have no label. So sounds are found by level:

1. A step is *loud* when the loudest third of the bands lies at least ``sound_db`` over the floor, leak included, and at
   least 1.25 ``over_floor`` spreads (twice that where the other channel may be heard).
2. Loud steps less than ``ipu_pause_ms`` apart are a *sound*, if at least ``min_speech_ms`` of them are loud. One that
   lasts longer than ``sound_max_ms`` is background, and no event.
3. What lies within ``search_ms`` of speech is taken for its edge: breath, room, a weak consonant.
4. It is *unsure* where it may be speech: Silero hears it (`_HEARD`) and it is no unit of speech all the same; or it is
   too long for a backchannel, Silero half hears it (`_HALF_HEARD`), and a second detector says speech for most of it.
   A short one that is half heard is a noise or a backchannel; neither must stop the agent, and it is proposed as noise.

The second detector is WebRTC's where the extra ``webrtc`` is installed, else the energy above a tracked floor. Neither
tells loud noise from speech by itself (WebRTC takes horns and sirens for speech), so neither decides alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import MissingExtraError
from bidilab.core.timeline import Interval, subtract
from bidilab.core.units import ms_to_samples
from bidilab.detect.vad.base import VadBackend
from bidilab.detect.vad.energy import EnergyVad
from bidilab.detect.vad.webrtc import WebrtcVad
from bidilab.lab.datasets.labelling.noise import Floor
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.tracks import RATE, STEP_SAMPLES, ChannelTracks, n_steps_of

__all__ = ["Sound", "second_detector", "second_track", "sounds_beside"]

_HEARD, _HALF_HEARD = 0.5, 0.25
_MOST_OF_IT = 0.5
_TIMES_OVER_FLOOR = 1.25  # of what speech needs, which two detectors besides the level must hear
_FAINT_DBFS = -65.0  # in all bands; what is fainter is nothing that a user does
_SMOOTHED_STEPS = 3


class Sound(NamedTuple):
    """A sound beside the speech, in samples at `RATE`, and whether it may be speech."""

    interval: Interval
    unsure: bool


@cache
def second_detector() -> VadBackend:
    """A detector beside Silero that works by other means: WebRTC's, or the energy where that is not installed."""
    try:
        return WebrtcVad(sample_rate=RATE)
    except MissingExtraError:
        return EnergyVad(sample_rate=RATE)


def second_track(samples: FloatArray) -> FloatArray:
    """What the second detector says of each step, ``(n_steps,)`` in [0, 1]; samples are at `RATE`."""
    vad = second_detector()
    n_steps = n_steps_of(len(samples))
    frames = vad.stream().feed(np.pad(samples, (0, -len(samples) % vad.frame_samples)))
    middles = np.arange(n_steps) * STEP_SAMPLES + STEP_SAMPLES // 2
    return np.asarray(frames[np.minimum(middles // vad.frame_samples, len(frames) - 1)], dtype=np.float32)


def sounds_beside(
    units: Sequence[Interval],
    tracks: ChannelTracks,
    second: FloatArray,
    floor: Floor,
    rule: LabelRule,
    *,
    short_ms: float,
) -> tuple[Sound, ...]:
    """Sounds of a channel beside its units of speech, in time order and disjoint. Intervals are samples at `RATE`.

    What lasts up to ``short_ms`` would be a backchannel if it were speech.
    """
    over_db = _loudest_third(tracks.levels_db - floor.level_db)
    over_spreads = _loudest_third((tracks.levels_db - floor.level_db) / floor.spread_db)
    needed = _TIMES_OVER_FLOOR * rule.over_floor * np.where(floor.leaks, 2, 1)
    loud = (over_db >= rule.sound_db) & (over_spreads >= needed) & (tracks.total_db >= _FAINT_DBFS)
    reach = ms_to_samples(rule.search_ms, RATE)
    claimed = [Interval(max(0, unit.start - reach), unit.end + reach) for unit in units]
    pause, least = ms_to_samples(rule.ipu_pause_ms, RATE), ms_to_samples(rule.min_speech_ms, RATE)
    longest, short = ms_to_samples(rule.sound_max_ms, RATE), ms_to_samples(short_ms, RATE)
    found = []
    for run in _joined(_intervals(loud), pause):
        if run.duration > longest:
            continue
        for piece in subtract([run], claimed):
            steps = slice(piece.start // STEP_SAMPLES, -(-piece.end // STEP_SAMPLES))
            if loud[steps].sum() * STEP_SAMPLES >= least:
                first = float(tracks.either[steps].max())
                half_heard = first >= _HALF_HEARD and float(second[steps].mean()) >= _MOST_OF_IT
                found.append(Sound(piece, first >= _HEARD or (half_heard and piece.duration > short)))
    return tuple(found)


def _loudest_third(over: FloatArray) -> FloatArray:
    """Mean over the loudest third of the bands, smoothed over 15 ms."""
    loudest = np.sort(over, axis=0)[-max(2, round(len(over) / 3)) :].mean(axis=0)
    kernel = np.full(_SMOOTHED_STEPS, 1 / _SMOOTHED_STEPS, np.float32)
    return np.asarray(np.convolve(loudest, kernel, mode="same"), dtype=np.float32)


def _intervals(mask: npt.NDArray[np.bool_]) -> list[Interval]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))) * STEP_SAMPLES
    return [Interval(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _joined(runs: Sequence[Interval], pause: int) -> list[Interval]:
    out: list[Interval] = []
    for run in runs:
        if out and run.start - out[-1].end < pause:
            out[-1] = Interval(out[-1].start, run.end)
        else:
            out.append(run)
    return out
