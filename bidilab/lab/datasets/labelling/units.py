"""Units of speech on one channel: where probability and energy agree, with edges from the energy.

1. A *region* is where either direction's probability is at ``edge_probability`` or above, with ``search_ms`` on
   either side.
2. The *evidence* of a step is the mean, over the loudest third of the bands, of the level over the floor in spreads.
   A step is *active* when it lies in a region and its evidence reaches ``over_floor``.
3. Active steps less than ``ipu_pause_ms`` apart are a unit, if at least ``min_speech_ms`` of them are sure speech
   (mean probability at ``speech_probability``).
4. Each edge is put where the sum of (evidence − ``over_floor``), from there to the nearest sure step, is greatest: a
   weak consonant before a vowel is taken in, a click or a lull of noise is not. Steps more than ``below_peak_db``
   below the unit's loudest count as silence.
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
_MOST_A_STEP = 3.0  # evidence for or against that one step can give: a click is loud but short


def _steps(ms: float) -> int:
    return ms_to_samples(ms, RATE) // STEP_SAMPLES


def evidence_of(tracks: ChannelTracks, floor: Floor) -> FloatArray:
    """Evidence of each step, ``(n_steps,)``: spreads over the floor."""
    over = (tracks.levels_db - floor.level_db) / floor.spread_db
    n_loudest = max(2, round(len(over) / 3))
    loudest = np.sort(over, axis=0)[-n_loudest:].mean(axis=0)
    kernel = np.full(_SMOOTHED_STEPS, 1 / _SMOOTHED_STEPS, np.float32)
    return np.asarray(np.convolve(loudest, kernel, mode="same"), dtype=np.float32)


def speech_units(tracks: ChannelTracks, floor: Floor, rule: LabelRule) -> tuple[Interval, ...]:
    """Units of speech, in samples at `RATE`: sorted, disjoint, at least ``ipu_pause_ms`` apart."""
    evidence = evidence_of(tracks, floor)
    sure = (tracks.mean >= rule.speech_probability) & (evidence >= rule.over_floor)
    search = _steps(rule.search_ms)
    region = widened(tracks.either >= rule.edge_probability, search, search)
    active = region & (evidence >= rule.over_floor)
    pause = max(1, _steps(rule.ipu_pause_ms))
    refined = []
    for start, end in _joined(_runs(active), pause):
        if sure[start:end].sum() < _steps(rule.min_speech_ms):
            continue
        refined.append(_refined(start, end, sure, evidence, tracks.total_db, region, rule))
    return tuple(Interval(start * STEP_SAMPLES, end * STEP_SAMPLES) for start, end in _joined(refined, pause))


def _runs(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _joined(runs: list[tuple[int, int]], pause: int) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, end in runs:
        if out and start - out[-1][1] < pause:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def _refined(
    start: int,
    end: int,
    sure: npt.NDArray[np.bool_],
    evidence: FloatArray,
    total_db: FloatArray,
    region: npt.NDArray[np.bool_],
    rule: LabelRule,
) -> tuple[int, int]:
    inside = np.flatnonzero(sure[start:end]) + start
    first, last = int(inside[0]), int(inside[-1])
    quietest = float(total_db[start:end].max()) - rule.below_peak_db
    worth = np.clip(evidence - rule.over_floor, -_MOST_A_STEP, _MOST_A_STEP)
    worth = np.where(region & (total_db >= quietest), worth, np.minimum(worth, -_MOST_A_STEP / 3))
    reach = _steps(rule.search_ms)
    low, high = max(0, min(start, first) - reach), min(len(worth), max(end, last + 1) + reach)
    backwards = np.cumsum(worth[low : first + 1][::-1])
    forwards = np.cumsum(worth[last:high])
    return first - int(np.argmax(backwards)), last + int(np.argmax(forwards)) + 1
