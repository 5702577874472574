"""One `Reply` for both sides: what may stand for one, what a number is, and that both sides make the same of it."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest

from bidilab.bidi.local.model import BidiLocalModel
from bidilab.bidi.local.voice import RecordedVoice
from bidilab.bidi.realtime import RealtimeSession, RealtimeSettings, babble
from bidilab.bidi.realtime.memory import MemoryConnection
from bidilab.bidi.reply import (
    CallableResponder,
    Delivery,
    FunctionCall,
    RecordedResponder,
    Reply,
    ResponseRequest,
    ScriptedResponder,
    Speech,
    ToolRequest,
    UserSpeech,
    as_reply,
    as_text_to_speech,
    as_transcriber,
)
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiResponseCompleteEvent,
    BidiTranscriptStreamEvent,
)
from bidilab.core.audio import Audio
from bidilab.core.audiofile import write_audio
from bidilab.core.clock import running_clock
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import VadSpec
from tests.sessions import bursts, hold, local_model

ENERGY = VadSpec(name="energy")
ALL_AT_ONCE = Delivery(first_output_delay_ms=0, pace=math.inf)
SECOND = Audio(samples=np.full(8000, 0.1, np.float32), sample_rate=8000)


def by_the_server(responder, **settings):
    """A response of the server: its audio at 24 kHz, its transcript, and its end."""
    session = RealtimeSession(RealtimeSettings(delivery=ALL_AT_ONCE, **settings), responder, vad=ENERGY)
    client = MemoryConnection(session)
    client.send({"type": "response.create"})
    client.advance_to(700.0)
    messages = [timed.message for timed in client.received]
    pcm = b"".join(base64.b64decode(m["delta"]) for m in messages if m["type"] == "response.output_audio.delta")
    text = "".join(m["delta"] for m in messages if m["type"] == "response.output_audio_transcript.delta")
    return pcm, text, messages[-1]["response"]


def by_the_local_model(responder, user=None, **options):
    """The same of a session on the virtual clock, in which the user speaks once; and when the sound began."""
    model = local_model(responder, **options)
    _, _, taken = hold(bursts((4, 10), total=40) if user is None else user, model=model)
    pcm = b"".join(event.data for event in taken.of(BidiAudioStreamEvent))
    told = [e.text for e in taken.of(BidiTranscriptStreamEvent) if e.role == "assistant" and e.is_final]
    return pcm, " ".join(told), taken


@pytest.mark.parametrize(
    "reply",
    [
        Reply(length_ms=2000),
        Reply(length_s=2),
        Reply(outputs=(Speech(length_ms=1500), Speech(length_ms=500))),
        Reply(audio=Audio(samples=np.zeros(16_000, np.float32), sample_rate=8000)),
        2.0,
    ],
)
def test_a_length_is_the_same_on_both_sides(reply):
    responder = ScriptedResponder([reply])
    assert len(by_the_server(responder)[0]) == 2 * 48_000
    assert len(by_the_local_model(responder)[0]) == 2 * 48_000


def test_a_bare_number_has_the_unit_of_its_place_and_is_refused_where_it_can_only_be_the_other():
    assert as_reply(2.0).length_ms == 2000
    assert as_reply(np.float32(2.0)).length_ms == 2000
    assert as_reply(250, number_unit="ms").length_ms == 250
    with pytest.raises(InvalidParameterError, match=r"seconds in \(0, 600\].*write Reply\(length_ms=2000\) or"):
        ScriptedResponder([2000])
    with pytest.raises(InvalidParameterError, match=r"milliseconds from 20 on.*or Reply\(length_s=2\)"):
        BidiLocalModel(responses=[2.0])
    with pytest.raises(InvalidParameterError, match=r"no bare number.*write Reply\(length_ms=250\)"):
        Reply.of(250)
    for bad in (0, -1, math.nan, math.inf, True):
        for unit in ("s", "ms"):
            with pytest.raises(InvalidParameterError):
                as_reply(bad, number_unit=unit)
    # What a function of the local model returns is in milliseconds as well; two are refused, and the session goes on.
    pcm, _, _ = by_the_local_model(lambda _text, _history: 250)
    assert len(pcm) == 2 * 6000
    pcm, _, taken = by_the_local_model(lambda _text, _history: 2)
    assert pcm == b""
    (error,) = taken.of(BidiErrorEvent)
    assert "milliseconds from 20 on" in error.message


def test_what_may_stand_for_a_reply(tmp_path):
    path = write_audio(tmp_path / "a.wav", SECOND.samples, 8000)
    assert Reply.of("x") == Reply(text="x") == as_reply("x")
    assert Reply.of(SECOND).audio is SECOND
    assert as_reply(path).audio.n_samples == 8000
    assert as_reply(ToolRequest(name="f")).tool_calls == (ToolRequest(name="f"),)
    both = as_reply(["One moment.", FunctionCall(name="f", arguments={"a": 1})])
    assert (both.text, both.tool_calls[0].arguments_by_name()) == ("One moment.", {"a": 1})
    assert Reply() == Reply(outputs=()) == Reply(tool_calls=())
    assert Reply().text is Reply().audio is Reply().length_ms is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Reply(audio=SECOND, length_ms=3.0), "of one length"),
        (lambda: Reply(length_ms=3000, length_s=3), "of one length"),
        (lambda: Reply(text=""), "text, audio"),
        (lambda: Reply(length_ms=0), "length_ms"),
        (lambda: Reply(length_s=math.inf), "length_ms"),
        (lambda: Reply(text="x", outputs=(Speech(text="x"),)), "left out with text"),
        (lambda: Reply(outputs=("x",)), "Speech, ToolRequest"),
        (lambda: Speech(), "text, audio or length_ms"),
        (lambda: Reply.of(object()), "a length, Audio, a Path"),
        (lambda: Reply.of(None), "a length, Audio, a Path"),
        (lambda: Reply.of([["x"]]), "a length, Audio, a Path"),
        (lambda: ScriptedResponder([]), "at least one"),
        (lambda: ToolRequest(name="f", input="[1]").arguments_by_name(), "JSON object"),
        (lambda: as_transcriber(lambda: ""), "UserSpeech, or of samples and rate"),
        (lambda: as_transcriber("x"), "a function"),
        (lambda: as_text_to_speech("x"), "say"),
        (lambda: RealtimeSettings(speak="x"), "say"),
        (lambda: RealtimeSettings(transcribe=lambda a, b, c: ""), "UserSpeech, or of samples and rate"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(InvalidParameterError, match=message):
        make()


def test_what_nobody_has_words_for_is_labelled_on_the_server_only():
    responder = ScriptedResponder([SECOND])
    assert by_the_server(responder)[1] == "[recording 1.00 s]"
    assert by_the_local_model(responder)[1] == ""
    pcm, text, _ = by_the_server(ScriptedResponder([Reply(length_ms=1300)]))
    assert (len(pcm), len(text)) == (2 * 31_200, 20)
    named = RecordedResponder([SECOND], texts=["Ping."])
    assert by_the_server(named)[1] == by_the_local_model(named)[1] == "Ping."


def test_a_length_that_no_server_should_make_is_refused():
    _, _, response = by_the_server(ScriptedResponder([Reply(length_s=601)]))
    assert response["status"] == "failed"
    assert "length_ms must be at most 600000" in response["status_details"]["error"]["message"]


def test_the_local_model_asks_a_responder_as_the_server_does():
    asked: list[ResponseRequest] = []

    def answer(request):
        asked.append(request)
        return Reply(length_ms=100, tool_calls=[ToolRequest(name="look_up")]) if request.index == 0 else Reply()

    user = bursts((4, 10), (40, 46), total=60)
    by_the_local_model(CallableResponder(answer), user=user, transcripts=lambda speech: "Where is it?")
    first, second = asked[0], asked[-1]
    assert (first.index, first.user_text, first.output_modality) == (0, "Where is it?", "audio")
    assert [u.role for u in second.history if u.role.startswith("function")] == [
        "function_call",
        "function_call_output",
    ]
    assert [r.index for r in asked] == list(range(len(asked)))


def test_a_responder_that_is_a_coroutine_is_for_the_local_model():
    async def answer(request):
        await running_clock().sleep_s(0.01)
        return Reply(length_ms=200)

    responder = CallableResponder(answer)
    assert len(by_the_local_model(responder)[0]) == 2 * 4800
    _, _, response = by_the_server(responder)
    assert "no coroutine" in response["status_details"]["error"]["message"]


def test_a_reply_has_its_own_delivery_on_both_sides():
    # The turn (frames 4 to 10) ends with frame 13: 448 ms. Without a delivery the first sample is heard 200 ms later.
    delivery = Delivery(first_output_delay_ms=500, chunk_ms=50, pace=math.inf)
    _, _, taken = by_the_local_model(ScriptedResponder([Reply(length_ms=100, delivery=delivery)]))
    audio = [(at_s, len(e.data)) for at_s, e in taken.events if isinstance(e, BidiAudioStreamEvent)]
    assert audio == [(pytest.approx(0.948), 2400), (pytest.approx(0.948), 2400)]
    slow = Reply(length_ms=100, delivery=Delivery(pace=0.5))
    _, _, taken = by_the_local_model(ScriptedResponder([slow]))
    (error,) = taken.of(BidiErrorEvent)
    assert "delivery.pace" in error.message
    assert [e.stop_reason for e in taken.of(BidiResponseCompleteEvent)] == ["error"]


def test_an_error_of_a_responder_ends_the_response_also_after_a_slow_transcriber():
    async def slowly(speech):
        await running_clock().sleep_s(0.1)
        return "Hello"

    def broken(_text, _history):
        raise LookupError("no idea")

    _, _, taken = by_the_local_model(broken, transcripts=slowly)
    assert [e.stop_reason for e in taken.of(BidiResponseCompleteEvent)] == ["error"]


def test_one_voice_for_both_sides():
    voice = RecordedVoice()
    sentence = voice.sentences[0]
    pcm, text, _ = by_the_server(ScriptedResponder([sentence]), speak=voice)
    assert (len(pcm) // 2, text) == (pytest.approx(1.5 * voice.say(sentence).n_samples, abs=1), sentence)
    pcm, text, _ = by_the_local_model(ScriptedResponder(["Good morning."]), voice=babble)
    assert (len(pcm), text) == (2 * babble("Good morning.").n_samples, "Good morning.")


def test_one_transcriber_for_both_sides():
    def of_speech(speech):
        return f"{speech.duration_s:.1f} s at {speech.sample_rate}"

    def of_samples(samples, rate=1):
        return f"{len(samples) / rate:.1f} s at {rate}"

    speech = UserSpeech(samples=np.zeros(8000, np.float32), sample_rate=16_000, item_id="i")
    assert as_transcriber(of_speech)(speech) == "0.5 s at 16000"
    assert as_transcriber(of_samples, first="samples")(speech) == "0.5 s at 16000"
    assert as_transcriber(lambda samples, rate: str(rate))(speech) == "16000"
    assert as_transcriber(lambda speech: "x", first="samples")(speech) == "x"
    for transcribe in (of_speech, of_samples):
        _, _, taken = by_the_local_model([1000.0], transcripts=transcribe)
        assert [e.text for e in taken.of(BidiTranscriptStreamEvent) if e.role == "user"] == ["0.3 s at 16000"]


def heard_by_the_server(transcribe):
    session = RealtimeSession(RealtimeSettings(transcribe=transcribe), ScriptedResponder(["x"]), vad=ENERGY)
    client = MemoryConnection(session)
    wanted = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
    client.send({"type": "session.update", "session": {"type": "realtime", "audio": wanted}})
    audio = base64.b64encode(bytes(2 * 24_000)).decode()
    client.send({"type": "input_audio_buffer.append", "audio": audio})
    client.send({"type": "input_audio_buffer.commit"})
    client.advance_to(1.0)
    last = [timed.message for timed in client.received if "transcription" in timed.type][-1]
    return last.get("transcript", json.dumps(last.get("error")))


def test_a_transcriber_of_the_server_gives_words_at_once():
    async def slowly(speech):
        return "x"

    assert heard_by_the_server(lambda samples, rate: f"{len(samples)} at {rate}") == "24000 at 24000"
    assert heard_by_the_server(lambda speech: None) == ""
    assert "no coroutine" in heard_by_the_server(slowly)
