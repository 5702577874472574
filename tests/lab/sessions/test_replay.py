"""Replays: of a recording, of a file, of a dataset; and what the labels say of their interruptions."""

import asyncio
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

import bidilab as bl
from bidilab.bidi.log.eventlog import EventLog
from bidilab.cli.app import app
from bidilab.core.audio import Audio
from bidilab.core.errors import CredentialsError, DatasetError, InvalidParameterError, MissingExtraError
from bidilab.detect.turns import LiveKitVad, ServerVad, Turn, TurnParams, detect_turns
from bidilab.detect.vad import ProbabilityCache, VadSpec, speech_probabilities_of_files
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.metrics.members import members_of
from bidilab.lab.metrics.stops import response_plan
from bidilab.lab.sessions import replay, replay_dataset
from bidilab.lab.sessions.logged import logged_turns
from bidilab.lab.sessions.source import Source
from bidilab.lab.sessions.verdicts import verdicts
from tests.agreement.comparison import ROOT
from tests.sessions import bursts, hold, local_model

OVERLAP_MINI = ROOT / "datasets" / "overlap-mini"


@pytest.fixture(scope="module")
def recording():
    return bl.load_dataset(OVERLAP_MINI)["early-clean-01"]


@pytest.mark.slow
def test_a_recording_gives_the_turns_of_the_sweep(recording, tmp_path):
    setting = {"type": "server_vad", "threshold": 0.6, "silence_duration_ms": 400}
    made = replay(recording, turn_detection=setting, out=tmp_path / "out")
    vad = VadSpec().build()
    track = vad.probabilities(recording.user())
    assert made.turns == detect_turns(track, made.params, frame_samples=512, sample_rate=16000)
    assert made.params == TurnParams(threshold=0.6, silence_duration_ms=400)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"events.jsonl", "events.parquet", "session.wav", "timeline.svg", "timeline.png"} <= names
    assert list(EventLog.read(tmp_path / "out" / "events.jsonl")) == list(made.log)
    assert len(pd.read_parquet(tmp_path / "out" / "events.parquet")) == len(made.events)
    both, rate = soundfile.read(tmp_path / "out" / "session.wav")
    assert (both.shape[1], rate) == (2, 24000)
    assert made.summary in repr(made)
    assert "<table" in made._repr_html_()
    again = replay(recording, turn_detection=setting, out=tmp_path / "out")  # in the place of the first
    assert len(again.log) == len(EventLog.read(tmp_path / "out" / "events.jsonl"))


def test_inside_a_running_loop_as_in_a_notebook(recording):
    async def cell():
        return replay(recording, turn_detection=TurnParams(silence_duration_ms=300))

    made = asyncio.run(cell())
    assert made.turns == replay(recording, turn_detection=TurnParams(silence_duration_ms=300)).turns


def test_a_file_without_labels(tmp_path):
    path = tmp_path / "user.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    made = replay(path)
    assert (made.name, made.turns, len(made.interruptions)) == ("user", (), 0)
    assert "0 turns" in made.summary


def test_what_cannot_be_replayed(recording, tmp_path):
    with pytest.raises(InvalidParameterError, match="recording"):
        replay(3)
    with pytest.raises(InvalidParameterError, match="one of the"):
        replay(f"{OVERLAP_MINI}#nothing")
    with pytest.raises(DatasetError):
        replay(f"{tmp_path}#nothing")
    with pytest.raises(InvalidParameterError, match="its own"):
        replay(recording, local_model(), turn_detection=TurnParams())
    with pytest.raises(InvalidParameterError, match="real"):
        replay(recording, "openai")
    with pytest.raises(InvalidParameterError, match="real"):
        replay(recording, "gemini")
    with pytest.raises(InvalidParameterError, match='"local", "openai", "gemini", "nova"'):
        replay(recording, "another")


def test_what_a_provider_lacks_is_said_in_words(recording, monkeypatch):
    for name in ("OPENAI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CredentialsError, match="OPENAI_API_KEY"):
        replay(recording, "openai", clock="real")
    with pytest.raises(CredentialsError, match="GOOGLE_API_KEY"):
        replay(recording, "gemini", clock="real")
    monkeypatch.setenv("GEMINI_API_KEY", "not-a-key")
    monkeypatch.setitem(sys.modules, "google.genai", None)
    with pytest.raises(MissingExtraError, match="bidilab\\[gemini\\]"):
        replay(recording, "gemini", clock="real")
    with pytest.raises(InvalidParameterError, match="GeminiActivityDetection or its dict for gemini"):
        replay(recording, "gemini", clock="real", turn_detection=ServerVad())


def test_the_local_model_takes_any_providers_setting_at_what_it_means(recording):
    made = replay(recording, turn_detection=LiveKitVad())
    assert made.params == LiveKitVad().canonical()
    assert made.turns == replay(recording, turn_detection=LiveKitVad().canonical()).turns


def test_verdicts():
    """The agent is heard from 0.936 s (14976), and from 1.768 s after the second turn.

    ::

        frame   10   19          40  45             60 61            90 91
        user    ██████           ███                ██               ██          at 16 kHz, 32 ms a frame
        label   turn  (0.32-     interruption       (the turn       backchannel
                0.64)            1.28-1.47          goes on)
    """
    labels = [
        Segment(start_s=0.32, end_s=0.64, channel="user", kind="turn"),
        Segment(start_s=1.25, end_s=2.0, channel="user", kind="interruption"),
        Segment(start_s=2.88, end_s=2.95, channel="user", kind="backchannel"),
    ]
    user = bursts((10, 19), (40, 45), (60, 61), (90, 91), total=130)
    agent, _, _ = hold(user, model=local_model([3000.0]))
    table = verdicts(agent.log, labels)
    assert table["outcome"].tolist() == ["detected", "continued", "false"]
    assert table["latency_ms"].tolist()[0] == pytest.approx(62.0)  # decided at 1.312 s, begun at 1.25 s
    # The second response is the agent's answer in a pause of the interruption, which then goes on.
    assert table["cause"].fillna("").tolist() == ["", "", "backchannel"]
    # Where nothing is detected it is missed; where the response came into it, the user went on.
    late = [Segment(start_s=1.25, end_s=2.0, channel="user", kind="turn")]
    deaf = verdicts(hold(bursts((10, 19), total=130), model=local_model([3000.0]))[0].log, late)
    assert deaf["outcome"].tolist() == ["missed"]
    long = [Segment(start_s=0.32, end_s=1.5, channel="user", kind="turn")]
    table = verdicts(hold(bursts((10, 19), (40, 45)), model=local_model([500.0]))[0].log, long)
    assert table.fillna({"cause": ""})[["outcome", "cause", "kind"]].to_numpy().tolist() == [["continued", "", "turn"]]


def test_a_response_that_nobody_heard_was_not_interrupted_falsely():
    """A turn in two pieces, 160 ms apart, ends at 0.736 s; its answer would be heard at 0.936 s and never is.

    ::

        frame   10   19    25    40               100 104
        user    ██████     ████████               ████       at 16 kHz, 32 ms a frame
        label   turn (0.32-         1.31)         interruption (3.2-3.36)
        agent              ^ cut unheard, at 0.832
                                    from 1.608 on █████^ cut at 3.232 s
    """
    user = bursts((10, 19), (25, 40), (100, 104), total=140)
    turn = Segment(start_s=0.32, end_s=1.31, channel="user", kind="turn")
    stop = Segment(start_s=3.2, end_s=3.36, channel="user", kind="interruption")
    agent, _, _ = hold(user, model=local_model([3000.0]))
    table = verdicts(agent.log, [turn, stop])
    assert table["outcome"].tolist() == ["unheard", "detected"]
    assert table[["cause", "kind"]].iloc[0].isna().all()
    assert table[["onset_s", "decided_s", "heard_ms"]].iloc[0].tolist() == pytest.approx([0.8, 0.832, 0.0])


@pytest.mark.parametrize("chunk_ms", [32, 50])
@pytest.mark.parametrize(
    ("start_s", "expected"),
    [(0.735, ("continued", "")), (0.736, ("detected", "")), (0.9, ("detected", ""))],
)
def test_speech_that_begins_between_creation_and_the_first_audible_sample(start_s, expected, chunk_ms):
    """The answer is decided on at 0.736 s, whenever the chunk arrives that decides, and heard from 0.936 s on.

    ::

        frame   10   19        30 45       at 16 kHz, 32 ms a frame
        user    ██████         ████
        label   turn    interruption (to 1.44)
        agent              ^   ██^ cut, decided at 0.992 s
    """
    label = Segment(start_s=start_s, end_s=1.44, channel="user", kind="interruption")
    agent, _, _ = hold(bursts((10, 19), (30, 45), total=60), model=local_model([3000.0]), chunk_ms=chunk_ms)
    table = verdicts(agent.log, [label])
    assert table.fillna({"cause": ""})[["outcome", "cause"]].iloc[0].tolist() == list(expected)
    if expected[0] == "detected":
        assert table["latency_ms"].tolist() == pytest.approx([(0.992 - start_s) * 1000])


@pytest.mark.parametrize(("start_s", "outcomes"), [(0.75, []), (0.935, []), (0.936, ["missed"])])
def test_what_begins_before_the_agent_is_heard_is_not_missed(start_s, outcomes):
    """The agent is heard from 0.936 s: before that, it is the agent that began in the user's speech."""
    agent, _, _ = hold(bursts((10, 19), total=130), model=local_model([3000.0]))
    label = Segment(start_s=start_s, end_s=1.4, channel="user", kind="interruption")
    assert verdicts(agent.log, [label])["outcome"].tolist() == outcomes
    backchannel = Segment(start_s=start_s, end_s=1.4, channel="user", kind="backchannel")
    assert verdicts(agent.log, [backchannel]).empty


@pytest.mark.parametrize("start_s", [3.736, 3.737])
def test_what_stops_the_very_end_of_a_response_stops_it(start_s):
    """The agent would be heard until 3.936 s; it is cut at 3.872 s (frame 120)."""
    agent, _, _ = hold(bursts((10, 19), (120, 129), total=140), model=local_model([3000.0]))
    label = Segment(start_s=start_s, end_s=4.2, channel="user", kind="interruption")
    table = verdicts(agent.log, [label])
    assert table["outcome"].tolist() == ["detected"]
    assert table["latency_ms"].tolist() == pytest.approx([(3.872 - start_s) * 1000])


def test_without_labels_no_stop_is_false():
    agent, _, _ = hold(bursts((10, 19), (60, 70), total=100), model=local_model([3000.0]))
    assert verdicts(agent.log, [])["outcome"].tolist() == ["unlabelled"]
    turn = Segment(start_s=0.32, end_s=0.64, channel="user", kind="turn")
    assert verdicts(agent.log, [turn])[["outcome", "cause"]].to_numpy().tolist() == [["false", "none"]]


def test_a_stop_is_put_down_to_what_ought_to_stop_the_agent_first():
    """The guards act at 2.432 s on what begins at 1.92 s, in the noise; the interruption begins in that, at 2.2 s.

    ::

        frame   10   19          60        85       at 16 kHz, 32 ms a frame
        user    ██████           ███████████
        label   turn             noise             (1.92-2.72)
                                       interruption (2.2-2.9)
        agent          from 0.936 ███████^ cut at 2.432 s
    """
    model = local_model([3000.0], guards=bl.Guards(min_interruption_ms=500))
    agent, _, _ = hold(bursts((10, 19), (60, 85), total=100), model=model)
    noise = Segment(start_s=1.92, end_s=2.72, channel="user", kind="noise")
    stop = Segment(start_s=2.2, end_s=2.9, channel="user", kind="interruption")
    table = verdicts(agent.log, [noise, stop])  # the user was not heard by then: neither detected nor missed
    assert table[["outcome", "cause"]].to_numpy().tolist() == [["false", "noise"]]
    over = [Segment(start_s=1.9, end_s=2.72, channel="user", kind="interruption"), noise]
    assert verdicts(agent.log, over)["outcome"].tolist() == ["detected"]


def test_what_another_event_crowds_is_not_missed():
    """A noise ends at 1.8 s, and nothing is heard: what begins less than 200 ms later is no fair test of it."""
    agent, _, _ = hold(bursts((10, 19), total=130), model=local_model([3000.0]))
    noise = Segment(start_s=1.4, end_s=1.8, channel="user", kind="noise")
    for start_s, outcomes in ((1.999, []), (2.0, ["missed"])):
        stop = Segment(start_s=start_s, end_s=2.5, channel="user", kind="interruption")
        assert verdicts(agent.log, [noise, stop])["outcome"].tolist() == outcomes


@pytest.mark.parametrize(("kind", "start_s", "outcomes"), [
    ("turn", 3.736, ["missed"]),
    ("turn", 3.737, []),
    ("interruption", 3.737, ["missed"]),
    ("interruption", 3.936, []),
])  # fmt: skip
def test_a_turn_at_the_very_end_of_a_response_is_not_a_missed_interruption(kind, start_s, outcomes):
    """The agent is heard from 0.936 s to 3.936 s; 200 ms of it must be left for a turn."""
    agent, _, _ = hold(bursts((10, 19), total=140), model=local_model([3000.0]))
    label = Segment(start_s=start_s, end_s=start_s + 0.5, channel="user", kind=kind)
    assert verdicts(agent.log, [label])["outcome"].tolist() == outcomes


def test_what_is_heard_as_the_agent_has_said_all_is_not_missed():
    """The agent is heard until 3.936 s; the user begins at 3.8 s and is heard from frame 123 (3.936 s) on."""
    agent, _, _ = hold(bursts((10, 19), (123, 132), total=140), model=local_model([3000.0]))
    label = Segment(start_s=3.8, end_s=4.24, channel="user", kind="interruption")
    assert verdicts(agent.log, [label]).empty
    deaf, _, _ = hold(bursts((10, 19), total=140), model=local_model([3000.0]))
    assert verdicts(deaf.log, [label])["outcome"].tolist() == ["missed"]


@pytest.mark.slow
def test_a_dataset_side_by_side(tmp_path):
    dataset = bl.load_dataset(OVERLAP_MINI)[:2]
    made = replay_dataset(dataset, jobs=2, progress=False, out=tmp_path)
    alone = replay_dataset(dataset, jobs=1, progress=False)
    assert [r.name for r in made] == [r.id for r in dataset]
    assert made.recordings.equals(alone.recordings)
    assert made.interruptions.equals(alone.interruptions)
    assert made[dataset[1].id].turns == alone[dataset[1].id].turns
    assert (tmp_path / dataset[1].id / "events.jsonl").exists()
    assert "2 recordings" in repr(made)
    with pytest.raises(KeyError):
        made["nothing"]


def test_the_command(tmp_path):
    out = tmp_path / "out"
    wav = tmp_path / "user.wav"
    soundfile.write(wav, bursts((10, 19)), 16000)
    done = CliRunner().invoke(app, ["replay", str(wav), "--turn-detection", "threshold=0.4", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "user: 0 turns" in done.output
    assert (out / "events.jsonl").exists()
    for bad in (["--model", "x"], ["--turn-detection", "threshold"], ["--turn-detection", "treshold=1"]):
        failed = CliRunner().invoke(app, ["replay", str(wav), "--out", str(out), *bad])
        assert isinstance(failed.exception, InvalidParameterError)


def test_turns_of_which_a_provider_does_not_tell_all_are_left_out():
    """OpenAI tells where the audio of a turn starts, the onset only behind a whole padding, and no decision."""
    log = EventLog(session_id="s")
    untold = {"audio_start_samples": 2400, "onset_samples": 9600, "sample_rate": 24000}
    told = {**untold, "decided_at_samples": 10368}
    stop = {"offset_samples": 36000, "decided_at_samples": 48000, "flushed": False, "sample_rate": 24000}
    no_offset = {"decided_at_samples": 48000, "flushed": False, "sample_rate": 24000}
    for start, end in ((untold, stop), (told, no_offset), (told, stop)):
        log.append("speech_started", source="detector", detail=start)
        log.append("speech_stopped", source="detector", detail=end)
    assert logged_turns(log) == (Turn(9600, 10368, 2400, 36000, 48000, 48000, False),)


def test_a_session_answers_with_the_very_lengths_of_a_simulated_sweep():
    """At 16 kHz the response lies from sample 0.48, so 0, to 16000.64, so 16001; 1.00001 s alone would be 16000."""
    response = Segment(start_s=0.00003, end_s=1.00004, channel="agent", kind="response")
    source = Source(name="x", user=Audio(samples=np.zeros(32000, np.float32), sample_rate=16000), segments=(response,))
    assert source.response_lengths_ms(16_000) == (1000.0625,)
    labels = members_of([response], sample_rate=16000, duration_samples=32000)
    plan = response_plan(labels, response_delay_ms=300, response_ms="recorded")
    assert plan.lengths_ms == source.response_lengths_ms(16_000)


def test_audio_in_memory():
    made = replay(Audio(samples=bursts((10, 19)), sample_rate=16000), local_model([500.0]))
    assert len(made.turns) == 1
    assert [round(s.start_s, 3) for s in made.spoken] == [
        0.936
    ]  # decided at 0.736 s, told at 0.74 s, heard when it was due


@pytest.mark.parametrize("name", ["early-clean-01", "early-telephone-01"])  # 16 and 8 kHz
def test_known_probabilities_change_nothing(name, tmp_path, monkeypatch):
    """After a sweep a session takes its probabilities from the cache: the same log, row by row."""
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path))
    recording = bl.load_dataset(OVERLAP_MINI)[name]
    live = replay(recording).events
    speech_probabilities_of_files([(recording.path, 0, None)], VadSpec(), ProbabilityCache())
    known = replay(recording).events
    first = [json.loads(frame["detail"].iloc[0])["probabilities_known"] for frame in (live, known)]
    assert first == [False, True]
    same = ["t_s", "source", "type", "response_id", "input_samples", "playback_samples", "reason", "stop_reason"]
    pd.testing.assert_frame_equal(live[same], known[same])
    decisions = live["source"] == "detector"
    assert live["detail"][decisions].tolist() == known["detail"][decisions].tolist()


def test_the_log_gives_the_latency_that_the_page_on_it_says(tmp_path):
    """`docs/event-log.md`, its code as it stands, on a replay that is saved and read."""
    made = replay(bl.load_dataset(OVERLAP_MINI)["one-word-clean-03"])
    made.log.write(tmp_path / "events.jsonl")
    page = (ROOT / "docs" / "event-log.md").read_text("utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL))
    namespace = {}
    exec(code.replace("DIR/", f"{tmp_path.as_posix()}/"), namespace)
    assert namespace["cut"]["t_s"] == namespace["speech"]["t_s"]  # written in one instant
    first = made.log.interruptions().iloc[0]
    assert namespace["latency_ms"] == pytest.approx(first["onset_to_detected_ms"] + first["detected_to_event_ms"])
    assert namespace["latency_ms"] >= 32
    assert namespace["log"].rows == made.log.rows


def test_each_latency_of_a_replay_is_a_difference_of_at_s():
    made = replay(bl.load_dataset(OVERLAP_MINI)["one-word-clean-03"])
    rows, told = made.events, made.interruptions
    events = rows[rows["type"] == "bidi_interruption"]
    decided = rows[rows["type"] == "interruption_decided"].set_index("response_id")["at_s"]
    cleared = rows[rows["type"] == "playback_cleared"].set_index("response_id")["at_s"]
    assert len(events) >= 3
    for at_s, response_id in zip(events["at_s"], events["response_id"], strict=True):
        started = rows[(rows["type"] == "speech_started") & (rows["at_s"] < at_s)]["at_s"].iloc[-1]
        one = made.log.interruptions().set_index("response_id").loc[response_id]
        assert one["onset_s"] == started
        assert one["onset_to_detected_ms"] == pytest.approx((decided[response_id] - started) * 1000)
        assert one["detected_to_event_ms"] == pytest.approx((at_s - decided[response_id]) * 1000)
        assert one["event_to_silent_ms"] == pytest.approx((cleared[response_id] - at_s) * 1000)
        assert 0 < one["onset_to_silent_ms"] < 100
    judged = told.set_index("response_id").loc[list(events["response_id"])]
    assert judged["event_s"].tolist() == events["at_s"].tolist()
    assert judged["decided_s"].tolist() == pytest.approx(decided.tolist())


@pytest.mark.realtime
def test_interrupting_a_cell_that_replays_in_real_time_leaves_nothing_running():
    program = """
import asyncio, os, signal, threading
import numpy as np
import bidilab as bl
from bidilab.core.audio import Audio
minute = Audio(samples=np.zeros((960_000, 1), np.float32), sample_rate=16_000)
async def cell():
    try:
        bl.replay(minute, clock="real")
    except KeyboardInterrupt:
        print([thread.name for thread in threading.enumerate() if thread is not threading.main_thread()])
def interrupt():
    while not any(thread.name.startswith("bidilab") for thread in threading.enumerate()):
        pass
    threading.Event().wait(0.5)
    os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
watch = threading.Thread(target=interrupt, name="watch", daemon=True)
watch.start()
loop = asyncio.new_event_loop()  # whose SIGINT is Python's own, as in a kernel
loop.run_until_complete(cell())
loop.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
