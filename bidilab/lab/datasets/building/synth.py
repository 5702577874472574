"""Seeded sounds that are not speech.

Every sound is ``(n_samples,) float64``, mono, of peak 1, and depends on nothing but the sample rate and the state
of the generator. They are made from what such sounds are made of: impacts (decaying noise and modes), rings
(sums of tones), and the throat without words (cough, laugh, breath, hum: a source through vocal-tract resonances),
the last because they are what a speech detector confuses with speech.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.dsp.mixing import Samples, bandpass

__all__ = ["SOUNDS", "synthesize"]


def _time(seconds: float, rate: int) -> Samples:
    return np.arange(round(seconds * rate)) / rate


def _decay(seconds: float, rate: int, t60_s: float) -> Samples:
    return np.asarray(10.0 ** (-3.0 * _time(seconds, rate) / t60_s), dtype=np.float64)


def _rise_and_fall(n: int, rise: float) -> Samples:
    """A smooth bump over ``n`` samples whose top is at the fraction ``rise``."""
    x = np.linspace(0.0, 1.0, n)
    up = np.clip(x / rise, 0, 1)
    down = np.clip((1 - x) / (1 - rise), 0, 1)
    return np.asarray(np.sin(0.5 * np.pi * up) * np.sin(0.5 * np.pi * down), dtype=np.float64)


def _resonate(source: Samples, rate: int, formants_hz: list[float], bandwidth_hz: float = 90.0) -> Samples:
    """Source through second-order resonators in parallel: the acoustic tube of the throat."""
    from scipy.signal import lfilter

    out = np.zeros(len(source))
    for index, formant_hz in enumerate(formants_hz):
        radius = np.exp(-np.pi * bandwidth_hz * (1 + 0.3 * index) / rate)
        a = [1.0, -2 * radius * np.cos(2 * np.pi * min(formant_hz, 0.45 * rate) / rate), radius**2]
        out += np.asarray(lfilter([1.0 - radius], a, source)) * 0.7**index
    return out


def _glottal(rate: int, pitch_hz: Samples) -> Samples:
    """A pulse train whose pitch moves, ``(n_samples,)`` like ``pitch_hz``."""
    phase = np.cumsum(pitch_hz / rate)
    return np.asarray(np.diff(np.floor(phase), prepend=0.0) - np.mean(pitch_hz) / rate, dtype=np.float64)


def _door_slam(rng: np.random.Generator, rate: int) -> Samples:
    t = _time(0.5, rate)
    out = rng.standard_normal(len(t)) * _decay(0.5, rate, 0.12)
    for _ in range(4):
        mode_hz = rng.uniform(60, 260)
        out += 1.5 * np.sin(2 * np.pi * mode_hz * t) * _decay(0.5, rate, rng.uniform(0.15, 0.35))
    return out


def _keyboard(rng: np.random.Generator, rate: int) -> Samples:
    out = np.zeros(round(rng.uniform(0.9, 1.6) * rate))
    at = 0.0
    while round(at * rate) < len(out) - round(0.05 * rate):
        click = rng.standard_normal(round(0.04 * rate)) * _decay(0.04, rate, rng.uniform(0.01, 0.03))
        start = round(at * rate)
        out[start : start + len(click)] += click * rng.uniform(0.4, 1.0)
        at += rng.uniform(0.07, 0.19)
    return bandpass(out, rate, 800, 0.45 * rate)


def _cough(rng: np.random.Generator, rate: int) -> Samples:
    parts = []
    for _ in range(rng.integers(1, 4)):
        n = round(rng.uniform(0.16, 0.3) * rate)
        pitch = np.linspace(rng.uniform(160, 260), rng.uniform(90, 140), n)
        source = 0.5 * rng.standard_normal(n) + rng.uniform(2, 6) * _glottal(rate, pitch)
        burst = _resonate(source, rate, [rng.uniform(550, 750), rng.uniform(1100, 1500), 2600.0], 160)
        parts += [burst * _rise_and_fall(n, 0.12), np.zeros(round(rng.uniform(0.06, 0.16) * rate))]
    return np.concatenate(parts[:-1])


def _laugh(rng: np.random.Generator, rate: int) -> Samples:
    parts = []
    pitch_hz = rng.uniform(170, 330)
    for index in range(rng.integers(3, 6)):
        n = round(rng.uniform(0.11, 0.17) * rate)
        pitch = pitch_hz * 0.94**index * np.linspace(1.08, 0.92, n)
        source = 6.0 * _glottal(rate, pitch) + 0.35 * rng.standard_normal(n)
        ha = _resonate(source, rate, [rng.uniform(600, 800), rng.uniform(1150, 1500), 2700.0], 130)
        parts += [ha * _rise_and_fall(n, 0.3) * 0.92**index, np.zeros(round(rng.uniform(0.05, 0.09) * rate))]
    return np.concatenate(parts[:-1])


def _breath(rng: np.random.Generator, rate: int) -> Samples:
    n = round(rng.uniform(0.5, 0.9) * rate)
    return _resonate(rng.standard_normal(n), rate, [650.0, 1600.0, 2800.0], 400) * _rise_and_fall(n, 0.6)


def _hum(rng: np.random.Generator, rate: int) -> Samples:
    n = round(rng.uniform(0.6, 1.3) * rate)
    t = np.arange(n) / rate
    glide = np.linspace(1.0, rng.uniform(0.8, 1.25), n)
    pitch = rng.uniform(110, 260) * glide * (1 + 0.02 * np.sin(2 * np.pi * 5.5 * t))
    return _resonate(_glottal(rate, pitch), rate, [270.0, 1000.0, 2300.0], 90) * _rise_and_fall(n, 0.15)


def _phone_ring(rng: np.random.Generator, rate: int) -> Samples:
    t = _time(rng.uniform(0.8, 1.4), rate)
    low_hz, high_hz = rng.uniform(400, 900), rng.uniform(950, 1900)
    warble = np.sign(np.sin(2 * np.pi * rng.uniform(8, 20) * t)) > 0
    tone = np.where(warble, np.sin(2 * np.pi * low_hz * t), np.sin(2 * np.pi * high_hz * t))
    return np.asarray((tone + 0.2 * tone**3) * _rise_and_fall(len(t), 0.05), dtype=np.float64)


def _beeps(rng: np.random.Generator, rate: int) -> Samples:
    tone_hz = rng.uniform(700, 2100)
    t = _time(rng.uniform(0.09, 0.2), rate)
    beep = np.sin(2 * np.pi * tone_hz * t) * _rise_and_fall(len(t), 0.1)
    gap = np.zeros(round(rng.uniform(0.08, 0.15) * rate))
    return np.concatenate([beep, gap] * int(rng.integers(2, 5)))[: -len(gap)]


def _siren(rng: np.random.Generator, rate: int) -> Samples:
    t = _time(rng.uniform(1.2, 2.0), rate)
    pitch_hz = 700 + 350 * np.sin(2 * np.pi * rng.uniform(0.5, 1.2) * t + rng.uniform(0, 6.28))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate
    wave = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)
    return np.asarray(wave * _rise_and_fall(len(t), 0.2), dtype=np.float64)


def _chair_scrape(rng: np.random.Generator, rate: int) -> Samples:
    n = round(rng.uniform(0.4, 0.9) * rate)
    pitch = rng.uniform(70, 130) * (1 + 0.25 * np.cumsum(rng.standard_normal(n)) / np.sqrt(n))
    stick_slip = 5.0 * _glottal(rate, np.maximum(pitch, 30.0)) + 0.3 * rng.standard_normal(n)
    return _resonate(stick_slip, rate, [rng.uniform(350, 600), rng.uniform(900, 1900), 3300.0], 200) * (
        _rise_and_fall(n, 0.25)
    )


SOUNDS: dict[str, Callable[[np.random.Generator, int], Samples]] = {
    "beeps": _beeps,
    "breath": _breath,
    "chair_scrape": _chair_scrape,
    "cough": _cough,
    "door_slam": _door_slam,
    "hum": _hum,
    "keyboard": _keyboard,
    "laugh": _laugh,
    "phone_ring": _phone_ring,
    "siren": _siren,
}
"""The sounds there are, by name."""


def synthesize(sound: str, rng: np.random.Generator, sample_rate: int) -> Samples:
    """Make a sound.

    Parameters
    ----------
    sound
        A name in :data:`SOUNDS`.
    rng
        Source of the variation.
    sample_rate
        Hertz, at least 8000.

    Returns
    -------
    ndarray
        ``(n_samples,) float64`` of peak 1, with 5 ms of fade at each end.
    """
    if sound not in SOUNDS:
        raise InvalidParameterError("sound", f"one of {', '.join(SOUNDS)}", sound)
    if sample_rate < 8000:
        raise InvalidParameterError("sample_rate", "at least 8000 Hz", sample_rate)
    samples = SOUNDS[sound](rng, sample_rate)
    fade = min(round(0.005 * sample_rate), len(samples) // 2)
    ramp = np.linspace(0.0, 1.0, fade, endpoint=False)
    samples[:fade] *= ramp
    samples[len(samples) - fade :] *= ramp[::-1]
    return np.asarray(samples / np.max(np.abs(samples)), dtype=np.float64)
