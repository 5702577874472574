"""The WebRTC backend against the library called by hand."""

import builtins
import sys

import numpy as np
import pytest
import webrtcvad

from bidilab.core.audio import float_to_pcm16
from bidilab.core.errors import MissingExtraError
from bidilab.detect.vad import WebrtcVad


def voiced(sample_rate, seconds=3):
    """A buzz with two formants, switched on and off: enough for a GMM to call it speech now and then."""
    t = np.arange(sample_rate * seconds) / sample_rate
    tone = sum(np.sin(2 * np.pi * 120 * h * t) / h for h in range(1, 20)) * (np.sin(2 * np.pi * 1.5 * t) > 0)
    return (0.1 * tone + 0.003 * np.random.default_rng(0).standard_normal(len(t))).astype(np.float32)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000])
def test_one_level_is_the_library_and_the_vote_is_the_mean_of_all(sample_rate):
    samples = voiced(sample_rate)
    n = sample_rate // 50
    by_level = []
    for level in range(4):
        vad = webrtcvad.Vad(level)
        frames = [float_to_pcm16(samples[i : i + n]) for i in range(0, len(samples) - n + 1, n)]
        by_level.append([float(vad.is_speech(frame, sample_rate)) for frame in frames])
        track = WebrtcVad(sample_rate=sample_rate, aggressiveness=level).probabilities(samples)
        np.testing.assert_array_equal(track, by_level[-1])
    vote = WebrtcVad(sample_rate=sample_rate).probabilities(samples)
    np.testing.assert_array_equal(vote, np.mean(by_level, axis=0))
    assert 0 < vote.mean() < 1


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    real_import = builtins.__import__
    monkeypatch.delitem(sys.modules, "webrtcvad")

    def refuse(name, *args, **kwargs):
        if name == "webrtcvad":
            raise ModuleNotFoundError("No module named 'webrtcvad'", name="webrtcvad")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr("importlib.import_module", lambda name: refuse(name))
    with pytest.raises(MissingExtraError, match=r"pip install 'bidilab\[webrtc\]'"):
        WebrtcVad()
