"""The way from the loudspeaker to the microphone: a sweep that is played, and found in a recording. Pure.

The sweep is exponential (A. Farina, AES 108, 2000): each octave lasts as long as any other. The recording is divided by
it, which gives the impulse response of the path. It is played twice, and what counts as path is what both give: what
else sounds in the room is not the same twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate, s_to_samples

__all__ = ["SWEEP_DBFS", "EchoPath", "find_sweep", "sweep_sound"]

SWEEP_DBFS = -15.0
"""Level of the sweep while it sounds."""

_SWEEP_S, _GAP_S = 1.0, 0.45
_LOWEST_HZ, _HIGHEST_HZ = 100.0, 7000.0
_FADE_S = 0.02
_EDGE = 1.25
"""The lowest and the highest fraction of an octave of the sweep, in which it fades, are left out."""

_SAME, _OVER_REST, _OVER_MOST = 0.6, 2.0, 2.8
"""Both sweeps must give one impulse response: correlation around its peak. The peak must be that much higher than what
is highest before and long after it, and than 99 % of all. With speech 10 dB over it, 196 of 199 echoes in a
room are found; of 597 stretches of speech without one, 2 are taken for it (docs/devices.md)."""
_BEFORE_S, _AROUND_S, _RINGING_S = 0.002, 0.003, 0.3
_EARLY_S = 0.05
_FIRST_ARRIVAL = 0.5
"""The first peak that has this share of the highest is the direct sound: a reflection can be stronger than it."""
_EMPTY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoPath:
    """How the loudspeaker is heard in the microphone.

    Parameters
    ----------
    delay_samples
        Where in the recording the first sweep begins.
    gain_db
        Level in the recording of what was played, against what was played, in the sweep's band.
    likeness
        Correlation of what the two sweeps give, around the peak; 1 without noise.
    """

    delay_samples: int
    gain_db: float
    likeness: float


def sweep_sound(sample_rate: int) -> FloatArray:
    """Return two sweeps of a second from 100 Hz to 7 kHz (or 0.45 of the rate), 0.45 s apart, ``(n,) float32``.

    Each has `SWEEP_DBFS`.

    Parameters
    ----------
    sample_rate
        Hertz, 8000 or more.

    Raises
    ------
    InvalidParameterError
        If the rate is lower.
    """
    one = _one_sweep(sample_rate)
    return np.concatenate((one, np.zeros(s_to_samples(_GAP_S, sample_rate)), one)).astype(np.float32)


def find_sweep(recording: FloatArray, sample_rate: int) -> EchoPath | None:
    """Find `sweep_sound` in a recording, ``None`` where it is not heard.

    Parameters
    ----------
    recording
        ``(n,) float32`` in [-1, 1], longer than the sound. What it is longer by is the longest delay looked for.
    sample_rate
        Hertz of both.

    Raises
    ------
    InvalidParameterError
        If the recording is not longer than the sound, or the rate is under 8000 Hz.
    """
    sweep = _one_sweep(sample_rate)
    apart = len(sweep) + s_to_samples(_GAP_S, sample_rate)
    n_delays = len(recording) - apart - len(sweep)
    if n_delays <= 0:
        raise InvalidParameterError("recording", f"more than {apart + len(sweep)} samples", len(recording))
    response, in_band = _impulse_response(recording.astype(np.float64), sweep, sample_rate)
    first, second = response[: n_delays + apart], response[apart : n_delays + 2 * apart]
    both = first * second
    heard = np.sqrt(np.maximum(both[:n_delays], 0.0))
    highest = int(np.argmax(heard))
    if heard[highest] <= _EMPTY or not _stands_out(heard, highest, sample_rate):
        return None
    arrival = _first_arrival(heard, highest, sample_rate)
    around = slice(
        max(0, highest - s_to_samples(_AROUND_S, sample_rate)), highest + s_to_samples(_AROUND_S, sample_rate)
    )
    energies = float(np.sum(first[around] ** 2)) * float(np.sum(second[around] ** 2))
    likeness = float(np.sum(both[around])) / math.sqrt(energies)
    if likeness < _SAME:
        return None
    rings = slice(
        max(0, arrival - s_to_samples(_BEFORE_S, sample_rate)), arrival + s_to_samples(_RINGING_S, sample_rate)
    )
    # What both have in common is the path; noise of one has nothing to do with noise of the other, and cancels.
    power = max(float(np.sum(both[rings])), float(np.sum(both[around])))
    return EchoPath(delay_samples=arrival, gain_db=10 * math.log10(power / in_band), likeness=likeness)


def _one_sweep(sample_rate: int) -> npt.NDArray[np.float64]:
    rate = check_sample_rate(sample_rate)
    if rate < 8000:
        raise InvalidParameterError("sample_rate", "8000 Hz or more", sample_rate)
    time_s = np.arange(s_to_samples(_SWEEP_S, rate)) / rate
    octaves = math.log(_highest_hz(rate) / _LOWEST_HZ)
    phase = 2 * math.pi * _LOWEST_HZ * _SWEEP_S / octaves * np.expm1(time_s * octaves / _SWEEP_S)
    fade = s_to_samples(_FADE_S, rate)
    ramp = 0.5 - 0.5 * np.cos(math.pi * np.arange(fade) / fade)
    sound: npt.NDArray[np.float64] = math.sqrt(2) * 10 ** (SWEEP_DBFS / 20) * np.sin(phase)
    sound[:fade] *= ramp
    sound[-fade:] *= ramp[::-1]
    return sound


def _highest_hz(sample_rate: int) -> float:
    return min(_HIGHEST_HZ, 0.45 * sample_rate)


def _impulse_response(
    recording: npt.NDArray[np.float64], sweep: npt.NDArray[np.float64], sample_rate: int
) -> tuple[npt.NDArray[np.float64], float]:
    """The path's impulse response in the sweep's band, and the energy that a path of 0 dB has there."""
    size = scipy.fft.next_fast_len(len(recording) + len(sweep), real=True)
    hertz = scipy.fft.rfftfreq(size, 1 / sample_rate)
    low, high = _LOWEST_HZ * _EDGE, _highest_hz(sample_rate) / _EDGE
    position = np.minimum(hertz / low, high / np.maximum(hertz, 1.0))  # over 1 in the band
    weight = 0.5 - 0.5 * np.cos(math.pi * np.clip((position - 1 / _EDGE) / (1 - 1 / _EDGE), 0.0, 1.0))
    spectrum = scipy.fft.rfft(sweep, size)
    wanted = weight > 0
    divided = np.zeros(len(hertz), dtype=np.complex128)
    divided[wanted] = weight[wanted] * scipy.fft.rfft(recording, size)[wanted] / spectrum[wanted]
    return scipy.fft.irfft(divided, size), float(np.mean(weight**2))


def _stands_out(heard: npt.NDArray[np.float64], highest: int, sample_rate: int) -> bool:
    early, late = highest - s_to_samples(_EARLY_S, sample_rate), highest + s_to_samples(_RINGING_S, sample_rate)
    rest = np.concatenate((heard[: max(0, early)], heard[late:]))
    over_rest = not len(rest) or heard[highest] > _OVER_REST * rest.max()
    return bool(over_rest and heard[highest] > _OVER_MOST * np.quantile(heard, 0.99))


def _first_arrival(height: npt.NDArray[np.float64], highest: int, sample_rate: int) -> int:
    start = max(0, highest - s_to_samples(_RINGING_S, sample_rate))
    early = height[start : highest + 1]
    first = start + int(np.flatnonzero(early >= _FIRST_ARRIVAL * height[highest])[0])
    width = s_to_samples(0.0005, sample_rate)  # the top of that peak
    return first + int(np.argmax(height[first : min(highest, first + width) + 1]))
