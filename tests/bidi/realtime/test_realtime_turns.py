"""The user's turns: what the server sends when they start, end, barge in or do not come."""

from __future__ import annotations

import pytest

from bidilab.bidi.realtime import CallableResponder, Delivery, ScriptedResponder
from tests.bidi.realtime.conftest import (
    AUDIO_END_MS,
    AUDIO_START_MS,
    ONE_TURN_S,
    STARTED_AT_S,
    STOPPED_AT_S,
    TEXT,
    bursts,
)
from tests.bidi.realtime.ladders import AUDIO_CLOSING, DELTAS, FAST, OPENING, SLOW, TURN, audio_ms, without_deltas


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


IDLE_5_S = {"type": "server_vad", "idle_timeout_ms": 5_000}


def test_a_queued_response_ends_when_what_is_before_it_and_it_have_been_played(connect):
    # A and B of 2.08 s each, generated at once: A sounds from 0.1 to 2.18 s. B is sent at 0.6 s and sounds from 2.18 to
    # 4.26 s; 5 s later is 9.26 s. What is out of band is not played in the conversation.
    client = connect(ScriptedResponder(["a" * 32]), delivery=FAST)
    client.update(audio={"input": {"turn_detection": IDLE_5_S}})
    client.send({"type": "response.create"})
    client.advance_to(0.5)
    client.send({"type": "response.create"})
    client.send({"type": "response.create", "response": {"conversation": "none"}})
    client.advance_to(9.25)
    assert not client.all("input_audio_buffer.timeout_triggered")
    client.advance_to(9.27)
    assert client.one("input_audio_buffer.timeout_triggered")


@pytest.mark.parametrize("kind", ["truncate the one that sounds", "truncate one that is over", "cancel"])
def test_a_client_that_stops_playing_is_waited_for_from_then_on(connect, kind):
    # As above; at 3 s, in B, the client stops. (A has been played by then, so truncating A stops nothing.)
    client = connect(ScriptedResponder(["a" * 32]), delivery=FAST)
    client.update(audio={"input": {"turn_detection": IDLE_5_S}})
    for _ in range(2):
        client.send({"type": "response.create"})
        client.advance_to(client.now_s + 0.5)
    client.advance_to(3.0)
    a, b = (m["item"]["id"] for m in client.all("response.output_item.done"))
    if kind == "cancel":
        client.send({"type": "response.create"})
        client.send({"type": "response.cancel"})
    else:
        item_id = a if "over" in kind else b
        client.send({"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": 100})
    client.advance_to(12.0)
    (at_s,) = (m.at_s for m in client.received if m.type == "input_audio_buffer.timeout_triggered")
    assert at_s == pytest.approx(9.26 if "over" in kind else 8.0)


@pytest.mark.parametrize(("interrupts", "idle_from_s"), [(True, 2.16 + 1.04), (False, 0.1 + 10.4 + 1.04)])
def test_what_speech_interrupted_is_not_waited_for(connect, interrupts, idle_from_s):
    # A of 10.4 s, generated at once, sounds from 0.1 s. The user speaks, and stops at 2.06 s; B of 1.04 s is sent at
    # 2.16 s. It sounds at once where speech has interrupted A, else when A has been played.
    client = connect(ScriptedResponder(["a" * 160, "b" * 16]), delivery=FAST)
    client.update(audio={"input": {"turn_detection": IDLE_5_S | {"interrupt_response": interrupts}}})
    client.send({"type": "response.create"})
    client.speak(bursts(ONE_TURN_S, total_s=2.5))
    client.advance_to(20.0)
    (at_s, *_) = (m.at_s for m in client.received if m.type == "input_audio_buffer.timeout_triggered")
    assert at_s == pytest.approx(idle_from_s + 5.0, abs=0.001)


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


def test_speech_does_not_interrupt_what_is_out_of_band(connect):
    client = connect(ScriptedResponder([10.0]))
    client.send({"type": "response.create", "response": {"conversation": "none"}})
    client.speak(bursts(ONE_TURN_S, total_s=1.0))
    assert client.all("input_audio_buffer.speech_started")
    assert not client.all("response.done")


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
