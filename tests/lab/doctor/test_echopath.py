"""Sweeps found in recordings with planted delays, levels, rooms and noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

from bidilab.core.audiofile import read_audio
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.doctor.echopath import SWEEP_DBFS, find_sweep, sweep_sound
from tests.conftest import ROOT

RATES = (8_000, 16_000, 24_000, 44_100, 48_000)


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)))


def recording(rate, delay, gain_db, *, noise_dbfs=None, response=(1.0,), seed=0, n_s=3.5):
    """``gain_db`` of the whole response, which is scaled to energy 1."""
    heard = np.zeros(round(n_s * rate))
    response = np.asarray(response) / np.sqrt(np.sum(np.square(response)))
    played = fftconvolve(sweep_sound(rate), response) * 10 ** (gain_db / 20)
    heard[delay : delay + len(played)] += played[: len(heard) - delay]
    if noise_dbfs is not None:
        heard += 10 ** (noise_dbfs / 20) * np.random.default_rng(seed).standard_normal(len(heard))
    return heard.astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
def test_the_sound_is_two_sweeps_at_its_level(rate):
    sound = sweep_sound(rate)
    assert len(sound) == round(2.45 * rate)
    assert np.array_equal(sound[:rate], sound[-rate:])
    assert not sound[rate:-rate].any()
    assert level_db(sound[:rate]) == pytest.approx(SWEEP_DBFS, abs=0.2)
    assert np.abs(sound).max() < 0.3


@settings(max_examples=25, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    delay_ms=st.floats(1, 900),
    gain_db=st.floats(-45, 0),
    under_db=st.floats(0, 40),
    seed=st.integers(0, 1000),
)
def test_delay_to_the_sample_and_level_to_a_decibel(rate, delay_ms, gain_db, under_db, seed):
    """The noise is white, and 5 to 45 dB under the echo."""
    delay = round(delay_ms * rate / 1000)
    found = find_sweep(recording(rate, delay, gain_db, noise_dbfs=SWEEP_DBFS + gain_db - 5 - under_db, seed=seed), rate)
    assert found is not None
    assert found.delay_samples == delay
    assert found.gain_db == pytest.approx(gain_db, abs=1.5)


@pytest.mark.parametrize("rate", RATES)
def test_a_room_rings_and_the_direct_sound_is_its_delay(rate):
    """A reflection after 12 ms is stronger than the direct sound; RT60 is 0.35 s."""
    rng = np.random.default_rng(3)
    ring = rng.standard_normal(round(0.25 * rate)) * np.exp(-np.arange(round(0.25 * rate)) / (0.05 * rate))
    ring *= 0.02
    ring[0], ring[round(0.012 * rate)] = 1.0, 1.3
    found = find_sweep(recording(rate, round(0.18 * rate), -25, response=ring, noise_dbfs=-60), rate)
    assert found.delay_samples == pytest.approx(0.18 * rate, abs=1)
    assert found.gain_db == pytest.approx(-25, abs=1)


@pytest.mark.parametrize("seed", range(20))
def test_noise_holds_no_sweep(seed):
    rng = np.random.default_rng(seed)
    noise = 0.1 * rng.standard_normal(56_000)
    assert find_sweep(noise.astype(np.float32), 16_000) is None
    assert find_sweep(np.cumsum(noise / 100).astype(np.float32), 16_000) is None  # brown: a rumbling room


@pytest.mark.parametrize("hertz", [50, 60, 100, 440, 1000, 3333])
def test_tones_and_silence_hold_no_sweep(hertz):
    time_s = np.arange(56_000) / 16_000
    assert find_sweep((0.3 * np.sin(2 * np.pi * hertz * time_s)).astype(np.float32), 16_000) is None
    assert find_sweep((0.1 * np.sign(np.sin(2 * np.pi * hertz * time_s))).astype(np.float32), 16_000) is None
    assert find_sweep(np.zeros(56_000, np.float32), 16_000) is None


def test_one_sweep_is_not_two():
    heard = recording(16_000, 2000, -10)
    heard[2000 + 16_000 :] = 0
    assert find_sweep(heard, 16_000) is None


def test_speech_holds_no_sweep_and_hides_none_at_10_db_under_it():
    claimed, found = [], []
    for path in sorted((ROOT / "datasets" / "overlap-mini" / "audio").glob("*.flac"))[:8]:
        audio = read_audio(path)
        rate, heard = audio.sample_rate, audio.channel(0)[: round(3.5 * audio.sample_rate)].copy()
        claimed.append(find_sweep(heard, rate))
        if level_db(heard) < -60:
            continue
        gain_db = level_db(heard) - SWEEP_DBFS - 10
        found.append(find_sweep(heard + recording(rate, 1500, gain_db)[: len(heard)], rate))
    assert claimed.count(None) == len(claimed)
    assert len(found) > 4
    assert [one.delay_samples for one in found] == [1500] * len(found)


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(InvalidParameterError, match="more than 39200 samples, got 39200"):
        find_sweep(np.zeros(39_200, np.float32), 16_000)
    with pytest.raises(InvalidParameterError, match="8000 Hz or more, got 4000"):
        sweep_sound(4000)
