"""What the agent says and how it is cut into pieces; the table of a response's life; counting."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.realtime import (
    Delivery,
    FunctionCall,
    RecordedResponder,
    Reply,
    ResponseRequest,
    ScriptedResponder,
    Speech,
    Utterance,
    as_reply,
    babble,
)
from bidilab.bidi.realtime.protocol.audio import audio_format
from bidilab.bidi.realtime.session.agent.generation import plan_reply
from bidilab.bidi.realtime.session.agent.lifecycle import (
    InvalidTransitionError,
    ResponseEvent,
    ResponseState,
    next_state,
)
from bidilab.bidi.realtime.session.agent.usage import RateLimits, audio_tokens, text_tokens
from bidilab.bidi.realtime.session.idle import IdleTimer
from bidilab.bidi.realtime.session.outbox import Ids
from bidilab.core.audio import Audio
from bidilab.core.audiofile import write_audio
from bidilab.core.errors import InvalidParameterError

PCM = audio_format("audio/pcm")


def plan(reply, *, modality="audio", speed=1.0, wire=PCM, **delivery):
    return plan_reply(
        as_reply(reply),
        delivery=Delivery(**delivery),
        modality=modality,
        audio_format=wire,
        voice="alloy",
        speed=speed,
        speak=babble,
    )


def test_babble_is_the_same_each_time_and_follows_the_text():
    audio = babble("Good morning.")
    assert (audio.n_samples, audio.sample_rate) == (13 * 1560, 24_000)
    assert np.array_equal(audio.samples, babble("Good morning.").samples)
    assert not np.array_equal(audio.samples, babble("Good morning.", "marin").samples)
    assert 0.2 < np.abs(audio.samples).max() <= 0.25
    assert not audio.samples[4 * 1560 : 5 * 1560].any()  # the space
    assert babble("").n_samples == 0
    # Characters join without a click: no step is larger than within a character.
    steps = np.abs(np.diff(audio.samples))
    assert steps[np.arange(1, 4) * 1560 - 1].max() <= steps[:1500].max()


def test_pieces_of_speech_with_their_words_and_times():
    # "One two three four." has 19 characters: 1235 ms. Chunks of 500 ms at pace 2 are due at 0, 0.25, 0.5 s.
    # Characters before 500/1235 of 19 = 7.7: "One" (0) and " two" (3), " three" (7); before 15.4: " four." (13).
    (only,) = plan("One two three four.", chunk_ms=500, pace=2.0)
    assert [piece.at_s for piece in only.pieces] == pytest.approx([0, 0.25, 0.5])
    assert [piece.text for piece in only.pieces] == ["One two three", " four.", ""]
    assert [len(piece.samples) for piece in only.pieces] == [12_000, 12_000, 5_640]
    assert (only.start_s, only.end_s) == (0, pytest.approx(1.235 / 2))


def test_outputs_come_one_after_the_other():
    first, second = plan([Speech(text="a" * 10), FunctionCall(name="f", arguments="abcd efgh")], pace=1)
    assert (second.kind, second.name, second.start_s) == ("function_call", "f", first.end_s)
    assert second.end_s == pytest.approx(0.65 + 9 * 0.005)
    assert [piece.text for piece in second.pieces] == ["abcd", " efgh"]


@given(
    text=st.text(alphabet=" ab.\n", max_size=60),
    chunk_ms=st.floats(1, 5_000),
    pace=st.sampled_from([0.5, 1, 8, math.inf]),
    wire=st.sampled_from(["audio/pcm", "audio/pcma"]),
    modality=st.sampled_from(["audio", "text"]),
)
def test_nothing_is_lost_in_cutting(text, chunk_ms, pace, wire, modality):
    wire = audio_format(wire)
    (only,) = plan(text, modality=modality, chunk_ms=chunk_ms, pace=pace, wire=wire)
    assert "".join(piece.text for piece in only.pieces) == text
    times = [only.start_s, *(piece.at_s for piece in only.pieces), only.end_s]
    assert times == sorted(times)
    n_samples = sum(len(piece.samples) for piece in only.pieces)
    assert n_samples == (0 if modality == "text" else len(text) * 65 * wire.sample_rate // 1000)
    assert only.end_s == pytest.approx(n_samples / wire.sample_rate / pace + (modality == "text") * only.end_s)


def test_replies_of_many_kinds():
    assert as_reply("Hi").outputs == (Speech(text="Hi"),)
    (filler,) = as_reply(1.3).outputs
    assert len(filler.text) == 20
    assert as_reply(["a", FunctionCall(name="f")]).outputs[1].arguments_json == "{}"
    assert json.loads(FunctionCall(name="f", arguments={"a": [1]}).arguments_json) == {"a": [1]}
    for bad in (None, True, -1, math.nan, b"x", [["a"]], 601):
        with pytest.raises(InvalidParameterError):
            as_reply(bad)
    with pytest.raises(InvalidParameterError):
        Reply(outputs=("text",))
    with pytest.raises(InvalidParameterError):
        as_reply("x" * 40_000)


@pytest.mark.parametrize("bad", [{"pace": 0}, {"pace": math.nan}, {"chunk_ms": 0}, {"first_output_delay_ms": -1}])
def test_delivery_is_checked(bad):
    with pytest.raises(InvalidParameterError):
        Delivery(**bad)


@pytest.mark.parametrize(
    ("then", "said"), [("repeat", ["a", "b", "a"]), ("last", ["a", "b", "b"]), ("silent", ["a", "b"])]
)
def test_scripts(then, said):
    responder = ScriptedResponder(["a", "b"], then=then)
    replies = [responder.respond(ResponseRequest(index=index)) for index in range(3)]
    assert [output.text for reply in replies for output in reply.outputs] == said


def test_bad_scripts():
    for bad in ("text", [], [None]):
        with pytest.raises(InvalidParameterError):
            ScriptedResponder(bad)
    with pytest.raises(InvalidParameterError):
        ScriptedResponder(["a"], then="stop")


def test_recordings_from_files(tmp_path):
    path = str(write_audio(tmp_path / "a.wav", np.full((800, 2), 0.25, np.float32), 8_000))
    responder = RecordedResponder(
        [path, Audio(samples=np.zeros(240, np.float32), sample_rate=24_000)], texts=["a", "b"]
    )
    first, second = (responder.respond(ResponseRequest(index=index)).outputs[0] for index in range(2))
    assert (first.text, first.audio.sample_rate, second.audio.n_samples) == ("a", 8_000, 240)
    with pytest.raises(InvalidParameterError):
        RecordedResponder([path], texts=[])


def test_the_users_last_words():
    history = [Utterance(role=r, text=t, item_id=t) for r, t in [("user", "a"), ("user", "b"), ("assistant", "c")]]
    assert ResponseRequest(index=0, history=tuple(history)).user_text == "b"
    assert ResponseRequest(index=0).user_text == ""


def test_a_text_to_speech_of_ones_own(connect):
    said = []

    def speak(text, voice):
        said.append((text, voice))
        return Audio(samples=np.zeros(22_050, np.float32), sample_rate=22_050)

    client = connect(ScriptedResponder(["Hi"]), speak=speak, delivery=Delivery(pace=math.inf, first_output_delay_ms=0))
    client.update(audio={"output": {"voice": {"id": "voice_1"}}})
    client.send({"type": "response.create"})
    data = b"".join(base64.b64decode(d["delta"]) for d in client.all("response.output_audio.delta"))
    assert len(data) == 48_000
    assert said == [("Hi", "voice_1")]


FINAL = [state for state in ResponseState if not state.active]


def test_the_table_of_a_responses_life():
    assert next_state(ResponseState.WAITING, ResponseEvent.OUTPUT) is ResponseState.GENERATING
    assert next_state(ResponseState.GENERATING, ResponseEvent.CANCEL) is ResponseState.CANCELLED
    for state in FINAL:
        for event in ResponseEvent:
            with pytest.raises(InvalidTransitionError):
                next_state(state, event)
    with pytest.raises(InvalidTransitionError):
        next_state(ResponseState.GENERATING, ResponseEvent.FAIL)


def test_tokens_and_limits():
    assert text_tokens(13) == 4
    assert audio_tokens(24_000, 24_000, agent=True) == 20
    assert audio_tokens(24_001, 24_000, agent=False) == 11
    limits = RateLimits(6_000)
    limits.use(3_000, 10.0)
    assert limits.to_list(20.0) == [{"name": "tokens", "limit": 6000, "remaining": 4000, "reset_seconds": 20.0}]


def test_idle_timer():
    timer = IdleTimer()
    assert timer.next_due_s(5_000) == math.inf
    timer.arm(2.0)
    assert timer.next_due_s(None) == math.inf
    assert timer.next_due_s(5_000) == 2.0
    assert timer.advance(2.0, 96_000, 5_000) is None
    assert timer.next_due_s(5_000) == 7.0
    assert timer.advance(7.0, 300_000, 5_000) == 96_000
    assert timer.next_due_s(5_000) == math.inf


def test_ids_are_counted_and_skip_what_is_taken():
    ids = Ids("abc")
    ids.reserve("item_abc_0002")
    ids.reserve("of the client")
    assert [ids.next("item"), ids.next("item"), ids.next("resp")] == ["item_abc_0001", "item_abc_0003", "resp_abc_0001"]
