"""Audio in and out: formats, positions, chunking, turn detection changed in mid-stream."""

from __future__ import annotations

import base64
import itertools
import math

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.bidi.realtime import (
    Delivery,
    RealtimeSession,
    RealtimeSettings,
    RecordedResponder,
    ScriptedResponder,
    babble,
)
from bidilab.bidi.realtime.memory import MemoryConnection, TimedMessage, append_messages, run_session
from bidilab.bidi.realtime.protocol.audio import AUDIO_FORMATS, audio_format
from bidilab.core.audio import Audio, to_pcm16
from bidilab.core.audiofile import read_audio
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import ServerVad, detect_turns
from bidilab.detect.vad import VadSpec, get_vad, resample
from tests.bidi.realtime.conftest import AUDIO_END_MS, AUDIO_START_MS, ENERGY, ONE_TURN_S, bursts
from tests.sizes import examples

FAST = Delivery(pace=math.inf, first_output_delay_ms=0)


def vad_events(messages):
    speech = [timed.message for timed in messages if timed.type.startswith("input_audio_buffer.speech")]
    keys = ("audio_start_ms", "audio_end_ms")
    return [(key, message[key]) for message in speech for key in keys if key in message]


def append(data):
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()}


def _babble():
    """Two phrases of the built-in voice; Silero takes some of its vowels for speech."""
    phrase = babble("Wait, wait, no, stop there. I said something else.", "marin").samples * 2
    gap = np.zeros(24_000, np.float32)
    return np.concatenate((gap, phrase, gap, phrase, gap))


SILERO = VadSpec(name="silero")
NOISE = bursts((0.528, 1.0), (1.6, 2.0), total_s=3.2)


@pytest.mark.parametrize(("vad", "samples"), [(ENERGY, NOISE), (SILERO, _babble())], ids=["energy", "silero"])
@settings(max_examples=examples(25), deadline=None)
@given(data=st.data())
def test_any_split_of_the_bytes_gives_the_same_events(vad, samples, data):
    wire = to_pcm16(samples).tobytes()
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=12).map(sorted))
    bounds = [0, *cuts, len(wire)]
    session = RealtimeSession(RealtimeSettings(delivery=FAST), ScriptedResponder(["No."]), vad=vad)
    detection = {"type": "server_vad", "silence_duration_ms": 200, "threshold": 0.2}
    update = {
        "type": "session.update",
        "session": {"type": "realtime", "audio": {"input": {"turn_detection": detection}}},
    }
    connection = MemoryConnection(session)
    connection.send(update)
    for start, end in itertools.pairwise(bounds):
        connection.send(append(wire[start:end]))
    assert vad_events(connection.received) == _expected(vad, samples, detection) != []
    committed = [m.message["item_id"] for m in connection.received if m.type == "input_audio_buffer.committed"]
    for item_id, (start_ms, end_ms) in zip(committed, _pairs(connection.received), strict=True):
        connection.send({"type": "conversation.item.retrieve", "item_id": item_id})
        audio = base64.b64decode(connection.received[-1].message["item"]["content"][0]["audio"])
        assert audio == wire[start_ms * 48 : end_ms * 48]


def _pairs(messages):
    values = [value for _, value in vad_events(messages)]
    return list(zip(values[::2], values[1::2], strict=False))


def _expected(vad, samples, detection):
    """The same by the offline detector on the resampled recording; its flushed turn is still open on the wire."""
    backend = vad.build()
    params = ServerVad(**{k: v for k, v in detection.items() if k != "type"}).canonical()
    rounded = (to_pcm16(samples) / np.float32(32768)).astype(np.float32)
    resampled = resample(rounded, 24_000, 16_000)
    lookahead = 64  # what the stream still holds back at 16 kHz (4 ms); the end is silence, so it changes nothing
    track = backend.probabilities(resampled[: len(resampled) - lookahead])
    events = []
    for turn in detect_turns(track, params, frame_samples=backend.frame_samples, sample_rate=16_000):
        events.append(("audio_start_ms", turn.audio_start // 16))
        if not turn.flushed:
            events.append(("audio_end_ms", turn.audio_end // 16))
    return events


@pytest.mark.real_audio
def test_silero_hears_in_speech_what_the_offline_detector_hears(connect, real_audio):
    path = real_audio / "speech" / "monologue_60s.flac"
    recording = read_audio(path)
    samples = resample(recording.channel()[: 20 * recording.sample_rate], recording.sample_rate, 24_000)
    samples = np.concatenate((samples, np.zeros(24_000, np.float32)))
    client = connect(vad=SILERO)
    client.speak(samples)
    events = vad_events(client.received)
    assert events == _expected(SILERO, samples, {"type": "server_vad"})
    assert len(events) >= 2


@pytest.mark.parametrize("name", ["audio/pcmu", "audio/pcma"])
def test_g711_in_and_out(connect, name):
    client = connect(ScriptedResponder(["Yes, I hear you."]), delivery=FAST)
    client.update(audio={"input": {"format": {"type": name}}, "output": {"format": {"type": name}}})
    client.speak(bursts(ONE_TURN_S, total_s=2.5, sample_rate=8_000), wire_format=name)
    assert vad_events(client.received) == [("audio_start_ms", AUDIO_START_MS), ("audio_end_ms", AUDIO_END_MS)]
    data = b"".join(base64.b64decode(d["delta"]) for d in client.all("response.output_audio.delta"))
    assert len(data) == 16 * 65 * 8  # 16 characters of 65 ms at 8 kHz, a byte each
    samples = audio_format(name).decode(data)
    assert 2_000 < np.abs(samples).max() < 12_000


@pytest.mark.parametrize(("name", "subtype"), [("audio/pcmu", "ULAW"), ("audio/pcma", "ALAW")])
def test_g711_tables_are_libsndfiles(tmp_path, name, subtype):
    samples = np.arange(-32768, 32768, 3).astype(np.int16)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, 8000, subtype=subtype)
    expected, _ = soundfile.read(path, dtype="int16")
    codec = AUDIO_FORMATS[name]
    assert np.array_equal(codec.decode(codec.encode(samples)), expected)


def test_unknown_format():
    with pytest.raises(InvalidParameterError):
        audio_format("audio/opus")


def test_positions_count_on_when_the_format_changes(connect):
    # 1 s of silence at 24 kHz, then the turn at 8 kHz: everything lies 1 s later. Frames of 32 ms do not divide 1 s:
    # 1.528 s lies in frame 47 [1504, 1536), the end 2.520 in frame 78 [2496, 2528), 2528 + 512 = 3040.
    client = connect()
    client.speak(np.zeros(24_000, np.float32))
    client.update(audio={"input": {"format": {"type": "audio/pcmu"}}})
    client.speak(bursts(ONE_TURN_S, total_s=2.5, sample_rate=8_000), wire_format="audio/pcmu")
    assert vad_events(client.received) == [("audio_start_ms", 1504 - 300), ("audio_end_ms", 3040)]


def test_a_format_change_converts_what_is_in_the_buffer(connect):
    client = connect()
    client.update(audio={"input": {"turn_detection": None}})
    client.speak(bursts((0, 1), total_s=1.0))
    client.update(audio={"input": {"format": {"type": "audio/pcma"}}})
    client.speak(bursts((0, 0.5), total_s=0.5, sample_rate=8_000), wire_format="audio/pcma")
    (committed, *_) = client.ask("input_audio_buffer.commit")
    (retrieved,) = client.ask("conversation.item.retrieve", item_id=committed["item_id"])
    assert len(base64.b64decode(retrieved["item"]["content"][0]["audio"])) == 12_000


def test_a_cut_sample_waits_for_its_rest(connect):
    client = connect()
    client.update(audio={"input": {"turn_detection": None}})
    wire = to_pcm16(bursts((0, 0.1), total_s=0.1)).tobytes()
    for start in range(0, len(wire), 7):
        client.send(append(wire[start : start + 7]))
    (committed, *_) = client.ask("input_audio_buffer.commit")
    (retrieved,) = client.ask("conversation.item.retrieve", item_id=committed["item_id"])
    assert base64.b64decode(retrieved["item"]["content"][0]["audio"]) == wire


@pytest.mark.parametrize(("eagerness", "wait_ms"), [("low", 2000), ("medium", 1000), ("auto", 1000), ("high", 500)])
def test_semantic_vad_waits_a_quarter_of_the_longest_wait(connect, eagerness, wait_ms):
    client = connect()
    client.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}})
    client.speak(bursts(ONE_TURN_S, total_s=5.0))
    frames = -(-wait_ms // 32)
    assert vad_events(client.received) == [("audio_start_ms", 212), ("audio_end_ms", 1536 + 32 * frames)]
    assert client.one("response.created")


def test_silence_changed_in_the_midst_of_a_turn(connect):
    client = connect()
    client.speak(bursts(ONE_TURN_S, total_s=1.0))
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 100}}})
    client.speak(bursts((0, 0.520), total_s=1.0))
    assert vad_events(client.received)[1] == ("audio_end_ms", 1536 + 128)


def test_detection_turned_off_in_the_midst_of_a_turn_leaves_the_audio_to_the_client(connect):
    client = connect()
    client.speak(bursts(ONE_TURN_S, total_s=1.0))
    client.update(audio={"input": {"turn_detection": None}})
    client.speak(bursts((0, 0.5), total_s=1.0))
    assert not client.all("input_audio_buffer.speech_stopped")
    (committed, *_) = client.ask("input_audio_buffer.commit")
    assert committed["item_id"] == client.one("input_audio_buffer.speech_started")["item_id"]
    client.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})
    client.speak(bursts(ONE_TURN_S, total_s=2.5))
    # Turned on after 2 s of audio: frames start there.
    assert vad_events(client.received)[1:] == [
        ("audio_start_ms", 2000 + AUDIO_START_MS),
        ("audio_end_ms", 2000 + AUDIO_END_MS),
    ]


def test_commit_in_the_midst_of_a_turn(connect):
    client = connect()
    client.speak(bursts(ONE_TURN_S, total_s=1.0))
    (committed, *_) = client.ask("input_audio_buffer.commit")
    started = client.one("input_audio_buffer.speech_started")
    assert committed["item_id"] == started["item_id"]
    client.speak(bursts((0, 0.520), total_s=1.5))
    # The same speech goes on: a new turn, from where the committed audio ended; so do the frames. 1520 ms lies in
    # frame 16 from there [1512, 1544), and 1544 + 512 = 2056.
    assert vad_events(client.received)[1:] == [("audio_start_ms", 1000), ("audio_end_ms", 2056)]
    assert client.all("input_audio_buffer.committed")[1]["item_id"] != started["item_id"]


def test_clear_in_the_midst_of_a_turn(connect):
    client = connect()
    client.speak(bursts(ONE_TURN_S, total_s=1.0))
    client.send({"type": "input_audio_buffer.clear"})
    client.speak(np.zeros(48_000, np.float32))
    assert not client.all("input_audio_buffer.speech_stopped", "response.created")


def test_an_hour_of_silence_does_not_stay_in_memory(connect):
    client = connect()
    ten_minutes_of_silence = append(bytes(15 * 1024 * 1024))
    for _ in range(4):
        client.send(ten_minutes_of_silence)
    assert client.session._user._audio._n_samples <= 62 * 24_000


def test_an_append_of_15_mib_and_no_more(connect):
    client = connect()
    client.update(audio={"input": {"format": {"type": "audio/pcmu"}, "turn_detection": None}})
    client.send(append(bytes(15 * 1024 * 1024)))
    assert not client.all("error")
    client.send(append(bytes(15 * 1024 * 1024 + 1)))
    assert client.one("error")["error"]["param"] == "audio"
    client.send(append(bytes(15 * 1024 * 1024)))
    client.send(append(bytes(15 * 1024 * 1024)))
    assert client.all("error")[-1]["error"]["code"] == "input_audio_buffer_full"


def test_a_recorded_voice_is_heard_as_it_is(connect):
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000)).astype(np.float32)
    client = connect(RecordedResponder([Audio(samples=tone, sample_rate=24_000)]), delivery=FAST)
    client.send({"type": "response.create"})
    data = b"".join(base64.b64decode(d["delta"]) for d in client.all("response.output_audio.delta"))
    assert data == to_pcm16(tone).tobytes()
    transcript = client.one("response.output_audio_transcript.done")["transcript"]
    assert transcript == "[recording 1.00 s]"


def test_speed_changes_the_length(connect):
    client = connect(ScriptedResponder(["a" * 20]), delivery=FAST)
    client.update(audio={"output": {"speed": 0.5}})
    client.send({"type": "response.create"})
    data = b"".join(base64.b64decode(d["delta"]) for d in client.all("response.output_audio.delta"))
    assert len(data) / 48 == pytest.approx(2 * 20 * 65, abs=1)


@pytest.mark.parametrize("pace", [1, 8])
def test_the_pace_does_not_move_the_turns(pace):
    # Three turns, each barging into the response to the one before; what the agent does must not move what is heard.
    samples = bursts((0.528, 1.52), (3.1, 4.0), (6.0, 6.5), total_s=8.0)
    session = RealtimeSession(RealtimeSettings(delivery=Delivery(pace=pace)), ScriptedResponder([6.0]), vad=ENERGY)
    messages = run_session(session, append_messages(samples), until_s=20)
    assert vad_events(messages) == _expected(ENERGY, samples, {"type": "server_vad"})
    statuses = [m.message["response"]["status"] for m in messages if m.type == "response.done"]
    # At 1x six seconds take six: both are cut. At 8x they take 0.75 s and are done before the user speaks.
    assert statuses == (["cancelled", "cancelled", "completed"] if pace == 1 else ["completed"] * 3)


def test_run_session_is_deterministic():
    def play():
        session = RealtimeSession(RealtimeSettings(), ScriptedResponder(["Hello."]), vad=ENERGY)
        inputs = [*append_messages(bursts(ONE_TURN_S, total_s=2.5)), TimedMessage(at_s=1.0, message="{")]
        return run_session(session, inputs, until_s=5.0)

    assert play() == play()


def test_backends_are_shared(connect):
    backend = get_vad("energy")
    first, second = connect(vad=backend), connect(vad=backend)
    first.speak(bursts(ONE_TURN_S, total_s=2.5))
    second.speak(bursts(ONE_TURN_S, total_s=2.5))
    assert vad_events(first.received) == vad_events(second.received) != []
