"""Gemini's words: two meanings of one of them, and sensitivities for thresholds."""

import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import GeminiActivityDetection, TurnParams


def test_prefix_padding_is_speech_required_before_the_start():
    params = GeminiActivityDetection(prefix_padding_ms=200, silence_duration_ms=700).canonical()
    assert (params.min_speech_ms, params.prefix_padding_ms, params.silence_duration_ms) == (200, 0, 700)


def test_sensitivities_move_the_thresholds():
    high = GeminiActivityDetection().canonical()
    low = GeminiActivityDetection(start_of_speech_sensitivity="LOW", end_of_speech_sensitivity="LOW").canonical()
    assert low.threshold > high.threshold
    assert low.threshold - low.deactivation_threshold > high.threshold - high.deactivation_threshold


def test_round_trip():
    given = GeminiActivityDetection(start_of_speech_sensitivity="LOW", prefix_padding_ms=40)
    assert given.to_dict() == {
        "disabled": False,
        "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
        "endOfSpeechSensitivity": "END_SENSITIVITY_HIGH",
        "prefixPaddingMs": 40,
    }
    assert GeminiActivityDetection.from_dict(given.to_dict()) == given
    with pytest.raises(InvalidParameterError, match="prefix_padding_ms"):
        GeminiActivityDetection.from_dict({"prefix_padding_ms": 40})


def test_disabled_has_no_parameters():
    with pytest.raises(InvalidParameterError, match="disabled"):
        GeminiActivityDetection(disabled=True).canonical()


def test_nearest_expressible():
    nearest = GeminiActivityDetection.from_setting(threshold=0.65, prefix_padding_ms=99.6, silence_duration_ms=300)
    assert nearest == GeminiActivityDetection(
        start_of_speech_sensitivity="LOW", prefix_padding_ms=100, silence_duration_ms=300
    )


def test_prefix_padding_may_look_back_instead():
    params = GeminiActivityDetection(prefix_padding_ms=200, prefix_meaning="look_back").canonical()
    assert (params.min_speech_ms, params.prefix_padding_ms) == (0, 200)
    assert GeminiActivityDetection(prefix_meaning="look_back").canonical().prefix_padding_ms == 20  # assumed default
    with pytest.raises(InvalidParameterError, match="'required_speech' or 'look_back'"):
        GeminiActivityDetection(prefix_meaning="both")


def test_the_meaning_of_the_prefix_is_no_field_of_the_wire():
    given = GeminiActivityDetection(prefix_padding_ms=40, prefix_meaning="look_back")
    assert given.to_dict() == GeminiActivityDetection(prefix_padding_ms=40).to_dict()
    assert GeminiActivityDetection.from_dict(given.to_dict(), prefix_meaning="look_back") == given
    with pytest.raises(InvalidParameterError, match="prefixMeaning"):
        GeminiActivityDetection.from_dict({"prefixMeaning": "look_back"})


def test_nearest_by_both_thresholds_and_either_meaning():
    # start 0.72 is nearest to LOW's 0.7; the margin 0.72 - 0.45 = 0.27 is nearer to LOW's 0.30 than to HIGH's 0.15
    wanted = TurnParams(threshold=0.72, deactivation_threshold=0.45, min_speech_ms=80, prefix_padding_ms=250)
    common = {
        "start_of_speech_sensitivity": "LOW",
        "end_of_speech_sensitivity": "LOW",
        "silence_duration_ms": 500,
    }
    assert GeminiActivityDetection.nearest(wanted) == GeminiActivityDetection(prefix_padding_ms=80, **common)
    assert GeminiActivityDetection.nearest(wanted, prefix_meaning="look_back") == GeminiActivityDetection(
        prefix_padding_ms=250, prefix_meaning="look_back", **common
    )
