"""The agent's voices."""

import importlib.util

import numpy as np
import pytest

from bidilab.bidi.local.responder import Reply, ScriptedResponder
from bidilab.bidi.local.voice import EspeakVoice, RecordedVoice
from bidilab.core.audio import Audio
from bidilab.core.errors import InvalidParameterError, MissingExtraError


def test_the_recorded_voice_says_its_sentences_and_no_others():
    voice = RecordedVoice()
    assert len(voice.sentences) == 4
    for sentence in voice.sentences:
        audio = voice.say(sentence)
        assert 1 < audio.duration_s < 4
        assert np.abs(audio.samples).max() > 0.1
    with pytest.raises(InvalidParameterError, match="recorded sentences"):
        voice.say("Something else.")
    assert len(voice.speech(123_457, 24_000)) == 123_457


def test_any_text_needs_the_extra_or_is_said():
    with pytest.raises(InvalidParameterError, match="words_per_minute"):
        EspeakVoice(words_per_minute=10)
    if importlib.util.find_spec("espeakng_loader") is None:
        with pytest.raises(MissingExtraError, match="bidilab\\[tts\\]"):
            EspeakVoice().say("Hello")
        return
    slow, fast = (EspeakVoice(words_per_minute=n).say("Good morning, everybody.") for n in (100, 300))
    assert slow.sample_rate == 22_050
    assert slow.duration_s > 1.5 * fast.duration_s
    with pytest.raises(InvalidParameterError, match="voice"):
        EspeakVoice("klingon-of-mars").say("x")


def test_replies():
    audio = Audio(samples=np.zeros(10, np.float32), sample_rate=8000)
    assert Reply.of("x").text == "x"
    assert Reply.of(250).length_ms == 250.0
    assert Reply.of(audio).audio is audio
    with pytest.raises(InvalidParameterError, match="of one length"):
        Reply(audio=audio, length_ms=3.0)
    with pytest.raises(InvalidParameterError, match="text, audio"):
        Reply()
    with pytest.raises(InvalidParameterError, match="length_ms"):
        Reply.of(0)
    with pytest.raises(InvalidParameterError, match="reply"):
        Reply.of(object())
    with pytest.raises(InvalidParameterError, match="at least one"):
        ScriptedResponder([])
