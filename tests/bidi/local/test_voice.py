"""The agent's voices."""

import importlib.util

import numpy as np
import pytest

from bidilab.bidi.local.voice import DefaultResponder, EspeakVoice, RecordedVoice
from bidilab.bidi.reply import ResponseRequest, Utterance
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


def test_the_story_is_said_in_one_go():
    voice = RecordedVoice()
    audio = voice.say(voice.story)
    assert 15 < audio.duration_s < 25
    # No pause in it is longer than that between two sentences.
    loud = np.flatnonzero(np.abs(audio.samples) > 0.05)
    assert np.diff(loud).max() < 0.6 * audio.sample_rate


@pytest.mark.parametrize(
    ("said", "tells"),
    [
        ("Tell me a long story", True),
        ("I know STORIES, too.", True),
        ("Tell me your history.", False),
        ("Hello", False),
        ("", True),  # a turn whose words nobody knows
    ],
)
def test_the_default_tells_a_story_where_it_is_asked_or_cannot_know(said, tells):
    voice = RecordedVoice()
    history = [Utterance(role="user", text=text, item_id="i") for text in ("A story, please", said)]
    texts = [DefaultResponder().respond(ResponseRequest(index=i, history=tuple(history))).text for i in (0, 1)]
    assert texts == [voice.story] * 2 if tells else list(voice.sentences[:2])


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
