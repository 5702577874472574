"""Thousands of malformed and out-of-order messages: an error event each at the worst, and the session lives on."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidilab.bidi.realtime import CallableResponder, Delivery, FunctionCall, RealtimeSession, RealtimeSettings, Speech
from bidilab.bidi.realtime.memory import MemoryConnection
from bidilab.bidi.realtime.protocol.messages import CLIENT_MESSAGE_TYPES
from tests.bidi.realtime.conftest import ENERGY, check_message
from tests.sizes import examples

rng = np.random.default_rng(0)
LOUD = base64.b64encode((3000 * rng.standard_normal(4_800)).astype("<i2").tobytes()).decode()
QUIET = base64.b64encode(bytes(9_600)).decode()
ITEM_IDS = ["a", "b", "item_local_0001", "item_local_0002", "item_local_0003", "root", "", "x" * 33, "\u00e4\U0001f600"]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()  # with NaN and infinity, which are not JSON
    | st.text(max_size=20)
    | st.sampled_from([10**400, -(10**400), 1e308, "\ud800", "a" * 5_000, "message", "server_vad", "audio/pcm"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
item_ids = st.sampled_from(ITEM_IDS)
audio = st.sampled_from([LOUD, LOUD, QUIET, "", "AA==", "AAA", "====", "\u00e4", LOUD[:-1]])
contents = st.sampled_from(
    [
        [{"type": "input_text", "text": "Hi"}],
        [{"type": "input_audio", "audio": QUIET}],
        [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}],
        [{"type": "output_text", "text": "Ho"}],
        [],
    ]
)
items = st.fixed_dictionaries(
    {"type": st.just("message"), "role": st.sampled_from(["user", "assistant", "system"]), "content": contents},
    optional={"id": item_ids},
) | st.fixed_dictionaries(
    {"type": st.sampled_from(["function_call", "function_call_output"])},
    optional={
        "name": st.just("tool"),
        "arguments": st.just("{}"),
        "call_id": st.just("call_1"),
        "output": st.text(max_size=5),
        "id": item_ids,
    },
)
detections = st.none() | st.fixed_dictionaries(
    {"type": st.sampled_from(["server_vad", "semantic_vad"])},
    optional={
        "threshold": st.floats(-0.2, 1.2),
        "silence_duration_ms": st.integers(-10, 700),
        "prefix_padding_ms": st.integers(-10, 700),
        "interrupt_response": st.booleans(),
        "create_response": st.booleans(),
        "idle_timeout_ms": st.sampled_from([None, 5_000, 1]),
        "eagerness": st.sampled_from(["low", "auto", "high", "x"]),
    },
)
formats = st.sampled_from(["audio/pcm", "audio/pcmu", "audio/pcma", "pcm16"]).map(lambda name: {"type": name})
sessions = st.fixed_dictionaries(
    {"type": st.just("realtime")},
    optional={
        "audio": st.fixed_dictionaries(
            {},
            optional={
                "input": st.fixed_dictionaries({}, optional={"turn_detection": detections, "format": formats}),
                "output": st.fixed_dictionaries({}, optional={"format": formats, "speed": st.floats(0.2, 1.6)}),
            },
        ),
        "tools": st.sampled_from([[], [{"type": "function", "name": "tool"}]]),
        "output_modalities": st.sampled_from([["audio"], ["text"], ["audio", "text"]]),
        "max_output_tokens": st.sampled_from([1, 30, "inf", 0]),
    },
)
responses = st.fixed_dictionaries(
    {},
    optional={
        "conversation": st.sampled_from(["auto", "none", "x"]),
        "metadata": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        "input": st.lists(
            items | st.fixed_dictionaries({"type": st.just("item_reference"), "id": item_ids}), max_size=2
        ),
        "output_modalities": st.sampled_from([["text"], ["audio"]]),
    },
)
fields = {
    "session": sessions,
    "audio": audio,
    "item": items,
    "item_id": item_ids,
    "previous_item_id": item_ids,
    "content_index": st.integers(-1, 2),
    "audio_end_ms": st.integers(-5, 3_000),
    "response": responses,
    "response_id": st.sampled_from(["resp_local_0001", "resp_local_0002", "x"]),
}
BELONGS = {
    "session.update": ["session"],
    "input_audio_buffer.append": ["audio"],
    "conversation.item.create": ["item", "previous_item_id"],
    "conversation.item.retrieve": ["item_id"],
    "conversation.item.delete": ["item_id"],
    "conversation.item.truncate": ["item_id", "content_index", "audio_end_ms"],
    "response.create": ["response"],
    "response.cancel": ["response_id"],
}


@st.composite
def messages(draw):
    """Mostly of the right shape, so that they get far; then one thing in it is broken."""
    kind = draw(st.sampled_from(CLIENT_MESSAGE_TYPES))
    message = {"type": kind}
    for name in BELONGS.get(kind, []):
        if draw(st.integers(0, 9)):
            message[name] = draw(fields[name])
    match draw(st.integers(0, 9)):
        case 0:
            message[draw(st.sampled_from([*fields, "type", "event_id", "extra"]))] = draw(values)
        case 1:
            return json.dumps(message)[: draw(st.integers(0, 60))]
        case 2:
            return draw(st.binary(max_size=20) | st.text(max_size=20))
        case 3:
            return json.dumps(draw(values))
    return json.dumps(message)


def agent(request):
    match request.index % 4:
        case 0:
            return "A long enough answer to be interrupted while it is still being generated."
        case 1:
            return [Speech(text="Well."), FunctionCall(name="tool", arguments={"a": 1})]
        case 2:
            raise RuntimeError("this one fails")
        case _:
            return Speech(text="")


N_EXAMPLES, N_MESSAGES = examples(120), 40


@settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    script=st.lists(st.tuples(messages(), st.sampled_from([0.0, 0.02, 0.5, 7.0])), min_size=N_MESSAGES, max_size=60),
    pace=st.sampled_from([1.0, 8.0, math.inf]),
)
def test_nothing_a_client_sends_breaks_the_session(script, pace):
    server_settings = RealtimeSettings(delivery=Delivery(pace=pace), max_items=30)
    connection = MemoryConnection(RealtimeSession(server_settings, CallableResponder(agent), vad=ENERGY))
    for data, wait_s in script:
        connection.advance_to(connection.now_s + wait_s)
        connection.send(data)
    for timed in connection.received:
        check_message(timed.message)
    _check_responses([timed.message for timed in connection.received])
    _check_usable(connection)


def _check_responses(received):
    """Each response is created once and done once at most, and nothing of it comes after."""
    done, created = set(), set()
    for message in received:
        response_id = message.get("response_id") or message.get("response", {}).get("id")
        if message["type"] == "response.created":
            assert response_id not in created
            created.add(response_id)
        elif response_id is not None:
            assert response_id in created
            assert response_id not in done
        if message["type"] == "response.done":
            done.add(response_id)


def _check_usable(connection):
    """After all of that it still takes an update, audio and a turn by hand, and answers."""
    detection = {"audio": {"input": {"turn_detection": None, "format": {"type": "audio/pcm"}}}}
    update = {"type": "realtime", "output_modalities": ["text"], "max_output_tokens": "inf", **detection}
    connection.send({"type": "session.update", "session": update})
    assert connection.received[-1].type in ("session.updated", "response.done")
    connection.send({"type": "response.cancel"})
    connection.advance_to(connection.now_s + 60)  # what is out of band comes to its end
    connection.send({"type": "input_audio_buffer.append", "audio": LOUD})
    connection.send({"type": "input_audio_buffer.commit"})
    connection.send({"type": "response.create"})
    before = len(connection.received)
    connection.advance_to(connection.now_s + 60)
    types = [timed.type for timed in connection.received]
    assert "response.created" in types[before - 4 :]
    assert types[-1] == "response.done"
