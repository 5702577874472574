"""Where a sound has a pitch, and which: speech has one for most of its syllables, a cough or a knock has none.

A frame of 40 ms is *voiced* when its autocorrelation, divided by what the window alone takes off, has a peak of at
least 0.6 at a period between 70 and 400 Hz (Boersma 1993, "Accurate short-term analysis of the fundamental frequency",
Proc. IFA Amsterdam 17, without the path through candidates: it is a share of frames that is wanted, no melody).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.timeline import Interval
from bidilab.lab.datasets.labelling.tracks import RATE

__all__ = ["HOP_MS", "PitchTrack", "pitch_track", "voiced_ms"]

_FRAME, _HOP, _FFT = RATE * 40 // 1000, RATE * 10 // 1000, 2048
HOP_MS = 10.0
_SHORTEST, _LONGEST = RATE // 400, RATE // 70
_VOICED = 0.6
_OCTAVE_COST = 0.05  # of two periods that fit alike, the shorter: every multiple of a period is one
_BLOCK = 512  # frames transformed at once


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PitchTrack:
    """Pitch of each frame of a stretch.

    Parameters
    ----------
    voiced
        ``(n_frames,)`` booleans, one frame every 10 ms.
    pitch_hz
        ``(n_frames,)``: hertz; of an unvoiced frame it says nothing.
    """

    voiced: npt.NDArray[np.bool_]
    pitch_hz: npt.NDArray[np.float64]


def pitch_track(samples: FloatArray) -> PitchTrack:
    """Pitch of a stretch of samples at 16 kHz, ``(n_samples,)``; a stretch shorter than a frame has none."""
    n_frames = max(0, (len(samples) - _FRAME) // _HOP + 1)
    strength, period = np.zeros(n_frames), np.ones(n_frames)
    if n_frames:
        frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), _FRAME)[::_HOP][:n_frames]
        octaves = _OCTAVE_COST * np.log2(np.arange(_SHORTEST, _LONGEST) / _SHORTEST)
        weight = 1 - np.arange(_SHORTEST, _LONGEST) / _FRAME
        for start in range(0, n_frames, _BLOCK):
            block = frames[start : start + _BLOCK]
            spectra = np.abs(np.fft.rfft(block - block.mean(axis=1, keepdims=True), _FFT, axis=1)) ** 2
            correlation = np.fft.irfft(spectra, axis=1)
            power = np.maximum(correlation[:, :1], 1e-12)
            peaks = correlation[:, _SHORTEST:_LONGEST] / power / weight
            best = (peaks - octaves).argmax(axis=1)
            strength[start : start + len(block)] = np.take_along_axis(peaks, best[:, None], 1)[:, 0]
            period[start : start + len(block)] = _SHORTEST + best
    return PitchTrack(voiced=np.asarray(strength >= _VOICED, dtype=np.bool_), pitch_hz=RATE / period)


def voiced_ms(samples: FloatArray, interval: Interval) -> float:
    """How long a stretch of a channel at 16 kHz is voiced, milliseconds."""
    return float(pitch_track(samples[interval.start : interval.end]).voiced.sum() * HOP_MS)
