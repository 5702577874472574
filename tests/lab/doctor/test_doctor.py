"""Planted faults are named first; sound recordings and logs give nothing."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import bidilab as bl
from bidilab.cli.app import app
from bidilab.core.audio import Audio
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.lab.doctor import doctor
from bidilab.lab.doctor.causes import CAUSES
from bidilab.lab.doctor.rules import SOUND_RULES, STORY_RULES
from bidilab.lab.judge.traces import TraceError
from tests.conftest import ROOT
from tests.lab.doctor.plants import IN_LOG, IN_SOUND, UNIX, ClientLog, call, planted
from tests.sessions import keep
from tests.sizes import examples

OVERLAP_MINI = ROOT / "datasets" / "overlap-mini"
PASSED_BY = {"backchannel", "noise", "side-speech"}
"""False stops of a session are the agent's, not a fault of its making."""


def test_every_cause_has_one_test():
    assert {*SOUND_RULES, *STORY_RULES} == {*CAUSES}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(examples(1)))
@pytest.mark.parametrize("name", IN_SOUND)
def test_faults_in_the_sound_are_named_first(name, seed):
    rng = np.random.default_rng(seed)
    audio = bl.load_dataset(OVERLAP_MINI)["late-clean-01"].audio() if name == "ducked" else call(seed)
    found = doctor(planted(audio, name, rng), user_channel=1)
    assert found.causes[:1] == [name], found
    assert not [f for f in found.findings[1:] if f.cause.complaint != CAUSES[name].complaint], found


@pytest.mark.parametrize("seed", range(examples(1)))
def test_a_sound_call_gives_nothing(seed):
    found = doctor(call(seed), user_channel=1)
    assert found.causes == [], found
    assert "nothing found" in repr(found)


@pytest.mark.parametrize("name", ["early-clean-01", "soft-clean-01"])
def test_sound_recordings_give_nothing(name):
    recording = bl.load_dataset(OVERLAP_MINI)[name]
    assert doctor(recording.path, user_channel=1).causes == []


@pytest.mark.parametrize("name", IN_LOG)
def test_faults_in_a_clients_log_are_named_first(name, tmp_path):
    ClientLog(tmp_path / "events.jsonl", **IN_LOG[name])
    found = doctor(tmp_path / "events.jsonl")
    assert found.causes[:1] == [name], found
    assert "there is no recording" in repr(found)


def test_a_sound_clients_log_gives_nothing(tmp_path):
    ClientLog(tmp_path / "events.jsonl")
    found = doctor(tmp_path / "events.jsonl")
    assert found.causes == [], found
    assert dict(found.facts)["audio sent"] == "1.00 s of the user's audio per second"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recording", "how", "cause"),
    [
        ("early-clean-01", {"turn_detection": {"interrupt_response": False}}, "interruptions-off"),
        ("soft-clean-01", {"turn_detection": {"threshold": 0.97}}, "threshold-high"),
        ("early-clean-01", {"turn_detection": {"silence_duration_ms": 3000}}, "still-in-turn"),
        ("one-word-clean-01", {"guards": bl.Guards(min_interruption_ms=1500)}, "guard"),
        ("late-clean-01", {"turn_detection": {"silence_duration_ms": 200}}, "cut-in"),
        ("late-clean-01", {"turn_detection": {"threshold": 0.1}}, "threshold-low"),
    ],
)
def test_faults_of_a_sessions_settings_are_named_first(recording, how, cause, tmp_path):
    keep(bl.replay(f"{OVERLAP_MINI}#{recording}", **how), tmp_path / "session")
    found = doctor(tmp_path / "session")
    assert found.causes[:1] == [cause], found


@pytest.mark.parametrize("recording", ["late-clean-01"])
def test_a_session_at_the_defaults_has_no_fault_of_its_making(recording, tmp_path):
    keep(bl.replay(f"{OVERLAP_MINI}#{recording}"), tmp_path / "session")
    assert not {*doctor(tmp_path / "session").causes} - PASSED_BY


@pytest.mark.real_audio
def test_a_recorder_that_lost_time_is_named(traces):
    """Pipecat's input stalls for 0.9 s, and then a burst: the user's channel and the bot's are later from there on."""
    audio = bl.read_audio(traces / "pipecat" / "recording.flac")
    at, by = 20 * audio.sample_rate, int(0.82 * audio.sample_rate)
    samples = np.concatenate([audio.samples[:at], np.zeros((by, 2), np.float32), audio.samples[at:]])
    stalled = Audio(samples=samples, sample_rate=audio.sample_rate, name="stalled")
    found = doctor(stalled, trace=traces / "pipecat" / "speech_events.jsonl")
    assert found.causes[:1] == ["recorder"], found


@pytest.mark.slow
@pytest.mark.real_audio
def test_an_uninterruptible_speech_is_told_from_its_neighbours(traces):
    """LiveKit's report says allow_interruptions: true; one speech was made with it off."""
    found = doctor(traces / "livekit" / "recording.ogg", trace=traces / "livekit" / "session_report.json")
    assert "interruptions-off" in found.causes
    planted_call = doctor(traces / "planted" / "call.flac", user_channel=1)
    assert planted_call.causes == []


def test_what_cannot_be_looked_at_is_said(tmp_path):
    mono = Audio(samples=np.zeros(RATE_2S, np.float32), sample_rate=16_000, name="mono")
    with pytest.raises(AudioError, match="two are needed"):
        doctor(mono, user_channel=1)
    with pytest.raises(InvalidParameterError, match="user_channel"):
        doctor(call())
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(TraceError, match="not in a known format"):
        doctor(tmp_path / "x.json")


RATE_2S = 32_000


def test_a_log_that_ends_early_gives_no_wrong_cause(tmp_path):
    ClientLog(tmp_path / "whole.jsonl")
    text = (tmp_path / "whole.jsonl").read_text()
    for share in (0.2, 0.5, 0.8, 0.95):
        (tmp_path / "cut.jsonl").write_text(text[: int(share * len(text))])
        found = doctor(tmp_path / "cut.jsonl")
        assert found.causes == []
        assert "1 lines of the trace, the first" in repr(found)


@pytest.mark.parametrize("by_s", [-5, -0.4, 3, 3600])
def test_a_clock_that_jumps_is_no_wrong_rate(by_s, tmp_path):
    client = ClientLog(tmp_path / "events.jsonl")
    moved = [{**line, "time": line["time"] + by_s * (line["time"] > UNIX + 19)} for line in client.lines]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in moved))
    assert "rate-wrong" not in doctor(tmp_path / "events.jsonl").causes


def test_two_sessions_in_one_file_are_refused(tmp_path):
    client = ClientLog(tmp_path / "events.jsonl")
    named = [
        {"time": UNIX, "source": "server", "event": {"type": "session.created", "session": {"id": f"sess_{k}"}}}
        for k in range(2)
    ]
    (tmp_path / "two.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*named, *client.lines]))
    with pytest.raises(TraceError, match="events of 2 sessions; write those of each to its own file"):
        doctor(tmp_path / "two.jsonl")
    log = bl.replay(f"{OVERLAP_MINI}#early-clean-01").log
    log.write(tmp_path / "own.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "own.jsonl").read_text().splitlines()]
    other = [{**row, "session_id": "another"} for row in rows]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, *other]))
    with pytest.raises(TraceError, match="rows of 2 sessions in one file"):
        doctor(tmp_path / "own.jsonl")


def test_on_the_command_line(tmp_path):
    keep(
        bl.replay(f"{OVERLAP_MINI}#early-clean-01", turn_detection={"interrupt_response": False}), tmp_path / "session"
    )
    done = CliRunner().invoke(app, ["doctor", str(tmp_path / "session"), "--out", str(tmp_path / "found.json")])
    assert done.exit_code == 1, done.output
    assert "not detected: interruptions-off" in done.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert [finding["name"] for finding in found["findings"]] == ["interruptions-off"]
    for line in bl.doctor(tmp_path / "session")._repr_html_(), done.output:
        assert "interrupt_response=true" in line
