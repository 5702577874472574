"""Putting sounds together on a timeline: levels, bands and rates.

No step moves a sound: filters have linear phase and are applied centred, so their delay is exactly compensated;
resampling keeps sample 0 at time 0. Arrays are ``(n_samples,) float64``,
full scale is 1, and levels are dB of RMS re 1 (so a full-scale square wave has 0 dBFS).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import ms_to_samples, rescale_samples
from bidilab.detect.dsp.truth import TruthRule, active_stretches

__all__ = [
    "Samples",
    "active_level_dbfs",
    "add_at",
    "bandpass",
    "db_to_gain",
    "level_dbfs",
    "lowpass",
    "resample",
    "to_active_level",
    "whisper",
]

Samples = npt.NDArray[np.float64]

_FIR_MS = 32.0  # length of the linear-phase filters: a transition band of about 100 Hz
_WHISPER_WINDOW_MS = 16.0
_WHISPER_LIFTER_S = 0.0015  # cepstrum kept: formants, no pitch (f0 < 600 Hz)


def db_to_gain(db: float) -> float:
    """Amplitude factor of a level difference in dB."""
    return float(10.0 ** (db / 20.0))


def level_dbfs(samples: Samples) -> float:
    """RMS level of all samples, dBFS; ``-inf`` for silence."""
    rms = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    return float(20.0 * np.log10(rms)) if rms > 0 else -np.inf


def active_level_dbfs(samples: Samples, sample_rate: int, rule: TruthRule | None = None) -> float:
    """Level of speech while it is being spoken: RMS over the active stretches, dBFS.

    The idea of ITU-T P.56 (active speech level), with the stretches that
    :func:`~bidilab.detect.dsp.truth.active_stretches` finds in the place of P.56's envelope and hangover.
    ``-inf`` for silence.
    """
    stretches = active_stretches(samples, sample_rate, rule)
    if not stretches:
        return -np.inf
    return level_dbfs(np.concatenate([samples[stretch.start : stretch.end] for stretch in stretches]))


def to_active_level(
    samples: Samples, sample_rate: int, level: float, rule: TruthRule | None = None, *, name: str = "clip"
) -> Samples:
    """Scale a clip so that its active level is ``level`` dBFS.

    Raises
    ------
    AudioError
        If there is nothing active in it.
    """
    now = active_level_dbfs(samples, sample_rate, rule)
    if not np.isfinite(now):
        raise AudioError(f"{name}: nothing in it is loud enough to be speech, so its level cannot be set")
    return samples * db_to_gain(level - now)


def add_at(timeline: Samples, samples: Samples, position: int) -> None:
    """Add a sound to a timeline, in place, its sample 0 at ``position``; what lies outside is cut off."""
    start, end = max(0, position), min(len(timeline), position + len(samples))
    if start < end:
        timeline[start:end] += samples[start - position : end - position]


def _centred(samples: Samples, taps: Samples) -> Samples:
    # An odd symmetric filter delays by (n - 1) / 2; "same" takes exactly that off.
    from scipy.signal import fftconvolve

    if len(samples) < len(taps):
        padded = np.concatenate([samples, np.zeros(len(taps) - len(samples))])
        return np.asarray(fftconvolve(padded, taps, mode="same")[: len(samples)], dtype=np.float64)
    return np.asarray(fftconvolve(samples, taps, mode="same"), dtype=np.float64)


def _check_band(name: str, hz: float, sample_rate: int) -> None:
    if not 0 < hz < sample_rate / 2:
        raise InvalidParameterError(name, f"a frequency in (0, {sample_rate / 2:g}) Hz", hz)


def lowpass(samples: Samples, sample_rate: int, cutoff_hz: float) -> Samples:
    """Keep what lies below ``cutoff_hz``; same length, no delay."""
    from scipy.signal import firwin

    _check_band("cutoff_hz", cutoff_hz, sample_rate)
    n_taps = ms_to_samples(_FIR_MS, sample_rate) | 1
    return _centred(samples, np.asarray(firwin(n_taps, cutoff_hz, fs=sample_rate), dtype=np.float64))


def bandpass(samples: Samples, sample_rate: int, low_hz: float, high_hz: float) -> Samples:
    """Keep what lies between two frequencies; same length, no delay."""
    from scipy.signal import firwin

    _check_band("low_hz", low_hz, sample_rate)
    _check_band("high_hz", high_hz, sample_rate)
    if low_hz >= high_hz:
        raise InvalidParameterError("high_hz", f"above low_hz ({low_hz:g} Hz)", high_hz)
    n_taps = ms_to_samples(_FIR_MS, sample_rate) | 1
    taps = firwin(n_taps, [low_hz, high_hz], pass_zero=False, fs=sample_rate)
    return _centred(samples, np.asarray(taps, dtype=np.float64))


def whisper(samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Take the voice out of speech: noise in the shape of its short-time spectrum.

    Each 16 ms window's magnitudes are smoothed by keeping the first 1.5 ms of its cepstrum (formants stay, pitch
    goes) and given to white noise. Same length; windows are centred, so nothing is delayed, but noise may reach one
    window beyond the speech on either side: cut it there when onset and offset are labelled.
    """
    from scipy.signal import istft, stft

    size = ms_to_samples(_WHISPER_WINDOW_MS, sample_rate)
    overlap = size * 3 // 4
    _, _, spectrum = stft(samples, nperseg=size, noverlap=overlap)
    _, _, noise = stft(rng.standard_normal(len(samples)), nperseg=size, noverlap=overlap)
    cepstrum = np.fft.irfft(np.log(np.abs(spectrum) + 1e-9), n=size, axis=0)
    keep = max(2, round(_WHISPER_LIFTER_S * sample_rate))
    cepstrum[keep : size - keep + 1] = 0.0
    envelope = np.exp(np.fft.rfft(cepstrum, axis=0).real)
    _, out = istft(noise * envelope, nperseg=size, noverlap=overlap)
    fitted = np.zeros(len(samples))
    n = min(len(samples), len(out))
    fitted[:n] = out[:n]
    return fitted


def resample(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """The same sound at another rate, ``(round(n_samples * to / from),)``; sample 0 stays at time 0."""
    if from_rate == to_rate:
        return samples
    import soxr

    n_out = rescale_samples(len(samples), from_rate, to_rate)
    out = np.asarray(soxr.resample(samples, from_rate, to_rate, quality="VHQ"), dtype=np.float64)
    return np.concatenate([out[:n_out], np.zeros(max(0, n_out - len(out)))])
