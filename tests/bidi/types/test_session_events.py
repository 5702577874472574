"""Session events: Strands' names and dicts, checked, frozen, and back again."""

import base64
import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.types.events import (
    EVENT_TYPES,
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    ToolResultEvent,
    ToolStreamEvent,
    ToolUseStreamEvent,
    event_from_dict,
)
from bidilab.core.errors import AudioError, EventError, InvalidParameterError, ReportedError

# The dicts that the classes of strands-agents 1.54 make of the same constructor calls, as printed by them (tool
# events: read off their source, which needs all of Strands to run).
AS_STRANDS_HAS_IT = [
    (BidiTextInputEvent("hi"), {"type": "bidi_text_input", "text": "hi", "role": "user"}),
    (
        BidiAudioInputEvent("AAAA/38A", "pcm", 16000, 1),
        {"type": "bidi_audio_input", "audio": "AAAA/38A", "format": "pcm", "sample_rate": 16000, "channels": 1},
    ),
    (
        BidiImageInputEvent("/9j/", "image/jpeg"),
        {"type": "bidi_image_input", "image": "/9j/", "mime_type": "image/jpeg"},
    ),
    (
        BidiConnectionStartEvent("c1", "gpt-realtime"),
        {"type": "bidi_connection_start", "connection_id": "c1", "model": "gpt-realtime"},
    ),
    (BidiResponseStartEvent("r1"), {"type": "bidi_response_start", "response_id": "r1"}),
    (
        BidiAudioStreamEvent(audio="AAAA", format="mp3", sample_rate=24000, channels=2),
        {"type": "bidi_audio_stream", "audio": "AAAA", "format": "mp3", "sample_rate": 24000, "channels": 2},
    ),
    (
        BidiTranscriptStreamEvent({"text": "yes"}, "yes", "assistant", True),
        {
            "type": "bidi_transcript_stream",
            "delta": {"text": "yes"},
            "text": "yes",
            "role": "assistant",
            "is_final": True,
            "current_transcript": None,
        },
    ),
    (BidiInterruptionEvent("user_speech"), {"type": "bidi_interruption", "reason": "user_speech"}),
    (
        BidiResponseCompleteEvent("r1", "interrupted"),
        {"type": "bidi_response_complete", "response_id": "r1", "stop_reason": "interrupted"},
    ),
    (
        BidiUsageEvent(1, 2, 3, cache_read_input_tokens=4),
        {"type": "bidi_usage", "inputTokens": 1, "outputTokens": 2, "totalTokens": 3, "cacheReadInputTokens": 4},
    ),
    (
        BidiConnectionCloseEvent("c1", "user_request"),
        {"type": "bidi_connection_close", "connection_id": "c1", "reason": "user_request"},
    ),
    (
        BidiErrorEvent(KeyError("x"), {"where": "tool"}),
        {"type": "bidi_error", "message": "'x'", "code": "KeyError", "details": {"where": "tool"}},
    ),
    (
        ToolUseStreamEvent({"toolUse": {"input": "{}"}}, {"toolUseId": "t1", "name": "clock", "input": {}}),
        {
            "type": "tool_use_stream",
            "delta": {"toolUse": {"input": "{}"}},
            "current_tool_use": {"toolUseId": "t1", "name": "clock", "input": {}},
        },
    ),
    (
        ToolResultEvent({"toolUseId": "t1", "status": "success", "content": [{"text": "5"}]}),
        {"type": "tool_result", "tool_result": {"toolUseId": "t1", "status": "success", "content": [{"text": "5"}]}},
    ),
    (
        ToolStreamEvent({"toolUseId": "t1", "name": "clock", "input": {}}, 7),
        {
            "type": "tool_stream",
            "tool_stream_event": {"tool_use": {"toolUseId": "t1", "name": "clock", "input": {}}, "data": 7},
        },
    ),
]

OF_OUR_OWN = [
    BidiInterruptionEvent(
        "user_speech", interrupted_response_id="r1", heard_samples=2400, generated_samples=24000, sample_rate=24000
    ),
    BidiAudioStreamEvent.from_pcm(b"\1\2\3\4", sample_rate=24000, response_id="r1", item_id="i1"),
    BidiTranscriptStreamEvent({"text": "a"}, "a", "user", False, "a", response_id="r1", item_id="i1"),
    BidiConnectionRestartEvent(TimeoutError("60 minutes are over")),
    BidiUsageEvent(1, 2, 3, [{"modality": "audio", "input_tokens": 1, "output_tokens": 2}], 0, 0),
]

EVERY = [event for event, _ in AS_STRANDS_HAS_IT] + OF_OUR_OWN


def name(event):
    return type(event).__name__


@pytest.mark.parametrize(("event", "expected"), AS_STRANDS_HAS_IT, ids=lambda e: name(e))
def test_the_dict_is_that_of_strands(event, expected):
    assert event.as_dict() == expected
    assert list(event) == list(expected)
    assert len(event) == len(expected)


@pytest.mark.parametrize("event", EVERY, ids=name)
def test_there_and_back_through_json(event):
    again = event_from_dict(json.loads(json.dumps(event.as_dict())))
    assert again == event
    assert type(again) is type(event)
    assert repr(again)


@pytest.mark.parametrize("event", EVERY, ids=name)
def test_reads_as_a_dict_and_is_frozen(event):
    assert event["type"] == event.get("type") == event.type
    assert {**event} == event.as_dict()
    assert "nothing" not in event
    assert event.get("nothing", 5) == 5
    with pytest.raises(KeyError):
        event["nothing"]
    with pytest.raises(TypeError):
        event["type"] = "other"
    field = dataclasses.fields(event)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, field, None)
    assert not hasattr(event, "__dict__")


def test_one_tree_with_every_type():
    assert all(issubclass(cls, BidiEvent) for cls in EVENT_TYPES.values())
    assert {event.type for event in EVERY} == set(EVENT_TYPES)
    assert isinstance(BidiInterruptionEvent("error"), BidiOutputEvent)
    assert not isinstance(BidiTextInputEvent("hi"), BidiOutputEvent)


@given(st.lists(st.integers(-32768, 32767)), st.sampled_from([1, 2]))
def test_pcm_is_what_was_put_in(values, channels):
    samples = np.array(values * channels, dtype="<i2")
    event = BidiAudioInputEvent.from_pcm(samples.tobytes(), sample_rate=8000, channels=channels)
    assert event.pcm.shape == ((len(values),) if channels == 1 else (len(values), 2))
    np.testing.assert_array_equal(event.pcm.reshape(-1), samples)
    assert base64.b64decode(event["audio"]) == samples.tobytes()


def test_only_pcm_has_samples():
    with pytest.raises(AudioError, match="mp3"):
        _ = BidiAudioStreamEvent("AAAA", "mp3", 24000, 1).pcm


def test_heard_in_milliseconds():
    event = OF_OUR_OWN[0]
    assert (event.heard_ms, event.generated_ms) == (100.0, 1000.0)
    assert (BidiInterruptionEvent("error").heard_ms, BidiInterruptionEvent("error").generated_ms) == (None, None)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: BidiTextInputEvent(5), "text must be a string"),
        (lambda: BidiTextInputEvent("x", "system"), "role must be one of 'user', 'assistant'"),
        (lambda: BidiAudioInputEvent("not base64!", "pcm", 16000, 1), "base64"),
        (lambda: BidiAudioInputEvent(b"\0", "pcm", 16000, 1), "whole samples"),
        (lambda: BidiAudioInputEvent(b"\0\0", "pcm", 16000, 2), "whole samples"),
        (lambda: BidiAudioInputEvent(b"", "flac", 16000, 1), "format"),
        (lambda: BidiAudioInputEvent(b"", "pcm", 0, 1), "sample_rate"),
        (lambda: BidiAudioInputEvent(b"", "pcm", 16000, 3), "channels"),
        (lambda: BidiResponseCompleteEvent("r", "done"), "stop_reason"),
        (lambda: BidiInterruptionEvent("noise"), "reason"),
        (lambda: BidiInterruptionEvent("error", heard_samples=3), "together"),
        (
            lambda: BidiInterruptionEvent("error", heard_samples=3, generated_samples=2, sample_rate=8000),
            "at most the 2 generated",
        ),
        (lambda: BidiUsageEvent(-1, 0, 0), "input_tokens"),
        (lambda: BidiUsageEvent(1, 0, 0, None, 1.5), "cache_read_input_tokens"),
        (lambda: BidiConnectionCloseEvent("c", "bored"), "reason"),
        (lambda: ToolResultEvent({"toolUseId": "t"}), "tool_result"),
        (lambda: ToolUseStreamEvent({}, {}), "current_tool_use"),
    ],
)
def test_what_is_not_allowed_is_named(make, match):
    with pytest.raises(InvalidParameterError, match=match):
        make()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ({}, "type must be one of bidi_text_input, "),
        ({"type": "bidi_txt"}, "got 'bidi_txt'"),
        ({"type": "bidi_text_input"}, "bidi_text_input: .*missing.*'text'"),
        ({"type": "bidi_text_input", "text": "a", "rôle": "user"}, r"unknown keys \['rôle'\]; known are text, role"),
        ({"type": "bidi_interruption", "reason": "boredom"}, "bidi_interruption: reason must be"),
        ({"type": "bidi_error", "message": "x"}, "message and code"),
        ({"type": "bidi_connection_restart"}, "timeout_error"),
        ({"type": "tool_stream", "tool_stream_event": {}}, "tool_stream_event"),
    ],
)
def test_a_bad_dict_is_the_peers_fault(data, match):
    with pytest.raises(EventError, match=match):
        event_from_dict(data)


def test_an_error_from_a_dict_has_its_message_and_code():
    event = event_from_dict({"type": "bidi_error", "message": "no key", "code": "auth", "details": None})
    assert isinstance(event.error, ReportedError)
    assert (event.message, event.code, event["code"]) == ("no key", "auth", "auth")
    assert BidiErrorEvent(ValueError("v")).error.args == ("v",)


def test_audio_repr_is_short():
    assert repr(OF_OUR_OWN[1]) == "BidiAudioStreamEvent(4 bytes pcm, 24000 Hz, 1 ch, response 'r1')"
