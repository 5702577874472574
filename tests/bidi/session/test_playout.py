"""Play-out estimated from arrival, and corrected by what outputs report."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.io.playback import PlaybackBuffer
from bidilab.bidi.session.playout import PlayoutEstimate
from bidilab.bidi.types.playback import PlaybackReport
from bidilab.core.errors import InvalidParameterError


def report(kind, heard, at_s, sample_rate=1000):
    return PlaybackReport(kind=kind, response_id="r", heard_samples=heard, sample_rate=sample_rate, at_s=at_s)


@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from("ab"), st.integers(0, 200)), max_size=20))
def test_it_is_a_loudspeaker_that_plays_at_once(steps):
    # Beside the playback buffer, which is taken from in real time: after each step both say the same.
    estimate, buffer = PlayoutEstimate(sample_rate=1000), PlaybackBuffer(sample_rate=1000)
    now = 0
    for wait, response_id, n_samples in steps:
        now += wait
        buffer.get(wait)
        estimate.audio(response_id, n_samples, now / 1000)
        buffer.put(response_id, np.zeros(n_samples, np.int16))
        for key in "ab":
            assert estimate.heard_samples(key, now / 1000) == buffer.heard_samples(key)


def test_active_until_the_last_sample():
    #       0      1      2     3 s
    # r     ███████          generating: 1 s of audio, then nothing; done at 2.5
    estimate = PlayoutEstimate(sample_rate=1000)
    estimate.started("r")
    assert estimate.is_active("r", 0.0)
    estimate.audio("r", 1000, 0.0)
    assert estimate.ends_at_s("r", 0.5) == 1.0
    assert estimate.is_active("r", 2.0)  # more may come
    estimate.done("r")
    assert estimate.is_active("r", 0.999)
    assert not estimate.is_active("r", 1.0)
    assert estimate.active_responses(0.5) == ("r",)
    estimate.forget("r")
    assert (estimate.heard_samples("r", 0.5), estimate.received_samples("r")) == (0, 0)


def test_a_cut_is_for_ever():
    estimate = PlayoutEstimate(sample_rate=1000)
    estimate.audio("r", 1000, 0.0)
    estimate.audio("s", 500, 0.0)
    assert estimate.clear("r", 0.25) == 250
    estimate.audio("r", 1000, 0.3)
    assert (estimate.clear("r", 0.9), estimate.heard_samples("r", 5.0)) == (250, 250)
    assert not estimate.is_active("r", 0.3)
    assert estimate.is_active("s", 0.3)


def test_reports_take_the_place_of_the_estimate():
    estimate = PlayoutEstimate(sample_rate=1000)
    estimate.audio("r", 1000, 0.0)
    estimate.report(report("started", 0, 0.5))  # the loudspeaker needed half a second
    assert estimate.heard_samples("r", 1.0) == 500
    estimate.report(report("dry", 1000, 1.5))
    estimate.audio("r", 200, 2.0)
    assert estimate.heard_samples("r", 2.1) == 1100
    estimate.done("r")
    estimate.report(report("drained", 1200, 2.2))
    assert not estimate.is_active("r", 2.2)
    estimate.report(report("cleared", 48, 3.0, sample_rate=48_000))
    assert estimate.heard_samples("r", 4.0) == 1


def test_bad_values():
    estimate = PlayoutEstimate(sample_rate=1000)
    with pytest.raises(InvalidParameterError, match="n_samples"):
        estimate.audio("r", -1, 0.0)
    estimate.started("r")
    with pytest.raises(InvalidParameterError, match="done or cut"):
        estimate.forget("r")
    with pytest.raises(InvalidParameterError, match="kind"):
        report("stopped", 0, 0.0)
