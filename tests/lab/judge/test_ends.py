"""How ends sound, on two voices of the clips."""

import numpy as np

from bidilab.core.timeline import Interval
from bidilab.lab.judge.ends import MOST, end_evidence
from bidilab.lab.judge.voicing import pitch_track, voiced_ms
from tests.lab.judge.calls import RATE, clip, cough
from tests.lab.judge.endsfit import area, examples, weighed


def test_cuts_sound_more_like_cuts_than_natural_ends_do():
    features, cut, _, sorts = examples(voices=("nova", "bram"))
    hard = (sorts == "hard") | ~cut
    from bidilab.lab.judge.ends import _CONSTANT, _WEIGHTS

    scores = features @ np.array(_WEIGHTS) + _CONSTANT
    assert area(scores[hard], cut[hard]) > 0.7
    assert np.isfinite(weighed(features, cut)).all()


def test_the_sound_is_bounded_and_silence_says_little():
    levels = np.full(400, -75, np.float32)
    silence = np.zeros(400 * 80, np.float32)
    assert abs(end_evidence(silence, levels, len(silence))) <= MOST
    assert abs(end_evidence(silence[:80], levels[:1], 80)) <= MOST


def test_speech_is_voiced_and_a_cough_is_not():
    spoken = clip("bram", "backchannel", 1).astype(np.float32)
    assert voiced_ms(spoken, Interval(0, len(spoken))) > 100
    noise = cough().astype(np.float32)
    assert voiced_ms(noise, Interval(0, len(noise))) < 60


def test_a_tone_has_its_pitch_and_a_moment_has_none():
    tone = np.sin(2 * np.pi * 160 * np.arange(RATE // 2) / RATE).astype(np.float32)
    track = pitch_track(tone)
    assert track.voiced.all()
    np.testing.assert_allclose(track.pitch_hz, 160, atol=2)
    assert len(pitch_track(tone[:100]).voiced) == 0
