"""The noise that a condition names: a colour, babble of clips, a file, or an `Audio`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio
from bidilab.core.bundled import bundled_clips
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.dsp.mixing import Samples, resample
from bidilab.detect.dsp.noise import COLOURS, babble, coloured, looped
from bidilab.detect.dsp.truth import TruthRule
from bidilab.lab.datasets.building.clips import ClipLibrary

__all__ = ["TALKERS", "noise_of"]

TALKERS = 6
"""Voices of a babble: enough that no word is understood (Simpson & Cooke, JASA 118, 2005)."""
_CLIP_DBFS = -26.0


def noise_of(noise: str | Path | Audio, n_samples: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Noise of any level over a whole recording, ``(n_samples,) float64``.

    Parameters
    ----------
    noise
        ``"white"``; ``"pink"`` (power falls by 3 dB an octave, from 20 Hz); ``"babble"``, or a folder of speech clips:
        six talkers, each saying clip after clip; a file or `Audio`: the mean of its channels from a random place on,
        again and again.
    n_samples, sample_rate
        Length and rate of the recording.
    rng
        Source of everything random.

    Raises
    ------
    AudioError
        If a file cannot be read or is silent.
    InvalidParameterError
        If there is nothing of that name.
    """
    if isinstance(noise, str) and noise in COLOURS:
        return coloured(noise, n_samples, sample_rate, rng)
    if noise == "babble":
        return _babble(bundled_clips(), n_samples, sample_rate, rng)
    if isinstance(noise, Audio):
        return looped(_mono(noise, sample_rate), n_samples, rng)
    path = Path(noise)
    if path.is_dir():
        return _babble(path, n_samples, sample_rate, rng)
    if not path.is_file():
        allowed = f"{', '.join(COLOURS)}, babble, a file, a folder of clips or an Audio"
        raise InvalidParameterError("noise", allowed, str(noise))
    return looped(_read(path, path.stat().st_mtime_ns, sample_rate), n_samples, rng)


@lru_cache(maxsize=2)
def _read(path: Path, _modified_ns: int, sample_rate: int) -> Samples:
    return _mono(read_audio(path), sample_rate)


def _mono(audio: Audio, sample_rate: int) -> Samples:
    return resample(audio.channel().astype(np.float64), audio.sample_rate, sample_rate)


@lru_cache(maxsize=2)
def _library(folder: Path, sample_rate: int) -> ClipLibrary:
    return ClipLibrary(folder, sample_rate=sample_rate, level_dbfs=_CLIP_DBFS, rule=TruthRule())


def _babble(folder: Path, n_samples: int, sample_rate: int, rng: np.random.Generator) -> Samples:
    library = _library(folder, sample_rate)
    voices = sorted(child.name for child in folder.iterdir() if child.is_dir()) or ["."]
    drawn = rng.permutation(len(voices))
    files = [library.files(voices[drawn[talker % len(voices)]], "noise") for talker in range(TALKERS)]
    return babble([library.talker(of_voice, rng) for of_voice in files], n_samples, sample_rate, rng)
