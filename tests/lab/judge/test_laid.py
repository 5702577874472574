"""Calls judged with what their stacks told of them: each fixture end to end, pairing, and traces that do not fit."""

import json
import shutil

import pytest

import bidilab as bl
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.judge.traces import TraceError
from tests.conftest import ROOT
from tests.sessions import keep

RECORDINGS = {
    "livekit": "recording.ogg",
    "openai": "client_recording.flac",
    "pipecat": "recording.flac",
    "twilio": "dual_channel.flac",
    "vapi": "stereo.flac",
    "retell": "stereo.flac",
}


def judged(traces, name, trace, **how):
    folder = traces / name
    return bl.judge(folder / RECORDINGS[name], trace=folder / trace, progress=False, **how)


@pytest.mark.slow
@pytest.mark.real_audio
@pytest.mark.parametrize(
    ("name", "trace", "channel", "later_s"),
    [
        ("livekit", "session_report.json", 1, 0),
        ("livekit", "spans.jsonl", 1, 0),
        ("openai", "events.jsonl", 1, 0),
        ("pipecat", "speech_events.jsonl", 1, 0),
        ("twilio", "stream.jsonl", 1, 1.37),
        ("vapi", "webhooks.jsonl", 1, 0),
    ],
)
def test_with_its_trace_a_call_is_judged_as_it_was(traces, name, trace, channel, later_s):
    """Every overlap's end and outcome, as planted; the user's channel is found from the trace."""
    result = judged(traces, name, trace)
    assert result.calls["user_channel"].tolist() == [channel]
    assert not result.problems
    truth = json.loads((traces / name / "expected.json").read_text())["overlaps"]
    assert len(result.overlaps) == len(truth)
    for row, want in zip(result.overlaps.to_dict("records"), truth, strict=True):
        assert row["onset_s"] - later_s == pytest.approx(want["onset_s"], abs=0.02)
        assert (row["agent_end"], row["outcome"]) == (want["agent_end"], want["outcome"])
        if want["outcome"] != "not yielded":
            assert row["silent_ms"] == pytest.approx(want["to_silence_ms"], abs=70)
    assert result.alignment["spread_ms"].max() < 20


@pytest.mark.slow
@pytest.mark.real_audio
@pytest.mark.parametrize(
    ("name", "trace", "channel"), [("retell", "call.json", 2), ("vapi", "end-of-call-report.json", 1)]
)
def test_the_users_channel_is_found_where_no_format_fixes_it(traces, name, trace, channel):
    result = judged(traces, name, trace)
    assert result.calls["user_channel"].tolist() == [channel]
    assert result.overlaps["text"].dropna().str.contains("not what I asked for").any()


@pytest.mark.real_audio
def test_openais_event_silence_and_leak(traces):
    """JUDGE §9: 162, 180 and 18 ms; the onset of the sound is known to 20 ms."""
    first = judged(traces, "openai", "events.jsonl", user_channel=1).overlaps.iloc[0]
    assert first["event_ms"] == pytest.approx(162, abs=20)
    assert first["silent_ms"] == pytest.approx(180, abs=20)
    assert first["leak_ms"] == pytest.approx(18, abs=10)
    assert "silence_duration_ms=500" in first["settings"]


@pytest.mark.slow
@pytest.mark.real_audio
def test_telemetry_of_generation_tells_the_cuts(traces):
    """Strands' spans have no ends of sound; what was interrupted was cut."""
    for trace in ("spans-1.54.jsonl", "spans-1.62.jsonl"):
        result = bl.judge(
            traces / "planted" / "call.flac", trace=traces / "strands" / trace, user_channel=1, progress=False
        )
        assert result.overlaps["outcome"].tolist()[:4] == ["yielded", "not yielded", "yielded", "not yielded"]
        assert result.overlaps["event_ms"].iloc[0] == pytest.approx(440, abs=20)


@pytest.mark.real_audio
def test_a_trace_of_another_call_is_left_aside_with_a_word(traces):
    result = bl.judge(
        traces / "planted" / "call.flac",
        trace=traces / "pipecat" / "speech_events.jsonl",
        user_channel=1,
        progress=False,
    )
    assert ["judged without its trace" in str(problem) for problem in result.problems] == [True]
    assert result.alignment.empty
    assert len(result.overlaps) == 6


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Two sessions of ours, each with its log beside its recording."""
    root = tmp_path_factory.mktemp("sessions")
    for name in ("early-clean-01", "loud-clean-01"):
        made = root / "made" / name
        keep(bl.replay(f"{ROOT / 'datasets' / 'overlap-mini'}#{name}"), made)
        (root / "calls").mkdir(exist_ok=True)
        (root / "logs").mkdir(exist_ok=True)
        shutil.copy(made / "session.wav", root / "calls" / f"{name}.wav")
        shutil.copy(made / "events.jsonl", root / "logs" / f"{name}.jsonl")
    return root


def test_logs_pair_with_calls_by_name(sessions):
    result = bl.judge(sessions / "calls", trace=sessions / "logs", progress=False)
    assert sorted(result.alignment["call"]) == ["early-clean-01", "loud-clean-01"]
    assert (result.alignment["offset_s"].abs() < 0.001).all()
    assert set(result.settings["setting"]) >= {"threshold", "silence_duration_ms"}
    told = result.overlaps[result.overlaps["evidence"] == "bidilab log"]
    assert len(told)
    stops = told[told["outcome"] == "yielded"]
    assert (stops["event_ms"].dropna() > 0).all()
    assert stops["leak_ms"].dropna().abs().max() < 60


def test_one_trace_for_many_calls_is_refused(sessions):
    with pytest.raises(TraceError, match="give a folder of traces"):
        bl.judge(sessions / "calls", trace=sessions / "logs" / "early-clean-01.jsonl", progress=False)


def test_traces_that_belong_to_no_call_are_named(sessions, tmp_path):
    shutil.copy(sessions / "logs" / "early-clean-01.jsonl", tmp_path / "other.jsonl")
    with pytest.raises(TraceError, match="no trace belongs to a call"):
        bl.judge(sessions / "calls", trace=tmp_path, progress=False)
    shutil.copy(sessions / "logs" / "early-clean-01.jsonl", tmp_path / "early-clean-01.jsonl")
    result = bl.judge(sessions / "calls", trace=tmp_path, user_channel=1, progress=False)
    assert any("belongs to none of the calls" in str(problem) for problem in result.problems)


def test_without_a_trace_the_channel_must_be_said(sessions):
    with pytest.raises(InvalidParameterError, match="user_channel"):
        bl.judge(sessions / "calls", progress=False)
