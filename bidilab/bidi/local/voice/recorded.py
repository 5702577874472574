"""What a voice is, and the one that comes with the package: a few recorded sentences, or as much of them as asked."""

from __future__ import annotations

import io
import json
from functools import cache
from importlib import resources
from typing import Protocol, runtime_checkable

import numpy as np

from bidilab.core.audio import Audio, FloatArray
from bidilab.core.errors import AudioError, InvalidParameterError

__all__ = ["RecordedVoice", "Voice"]


@runtime_checkable
class Voice(Protocol):
    """Says a text."""

    def say(self, text: str) -> Audio:
        """The text as mono audio, at whatever rate the voice has.

        Raises
        ------
        BidilabError
            If this voice cannot say it.
        """


@cache
def _recording() -> tuple[FloatArray, int, tuple[tuple[str, int, int], ...]]:
    import soundfile

    folder = resources.files(__package__)
    places = json.loads(folder.joinpath("sentences.json").read_text(encoding="utf-8"))
    samples, rate = soundfile.read(io.BytesIO(folder.joinpath("sentences.flac").read_bytes()), dtype="float32")
    if rate != places["sample_rate"]:
        raise AudioError(f"sentences.flac has {rate} Hz, sentences.json says {places['sample_rate']}")
    return samples, rate, tuple((p["text"], p["start"], p["end"]) for p in places["sentences"])


class RecordedVoice:
    """Four recorded sentences (`sentences`), and speech of any length made of them.

    It says what was recorded and nothing else: for other text, use the ``tts`` extra's `EspeakVoice`.
    """

    @property
    def sentences(self) -> tuple[str, ...]:
        """What it can say."""
        return tuple(text for text, _, _ in _recording()[2])

    def say(self, text: str) -> Audio:
        """A recorded sentence.

        Raises
        ------
        InvalidParameterError
            If the text is none of `sentences`.
        """
        samples, rate, places = _recording()
        for known, start, end in places:
            if known == text:
                return Audio(samples=samples[start:end], sample_rate=rate, name=text)
        raise InvalidParameterError("text", f"one of the recorded sentences {list(self.sentences)}", text)

    def speech(self, n_samples: int, sample_rate: int) -> FloatArray:
        """So many samples of speech: the recording from its start, again and again.

        Parameters
        ----------
        n_samples
            How many, ``>= 0``.
        sample_rate
            Hertz.

        Returns
        -------
        FloatArray
            ``(n_samples,) float32``.
        """
        return np.resize(_looped(sample_rate), n_samples)


@cache
def _looped(sample_rate: int) -> FloatArray:
    from bidilab.detect.vad.resampling import resample

    samples, rate, _ = _recording()
    return resample(samples, rate, sample_rate)
