"""The log-mel spectrogram of Whisper (Radford et al. 2022), as Smart Turn hears it; NumPy only.

The order of the operations, and where they go from float32 to float64, are those of the feature extractor that Smart
Turn is served with, so that the features have its bits: an int8 model turns a difference in the last bit into another
score. Only the product with the mel filters is made in another way, in pieces too small for BLAS to share among
threads: so its bits do not hang on the number of threads, and processes side by side do not wait for each other's.
It differs in the last bit of a float64 here and there, which is gone when the features are rounded to float32.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray

__all__ = ["FRONT_END_VERSION", "HOP_SAMPLES", "N_MELS", "log_mel", "normalised"]

FRONT_END_VERSION = 1
"""Raise it when the same samples would give other features: it is part of every scorer's version that uses them."""
SAMPLE_RATE = 16_000
HOP_SAMPLES = 160
N_MELS = 80
_FRAME_SAMPLES = 400
_VARIANCE_FLOOR = np.float32(1e-7)
_POWER_FLOOR = 1e-10
_BLOCK_FRAMES = 16  # 80 x 201 x 16 products; OpenBLAS takes several threads from 262,144 on
_RANGE = 8.0  # powers of ten below the loudest that are told apart

_Float64Array = npt.NDArray[np.float64]

# The Slaney scale: 200/3 Hz a mel up to 1 kHz, which is mel 15; above, 27 mels for each factor of 6.4.
_LINEAR_HZ, _LINEAR_MELS = 1_000.0, 15.0
_LOG_FACTOR, _LOG_MELS = 6.4, 27.0


def normalised(samples: FloatArray) -> FloatArray:
    """Return samples with mean 0 and variance 1, in float32 throughout; silence stays 0.

    Parameters
    ----------
    samples
        ``(n,) float32``, ``n > 0``.
    """
    deviation = np.sqrt(samples.var() + _VARIANCE_FLOOR)
    return np.asarray((samples - samples.mean()) / deviation, dtype=np.float32)


def log_mel(samples: FloatArray) -> FloatArray:
    """Return the log-mel spectrogram of samples at 16 kHz: ``(80, n // 160) float32``, about -1 to 1.5.

    Parameters
    ----------
    samples
        ``(n,) float32``, ``n`` a multiple of 160 and at least 400; see `normalised`.
    """
    half = _FRAME_SAMPLES // 2
    padded = np.pad(samples.astype(np.float64), half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME_SAMPLES)[:-1:HOP_SAMPLES]
    power = np.abs(np.fft.rfft(frames * _hann(), axis=-1)) ** 2
    mels = np.empty((N_MELS, len(power)))
    for first in range(0, len(power), _BLOCK_FRAMES):
        block = slice(first, first + _BLOCK_FRAMES)
        mels[:, block] = _filters().T @ power[block].T
    logs = np.log10(np.maximum(_POWER_FLOOR, mels))
    logs = np.maximum(logs, logs.max() - _RANGE)
    return np.asarray((logs + 4.0) / 4.0, dtype=np.float32)


@cache
def _hann() -> _Float64Array:
    """The periodic window, ``(400,)``."""
    return np.hanning(_FRAME_SAMPLES + 1)[:-1]


@cache
def _filters() -> _Float64Array:
    """Triangles of equal area and equal distance in mels over the bins of the spectrum, ``(201, 80)``."""
    bins = np.linspace(0, SAMPLE_RATE // 2, _FRAME_SAMPLES // 2 + 1)
    corners = _hertz(np.linspace(0.0, _mel(SAMPLE_RATE / 2.0), N_MELS + 2))
    distance = corners - bins[:, np.newaxis]
    widths = np.diff(corners)
    falling = distance[:, 2:] / widths[1:]
    rising = -distance[:, :-2] / widths[:-1]
    return np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (corners[2:] - corners[:-2]))


def _mel(hertz: float) -> float:
    """The mel of a frequency above 1 kHz."""
    return float(_LINEAR_MELS + np.log(hertz / _LINEAR_HZ) * (_LOG_MELS / np.log(_LOG_FACTOR)))


def _hertz(mels: _Float64Array) -> _Float64Array:
    linear = 200.0 * mels / 3.0
    logarithmic = _LINEAR_HZ * np.exp(np.log(_LOG_FACTOR) / _LOG_MELS * (mels - _LINEAR_MELS))
    return np.where(mels >= _LINEAR_MELS, logarithmic, linear)
