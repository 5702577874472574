"""Noise under a voice: white, pink, babble of talkers, or a recording of it over and over; and its level."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bidilab.core.errors import AudioError
from bidilab.core.units import ms_to_samples
from bidilab.detect.dsp.mixing import Samples, active_level_dbfs, add_at, db_to_gain, level_dbfs

__all__ = ["COLOURS", "at_level", "babble", "coloured", "looped", "with_noise"]

COLOURS: tuple[str, ...] = ("white", "pink")
_TALKER_GAP_MS = (80.0, 500.0)


def coloured(colour: str, n_samples: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Noise of a colour of `COLOURS`, ``(n_samples,)``; the power of pink falls by 3 dB per octave from 20 Hz on."""
    white = rng.standard_normal(n_samples)
    if colour == "white":
        return white
    hz = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    pink = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.maximum(hz, 20.0)), n=n_samples)
    return np.asarray(pink, dtype=np.float64)


def looped(noise: Samples, n_samples: int, rng: np.random.Generator) -> Samples:
    """A recording of noise from a random place on, over and over, ``(n_samples,)``."""
    return np.resize(np.roll(noise, -int(rng.integers(len(noise)))), n_samples)


def babble(
    talkers: Sequence[Callable[[], Samples]], n_samples: int, sample_rate: int, rng: np.random.Generator
) -> Samples:
    """Talkers who speak at once, ``(n_samples,)``.

    Parameters
    ----------
    talkers
        Each gives the talker's next clip; clips follow each other with pauses of 80 to 500 ms.
    n_samples, sample_rate
        Length and rate of the babble, hertz.
    rng
        Where starts and pauses come from.
    """
    out = np.zeros(n_samples)
    for next_clip in talkers:
        position = -int(rng.integers(sample_rate))  # nobody begins when the recording does
        while position < n_samples:
            clip = next_clip()
            add_at(out, clip, position)
            position += len(clip) + ms_to_samples(float(rng.uniform(*_TALKER_GAP_MS)), sample_rate)
    return out


def at_level(noise: Samples, dbfs: float) -> Samples:
    """Noise at an RMS level; it must not be silent."""
    return noise * db_to_gain(dbfs - level_dbfs(noise))


def with_noise(
    speech: Samples, sample_rate: int, noise: Samples, snr_db: float, *, name: str, level_of: Samples | None = None
) -> Samples:
    """Speech with noise at a signal-to-noise ratio, ``(n_samples,)``.

    Parameters
    ----------
    speech, noise
        ``(n_samples,)``; the noise at any level.
    sample_rate
        Hertz.
    snr_db
        Active level of the speech (`active_level_dbfs`, after the idea of ITU-T P.56) over the RMS level of the noise.
        What the speech's recording holds besides speech counts as speech where it is as loud.
    name
        Name of the recording, for errors.
    level_of
        What the active level is taken of, where it is not ``speech``.

    Raises
    ------
    AudioError
        If nothing is active in the speech, or the noise is silent.
    """
    level = active_level_dbfs(speech if level_of is None else level_of, sample_rate)
    if not np.isfinite(level):
        raise AudioError(f"{name}: nothing in the user's channel is loud enough to be speech, so it has no SNR")
    if not np.isfinite(level_dbfs(noise)):
        raise AudioError(f"{name}: the noise to be added is silent there")
    return speech + at_level(noise, level - snr_db)
