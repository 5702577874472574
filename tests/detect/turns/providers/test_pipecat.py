"""Pipecat's words, rounded to whole frames; `tests/detect/turns/test_export_packages.py` has the package itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import frames_for_ms
from bidilab.detect.turns import PipecatVad, TurnParams


def test_defaults_in_the_canonical_set():
    # 0.2 s / 0.032 s = 6.25 frames, so 6 frames of 32 ms; one threshold for both directions
    assert PipecatVad().canonical() == TurnParams(
        threshold=0.7, deactivation_threshold=0.7, min_speech_ms=192, prefix_padding_ms=0, silence_duration_ms=192
    )


def test_at_least_one_frame():
    assert PipecatVad(start_secs=0, stop_secs=0.01).canonical().silence_duration_ms == 32


@given(start_ms=st.integers(0, 3000), silence_ms=st.integers(0, 3000))
def test_durations_are_the_canonical_number_of_frames(start_ms, silence_ms):
    wanted = TurnParams(min_speech_ms=start_ms, silence_duration_ms=silence_ms)
    got = PipecatVad.nearest(wanted).canonical()
    for name in ("min_speech_ms", "silence_duration_ms"):
        shape = {"frame_samples": 512, "sample_rate": 16_000}
        assert frames_for_ms(getattr(got, name), **shape) == frames_for_ms(getattr(wanted, name), **shape)


@pytest.mark.parametrize("bad", [{"confidence": 1.1}, {"start_secs": -0.1}, {"min_volume": "loud"}, {"stop": 1}])
def test_nothing_is_ignored(bad):
    with pytest.raises(InvalidParameterError):
        PipecatVad.from_dict(bad)
