"""Units of speech on one channel: where probability and energy agree, with edges from the energy.

1. A *region* is where either direction's probability is at ``edge_probability`` or above, with ``search_ms`` on
   either side.
2. The *evidence* of a step is the mean, over the loudest third of the bands, of the level over the floor in spreads.
   A step is *active* when it lies in a region and its evidence reaches ``over_floor``.
3. Active steps less than ``ipu_pause_ms`` apart are a unit, if at least ``min_speech_ms`` of them are sure speech: the
   mean probability is at ``speech_probability``, or that of either direction is and the evidence is twice what it must
   be (a short word is over before the network has made up its mind); the
   latter not where the other channel leaks in.
4. Each edge is put where the sum of (evidence − ``over_floor``), from there to the nearest sure step, is greatest: a
   weak consonant before a vowel is taken in, a click or a lull of noise is not. Steps more than ``below_peak_db``
   below the unit's loudest count as silence; before the forward and after the
   backward probability have risen, less 48 ms, twice the evidence is needed: there the other one only hangs over.
   Where it is as loud there as a louder noise nearby and the mean probability is below ``speech_probability``, the
   evidence is over that noise, and a run of such steps which goes on from where nobody speaks is that noise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.timeline import Interval
from bidilab.core.units import ms_to_samples
from bidilab.lab.datasets.labelling.noise import Floor, widened
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.tracks import RATE, STEP_SAMPLES, ChannelTracks

__all__ = ["evidence_of", "speech_units"]

_SMOOTHED_STEPS = 3
_LATE_MS = 48.0  # three of Silero's frames, which begin every 16 ms here
_MOST_A_STEP = 3.0  # evidence for or against that one step can give: a click is loud but short


def _steps(ms: float) -> int:
    return ms_to_samples(ms, RATE) // STEP_SAMPLES


def evidence_of(levels_db: FloatArray, level_db: FloatArray, spread_db: FloatArray) -> FloatArray:
    """Evidence of each step, ``(n_steps,)``: spreads over the floor. Arrays are ``(n_bands, n_steps)``."""
    over = (levels_db - level_db) / spread_db
    n_loudest = max(2, round(len(over) / 3))
    loudest = np.sort(over, axis=0)[-n_loudest:].mean(axis=0)
    kernel = np.full(_SMOOTHED_STEPS, 1 / _SMOOTHED_STEPS, np.float32)
    return np.asarray(np.convolve(loudest, kernel, mode="same"), dtype=np.float32)


def speech_units(tracks: ChannelTracks, floor: Floor, rule: LabelRule) -> tuple[Interval, ...]:
    """Units of speech, in samples at `RATE`: sorted, disjoint, at least ``ipu_pause_ms`` apart."""
    bracketed = _bracketed(tracks, rule)
    doubtful = floor.loud & ~bracketed & (tracks.mean < rule.speech_probability)
    evidence = np.where(
        doubtful,
        evidence_of(tracks.levels_db, floor.loud_level_db, floor.loud_spread_db),
        evidence_of(tracks.levels_db, floor.level_db, floor.spread_db),
    )
    agreed = (tracks.mean >= rule.speech_probability) & (evidence >= rule.over_floor)
    one_sided = (tracks.either >= rule.speech_probability) & (evidence >= 2 * rule.over_floor) & ~floor.leaks
    sure = agreed | one_sided
    search = _steps(rule.search_ms)
    region = widened(tracks.either >= rule.edge_probability, search, search)
    needed = np.where(bracketed, rule.over_floor, 2 * rule.over_floor)
    noise = _runs_that_meet(doubtful, floor.quiet)
    active = region & (evidence >= needed) & ~noise
    pause = max(1, _steps(rule.ipu_pause_ms))
    worth = np.where(noise, -_MOST_A_STEP, np.clip(evidence - needed, -_MOST_A_STEP, _MOST_A_STEP))
    refined = [
        _refined(start, end, sure, worth, tracks.total_db, rule)
        for start, end in _joined(_runs(active), pause)
        if sure[start:end].sum() >= _steps(rule.min_speech_ms)
    ]
    return tuple(Interval(start * STEP_SAMPLES, end * STEP_SAMPLES) for start, end in _joined(refined, pause))


def _bracketed(tracks: ChannelTracks, rule: LabelRule) -> npt.NDArray[np.bool_]:
    """Where speech may be by both directions: each is late by so much, and hangs over at its other end."""
    late = _steps(_LATE_MS)
    begun = widened(tracks.forward >= rule.edge_probability, late, 0)
    not_over = widened(tracks.backward >= rule.edge_probability, 0, late)
    return np.asarray(begun & not_over, dtype=np.bool_)


def _runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _runs_that_meet(mask: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The runs of a mask that have a step in common with another."""
    out = np.zeros(len(mask), np.bool_)
    for start, end in _runs(mask):
        out[start:end] = bool(other[start:end].any())
    return out


def _joined(runs: list[tuple[int, int]], pause: int) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, end in runs:
        if out and start - out[-1][1] < pause:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def _refined(
    start: int, end: int, sure: npt.NDArray[np.bool_], worth: FloatArray, total_db: FloatArray, rule: LabelRule
) -> tuple[int, int]:
    """The edges of a unit, steps, by rule 4; ``worth`` is the evidence less what is needed."""
    inside = np.flatnonzero(sure[start:end]) + start
    first, last = int(inside[0]), int(inside[-1])
    quietest = float(total_db[start:end].max()) - rule.below_peak_db
    reach = _steps(rule.search_ms)
    low, high = max(0, start - reach), min(len(worth), end + reach)
    heard = np.where(total_db[low:high] >= quietest, worth[low:high], -_MOST_A_STEP)
    backwards = np.cumsum(heard[: first - low + 1][::-1])
    forwards = np.cumsum(heard[last - low :])
    return first - int(np.argmax(backwards)), last + int(np.argmax(forwards)) + 1
