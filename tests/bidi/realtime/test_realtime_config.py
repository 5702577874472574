"""``session.update``: deep merge, the whole effective session, and what is refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.realtime import Delivery, RealtimeSession, RealtimeSettings, ScriptedResponder
from bidilab.core.errors import InvalidParameterError
from tests.bidi.realtime.conftest import ENERGY, check_message


def test_only_the_keys_present_change(connect):
    client = connect()
    before = client.one("session.created")["session"]
    answer = client.update(audio={"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}}})
    assert answer["type"] == "session.updated"
    expected = json.loads(json.dumps(before))
    expected["audio"]["input"]["turn_detection"]["silence_duration_ms"] = 200
    assert answer["session"] == expected
    answer = client.update(audio={"input": {"turn_detection": {"threshold": 0.7}}})
    expected["audio"]["input"]["turn_detection"]["threshold"] = 0.7
    assert answer["session"] == expected


def test_another_type_starts_from_its_own_defaults(connect):
    client = connect()
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}}})
    answer = client.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}})
    assert answer["session"]["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "high",
        "create_response": True,
        "interrupt_response": True,
    }
    assert (
        client.update(audio={"input": {"turn_detection": None}})["session"]["audio"]["input"]["turn_detection"] is None
    )
    answer = client.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})
    assert answer["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500


def test_formats_noise_reduction_and_transcription(connect):
    client = connect()
    both = {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcma"}}}
    audio = client.update(audio=both)["session"]["audio"]
    assert audio["input"]["format"] == {"type": "audio/pcmu"}
    assert audio["output"]["format"] == {"type": "audio/pcma"}
    back = client.update(audio={"input": {"format": {"type": "audio/pcm"}}})
    assert back["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
    noisy = client.update(audio={"input": {"noise_reduction": {"type": "far_field"}}})
    assert noisy["session"]["audio"]["input"]["noise_reduction"] == {"type": "far_field", "strength": 1.0}
    for patch in ({"model": "whisper-1"}, {"language": "de"}):
        heard = client.update(audio={"input": {"transcription": patch}})
    assert heard["session"]["audio"]["input"]["transcription"] == {"model": "whisper-1", "language": "de"}


TD = "session.audio.input.turn_detection"


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": None}, "invalid_type", "session.type"),
        ({"type": "transcription"}, "invalid_value", "session.type"),
        ({"turn_detection": None}, "unknown_parameter", "session.turn_detection"),  # the beta's place
        ({"modalities": ["audio"]}, "unknown_parameter", "session.modalities"),
        ({"id": "x"}, "unknown_parameter", "session.id"),
        ({"output_modalities": ["audio", "text"]}, "invalid_value", "session.output_modalities"),
        ({"output_modalities": ["video"]}, "invalid_value", "session.output_modalities[0]"),
        ({"output_modalities": []}, "array_below_min_length", "session.output_modalities"),
        ({"instructions": 5}, "invalid_type", "session.instructions"),
        ({"instructions": "x" * 300_000}, "string_above_max_length", "session.instructions"),
        ({"max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
        ({"max_output_tokens": 4097}, "integer_above_max_value", "session.max_output_tokens"),
        ({"max_output_tokens": True}, "invalid_type", "session.max_output_tokens"),
        ({"max_output_tokens": "lots"}, "invalid_value", "session.max_output_tokens"),
        ({"audio": None}, "invalid_type", "session.audio"),
        ({"audio": {"input": 3}}, "invalid_type", "session.audio.input"),
        ({"audio": {"input": {"format": "pcm16"}}}, "invalid_type", "session.audio.input.format"),
        ({"audio": {"input": {"format": {"type": "pcm16"}}}}, "invalid_value", "session.audio.input.format.type"),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}},
            "unknown_parameter",
            "session.audio.input.format.rate",
        ),
        ({"audio": {"output": {"speed": 1.6}}}, "decimal_above_max_value", "session.audio.output.speed"),
        ({"audio": {"output": {"voice": ""}}}, "string_below_min_length", "session.audio.output.voice"),
        ({"audio": {"input": {"turn_detection": {"threshold": 1.5}}}}, "decimal_above_max_value", f"{TD}.threshold"),
        ({"audio": {"input": {"turn_detection": {"threshold": "x"}}}}, "invalid_type", f"{TD}.threshold"),
        ({"audio": {"input": {"turn_detection": {"type": "none"}}}}, "invalid_value", f"{TD}.type"),
        ({"audio": {"input": {"turn_detection": {"type": []}}}}, "invalid_type", f"{TD}.type"),
        ({"audio": {"input": {"turn_detection": {"eagerness": "low"}}}}, "unknown_parameter", f"{TD}.eagerness"),
        (
            {"audio": {"input": {"turn_detection": {"idle_timeout_ms": 4999}}}},
            "integer_below_min_value",
            f"{TD}.idle_timeout_ms",
        ),
        (
            {"audio": {"input": {"turn_detection": {"silence_duration_ms": -1}}}},
            "integer_below_min_value",
            f"{TD}.silence_duration_ms",
        ),
        (
            {"audio": {"input": {"turn_detection": {"silence_duration_ms": 10**200}}}},
            "integer_above_max_value",
            f"{TD}.silence_duration_ms",
        ),
        (
            {"audio": {"input": {"turn_detection": {"prefix_padding_ms": 1.5}}}},
            "invalid_type",
            f"{TD}.prefix_padding_ms",
        ),
        (
            {"audio": {"input": {"turn_detection": {"create_response": None}}}},
            "invalid_type",
            f"{TD}.create_response",
        ),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "invalid_value", "session.tools[0].type"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        ({"tool_choice": "maybe"}, "invalid_value", "session.tool_choice"),
        ({"tracing": {"x": 1}}, "unknown_parameter", "session.tracing.x"),
        (
            {"truncation": {"type": "retention_ratio"}},
            "missing_required_parameter",
            "session.truncation.retention_ratio",
        ),
        ({"prompt": {"id": "pmpt_1"}}, "invalid_value", "session.prompt"),
        ({"model": "another"}, "invalid_value", "session.model"),
    ],
)
def test_what_is_refused_changes_nothing(connect, session, code, param):
    client = connect(model="gpt-realtime")
    (answer,) = client.ask("session.update", event_id="ours", session={"type": "realtime", **session})
    error = answer["error"]
    assert (error["type"], error["code"], error["param"], error["event_id"]) == (
        "invalid_request_error",
        code,
        param,
        "ours",
    )
    assert client.update()["session"] == client.one("session.created")["session"]


def test_the_type_is_required(connect):
    (answer,) = connect().ask("session.update", session={"instructions": "Hi"})
    assert answer["error"]["code"] == "missing_required_parameter"
    assert answer["error"]["param"] == "session.type"


def test_a_session_without_a_model_takes_the_first(connect):
    client = connect()
    assert client.update(model="gpt-realtime-2")["session"]["model"] == "gpt-realtime-2"
    assert client.update(model="gpt-realtime")["error"]["param"] == "session.model"


def test_the_voice_is_fixed_once_the_agent_has_spoken(connect):
    client = connect(delivery=Delivery(pace=math.inf, first_output_delay_ms=0))
    assert client.update(audio={"output": {"voice": "marin"}})["session"]["audio"]["output"]["voice"] == "marin"
    client.send({"type": "response.create"})
    assert client.one("response.done")["response"]["audio"]["output"]["voice"] == "marin"
    assert client.update(audio={"output": {"voice": "cedar"}})["error"]["code"] == "cannot_update_voice"
    assert client.update(audio={"output": {"voice": "marin"}})["type"] == "session.updated"
    (error,) = client.ask("response.create", response={"audio": {"output": {"voice": "cedar"}}})
    assert error["error"]["code"] == "cannot_update_voice"


def test_an_answer_never_is_larger_than_the_limit(connect):
    client = connect()
    text = "\u00e4" * 250_000  # six bytes each in ASCII JSON
    assert client.update(instructions=text)["error"]["code"] == "invalid_value"
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    (error,) = client.ask("conversation.item.create", item=item)
    assert "too large" in error["error"]["message"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x00\x01", "invalid_json"),
        (b"{}", "invalid_json"),
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ('{"type": NaN}', "invalid_json"),
        ('{"type": 1e999}', "invalid_json"),
        ('{"type": "\\ud800"}', "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ('{"type":"session.update","session":' + '{"a":' * 70 + "1" + "}" * 71, "invalid_json"),
        ("1" * 5_000, "invalid_json"),
        ("3", "invalid_type"),
        ("{}", "missing_required_parameter"),
        ('{"type": null}', "invalid_type"),
        ('{"type": "response.audio.delta"}', "invalid_value"),
        ('{"type": "output_audio_buffer.clear"}', "invalid_value"),
        ('{"type": "response.cancel", "event_id": 5}', "invalid_type"),
        ('{"type": "response.cancel", "extra": 5}', "unknown_parameter"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter"),
        ('{"type": "input_audio_buffer.append", "audio": "AAA"}', "invalid_value"),
        ('{"type": "input_audio_buffer.append", "audio": "A A="}', "invalid_value"),
        ('{"type": "input_audio_buffer.append", "audio": "\u00e4\u00e4\u00e4\u00e4"}', "invalid_value"),
        (
            '{"type":"conversation.item.truncate","item_id":"x","content_index":0,"audio_end_ms":-1}',
            "integer_below_min_value",
        ),
    ],
)
def test_malformed_messages(connect, data, code):
    client = connect()
    before = len(client.received)
    client.send(data)
    (timed,) = client.received[before:]
    assert timed.message["error"]["code"] == code
    assert client.update()["type"] == "session.updated"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    session=st.dictionaries(
        st.sampled_from(["audio", "tools", "instructions", "output_modalities", "tool_choice", "tracing", "x"]),
        json_values,
        max_size=3,
    ),
    detection=json_values,
)
def test_any_update_is_answered_once(session, detection):
    server = RealtimeSession(RealtimeSettings(), ScriptedResponder(["x"]), vad=ENERGY)
    server.messages_to_send()
    for patch in (session, {"audio": {"input": {"turn_detection": detection}}}):
        server.receive_message(json.dumps({"type": "session.update", "session": {"type": "realtime", **patch}}), 0.0)
        (answer,) = server.messages_to_send()
        assert answer["type"] in ("error", "session.updated")
        check_message(answer)


@pytest.mark.parametrize(
    "settings",
    [
        {"session_name": ""},
        {"session_name": "a b"},
        {"max_items": 0},
        {"semantic_wait_fraction": 0},
        {"max_session_s": "1"},
    ],
)
def test_settings_are_checked(settings):
    with pytest.raises(InvalidParameterError):
        RealtimeSettings(**settings)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_the_clock_goes_forward(bad):
    session = RealtimeSession(RealtimeSettings(), ScriptedResponder(["x"]), vad=ENERGY, now_s=5.0)
    with pytest.raises(InvalidParameterError):
        session.advance(bad)
    with pytest.raises(InvalidParameterError):
        session.receive_message("{}", bad)
