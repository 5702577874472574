"""The Gemini codec without a connection: sequences of the reference, and what is not one."""

import base64
import contextlib
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.providers.gemini import HANDLERS, GeminiLiveCodec, GeminiSettings, turn_detection
from bidilab.bidi.providers.gemini.connection import failure_of
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolResultEvent,
)
from bidilab.core.errors import SessionError
from tests.bidi.providers.lives import Lives

PCM = bytes(range(200))
FIELDS = [
    *("modelTurn", "parts", "inlineData", "data", "mimeType", "text", "interrupted", "turnComplete"),
    *("inputTranscription", "functionCalls", "id", "name", "args", "ids", "newHandle", "audioOffset", "type"),
]


def audio(data=PCM, mime="audio/pcm;rate=24000"):
    part = {"inlineData": {"mimeType": mime, "data": base64.b64encode(data).decode()}}
    return {"serverContent": {"modelTurn": {"parts": [part]}}}


def content(**fields):
    return {"serverContent": fields}


def codec(**config):
    made = GeminiLiveCodec(GeminiSettings.from_config(config))
    made.configure()
    made.resume()
    return made


def feed(made, *messages, audible=()):
    return [event for message in messages for event in made.feed(message, audible=audible)]


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def rows(made):
    return [(row.type, row.source) for row in made.take_rows()]


def test_a_turn():
    events = feed(
        codec(),
        content(inputTranscription={"text": "Hi "}),
        content(inputTranscription={"text": "there."}),
        audio(),
        content(outputTranscription={"text": "Yes."}),
        content(generationComplete=True),
        content(turnComplete=True),
    )
    assert [type(event).__name__.removeprefix("Bidi").removesuffix("Event") for event in events] == [
        "TranscriptStream",
        "TranscriptStream",
        "ResponseStart",
        "AudioStream",
        "TranscriptStream",
        "TranscriptStream",  # the user's words as a whole
        "ResponseComplete",
        "TranscriptStream",  # the model's words as a whole
    ]
    whole = [(e.role, e.text) for e in of(events, BidiTranscriptStreamEvent) if e.is_final]
    assert whole == [("user", "Hi there."), ("assistant", "Yes.")]


def test_an_interrupted_turn_in_one_message_with_its_last_audio():
    # The audio was generated before the interruption, whatever the order of the keys.
    message = {"serverContent": {"interrupted": True, **audio()["serverContent"]}}
    events = feed(codec(), message, content(turnComplete=True))
    kinds = [type(event) for event in events]
    assert kinds.index(BidiAudioStreamEvent) < kinds.index(BidiInterruptionEvent)
    assert [e.stop_reason for e in of(events, BidiResponseCompleteEvent)] == ["interrupted"]


def test_what_is_audible_is_cut_too_and_nothing_twice():
    made = codec()
    feed(made, audio(), content(generationComplete=True), content(turnComplete=True), audio())
    events = feed(made, content(interrupted=True), audible={"response_1", "response_2"})
    assert [e.interrupted_response_id for e in of(events, BidiInterruptionEvent)] == ["response_1", "response_2"]
    assert feed(made, content(interrupted=True), audible={"response_1", "response_2"}) == []


@pytest.mark.parametrize("before", [[audio()], [audio(), content(generationComplete=True)]])
def test_an_interrupted_turn_is_waited_for_up_to_its_end(before):
    made = codec()
    feed(made, *before, content(interrupted=True))
    assert not made.settled
    late = feed(made, audio(), {"toolCall": {"functionCalls": [{"id": "c1", "name": "weather", "args": {}}]}})
    assert late == []  # of the turn that was interrupted
    assert ("tool_call_unheard", "model") in rows(made)
    feed(made, content(turnComplete=True))
    assert made.settled
    (turn,) = [row for row in feed_rows(made, audio(), content(turnComplete=True)) if row.type == "turn_complete"]
    assert turn.detail["interrupted"] is False


def feed_rows(made, *messages):
    made.take_rows()
    feed(made, *messages)
    return made.take_rows()


def test_activity_by_hand_ends_with_its_connection():
    made = codec(turn_detection=None)
    made.activity_start()
    assert not made.settled
    made.connection_over(failure_of(1006, ""))
    made.configure()
    made.resume()
    assert made.settled
    made.activity_start()


def test_words_before_the_first_sound_begin_no_response():
    made = codec()
    assert feed(made, content(outputTranscription={"text": "Ye"})) == []
    events = feed(made, audio(), content(outputTranscription={"text": "s."}), content(turnComplete=True))
    assert len(of(events, BidiResponseStartEvent)) == 1
    assert of(events, BidiTranscriptStreamEvent)[-1].text == "Yes."


@given(cuts=st.lists(st.integers(1, 199), max_size=6, unique=True))
def test_any_split_of_the_audio_gives_the_same_samples(cuts):
    edges = [0, *sorted(cuts), len(PCM)]
    messages = [audio(PCM[a:b]) for a, b in itertools.pairwise(edges)]
    events = feed(codec(), *messages)
    assert b"".join(e.data for e in of(events, BidiAudioStreamEvent)) == PCM


@given(
    message=st.dictionaries(
        st.sampled_from([*HANDLERS, "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(FIELDS),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ),
        max_size=4,
    )
)
def test_no_message_breaks_it(message):
    made = codec()
    feed(made, audio(), message, content(turnComplete=True))
    events = feed(made, audio(), content(turnComplete=True))
    assert len(of(events, BidiResponseStartEvent)) == 1
    assert of(events, BidiAudioStreamEvent)[-1].data == PCM


SERVER = st.sampled_from(
    [
        audio(),
        audio(b"\x01"),
        content(outputTranscription={"text": "Yes. "}),
        content(inputTranscription={"text": "And? ", "finished": True}),
        content(generationComplete=True),
        content(turnComplete=True),
        content(interrupted=True),
        content(interrupted=True, turnComplete=True),
        content(generationComplete=True, interrupted=True, turnComplete=True),
        content(waitingForInput=True),
        {"toolCall": {"functionCalls": [{"id": "c1", "name": "weather", "args": {}}]}},
        {"toolCallCancellation": {"ids": ["c1", ["c1"]]}},
        {"voiceActivity": {"type": "ACTIVITY_START"}},
        {"voiceActivity": {"type": "ACTIVITY_END"}},
        {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
        {"goAway": {}},
    ]
)


@given(st.data(), st.booleans(), st.lists(st.integers(0, 9), min_size=10, max_size=40))
def test_no_sequence_of_messages_leaves_the_table_undefined(data, by_hand, steps):
    made = codec(**({"turn_detection": None} if by_hand else {}))
    lives = Lives(made)
    for step in steps:
        audible = data.draw(st.sets(st.sampled_from(["response_1", "response_2", "response_3"])))
        match step:
            case 0:
                made.encode(BidiTextInputEvent("And?"))
            case 1:
                made.encode(result())
            case 2:
                lives.take(made.connection_over(failure_of(1006, "")))
                made.configure()
                made.resume()
            case 3 if by_hand:
                with contextlib.suppress(SessionError):
                    lives.take(made.activity_start(audible=audible))
            case 4 if by_hand:
                with contextlib.suppress(SessionError):
                    made.activity_end()
            case _:
                lives.take(made.feed(data.draw(SERVER), audible=audible))


def test_a_servers_word_on_activity_by_hand_does_not_open_it():
    made = codec(turn_detection=None)
    made.activity_start()
    feed(made, {"voiceActivity": {"type": "ACTIVITY_START"}})
    made.activity_end()
    feed(made, {"voiceActivity": {"type": "ACTIVITY_START"}}, audio(), content(turnComplete=True))
    feed(made, {"voiceActivity": {"type": "ACTIVITY_END"}})  # it comes late
    assert made.settled
    made.activity_start()


def test_audio_that_was_not_sent_before_a_renewal_is_told_to_be_dropped():
    made = codec()
    made.encode(BidiAudioInputEvent.from_pcm(bytes(640), sample_rate=16_000))
    made.connection_over(failure_of(1006, ""))
    made.encode(BidiAudioInputEvent.from_pcm(bytes(640), sample_rate=16_000))
    made.configure()
    made.resume()
    (row,) = [row for row in made.take_rows() if row.type == "input_dropped"]
    assert row.detail == {"dropped_samples": 640, "sample_rate": 16_000}


def test_audio_of_another_rate_is_no_audio():
    made = codec()
    assert feed(made, audio(mime="audio/pcm;rate=16000")) == []
    assert ("malformed_message", "error") in rows(made)


def test_input_goes_out_at_the_rate_that_is_named():
    made = codec(audio={"input_rate": 8000})
    made.encode(BidiAudioInputEvent.from_pcm(bytes(320), sample_rate=8000))
    (message,) = made.take_messages()
    assert message == {"realtimeInput": {"audio": {"data": bytes(320), "mimeType": "audio/pcm;rate=8000"}}}


def test_the_end_of_the_audio_gives_the_silence_that_is_waited_for():
    made = codec(turn_detection={"silence_duration_ms": 300})
    made.end_audio(800)
    silence, end = made.take_messages()
    assert len(silence["realtimeInput"]["audio"]["data"]) == 2 * 800 * 16
    assert end == {"realtimeInput": {"audioStreamEnd": True}}


def test_how_much_was_heard_shortens_the_history():
    made = codec()
    made.encode(BidiTextInputEvent("Count."))
    feed(made, audio(bytes(48000)), content(outputTranscription={"text": "one two three four"}))
    feed(made, content(interrupted=True), audible={"response_1"})
    made.truncate("response_1", 8000, 16_000)  # half of the second that was generated
    made.connection_over(failure_of(1006, ""))
    made.configure()
    made.resume()
    told = made.take_messages()[0]["clientContent"]["turns"]
    assert [turn["parts"][0]["text"] for turn in told] == ["Count.", "one two"]


def test_words_before_a_call_belong_to_the_response_that_calls():
    made = codec()
    events = feed(made, content(outputTranscription={"text": "One moment."}), called())
    whole = [e for e in of(events, BidiTranscriptStreamEvent) if e.is_final]
    assert [(e.text, e.response_id) for e in whole] == [("One moment.", "response_1")]
    made.encode(result())
    answer = feed(made, audio(), content(outputTranscription={"text": "18."}), content(turnComplete=True))
    assert [e.text for e in of(answer, BidiTranscriptStreamEvent) if e.is_final] == ["18."]


def called(call_id="c1", **args):
    return {"toolCall": {"functionCalls": [{"id": call_id, "name": "weather", "args": args}]}}


def result(call_id="c1", text="18 degrees", status="success"):
    return ToolResultEvent({"toolUseId": call_id, "status": status, "content": [{"text": text}]})


def told_anew(made):
    """What another connection, without a handle, is told: the history, and what still waits for an answer."""
    made.connection_over(failure_of(1006, ""))
    made.configure()
    made.resume()
    history, said = [], []
    for message in made.take_messages():
        history += [t["parts"][0]["text"] for t in message.get("clientContent", {"turns": []})["turns"]]
        said += [message["realtimeInput"]["text"]] if "realtimeInput" in message else []
    return history, said


def test_a_call_and_its_result_are_told_to_the_next_session():
    made = codec()
    feed(made, called(city="Rome"))
    made.encode(result())
    feed(made, audio(), content(outputTranscription={"text": "It is 18."}), content(turnComplete=True))
    (exchange, answer), said = told_anew(made)
    assert all(word in exchange for word in ("weather", '"city": "Rome"', "18 degrees"))
    assert (answer, said) == ("It is 18.", [])


def test_a_result_that_was_not_answered_is_said_again():
    made = codec()
    feed(made, called())
    made.encode(result(text="no such city", status="error"))
    history, (said,) = told_anew(made)
    assert history == []
    assert "weather" in said
    assert "no such city" in said
    made.encode(result())  # of a call that is answered
    assert ("tool_result_unasked", "error") in rows(made)


def test_a_result_of_a_call_of_an_earlier_connection_is_said_in_words():
    for connected in (False, True):
        made = codec()
        feed(made, called(city="Rome"))
        made.connection_over(failure_of(1006, ""))
        if connected:
            made.configure()
            made.resume()
            assert not made.settled
        made.encode(result())
        said = [m["realtimeInput"]["text"] for m in made.take_messages() if "realtimeInput" in m]
        assert said == ['The tool weather was called with {"city": "Rome"}. It answered: 18 degrees']


def test_a_call_and_its_result_from_before_the_session_are_told_in_words():
    made = GeminiLiveCodec(GeminiSettings())
    use = {"toolUseId": "c1", "name": "weather", "input": {"city": "Rome"}}
    made.configure(
        [
            {"role": "assistant", "content": [{"toolUse": use}]},
            {"role": "user", "content": [{"toolResult": result().tool_result}]},
            {"role": "user", "content": [{"image": {"source": {"bytes": bytes(100_000)}}}]},
        ]
    )
    made.resume()
    exchange, image = [turn["parts"][0]["text"] for turn in made.take_messages()[0]["clientContent"]["turns"]]
    assert exchange == 'The tool weather was called with {"city": "Rome"}. It answered: 18 degrees'
    assert "image" in image
    assert len(image) < 100  # the bytes are not words


def test_a_service_that_is_not_seeded_is_told_the_conversation_as_a_turn_that_goes_on():
    made = GeminiLiveCodec(GeminiSettings(), seeds_history=False)
    assert "historyConfig" not in made.configure([{"role": "user", "content": [{"text": "I am Ada."}]}])
    made.resume()
    assert made.take_messages()[0]["clientContent"]["turnComplete"] is False


def test_a_failure_of_the_service_is_an_event_and_a_lost_connection_is_not():
    made = codec()
    feed(made, audio())
    events = made.connection_over(failure_of(1011, "You exceeded your current quota"))
    assert [e.code for e in of(events, BidiErrorEvent)] == ["close_1011"]
    assert [e.stop_reason for e in of(events, BidiResponseCompleteEvent)] == ["error"]
    assert made.connection_over(failure_of(1006, "")) == ()


@pytest.mark.parametrize(
    ("given", "wire"),
    [
        (None, {"automaticActivityDetection": {"disabled": True}, "activityHandling": "START_OF_ACTIVITY_INTERRUPTS"}),
        (
            {"end_of_speech_sensitivity": "LOW", "activity_handling": "NO_INTERRUPTION"},
            {
                "automaticActivityDetection": {
                    "disabled": False,
                    "startOfSpeechSensitivity": "START_SENSITIVITY_HIGH",
                    "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
                },
                "activityHandling": "NO_INTERRUPTION",
            },
        ),
    ],
)
def test_turn_detection(given, wire):
    assert turn_detection(given).to_dict() == wire
    json.dumps(turn_detection(given).to_dict())


def test_thoughts_are_no_speech():
    made = codec()
    message = content(modelTurn={"parts": [{"thought": True, "text": "Hm."}]})
    assert feed(made, message) == []
    assert ("thought", "model") in rows(made)


def test_an_answer_in_text():
    made = codec(inference={"response_modalities": ["TEXT"]})
    events = feed(made, content(modelTurn={"parts": [{"text": "Yes."}]}), content(turnComplete=True))
    assert [e.text for e in of(events, BidiTranscriptStreamEvent) if e.is_final] == ["Yes."]
    assert made.settled
