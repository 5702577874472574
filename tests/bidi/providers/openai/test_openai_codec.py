"""The codec against sequences written by hand from the API's documentation (REALTIME, GA protocol).

The barge-in of most tests; one response, ``r1``, with one item ``a1``, 24 samples a millisecond::

    server   created  delta 100 ms  delta 100 ms          done(cancelled | completed)
    user                                 speech_started
    heard    |<------ 150 ms ------>|
"""

import base64
import json
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.openai import HANDLERS, OpenAIRealtimeCodec, SessionSettings, differences
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from bidilab.core.errors import AudioError, InvalidParameterError
from tests.bidi.providers.lives import Lives

LOST = Failure(service="OpenAI", code=1006, reason="no close frame", kind="lost")

CHUNK = bytes(4800)  # 100 ms


def codec(**provider_config) -> OpenAIRealtimeCodec:
    made = OpenAIRealtimeCodec(SessionSettings.from_config(provider_config))
    made.configure()
    requested = made.take_messages()[0]["session"]
    made.feed({"type": "session.updated", "event_id": "s", "session": requested})
    made.take_rows()
    return made


def created(rid="r1"):
    return {"type": "response.created", "event_id": f"c{rid}", "response": {"id": rid, "status": "in_progress"}}


def delta(rid="r1", item="a1", pcm=CHUNK, **more):
    audio = base64.b64encode(pcm).decode()
    ids = {"response_id": rid, "item_id": item, "output_index": 0, "content_index": 0}
    return {"type": "response.output_audio.delta", "delta": audio, **ids, **more}


def done(rid="r1", status="completed", details=None, **more):
    body = {"id": rid, "status": status, "status_details": details, "output": [], **more}
    return {"type": "response.done", "event_id": f"d{rid}{status}", "response": body}


def speech_started(at_ms=1000):
    return {"type": "input_audio_buffer.speech_started", "audio_start_ms": at_ms, "item_id": "u1"}


def fed(c, *messages, audible=()):
    return [event for message in messages for event in c.feed(message, audible=audible)]


def sent(c):
    return [{k: v for k, v in message.items() if k != "event_id"} for message in c.take_messages()]


def rows(c):
    return {row.type: row for row in c.take_rows()}


def test_a_response_from_start_to_end():
    c = codec()
    said = {"response_id": "r1", "item_id": "a1", "content_index": 0}
    usage = {
        "input_tokens": 10,
        "output_tokens": 20,
        "total_tokens": 30,
        "input_token_details": {"text_tokens": 4, "audio_tokens": 6, "cached_tokens": 3},
        "output_token_details": {"audio_tokens": 20},
    }
    events = fed(
        c,
        created(),
        {"type": "response.output_item.added", "response_id": "r1", "item": {"id": "a1", "type": "message"}},
        {"type": "response.output_audio_transcript.delta", "delta": "Good ", **said},
        delta(pcm=CHUNK[:3]),
        delta(pcm=CHUNK[3:]),
        {"type": "response.output_audio_transcript.delta", "delta": "day.", **said},
        {"type": "response.output_audio_transcript.done", "transcript": "Good day.", **said},
        done(usage=usage),
    )
    assert events == [
        BidiResponseStartEvent("r1"),
        BidiTranscriptStreamEvent({"text": "Good "}, "Good ", "assistant", False, None, response_id="r1", item_id="a1"),
        # The third byte is half a sample: it waits for the rest.
        BidiAudioStreamEvent.from_pcm(CHUNK[:2], sample_rate=24000, response_id="r1", item_id="a1"),
        BidiAudioStreamEvent.from_pcm(CHUNK[2:], sample_rate=24000, response_id="r1", item_id="a1"),
        BidiTranscriptStreamEvent(
            {"text": "day."}, "day.", "assistant", False, "Good day.", response_id="r1", item_id="a1"
        ),
        BidiTranscriptStreamEvent(
            {"text": "Good day."}, "Good day.", "assistant", True, "Good day.", response_id="r1", item_id="a1"
        ),
        BidiUsageEvent(
            10,
            20,
            30,
            [
                {"modality": "text", "input_tokens": 4, "output_tokens": 0},
                {"modality": "audio", "input_tokens": 6, "output_tokens": 20},
            ],
            3,
        ),
        BidiResponseCompleteEvent("r1", "complete"),
    ]
    assert sent(c) == []


def test_speech_while_generating_interrupts_at_once_and_nothing_old_follows():
    c = codec()
    fed(c, created(), delta(), delta())
    assert fed(c, speech_started()) == [
        BidiInterruptionEvent("user_speech", interrupted_response_id="r1"),
        BidiResponseCompleteEvent("r1", "interrupted"),
    ]
    assert sent(c) == []  # the server cancels by itself: interrupt_response
    c.truncate("r1", 3600, 24000)
    truncation = {"type": "conversation.item.truncate", "item_id": "a1", "content_index": 0, "audio_end_ms": 150}
    assert sent(c) == [truncation]
    late = done(status="cancelled", details={"type": "cancelled", "reason": "turn_detected"})
    assert fed(c, delta(), late) == []
    assert rows(c)["response_done"].detail["late_samples"] == 2400
    c.truncate("r1", 3600, 24000)  # twice is once
    assert sent(c) == []


def test_speech_after_generation_interrupts_only_what_is_audible():
    c = codec()
    fed(c, created(), delta(), delta(), done())
    assert fed(c, speech_started(), audible=["r1"]) == [
        BidiInterruptionEvent("user_speech", interrupted_response_id="r1"),
        BidiResponseCompleteEvent("r1", "interrupted"),
    ]
    c.truncate("r1", 2400, 16000)  # 150 ms of a 16 kHz loudspeaker
    assert [m["audio_end_ms"] for m in sent(c)] == [150]

    c = codec()
    fed(c, created(), delta(), done())
    assert fed(c, speech_started()) == []  # played out: a turn, no interruption


def test_what_was_heard_whole_is_not_truncated_and_what_was_not_heard_is_cut_to_nothing():
    c = codec()
    fed(c, created(), delta(item="a1"), delta(item="a2"), done())
    fed(c, speech_started(), audible=["r1"])
    c.truncate("r1", 2400, 24000)
    assert [(m["item_id"], m["audio_end_ms"]) for m in sent(c)] == [("a2", 0)]


def test_what_was_cut_while_it_was_generated_is_truncated_though_all_that_came_was_heard():
    c = codec()
    fed(c, created(), delta(), speech_started(), done(status="cancelled"))
    c.truncate("r1", 2400, 24000)  # the server may have generated more than it sent
    assert [(m["item_id"], m["audio_end_ms"]) for m in sent(c)] == [("a1", 100)]


def test_audio_that_comes_after_the_end_is_counted_and_not_told():
    c = codec()
    fed(c, created(), delta(), done())
    assert fed(c, delta()) == []
    assert not c._c.owed


def test_a_cut_that_the_server_confirms_is_told_once():
    c = codec()
    fed(c, created(), delta(), speech_started())
    assert fed(c, done(status="cancelled"), {**done(status="failed"), "event_id": "x"}) == []
    assert not [row for row in c.take_rows() if row.source == "error"]


def test_milliseconds_heard_are_rounded_down_and_never_more_than_came():
    c = codec()
    fed(c, created(), delta(pcm=bytes(2 * 47)))  # 1.96 ms
    fed(c, speech_started())
    c.truncate("r1", 24_000, 24000)
    assert [m["audio_end_ms"] for m in sent(c)] == [1]


def test_a_server_that_does_not_cancel_is_told_to_once():
    c = codec(turn_detection={"type": "server_vad"})
    session = json.loads(json.dumps(SessionSettings().to_dict()))
    session["audio"]["input"]["turn_detection"]["interrupt_response"] = False
    fed(c, {"type": "session.updated", "session": session}, created(), delta(), speech_started())
    assert sent(c) == [{"type": "response.cancel", "response_id": "r1"}]
    found = rows(c)["session_difference"]
    path = "session.audio.input.turn_detection.interrupt_response"
    assert found.detail["differences"] == [{"path": path, "requested": True, "effective": False}]
    fed(c, speech_started(2000))
    assert sent(c) == []


def test_interrupt_response_off_only_logs():
    c = codec(turn_detection={"type": "server_vad", "interrupt_response": False})
    assert fed(c, created(), delta(), speech_started()) == [
        BidiResponseStartEvent("r1"),
        BidiAudioStreamEvent.from_pcm(CHUNK, sample_rate=24000, response_id="r1", item_id="a1"),
    ]
    assert rows(c)["speech_started"].source == "detector"
    # The server cancels all the same: then it is told.
    late = done(status="cancelled", details={"reason": "turn_detected"})
    assert [type(e) for e in fed(c, late)] == [BidiInterruptionEvent, BidiResponseCompleteEvent]


def test_speech_rows_have_positions_in_the_users_stream():
    # padding 300 ms: audio_start 1000 ms -> onset 1300 ms; silence 500 ms: audio_end 3000 ms -> offset 2500 ms.
    c = codec()
    fed(c, speech_started(1000), {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 3000, "item_id": "u1"})
    found = rows(c)
    assert found["speech_started"].detail == {
        "audio_start_samples": 24000,
        "onset_samples": 31200,
        "sample_rate": 24000,
    }
    assert found["speech_stopped"].detail["offset_samples"] == 60000
    assert found["speech_stopped"].detail["decided_at_samples"] == 72000
    # The next turn starts where this one ended: the padding was clipped, and the onset is not known.
    fed(c, speech_started(3000))
    assert "onset_samples" not in rows(c)["speech_started"].detail


def test_user_transcripts():
    c = codec()
    place = {"item_id": "u1", "content_index": 0}
    kind = "conversation.item.input_audio_transcription"
    events = fed(
        c,
        {"type": f"{kind}.delta", "delta": "Stop ", **place},
        {"type": f"{kind}.delta", "delta": "it.", **place},
        {"type": f"{kind}.completed", "transcript": "Stop it.", "usage": {"type": "duration", "seconds": 1}, **place},
    )
    assert [(e.text, e.role, e.is_final, e.current_transcript) for e in events] == [
        ("Stop ", "user", False, None),
        ("it.", "user", False, "Stop it."),
        ("Stop it.", "user", True, "Stop it."),
    ]


def tool_call(rid="r1", item="f1", call="call_1", arguments='{"city": "Bern"}'):
    ids = {"response_id": rid, "item_id": item, "output_index": 0}
    named = {"id": item, "type": "function_call", "call_id": call, "name": "weather", "arguments": ""}
    whole = {"call_id": call, "name": "weather", "arguments": arguments}
    return [
        {"type": "response.output_item.added", "response_id": rid, "item": named},
        {"type": "response.function_call_arguments.delta", "delta": arguments[:5], "call_id": call, **ids},
        {"type": "response.function_call_arguments.done", **whole, **ids},
        {"type": "response.output_item.done", "response_id": rid, "item": {**named, **whole, "status": "completed"}},
    ]


def result(call="call_1", status="success", text="18 degrees"):
    return ToolResultEvent({"toolUseId": call, "status": status, "content": [{"text": text}]})


def test_a_tool_call_is_told_once_and_answered_when_the_response_is_over():
    c = codec()
    events = fed(c, created(), *tool_call())
    use = {"toolUseId": "call_1", "name": "weather", "input": {"city": "Bern"}}
    assert events[1:] == [ToolUseStreamEvent({"toolUse": use}, use)]
    c.encode(result())
    (output,) = sent(c)  # no response.create yet: r1 is not over
    assert output["item"]["type"] == "function_call_output"
    assert (output["item"]["call_id"], output["item"]["output"]) == ("call_1", "18 degrees")
    assert fed(c, done()) == [BidiResponseCompleteEvent("r1", "tool_use")]
    assert sent(c) == [{"type": "response.create"}]
    assert not c.settled
    fed(c, created("r2"), done("r2"))
    assert c.settled


def test_two_calls_of_one_response_are_answered_with_one_response():
    c = codec()
    fed(c, created(), *tool_call(), *tool_call(item="f2", call="call_2"), done())
    c.encode(result("call_2", "error", "no such city"))
    (first,) = sent(c)
    assert json.loads(first["item"]["output"]) == {"error": "no such city"}
    c.encode(result("call_1"))
    assert [m["type"] for m in sent(c)] == ["conversation.item.create", "response.create"]


def test_arguments_that_are_not_json_reach_the_tool_as_they_are():
    c = codec()
    events = fed(c, created(), *tool_call(arguments='{"city": '))
    assert events[1].current_tool_use["input"] == '{"city": '
    assert rows(c)["tool_arguments_invalid"].source == "error"


def test_a_call_known_only_from_response_done_is_not_lost():
    c = codec()
    item = {"id": "f1", "type": "function_call", "status": "completed", "call_id": "k", "name": "t", "arguments": "{}"}
    events = fed(c, done(output=[item]))
    kinds = [type(e) for e in events]
    assert kinds == [BidiResponseStartEvent, ToolUseStreamEvent, BidiResponseCompleteEvent]
    assert events[-1].stop_reason == "tool_use"


def test_text_waits_for_the_response_under_way():
    c = codec()
    fed(c, created())
    c.encode(BidiTextInputEvent("And now?"))
    assert [m["type"] for m in sent(c)] == ["conversation.item.create"]
    fed(c, done())
    assert [m["type"] for m in sent(c)] == ["response.create"]


def test_text_while_the_user_speaks_is_answered_with_their_turn():
    c = codec()
    fed(c, speech_started())
    c.encode(BidiTextInputEvent("And this?"))
    assert [m["type"] for m in sent(c)] == ["conversation.item.create"]  # the server responds to the turn by itself
    fed(c, {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 3000, "item_id": "u1"})
    fed(c, {"type": "input_audio_buffer.committed", "item_id": "u1"}, created(), done())
    assert sent(c) == []
    assert c.settled
    c.encode(BidiTextInputEvent("Go on."))  # the turn is over: this one has to be asked for
    assert [m["type"] for m in sent(c)] == ["conversation.item.create", "response.create"]


def test_text_while_the_user_speaks_is_asked_for_where_the_server_does_not_respond():
    c = codec(turn_detection={"type": "server_vad", "create_response": False})
    fed(c, speech_started())
    c.encode(BidiTextInputEvent("And this?"))
    assert [m["type"] for m in sent(c)] == ["conversation.item.create", "response.create"]


def test_a_refused_response_create_is_repeated_when_the_other_is_over():
    c = codec()
    c.encode(BidiTextInputEvent("Hello?"))
    request = c.take_messages()[-1]
    error = {"code": "conversation_already_has_active_response", "message": "busy", "event_id": request["event_id"]}
    assert fed(c, created(), {"type": "error", "error": {"type": "invalid_request_error", **error}}) != []
    assert sent(c) == []
    fed(c, done())
    assert sent(c) == [{"type": "response.create"}]


def test_an_error_is_told_and_a_race_is_not():
    c = codec()
    error = {"type": "invalid_request_error", "code": "invalid_value", "message": "no", "param": "session.voice"}
    (event,) = fed(c, {"type": "error", "event_id": "e1", "error": error})
    assert isinstance(event, BidiErrorEvent)
    assert (event.message, event.code, event.details["param"]) == ("no", "invalid_value", "session.voice")

    fed(c, created(), delta(), speech_started())
    c.truncate("r1", 10, 24000)
    event_id = c.take_messages()[-1]["event_id"]
    late = {"type": "invalid_request_error", "message": "Audio content of 0ms is already shorter", "event_id": event_id}
    assert fed(c, {"type": "error", "error": late}) == []
    assert fed(c, {"type": "error", "error": {**error, "code": "response_cancel_not_active"}}) == []
    assert rows(c)["late_message"].source == "model"


def test_a_failed_response_is_interrupted_by_error():
    c = codec()
    fed(c, created(), delta())
    details = {"type": "failed", "error": {"type": "server_error", "code": "rate_limit_exceeded", "message": "later"}}
    error, interruption, complete = fed(c, done(status="failed", details=details))
    assert (error.message, error.code) == ("later", "rate_limit_exceeded")
    assert interruption == BidiInterruptionEvent("error", interrupted_response_id="r1")
    assert complete == BidiResponseCompleteEvent("r1", "error")


def test_repeated_messages_count_once():
    c = codec()
    assert len(fed(c, created(), created())) == 1
    assert len(fed(c, delta(event_id="x"), delta(event_id="x"))) == 1
    assert len(fed(c, done(), {**done(), "event_id": "other"})) == 1


def test_audio_goes_out_at_24_khz_in_any_chunking():
    pcm = b"".join((i % 1000).to_bytes(2, "little") for i in range(1600))  # 100 ms at 16 kHz
    outputs = []
    for n_bytes in (3200, 640, 2):
        c = codec()
        for start in range(0, len(pcm), n_bytes):
            c.encode(BidiAudioInputEvent.from_pcm(pcm[start : start + n_bytes], sample_rate=16000))
        c.end_audio(0)
        messages = [m for m in c.take_messages() if m["type"] == "input_audio_buffer.append"]
        outputs.append(b"".join(base64.b64decode(m["audio"]) for m in messages))
        assert c.sent_samples == 2400
    assert len(outputs[0]) == 4800
    assert outputs[0] == outputs[1] == outputs[2]


def test_inputs():
    c = codec()
    c.encode(BidiImageInputEvent(b"\x89PNG", "image/png"))
    c.encode(BidiTextInputEvent("I said so.", role="assistant"))
    image, text = sent(c)
    assert image["item"]["content"] == [{"type": "input_image", "image_url": "data:image/png;base64,iVBORw=="}]
    assert (text["item"]["role"], text["item"]["content"][0]["type"]) == ("assistant", "output_text")
    with pytest.raises(InvalidParameterError, match="content"):
        c.encode(BidiConnectionCloseEvent("c", "complete"))
    with pytest.raises(AudioError, match="mp3"):
        c.encode(BidiAudioInputEvent(b"ID3", "mp3", 24000, 1))


def test_turns_by_hand():
    c = codec(turn_detection=None)
    c.encode(BidiAudioInputEvent.from_pcm(CHUNK, sample_rate=24000))
    c.commit()
    kinds = [m["type"] for m in sent(c)]
    assert kinds == ["input_audio_buffer.append", "input_audio_buffer.commit", "response.create"]


def test_a_lost_connection_ends_what_was_generated_and_tells_the_history():
    c = codec()
    c.resume([{"role": "user", "content": [{"text": "Before."}]}])
    assert len(sent(c)) == 1
    said = {"response_id": "r1", "item_id": "a1", "content_index": 0}
    fed(
        c,
        {"type": "input_audio_buffer.committed", "item_id": "u1"},
        created(),
        *[m | {"event_id": f"n{i}"} for i, m in zip(count(), [delta(), delta()], strict=False)],
        {"type": "response.output_audio_transcript.done", "transcript": "One two three four.", **said},
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "u1",
            "content_index": 0,
            "transcript": "Count.",
        },
        done(),
        speech_started(),
        audible=["r1"],
    )
    c.truncate("r1", 2400, 24000)  # half of it was heard
    fed(c, created("r2"))
    c.encode(BidiAudioInputEvent.from_pcm(CHUNK, sample_rate=24000))
    assert c.connection_over(LOST) == (
        BidiInterruptionEvent("error", interrupted_response_id="r2"),
        BidiResponseCompleteEvent("r2", "error"),
    )
    c.configure()
    assert [m["type"] for m in sent(c)] == ["session.update"]
    c.resume()
    items = sent(c)
    told = [(m["item"]["role"], m["item"]["content"][0]["text"]) for m in items]
    assert told == [("user", "Before."), ("user", "Count."), ("assistant", "One two")]
    assert rows(c)["input_dropped"].detail == {"dropped_samples": 2400, "sample_rate": 24000}
    # The new server counts from 0; the log goes on where the stream is.
    fed(c, speech_started(0))
    assert rows(c)["speech_started"].detail["audio_start_samples"] == 2400


def told(c, *messages):
    """The items that a new connection is told."""
    c.connection_over(LOST)
    c.configure()
    c.take_messages()
    c.resume(messages)
    return [m["item"] for m in sent(c) if m["type"] == "conversation.item.create"]


def use(call="call_1", **given):
    return {"role": "assistant", "content": [{"toolUse": {"toolUseId": call, "name": "weather", "input": given}}]}


def test_messages_from_before_keep_a_call_and_its_result():
    items = told(codec(), use(city="Rome"), {"role": "user", "content": [{"toolResult": result().tool_result}]})
    assert [(item["type"], item["call_id"]) for item in items] == [
        ("function_call", "call_1"),
        ("function_call_output", "call_1"),
    ]
    assert items[0]["arguments"] == '{"city": "Rome"}'


def test_a_result_without_its_call_is_told_in_words():
    # Agents kept only the results once, and a conversation may have been cut between the two.
    (item,) = told(codec(), {"role": "user", "content": [{"toolResult": result().tool_result}]})
    assert (item["type"], item["role"]) == ("message", "user")
    assert "18 degrees" in item["content"][0]["text"]


def test_arguments_that_are_not_json_are_told_as_they_were():
    call = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "k", "name": "t", "input": '{"city": '}}]}
    assert [item["arguments"] for item in told(codec(), call)] == ['{"city": ']


def test_a_result_that_nobody_asked_for_is_refused_once_and_not_told_again():
    c = codec()
    c.encode(result("never"))
    assert [m["type"] for m in sent(c)] == ["conversation.item.create"]  # the server says what it thinks of it
    assert rows(c)["tool_result_unasked"].source == "error"
    assert told(c) == []


def test_a_result_of_a_call_from_before_the_session_is_told_again():
    c = codec()
    c.resume([use()])
    c.encode(result())
    assert [item["type"] for item in told(c)] == ["function_call", "function_call_output"]


def test_words_that_come_after_the_truncation_are_not_told_again():
    c = codec()
    said = {"response_id": "r1", "item_id": "a1", "content_index": 0}
    words = {"type": "response.output_audio_transcript.delta", **said}
    fed(c, created(), delta(), {**words, "delta": "One two three four"})
    fed(c, speech_started())
    c.truncate("r1", 1200, 24000)  # half of it was heard
    whole = {"type": "response.output_audio_transcript.done", "transcript": "One two three four five six", **said}
    fed(c, {**words, "delta": " five six"}, whole, done(status="cancelled"))
    assert [item["content"][0]["text"] for item in told(c)] == ["One two"]


@pytest.mark.parametrize(
    "turn",
    [
        [speech_started()],
        [{"type": "input_audio_buffer.committed", "item_id": "u1"}],
        [created()],
        [created(), speech_started()],
    ],
)
def test_a_turn_that_was_lost_with_its_connection_has_no_answer(turn):
    c = codec()
    fed(c, *turn)
    assert not c.settled
    told(c)
    assert c.settled


def test_a_turn_that_the_server_is_not_to_answer_leaves_nothing_to_wait_for():
    c = codec(turn_detection={"type": "server_vad", "create_response": False})
    fed(c, speech_started(), {"type": "input_audio_buffer.committed", "item_id": "u1"})
    assert c.settled


def test_a_server_that_is_told_not_to_respond_is_waited_for_no_more():
    c = codec()
    fed(c, {"type": "input_audio_buffer.committed", "item_id": "u1"})
    session = SessionSettings.from_config(
        {"turn_detection": {"type": "server_vad", "create_response": False}}
    ).to_dict()
    fed(c, {"type": "session.updated", "session": session})
    assert not c.settled
    fed(c, {"type": "input_audio_buffer.committed", "item_id": "u2"})
    assert c.settled


def test_speech_that_stops_is_waited_for_no_more():
    c = codec()
    fed(c, speech_started())
    assert not c.settled
    fed(c, {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2000, "item_id": "u1"})
    assert c.settled


def test_an_unknown_type_is_logged_and_nothing_else():
    c = codec()
    assert fed(c, {"type": "response.telepathy.delta", "delta": "…"}) == []
    assert rows(c)["unknown_message"].source == "error"
    assert fed(c, {"type": "response.output_audio.delta", "response_id": 7}) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
IDS = st.sampled_from(["r1", "r2", "a1", "u1"])
VALUES = {
    "response_id": IDS,
    "item_id": IDS,
    "call_id": IDS,
    "name": st.just("tool"),
    "content_index": st.integers(0, 2),
    "delta": st.sampled_from(["", "AAAA", "AA==", "AAA=", "no base64!"]),
    "transcript": st.text(max_size=4),
    "text": st.text(max_size=4),
    "arguments": st.sampled_from(["{}", "{", "[1]", ""]),
    "audio_start_ms": st.integers(-1, 9000),
    "audio_end_ms": st.integers(-1, 9000),
    "event_id": st.sampled_from(["e1", "e2", "e3"]),
    "response": st.fixed_dictionaries(
        {"id": IDS},
        optional={
            "status": st.sampled_from(["completed", "cancelled", "failed", "incomplete", "?"]) | JSON,
            "status_details": JSON,
            "usage": JSON,
            "output": JSON,
        },
    ),
    "item": st.fixed_dictionaries(
        {"id": IDS, "type": st.sampled_from(["message", "function_call"])},
        optional={"role": st.just("user") | JSON, "call_id": IDS, "name": JSON, "status": JSON, "arguments": JSON},
    ),
    "error": st.fixed_dictionaries({}, optional={"code": JSON, "message": JSON, "event_id": JSON, "type": JSON}),
    "session": JSON,
}
MESSAGES = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from([*HANDLERS, "unknown.type"]) | JSON,
    st.fixed_dictionaries({}, optional={key: value | JSON for key, value in VALUES.items()}),
)


@given(st.lists(MESSAGES, max_size=25), st.sets(IDS))
def test_no_message_of_a_server_breaks_the_codec(messages, audible):
    c = codec()
    cut = set()
    for message in messages:
        for event in c.feed(message, audible=audible):
            assert dict(event)["type"] == event.type
            if isinstance(event, BidiAudioStreamEvent):
                assert event.response_id not in cut  # not one old sample
            if isinstance(event, BidiInterruptionEvent):
                assert event.interrupted_response_id not in cut
                cut.add(event.interrupted_response_id)
                c.truncate(event.interrupted_response_id, 5, 24000)
        json.dumps(c.take_messages())
        c.take_rows()
    c.connection_over(LOST)
    c.configure()
    c.resume()
    json.dumps(c.take_messages())


SAID = {"response_id": "r1", "item_id": "a1", "content_index": 0}
ERROR = {"type": "invalid_request_error", "message": "no"}
LIFE = st.sampled_from(
    [
        created(),
        delta(),
        delta(pcm=b"\x01"),
        *(done(status=status) for status in ("completed", "cancelled", "failed")),
        *[speech_started()] * 3,
        created("r2"),
        delta("r2"),
        done("r2"),
    ]
)
OTHER = st.sampled_from(
    [
        *tool_call(),
        done(status="odd"),
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2000, "item_id": "u1"},
        {"type": "input_audio_buffer.committed", "item_id": "u1"},
        {"type": "response.output_audio_transcript.delta", "delta": "Yes", **SAID},
        {"type": "response.output_audio_transcript.done", "transcript": "Yes.", **SAID},
        {"type": "error", "error": {**ERROR, "code": "conversation_already_has_active_response"}},
        {"type": "session.updated", "session": {}},
        {"type": "response.created", "response": {}},
    ]
)


@given(st.data(), st.sampled_from([True, False]), st.lists(st.integers(0, 12), min_size=10, max_size=40))
def test_no_sequence_of_messages_leaves_the_table_undefined(data, create_response, steps):
    c = codec(turn_detection={"type": "server_vad", "create_response": create_response})
    lives, asked = Lives(c), 0
    for number, step in enumerate(steps):
        audible = data.draw(st.sets(st.sampled_from(["r1", "r2"])))
        match step:
            case 0:
                c.encode(BidiTextInputEvent("And?"))
            case 1:
                c.encode(result())
            case 2:
                lives.take(c.connection_over(LOST))
                c.configure()
                c.resume()
            case 3:
                c.truncate("r1", 100, 24000)
            case 4 if messages := [m for m in c.take_messages() if m["type"] == "response.create"]:
                asked += len(messages)
                error = {**ERROR, "code": "rate_limit", "event_id": messages[-1]["event_id"]}
                lives.take(c.feed({"type": "error", "error": error}, audible=audible))
            case _:
                message = {**data.draw(LIFE if step > 6 else OTHER), "event_id": f"e{number}"}
                lives.take(c.feed(message, audible=audible))
    assert sum(m["type"] == "response.create" for m in c.take_messages()) <= 1 + len(steps)


def test_a_response_that_is_wanted_behind_a_refused_one_is_asked_for():
    c = codec()
    c.encode(BidiTextInputEvent("One."))
    request = c.take_messages()[-1]
    c.encode(BidiTextInputEvent("Two."))
    assert [m["type"] for m in sent(c)] == ["conversation.item.create"]
    fed(c, {"type": "error", "error": {**ERROR, "code": "rate_limit", "event_id": request["event_id"]}})
    assert [m["type"] for m in sent(c)] == ["response.create"]


def test_a_written_response():
    c = codec(inference={"output_modalities": ["text"]})
    said = {"response_id": "r1", "item_id": "a1", "content_index": 0}
    events = fed(
        c,
        created(),
        {"type": "response.output_text.delta", "delta": "Yes.", **said},
        {"type": "response.output_text.done", "text": "Yes.", **said},
        done(),
    )
    assert [(e.text, e.is_final) for e in events[1:3]] == [("Yes.", False), ("Yes.", True)]
    assert c.settings.to_dict()["output_modalities"] == ["text"]


def test_unheard_words_of_a_cut_response_are_logged_and_not_told():
    c = codec()
    said = {"response_id": "r1", "item_id": "a1", "content_index": 0}
    fed(c, created(), delta(), speech_started())
    late = {"type": "response.output_audio_transcript.done", "transcript": "Never heard.", **said}
    assert fed(c, {"type": "response.output_audio_transcript.delta", "delta": "Never", **said}, late) == []
    assert rows(c)["transcript_unheard"].detail == {"text": "Never heard."}


def test_every_session_key_is_sent_and_compared():
    audio = {"voice": "marin", "speed": 1.1, "noise_reduction": {"type": "near_field"}, "transcription": None}
    inference = {"max_output_tokens": 200, "tool_choice": "auto", "truncation": "disabled"}
    settings = SessionSettings.from_config({"audio": audio, "inference": inference, "turn_detection": None})
    tool = {"name": "t", "description": "d", "inputSchema": {"type": "object"}}
    session = settings.to_dict(instructions="Be kind.", tools=[tool])
    pcm = {"type": "audio/pcm", "rate": 24000}
    assert session == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": pcm,
                "transcription": None,
                "noise_reduction": {"type": "near_field"},
                "turn_detection": None,
            },
            "output": {"format": pcm, "voice": "marin", "speed": 1.1},
        },
        "max_output_tokens": 200,
        "tool_choice": "auto",
        "truncation": "disabled",
        "instructions": "Be kind.",
        "tools": [{"type": "function", "name": "t", "description": "d", "parameters": {"type": "object"}}],
    }
    effective = json.loads(json.dumps(session))
    assert differences(session, effective) == []
    del effective["audio"]["input"]["transcription"]  # absent is null
    effective["audio"]["output"]["voice"] = "cedar"
    effective["tools"].append({"type": "mcp"})
    assert [d["path"] for d in differences(session, effective)] == ["session.audio.output.voice", "session.tools"]


def test_a_new_connection_may_count_its_events_anew():
    c = codec()
    fed(c, delta(event_id="event_1"))
    c.connection_over(LOST)
    c.configure()
    c.resume()
    assert len(fed(c, delta("r2", event_id="event_1"))) == 2
