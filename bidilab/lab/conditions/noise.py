"""Noise under the user's voice: white, pink, babble of clips, or a recording of it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.core.units import ms_to_samples
from bidilab.detect.dsp.mixing import (
    Samples,
    active_level_dbfs,
    add_at,
    db_to_gain,
    level_dbfs,
    resample,
)
from bidilab.detect.dsp.truth import TruthRule
from bidilab.lab.datasets.building.clips import ClipLibrary

__all__ = ["COLOURS", "TALKERS", "babble_clips", "noise_of", "with_noise"]

COLOURS: tuple[str, ...] = ("white", "pink")
TALKERS = 6
"""Voices of a babble: enough that no word is understood (Simpson & Cooke, JASA 118, 2005)."""
_TALKER_GAP_MS = (80.0, 500.0)
_CLIP_DBFS = -26.0


def babble_clips() -> Path:
    """The folder of clips that ``noise="babble"`` is made of: ``datasets/clips`` of a source checkout.

    Raises
    ------
    InvalidParameterError
        If there is none, as where bidilab was installed from a wheel.
    """
    folder = Path(__file__).parents[3] / "datasets" / "clips"
    if not folder.is_dir():
        allowed = "the path of a folder of speech clips, as the clips of bidilab's repository are not installed"
        raise InvalidParameterError("noise", allowed, "babble")
    return folder


def noise_of(noise: str | Path | Audio, n_samples: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Noise of any level over a whole recording, ``(n_samples,) float64``.

    Parameters
    ----------
    noise
        ``"white"``; ``"pink"`` (power falls by 3 dB an octave, from 20 Hz); ``"babble"``, or a folder of speech clips:
        six talkers, each saying clip after clip; a file or `Audio`: the mean of its channels from a random place on,
        again and again.
    n_samples, sample_rate
        Of the recording.
    rng
        What is random is drawn from it.

    Raises
    ------
    AudioError
        If a file cannot be read or is silent.
    InvalidParameterError
        If there is nothing of that name.
    """
    if noise == "white":
        return rng.standard_normal(n_samples)
    if noise == "pink":
        return _pink(n_samples, sample_rate, rng)
    if noise == "babble":
        return _babble(babble_clips(), n_samples, sample_rate, rng)
    if isinstance(noise, Audio):
        return _looped(_mono(noise, sample_rate), n_samples, rng)
    path = Path(noise)
    if path.is_dir():
        return _babble(path, n_samples, sample_rate, rng)
    if not path.is_file():
        allowed = f"{', '.join(COLOURS)}, babble, a file, a folder of clips or an Audio"
        raise InvalidParameterError("noise", allowed, str(noise))
    return _looped(_read(path, path.stat().st_mtime_ns, sample_rate), n_samples, rng)


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
        Whose speech, for errors.
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
    if not np.isfinite(noise_level := level_dbfs(noise)):
        raise AudioError(f"{name}: the noise laid under it is silent there")
    return speech + noise * db_to_gain(level - snr_db - noise_level)


def _pink(n_samples: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    hz = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    out = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 20.0)), n=n_samples)
    return np.asarray(out, dtype=np.float64)


def _mono(audio: Audio, sample_rate: int) -> Samples:
    return resample(audio.channel().astype(np.float64), audio.sample_rate, sample_rate)


@lru_cache(maxsize=2)
def _read(path: Path, _modified_ns: int, sample_rate: int) -> Samples:
    return _mono(read_audio(path), sample_rate)


def _looped(noise: Samples, n_samples: int, rng: np.random.Generator) -> Samples:
    return np.resize(np.roll(noise, -int(rng.integers(len(noise)))), n_samples)


@lru_cache(maxsize=2)
def _library(folder: Path, sample_rate: int) -> ClipLibrary:
    return ClipLibrary(folder, sample_rate=sample_rate, level_dbfs=_CLIP_DBFS, rule=TruthRule())


def _babble(folder: Path, n_samples: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    library = _library(folder, sample_rate)
    voices = sorted(child.name for child in folder.iterdir() if child.is_dir()) or ["."]
    drawn = rng.permutation(len(voices))
    out = np.zeros(n_samples)
    for talker in range(TALKERS):
        files = library.files(voices[drawn[talker % len(voices)]], "noise")
        position = -int(rng.integers(sample_rate))  # nobody begins when the recording does
        while position < n_samples:
            clip = library.spoken(files[int(rng.integers(len(files)))])
            add_at(out, clip.samples, position)
            position += len(clip.samples) + ms_to_samples(float(rng.uniform(*_TALKER_GAP_MS)), sample_rate)
    return out
