"""LiveKit's words; `tests/detect/turns/test_export_packages.py` holds them against the package."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import LiveKitVad, TurnParams


def test_defaults_in_the_canonical_set():
    assert LiveKitVad().canonical() == TurnParams(
        threshold=0.5, min_speech_ms=50, prefix_padding_ms=500, silence_duration_ms=550
    )


@given(
    threshold=st.floats(0.02, 1),
    below=st.none() | st.floats(0, 1),
    ms=st.tuples(*[st.integers(0, 3000)] * 3),
)
def test_all_five_knobs_are_expressed(threshold, below, ms):
    deactivation = None if below is None else max(0.01, threshold * below)
    wanted = TurnParams(
        threshold=threshold,
        deactivation_threshold=deactivation,
        min_speech_ms=ms[0],
        prefix_padding_ms=ms[1],
        silence_duration_ms=ms[2],
    )
    nearest = LiveKitVad.nearest(wanted)
    assert nearest.canonical() == wanted
    assert LiveKitVad.from_dict(nearest.to_dict()) == nearest


def test_a_deactivation_threshold_of_zero_is_refused_as_livekit_refuses_it():
    with pytest.raises(InvalidParameterError, match="deactivation_threshold must be greater than 0"):
        LiveKitVad(deactivation_threshold=0)
    assert LiveKitVad.nearest(TurnParams(deactivation_threshold=0)).deactivation_threshold == 0.01


@pytest.mark.parametrize(
    "bad",
    [{"min_speech_duration": -1}, {"activation_threshold": 2}, {"deactivation_threshold": 0.6}, {"min_silence": 1}],
)
def test_nothing_is_ignored(bad):
    with pytest.raises(InvalidParameterError):
        LiveKitVad.from_dict(bad)
