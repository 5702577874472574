"""Rates from counts, and what a capture says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.doctor.listening import Capture, microphone_facts, real_rate


def blocks(rate, *, n_s=2.0, block=480, jitter_s=0.0, seed=0, start_s=5.0):
    ends = np.arange(block, round(n_s * rate) + 1, block)
    late = jitter_s * np.random.default_rng(seed).random(len(ends))
    return ends.tolist(), np.maximum.accumulate(start_s + ends / rate + late).tolist()


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(7000, 50_000),
    jitter_ms=st.floats(0, 20),
    block=st.sampled_from([128, 441, 480, 512]),
    seed=st.integers(0, 99),
)
def test_a_rate_is_told_and_lies_within_what_is_said(rate, jitter_ms, block, seed):
    found = real_rate(*blocks(rate, block=block, jitter_s=jitter_ms / 1000, seed=seed))
    assert abs(found.hertz / rate - 1) <= found.within + 1e-4
    assert found.within <= 0.0007 * jitter_ms + 1e-3


def test_a_burst_at_the_start_moves_nothing():
    ends, times = blocks(16_000)
    times = [max(at, times[0] + 0.2) for at in times]  # what was gathered before comes at once
    assert real_rate(ends, times).hertz == pytest.approx(16_000, abs=1)


@pytest.mark.parametrize(("n", "n_s"), [(0, 0), (4, 2.0), (60, 0.6)])
def test_too_little_to_tell(n, n_s):
    assert real_rate(list(range(n)), np.linspace(0, n_s, n).tolist()) is None


def test_no_time_passes_backwards():
    with pytest.raises(InvalidParameterError, match="rising"):
        real_rate([1, 2, 3], [0.0, 2.0, 1.0])
    with pytest.raises(InvalidParameterError, match="equal length"):
        real_rate([1, 2, 3], [0.0, 2.0])


def captured(samples, rate=16_000, real=None, overruns=0):
    ends, times = blocks(real or rate, n_s=len(samples) / (real or rate), block=160)
    return Capture(
        samples=np.asarray(samples, np.float32),
        sample_rate=rate,
        ends=tuple(ends),
        arrived_s=tuple(times),
        overruns=overruns,
    )


def test_facts_of_a_capture():
    time_s = np.arange(32_000) / 16_000
    facts = microphone_facts(captured(0.1 * np.sin(2 * np.pi * 50 * time_s), overruns=3))
    assert facts.sound.hum_share > 0.99
    assert facts.sound.active_dbfs == pytest.approx(-23, abs=0.5)
    assert (facts.overruns, facts.sound.clipped_share) == (3, 0)
    loud = np.clip(2 * np.sin(2 * np.pi * 300 * time_s), -1, 1)
    assert microphone_facts(captured(loud)).sound.clipped_share > 0.5
    assert microphone_facts(captured(np.zeros(32_000))).sound.equal_share == 1


def test_16_khz_that_are_44_1():
    noise = 0.1 * np.random.default_rng(0).standard_normal(88_200)
    capture = captured(noise, real=44_100)
    assert microphone_facts(capture).rate.hertz == pytest.approx(44_100, rel=1e-3)
    assert capture.starts_s() < 5.0
