"""The sequences of the GA protocol, as goldens: what the server sends, in which order and when."""

from __future__ import annotations

import base64
import math

import numpy as np
import pytest

from bidilab.bidi.realtime import CallableResponder, Delivery, FunctionCall, Reply, ScriptedResponder, Speech
from tests.bidi.realtime.conftest import (
    AUDIO_END_MS,
    AUDIO_START_MS,
    ONE_TURN_S,
    STARTED_AT_S,
    STOPPED_AT_S,
    TEXT,
    bursts,
)

TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
]
OPENING = ["response.output_item.added", "conversation.item.added", "response.content_part.added"]
AUDIO_CLOSING = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]
TEXT_LADDER = [
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]
DELTAS = ("response.output_audio.delta", "response.output_audio_transcript.delta")
FAST = Delivery(pace=math.inf, first_output_delay_ms=100, chunk_ms=200)
SLOW = Delivery(pace=1, first_output_delay_ms=100, chunk_ms=200)


def audio_ms(deltas):
    return sum(len(base64.b64decode(d["delta"])) for d in deltas if "audio.delta" in d["type"]) / 48


def without_deltas(types):
    return [kind for kind in types if kind not in DELTAS]


def test_connect_shows_the_whole_session(connect):
    client = connect()
    session = client.one("session.created")["session"]
    assert session["object"] == "realtime.session"
    assert session["id"] == "sess_local"
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}


@pytest.mark.parametrize("delivery", [SLOW, FAST], ids=["1x", "fast"])
def test_a_turn_and_its_response(connect, delivery):
    client = connect(delivery=delivery)
    client.speak(bursts(ONE_TURN_S, total_s=2.5))
    client.advance_to(8.0)
    assert without_deltas(client.types_since(1)) == TURN + OPENING + AUDIO_CLOSING
    started, stopped = client.one(TURN[0]), client.one(TURN[1])
    assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (AUDIO_START_MS, AUDIO_END_MS)
    ids = {message["item_id"] for message in (started, stopped, client.one(TURN[2]))}
    user_item, agent_item = (message["item"] for message in client.all("conversation.item.added"))
    assert ids == {user_item["id"]}
    assert user_item["content"] == [{"type": "input_audio", "transcript": None}]
    assert agent_item["role"] == "assistant"
    times = {timed.type: round(timed.at_s, 6) for timed in reversed(client.received)}  # the first of each type
    assert times["input_audio_buffer.speech_started"] == STARTED_AT_S
    assert times["response.created"] == STOPPED_AT_S
    assert times["response.output_item.added"] == times["response.output_audio.delta"] == STOPPED_AT_S + 0.1
    # 52 characters of 65 ms: 3.38 s of audio, generated in 3.38 s or at once.
    assert times["response.done"] == pytest.approx(STOPPED_AT_S + 0.1 + 3.38 / delivery.pace)
    assert audio_ms(client.all(*DELTAS)) == 3380
    done = client.one("response.done")["response"]
    assert done["status"] == "completed"
    assert done["status_details"] is None
    assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": TEXT}]
    assert "".join(d["delta"] for d in client.all(DELTAS[1])) == TEXT
    # Input: 1836 ms of audio at 10 tokens/s; output: 3.38 s at 20 tokens/s and 52 characters at 4 a token.
    assert done["usage"]["input_tokens"] == done["usage"]["input_token_details"]["audio_tokens"] == 19
    assert done["usage"]["output_token_details"] == {"text_tokens": 13, "audio_tokens": 68}


def test_barge_in_while_generating(connect):
    # The first output is at 2.06 + 0.1 s; the second burst begins at 3.008 + 0.528 s and is found at 3.008 + 0.56 s.
    client = connect(delivery=SLOW)
    client.speak(bursts(ONE_TURN_S, total_s=3.008))  # 94 frames
    before = len(client.received)
    client.speak(bursts(ONE_TURN_S, total_s=0.8))
    types = without_deltas(client.types_since(before))
    assert types == ["input_audio_buffer.speech_started", *AUDIO_CLOSING]
    assert client.received[-1].at_s == pytest.approx(3.008 + STARTED_AT_S)
    done = client.one("response.done")["response"]
    assert done["status"] == "cancelled"
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    sent = "".join(d["delta"] for d in client.all(DELTAS[1]))
    assert TEXT.startswith(sent)
    assert 0 < len(sent) < len(TEXT)
    assert done["output"][0]["status"] == "incomplete"
    assert done["output"][0]["content"][0]["transcript"] == sent
    assert client.one("response.output_audio_transcript.done")["transcript"] == sent
    # From 2.16 to 3.568 s a chunk of 200 ms each 200 ms: chunks 0 to 7.
    assert audio_ms(client.all(*DELTAS)) == 8 * 200
    client.advance_to(20)
    assert client.received[-1].type == "response.done"  # no delta after done


def test_barge_in_after_generation_cancels_nothing(connect):
    client = connect(delivery=FAST)
    client.speak(bursts(ONE_TURN_S, total_s=3.008))
    assert client.one("response.done")["response"]["status"] == "completed"
    before = len(client.received)
    client.speak(bursts(ONE_TURN_S, total_s=0.8))
    assert client.types_since(before) == ["input_audio_buffer.speech_started"]
    item_id = client.one("response.done")["response"]["output"][0]["id"]
    # What was heard is the client's to say: 3.568 s - 2.16 s.
    answers = client.ask("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1408)
    assert [a["type"] for a in answers] == ["conversation.item.truncated"]


def test_barge_in_before_the_first_output(connect):
    client = connect(delivery=Delivery(first_output_delay_ms=5_000))
    client.speak(bursts(ONE_TURN_S, total_s=3.008))
    client.speak(bursts(ONE_TURN_S, total_s=0.8))
    assert client.types()[-2:] == ["input_audio_buffer.speech_started", "response.done"]
    done = client.one("response.done")["response"]
    assert (done["status"], done["output"]) == ("cancelled", [])


def test_without_interrupt_response_nothing_is_cancelled_and_the_next_turn_is_told_so(connect):
    client = connect(ScriptedResponder([10.0]), delivery=SLOW)
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    client.speak(bursts(ONE_TURN_S, total_s=3.008))
    client.speak(bursts(ONE_TURN_S, total_s=2.5))
    assert client.one("error")["error"]["code"] == "conversation_already_has_active_response"
    assert client.one("error")["error"]["event_id"] is None
    client.advance_to(20)
    assert client.one("response.done")["response"]["status"] == "completed"


def test_without_create_response_there_are_turns_only(connect):
    client = connect()
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
    client.speak(bursts(ONE_TURN_S, total_s=2.5))
    assert client.types_since(2) == TURN[:-1]


def test_text(connect):
    client = connect(delivery=FAST)
    client.update(output_modalities=["text"])
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    added, done = client.ask("conversation.item.create", item=item)
    assert (added["type"], done["type"]) == ("conversation.item.added", "conversation.item.done")
    assert added["item"]["content"] == [{"type": "input_text", "text": "Hi"}]
    before = len(client.received)
    client.send({"type": "response.create"})
    client.advance_to(1)
    assert client.types_since(before) == ["response.created", *OPENING, *TEXT_LADDER]
    parts = [client.one(f"response.content_part.{when}")["part"] for when in ("added", "done")]
    assert parts == [{"type": "text", "text": ""}, {"type": "text", "text": TEXT}]
    response = client.one("response.done")["response"]
    assert response["output"][0]["content"] == [{"type": "output_text", "text": TEXT}]
    assert response["output_modalities"] == ["text"]


def test_cancel_and_cancel_again(connect):
    client = connect()
    client.send({"type": "response.create"})
    client.advance_to(1.0)
    answers = client.ask("response.cancel")
    assert [a["type"] for a in answers] == AUDIO_CLOSING
    assert answers[-1]["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    for fields in ({}, {"response_id": answers[-1]["response"]["id"]}):
        (error,) = client.ask("response.cancel", event_id="mine", **fields)
        assert error["error"]["code"] == "response_cancel_not_active"
        assert error["error"]["event_id"] == "mine"
    assert client.ask("response.create")[0]["type"] == "response.created"


def test_a_second_response_while_one_is_active(connect):
    client = connect()
    client.send({"type": "response.create"})
    (error,) = client.ask("response.create")
    assert error["error"]["code"] == "conversation_already_has_active_response"
    assert client.one("response.created")["response"]["id"] in error["error"]["message"]


def test_truncate(connect):
    client = connect(delivery=FAST)
    client.send({"type": "response.create"})
    client.advance_to(1)
    item_id = client.one("response.done")["response"]["output"][0]["id"]

    def truncate(audio_end_ms, item_id=item_id, content_index=0):
        place = {"item_id": item_id, "content_index": content_index, "audio_end_ms": audio_end_ms}
        (answer,) = client.ask("conversation.item.truncate", **place)
        return answer

    error = truncate(3381)["error"]
    assert error["message"] == "Audio content of 3380ms is already shorter than 3381ms"
    assert error["code"] == "invalid_value"
    assert truncate(3380)["audio_end_ms"] == 3380
    assert truncate(1001) | {"event_id": ""} == {
        "type": "conversation.item.truncated",
        "event_id": "",
        "item_id": item_id,
        "content_index": 0,
        "audio_end_ms": 1001,
    }
    assert truncate(1001)["type"] == "conversation.item.truncated"  # a duplicate
    assert "1001ms is already shorter than 1002ms" in truncate(1002)["error"]["message"]
    assert truncate(1, content_index=1)["error"]["param"] == "content_index"
    assert truncate(1, item_id="nobody")["error"]["code"] == "item_truncate_invalid_item_id"
    (retrieved,) = client.ask("conversation.item.retrieve", item_id=item_id)
    content = retrieved["item"]["content"][0]
    assert content["transcript"] is None  # "Truncating audio will delete the server-side text transcript"
    assert len(base64.b64decode(content["audio"])) == 1001 * 48


def test_truncate_that_races_with_generation(connect):
    client = connect(delivery=SLOW)
    client.send({"type": "response.create"})
    client.advance_to(1.0)  # chunks at 0.1, 0.3, 0.5, 0.7, 0.9
    item_id = client.one("response.output_item.added")["item"]["id"]
    place = {"item_id": item_id, "content_index": 0}
    (error,) = client.ask("conversation.item.truncate", **place, audio_end_ms=1001)
    assert error["error"]["message"] == "Audio content of 1000ms is already shorter than 1001ms"
    (truncated,) = client.ask("conversation.item.truncate", **place, audio_end_ms=600)
    assert truncated["type"] == "conversation.item.truncated"
    client.advance_to(10)
    assert client.one("response.done")["response"]["output"][0]["content"][0]["transcript"] is None
    (retrieved,) = client.ask("conversation.item.retrieve", item_id=item_id)
    assert len(base64.b64decode(retrieved["item"]["content"][0]["audio"])) == 600 * 48


def test_manual_turns(connect):
    client = connect()
    client.update(audio={"input": {"turn_detection": None}})
    client.speak(bursts((0.0, 0.08), total_s=0.08))
    (error,) = client.ask("input_audio_buffer.commit", event_id="early")
    assert error["error"]["code"] == "input_audio_buffer_commit_empty"
    assert "buffer only has 80.00ms of audio" in error["error"]["message"]
    client.speak(bursts((0.0, 0.02), total_s=0.02))
    types = [a["type"] for a in client.ask("input_audio_buffer.commit")]
    assert types == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    client.speak(bursts((0.0, 3.0), total_s=3.0))
    assert [a["type"] for a in client.ask("input_audio_buffer.clear")] == ["input_audio_buffer.cleared"]
    (error,) = client.ask("input_audio_buffer.commit")
    assert "0.00ms" in error["error"]["message"]
    client.advance_to(10)
    assert not client.all("response.created", "input_audio_buffer.speech_started")


def test_idle_timeout(connect):
    # response.create at 0; first output at 0.1; 1.04 s of audio, generated at once: played out at 1.14; + 5 s = 6.14.
    # The client writes 20 ms each 20 ms: at 1.14 s it has written 1140 ms, at 6.14 s 6140 ms.
    client = connect(ScriptedResponder(["Anyone there? No"]), delivery=FAST)
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5_000}}})
    client.send({"type": "response.create"})
    client.speak(bursts(total_s=6.5))
    triggered = client.one("input_audio_buffer.timeout_triggered")
    assert (triggered["audio_start_ms"], triggered["audio_end_ms"]) == (1140, 6140)
    index = client.types().index("input_audio_buffer.timeout_triggered")
    assert client.received[index].at_s == pytest.approx(6.14, abs=1e-6)
    assert client.types()[index + 1 : index + 5] == TURN[2:]
    assert client.all("input_audio_buffer.committed")[0]["item_id"] == triggered["item_id"]
    assert not client.all("input_audio_buffer.speech_started")


def test_speech_or_another_response_stops_the_idle_timer(connect):
    client = connect(ScriptedResponder(["Anyone there? No"]), delivery=FAST)
    detection = {"type": "server_vad", "idle_timeout_ms": 5_000, "create_response": False}
    client.update(audio={"input": {"turn_detection": detection}})
    client.send({"type": "response.create"})
    client.speak(bursts(ONE_TURN_S, total_s=3.0))
    client.advance_to(60)
    assert not client.all("input_audio_buffer.timeout_triggered")
    client.send({"type": "response.create"})  # played out at 61.14
    client.advance_to(63)
    client.send({"type": "response.create"})  # played out at 64.14
    client.advance_to(69.1)
    assert not client.all("input_audio_buffer.timeout_triggered")
    client.advance_to(69.2)
    assert client.one("input_audio_buffer.timeout_triggered")


def test_function_call_and_its_output(connect):
    def agent(request):
        last = request.history[-1]
        if last.role == "function_call_output":
            return f"It is {last.text}."
        return [Speech(text="Let me see."), FunctionCall(name="weather", arguments={"city": "Bern"})]

    client = connect(CallableResponder(agent), delivery=FAST)
    client.update(tools=[{"type": "function", "name": "weather", "parameters": {"type": "object"}}])
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}
    client.send({"type": "conversation.item.create", "item": item})
    before = len(client.received)
    client.send({"type": "response.create"})
    client.advance_to(1)
    assert without_deltas(client.types_since(before)) == [
        "response.created",
        *OPENING,
        *AUDIO_CLOSING[:-1],
        *OPENING[:2],
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        *AUDIO_CLOSING[-3:],
    ]
    done = client.one("response.function_call_arguments.done")
    assert (done["name"], done["arguments"], done["output_index"]) == ("weather", '{"city": "Bern"}', 1)
    call = client.one("response.done")["response"]["output"][1]
    assert (call["type"], call["status"], call["call_id"]) == ("function_call", "completed", done["call_id"])
    output = {"type": "function_call_output", "call_id": done["call_id"], "output": "sunny"}
    client.send({"type": "conversation.item.create", "item": output})
    client.send({"type": "response.create"})
    client.advance_to(2)
    assert client.all("response.done")[-1]["response"]["output"][0]["content"][0]["transcript"] == "It is sunny."
    (error,) = client.ask("conversation.item.create", item=output | {"call_id": "call_of_nobody"})
    assert error["error"]["code"] == "invalid_tool_call_id"


def test_function_call_interrupted(connect):
    call = FunctionCall(name="search", arguments='{"query": "' + "word " * 400 + '"}')
    client = connect(ScriptedResponder([call]), delivery=SLOW)
    client.update(tools=[{"type": "function", "name": "search"}])
    client.send({"type": "response.create"})
    client.advance_to(1.0)
    client.send({"type": "response.cancel"})
    done = client.one("response.function_call_arguments.done")
    assert call.arguments.startswith(done["arguments"])
    assert client.one("response.done")["response"]["output"][0]["status"] == "incomplete"


def test_a_call_of_no_tool_fails(connect):
    client = connect(ScriptedResponder([FunctionCall(name="weather")]))
    client.send({"type": "response.create"})
    response = client.one("response.done")["response"]
    assert response["status"] == "failed"
    assert "weather" in response["status_details"]["error"]["message"]


def test_a_responder_that_raises_fails_its_response_only(connect):
    def agent(request):
        if request.index == 0:
            raise OSError("no model today")
        return "Fine."

    client = connect(CallableResponder(agent), delivery=FAST)
    client.send({"type": "response.create"})
    client.send({"type": "response.create"})
    client.advance_to(1)
    failed, completed = (message["response"] for message in client.all("response.done"))
    assert failed["status_details"]["error"]["message"] == "OSError: no model today"
    assert completed["status"] == "completed"


def test_max_output_tokens(connect):
    # 200 ms of audio are 4 tokens; the words of the first chunks: "Good" (1 token), " morning," at 5/52 of 3.38 s ...
    client = connect(delivery=FAST)
    client.send({"type": "response.create", "response": {"max_output_tokens": 20}})
    client.advance_to(1)
    response = client.one("response.done")["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["max_output_tokens"] == 20
    assert 15 <= response["usage"]["output_tokens"] <= 20
    assert response["output"][0]["status"] == "incomplete"


def test_response_of_its_own_input_out_of_band(connect):
    asked = []

    def agent(request):
        asked.append(request)
        return "Short."

    client = connect(CallableResponder(agent), delivery=FAST)
    item = {"type": "message", "role": "user", "id": "mine", "content": [{"type": "input_text", "text": "One"}]}
    client.send({"type": "conversation.item.create", "item": item})
    extra = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief"}]}
    client.send({"type": "response.create"})  # runs in parallel
    before = len(client.received)
    params = {
        "conversation": "none",
        "instructions": "Classify.",
        "metadata": {"topic": "class"},
        "output_modalities": ["text"],
        "input": [{"type": "item_reference", "id": "mine"}, extra],
    }
    client.send({"type": "response.create", "response": params})
    client.advance_to(1)
    created = client.all("response.created")[-1]["response"]
    assert created["metadata"] == {"topic": "class"}
    assert created["conversation_id"] is None
    mine = [t.message for t in client.received[before:] if t.message.get("response_id") == created["id"]]
    assert [m["type"] for m in mine] == [
        "response.output_item.added",
        "response.content_part.added",
        *TEXT_LADDER[:1],
        *TEXT_LADDER[1:4],
    ]
    assert asked[-1].instructions == "Classify."
    assert [(u.role, u.text) for u in asked[-1].history] == [("user", "One"), ("system", "Be brief")]
    added = [message["item"]["id"] for message in client.all("conversation.item.added")]
    assert mine[0]["item"]["id"] not in added
    (error,) = client.ask("response.create", response={"input": [{"type": "item_reference", "id": "x"}]})
    assert error["error"]["param"] == "response.input[0].id"


def test_speech_does_not_interrupt_what_is_out_of_band(connect):
    client = connect(ScriptedResponder([10.0]))
    client.send({"type": "response.create", "response": {"conversation": "none"}})
    client.speak(bursts(ONE_TURN_S, total_s=1.0))
    assert client.all("input_audio_buffer.speech_started")
    assert not client.all("response.done")


def test_items(connect):
    client = connect()

    def create(item_id, **fields):
        item = {"type": "message", "role": "user", "id": item_id, "content": [{"type": "input_text", "text": item_id}]}
        return client.ask("conversation.item.create", item=item, **fields)[0]

    assert create("b")["previous_item_id"] is None
    assert create("d")["previous_item_id"] == "b"
    assert create("a", previous_item_id="root")["previous_item_id"] is None
    assert create("c", previous_item_id="b")["previous_item_id"] == "b"
    assert create("e", previous_item_id=None)["previous_item_id"] == "d"
    assert create("b")["error"]["param"] == "item.id"
    assert create("f", previous_item_id="z")["error"]["code"] == "item_create_invalid_previous_item_id"
    (deleted,) = client.ask("conversation.item.delete", item_id="c")
    assert (deleted["type"], deleted["item_id"]) == ("conversation.item.deleted", "c")
    assert client.ask("conversation.item.delete", item_id="c")[0]["error"]["code"] == "item_delete_invalid_item_id"
    assert client.ask("conversation.item.retrieve", item_id="c")[0]["error"]["code"] == "item_retrieve_invalid_item_id"
    assert client.ask("conversation.item.retrieve", item_id="a")[0]["item"]["content"][0]["text"] == "a"
    (error,) = client.ask("conversation.item.truncate", item_id="a", content_index=0, audio_end_ms=0)
    assert error["error"]["message"] == "Only model output audio messages can be truncated"


def test_a_servers_id_never_is_one_that_the_client_took(connect):
    client = connect(delivery=FAST)
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    client.send({"type": "conversation.item.create", "item": item | {"id": "item_local_0001"}})
    client.send({"type": "response.create"})
    client.advance_to(1)
    assert client.one("response.done")["response"]["output"][0]["id"] == "item_local_0002"


def test_user_audio_is_left_out_but_of_retrieve(connect):
    client = connect()
    audio = base64.b64encode(np.arange(100, dtype="<i2").tobytes()).decode()
    item = {"type": "message", "role": "user", "id": "a", "content": [{"type": "input_audio", "audio": audio}]}
    added, _ = client.ask("conversation.item.create", item=item)
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    (retrieved,) = client.ask("conversation.item.retrieve", item_id="a")
    assert retrieved["item"]["content"][0]["audio"] == audio


@pytest.mark.parametrize(
    ("model", "n_deltas"),
    [("gpt-4o-transcribe", 2), ("whisper-1", 1)],
)
def test_transcription(connect, model, n_deltas):
    client = connect(transcribe=lambda speech: "stop there", transcription_delay_ms=250, delivery=FAST)
    client.update(audio={"input": {"transcription": {"model": model}}})
    client.speak(bursts(ONE_TURN_S, total_s=2.5))
    name = "conversation.item.input_audio_transcription"
    assert len(client.all(f"{name}.delta")) == n_deltas
    completed = client.one(f"{name}.completed")
    assert completed["transcript"] == "".join(d["delta"] for d in client.all(f"{name}.delta")) == "stop there"
    assert completed["item_id"] == client.one("input_audio_buffer.committed")["item_id"]
    assert completed["usage"] == {"type": "duration", "seconds": (AUDIO_END_MS - AUDIO_START_MS) / 1000}
    at_s = next(timed.at_s for timed in client.received if timed.type == f"{name}.completed")
    assert at_s == pytest.approx(STOPPED_AT_S + 0.25)
    (retrieved,) = client.ask("conversation.item.retrieve", item_id=completed["item_id"])
    assert retrieved["item"]["content"][0]["transcript"] == "stop there"


def test_transcription_that_fails(connect):
    def broken(speech):
        raise RuntimeError("no ears")

    client = connect(transcribe=broken)
    client.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    client.speak(bursts(ONE_TURN_S, total_s=2.5))
    failed = client.one("conversation.item.input_audio_transcription.failed")
    assert failed["error"]["message"] == "RuntimeError: no ears"
    assert client.one("response.created")


def test_the_words_stand_in_for_a_transcriber(connect):
    heard = []
    client = connect(CallableResponder(lambda request: heard.append(request.user_text) or "Yes."))
    client.speak(bursts(ONE_TURN_S, total_s=2.5))
    assert heard == ["[speech 1.84 s]"]  # 2048 - 212 = 1836 ms


def test_without_transcription_the_client_is_told_no_words(connect):
    client = connect(transcribe=lambda speech: "secret")
    client.speak(bursts(ONE_TURN_S, total_s=2.5))
    (retrieved,) = client.ask("conversation.item.retrieve", item_id=client.one(TURN[2])["item_id"])
    assert retrieved["item"]["content"][0]["transcript"] is None


def test_the_agent_hears_audio_that_comes_as_an_item(connect):
    heard = []
    client = connect(CallableResponder(lambda request: heard.append(request.user_text) or "Yes."))
    audio = base64.b64encode(bytes(48_000)).decode()
    content = [{"type": "input_text", "text": "Hark:"}, {"type": "input_audio", "audio": audio}]
    client.send({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}})
    client.send({"type": "response.create"})
    assert heard == ["Hark: [speech 1.00 s]"]


def test_the_oldest_audio_is_let_go(connect):
    client = connect(delivery=FAST, max_kept_audio_samples=100_000)
    for _ in range(2):  # 3.38 s are 81,120 samples each
        client.send({"type": "response.create"})
        client.advance_to(client.now_s + 1)
    first, second = (m["response"]["output"][0]["id"] for m in client.all("response.done"))
    contents = [client.ask("conversation.item.retrieve", item_id=i)[0]["item"]["content"][0] for i in (first, second)]
    assert ["audio" in content for content in contents] == [False, True]
    (truncated,) = client.ask("conversation.item.truncate", item_id=first, content_index=0, audio_end_ms=1000)
    assert truncated["type"] == "conversation.item.truncated"


def test_an_item_deleted_while_it_is_generated(connect):
    client = connect()
    client.send({"type": "response.create"})
    client.advance_to(1.0)
    client.send({"type": "conversation.item.delete", "item_id": client.one("conversation.item.added")["item"]["id"]})
    client.advance_to(10)
    assert client.types()[-2:] == ["response.output_item.done", "response.done"]


def test_a_reply_may_have_its_own_delivery_and_nothing_to_say(connect):
    client = connect(ScriptedResponder([Reply(delivery=Delivery(first_output_delay_ms=700))]))
    client.send({"type": "response.create"})
    client.advance_to(0.69)
    assert not client.all("response.done")
    client.advance_to(0.7)
    assert client.one("response.done")["response"]["output"] == []


def test_the_session_expires(connect):
    client = connect(max_session_s=60)
    client.advance_to(59.9)
    assert not client.session.closed
    assert client.session.next_deadline_s() == 60
    client.advance_to(60)
    assert client.one("error")["error"]["code"] == "session_expired"
    assert (client.session.closed, client.session.close_code) == (True, 1000)
    assert client.session.next_deadline_s() is None
    client.send({"type": "response.create"})
    assert client.types()[-1] == "error"
