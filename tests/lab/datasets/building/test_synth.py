"""Synthetic sounds and rooms: seeded, bounded, each its own."""

import numpy as np
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.dsp.room import room_impulse_response
from bidilab.detect.dsp.truth import speech_extent
from bidilab.lab.datasets.building.synth import SOUNDS, synthesize


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("sound", SOUNDS)
def test_a_sound_is_finite_of_peak_one_and_the_same_for_the_same_seed(sound, rate):
    for seed in range(3):
        samples = synthesize(sound, np.random.default_rng(seed), rate)
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() == pytest.approx(1)
        assert 0.1 < len(samples) / rate < 2.5
        assert abs(samples[0]) < 0.01
        assert speech_extent(samples, rate) is not None
        assert np.array_equal(samples, synthesize(sound, np.random.default_rng(seed), rate))


@pytest.mark.parametrize("sound", SOUNDS)
def test_a_sound_varies_with_the_seed(sound):
    one, other = (synthesize(sound, np.random.default_rng(seed), 16_000) for seed in (1, 2))
    assert len(one) != len(other) or not np.array_equal(one, other)


def test_unknown_sound_and_rate():
    with pytest.raises(InvalidParameterError, match="sound must be one of beeps, breath"):
        synthesize("bang", np.random.default_rng(0), 16_000)
    with pytest.raises(InvalidParameterError, match="at least 8000 Hz"):
        synthesize("cough", np.random.default_rng(0), 4_000)
    with pytest.raises(InvalidParameterError, match="rt60_ms"):
        room_impulse_response(np.random.default_rng(0), 16_000, rt60_ms=0)
