"""The voice that comes with the package: four recorded sentences, and a story of 20 seconds."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from bidilab.bidi.reply import Reply, ResponseRequest
from bidilab.core.audio import Audio, FloatArray
from bidilab.core.errors import AudioError, InvalidParameterError

__all__ = ["DefaultResponder", "RecordedVoice"]

_STORY = re.compile(r"\bstor(y|ies)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Recording:
    """One recorded file: ``(n,) float32``, its rate, and where each text lies in it."""

    samples: FloatArray
    sample_rate: int
    places: Mapping[str, tuple[int, int]]


@cache
def _recording(name: str) -> _Recording:
    import soundfile

    folder = resources.files(__package__)
    told = json.loads(folder.joinpath(f"{name}.json").read_text(encoding="utf-8"))
    samples, rate = soundfile.read(io.BytesIO(folder.joinpath(f"{name}.flac").read_bytes()), dtype="float32")
    if rate != told["sample_rate"]:
        raise AudioError(f"{name}.flac has {rate} Hz, but {name}.json says {told['sample_rate']}")
    places = {place["text"]: (place["start"], place["end"]) for place in told["sentences"]}
    return _Recording(samples=samples, sample_rate=rate, places=places)


class RecordedVoice:
    """Four recorded sentences (`sentences`), a recorded `story`, and speech of any length made of the sentences.

    It says what was recorded and nothing else: for other text, use the ``tts`` extra's `EspeakVoice`.
    """

    @property
    def sentences(self) -> tuple[str, ...]:
        """The four sentences, about two and a half seconds each."""
        return tuple(_recording("sentences").places)

    @property
    def story(self) -> str:
        """A story of five sentences, said in one go: about 20 seconds."""
        return " ".join(_recording("story").places)

    def say(self, text: str) -> Audio:
        """A recorded sentence, or the story.

        Raises
        ------
        InvalidParameterError
            If the text is neither one of `sentences` nor `story`.
        """
        sentences, story = _recording("sentences"), _recording("story")
        if text in sentences.places:
            start, end = sentences.places[text]
            return Audio(samples=sentences.samples[start:end], sample_rate=sentences.sample_rate, name=text)
        if text == self.story:
            _, end = list(story.places.values())[-1]
            return Audio(samples=story.samples[:end], sample_rate=story.sample_rate, name="story")
        allowed = f"one of the recorded sentences {list(self.sentences)}, or RecordedVoice().story"
        raise InvalidParameterError("text", allowed, text)

    def speech(self, n_samples: int, sample_rate: int) -> FloatArray:
        """So many samples of speech: the four sentences from the start, again and again.

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


class DefaultResponder:
    """Answers of the local model where no responder is given: a story, or a sentence.

    It tells `RecordedVoice.story` (one response of about 20 seconds) when the user's last words have the word "story"
    or "stories" in them ("Tell me a long story"). It tells it also in answer to a turn whose words are not known, as by
    voice when nobody transcribes: it cannot know what was asked, and a person who speaks to it is to have the time to
    interrupt. To all other words it says one of `RecordedVoice.sentences`, in turn.
    """

    def respond(self, request: ResponseRequest) -> Reply:
        """The story, or the sentence whose turn it is."""
        voice = RecordedVoice()
        words = request.user_text
        if not words or _STORY.search(words):
            return Reply(text=voice.story)
        return Reply(text=voice.sentences[request.index % len(voice.sentences)])


@cache
def _looped(sample_rate: int) -> FloatArray:
    from bidilab.detect.vad.resampling import resample

    recording = _recording("sentences")
    return resample(recording.samples, recording.sample_rate, sample_rate)
