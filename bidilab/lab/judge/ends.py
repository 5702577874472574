"""How an end sounds: as one who has finished, or as one who was cut.

Task
    The logarithm of how many times likelier the last sounds before an end are where speech was cut at some place than
    where it ended by itself.
Unit
    Natural logarithm; 0 says nothing. It is kept within ±`MOST`, so that the sound alone never settles anything.
Index
    `END_FEATURES`, `end_features`, `end_evidence`

Who ends lowers the voice and fades; who is cut does neither, but a cut falls as well on a quiet place. Five features
of the last 300 ms, against the speech of up to 4 s before:

1. how long ago the level was last within 12 dB of the speech's loud parts (its 80 % quantile), in 50 ms;
2. the level over the last 60 ms, against these loud parts, in 10 dB;
3. that level against the 90 ms before it, in 10 dB;
4. the pitch of the last 300 ms against that of the last 3 s (medians), in 4 semitones; 0 where one has none;
5. the share of voiced frames in the last 300 ms.

A logistic regression on the clips of ``datasets/clips`` weighs them: 227 natural ends of 10 voices against the same
clips cut at random places, hard and with fades of 20 and 60 ms. ``tests/lab/judge/endsfit.py`` makes the weights anew
and measures them on voices left out: AUC 0.83 for a hard cut, 0.82 with 20 ms, 0.78 with 60 ms. That is weak.
"""

from __future__ import annotations

import numpy as np

from bidilab.core.audio import FloatArray
from bidilab.lab.datasets.labelling.tracks import RATE, STEP_SAMPLES
from bidilab.lab.judge.voicing import pitch_track

__all__ = ["END_FEATURES", "MOST", "end_evidence", "end_features"]

END_FEATURES = ("since_loud", "level", "fall", "pitch", "voiced")
MOST = 1.5
# Other weights are another hearing: raise `hearing._VERSION` with them.
_WEIGHTS = (-0.675, -0.053, 0.393, 3.009, -1.289)
_CONSTANT = 2.314
_REFERENCE_STEPS = 4 * RATE // STEP_SAMPLES
_STEPS_A_50_MS = RATE // STEP_SAMPLES // 20
_LAST_STEPS = 6 * _STEPS_A_50_MS
_LOUD_QUANTILE, _LOUD_DB = 0.8, 12.0
_LAST, _WHOLE = int(0.3 * RATE), 3 * RATE
_OCTAVE = 12.0


def end_features(samples: FloatArray, total_db: FloatArray, end: int) -> FloatArray:
    """The five features of an end, ``(5,)``.

    Parameters
    ----------
    samples
        ``(n_samples,)`` of the channel at 16 kHz.
    total_db
        ``(n_steps,)``: its level, as the labeller's tracks have it.
    end
        Where the last audible sample is, in samples at 16 kHz.
    """
    last_step = max(1, end // STEP_SAMPLES)
    before = total_db[max(0, last_step - _REFERENCE_STEPS) : last_step]
    relative = before - np.quantile(before, _LOUD_QUANTILE)
    last = relative[-_LAST_STEPS:]
    loud = np.flatnonzero(last > -_LOUD_DB)
    since = len(last) - 1 - int(loud[-1]) if len(loud) else len(last)
    level = float(last[-12:-2].mean()) if len(last) > 2 else float(last.mean())
    earlier = float(last[-30:-12].mean()) if len(last) > 12 else level
    track = pitch_track(samples[max(0, end - _WHOLE) : end])
    n_last = _LAST * len(track.voiced) // max(1, min(_WHOLE, end))
    ending = track.voiced[-n_last:] if n_last else track.voiced[:0]
    lower = 0.0
    if ending.any():
        octaves = np.log2(track.pitch_hz)
        lower = float(np.median(octaves[-n_last:][ending]) - np.median(octaves[track.voiced])) * _OCTAVE
    share = float(ending.mean()) if len(ending) else 0.0
    return np.array([since / _STEPS_A_50_MS, level / 10, (level - earlier) / 10, lower / 4, share], dtype=np.float32)


def end_evidence(samples: FloatArray, total_db: FloatArray, end: int) -> float:
    """The logarithm of the likelihood of a cut over that of a natural end; arguments as for `end_features`."""
    logit = float(end_features(samples, total_db, end) @ np.array(_WEIGHTS, dtype=np.float32)) + _CONSTANT
    return float(np.clip(logit, -MOST, MOST))
