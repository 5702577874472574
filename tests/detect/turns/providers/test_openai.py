"""OpenAI's words, against the `openai` package."""

import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import ServerVad, TurnParams


def test_defaults_are_the_providers():
    assert ServerVad().to_dict() == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "create_response": True,
        "interrupt_response": True,
        "idle_timeout_ms": None,
    }


def test_it_is_what_the_openai_package_describes():
    from openai.types.realtime import realtime_audio_input_turn_detection as published

    assert set(ServerVad().to_dict()) == set(published.ServerVad.model_fields)
    published.ServerVad.model_validate(ServerVad(idle_timeout_ms=6000).to_dict())


def test_round_trip():
    vad = ServerVad(threshold=0.6, idle_timeout_ms=5000, interrupt_response=False)
    assert ServerVad.from_dict(vad.to_dict()) == vad


@pytest.mark.parametrize(
    "bad",
    [
        {"silence_duration": 500},
        {"type": "semantic_vad"},
        {"idle_timeout_ms": 4999},
        {"prefix_padding_ms": 1.5},
        {"create_response": 1},
    ],
)
def test_nothing_is_ignored(bad):
    with pytest.raises(InvalidParameterError):
        ServerVad.from_dict(bad)


def test_canonical():
    params = ServerVad(threshold=0.7, prefix_padding_ms=100, silence_duration_ms=200).canonical()
    assert params == TurnParams(threshold=0.7, prefix_padding_ms=100, silence_duration_ms=200)


def test_nearest_is_whole_milliseconds():
    wanted = TurnParams(threshold=0.35, prefix_padding_ms=99.6, silence_duration_ms=300.4, min_speech_ms=64)
    assert ServerVad.nearest(wanted) == ServerVad(threshold=0.35, prefix_padding_ms=100, silence_duration_ms=300)
