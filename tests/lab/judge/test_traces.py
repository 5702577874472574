"""The recordings of real stacks with planted truth: what the sound tells, and what it tells with known ends."""

import json
from functools import cache

import numpy as np
import pytest

from bidilab.core.audiofile import read_audio
from bidilab.core.units import s_to_samples
from bidilab.lab.judge.exchange import ToldEnd
from bidilab.lab.judge.hearing import hear
from bidilab.lab.judge.rule import JudgeRule
from bidilab.lab.judge.run import judged_from

pytestmark = pytest.mark.real_audio

FIXTURES = {
    "planted": ("call.flac", 1),
    "livekit": ("recording.ogg", 1),
    "openai": ("client_recording.flac", 1),
    "pipecat": ("recording.flac", 1),
    "twilio": ("dual_channel.flac", 1),
    "vapi": ("stereo.flac", 1),
    "retell": ("stereo.flac", 2),
}
LATER_S = {"twilio": 1.37}  # the recording begins before the stream whose clock the truth is on


@cache
def _heard(file, channel):
    return hear(read_audio(file), channel)


def judged(traces, name, told=()):
    file, channel = FIXTURES[name]
    path = traces / name / file
    one = _heard(path, channel)
    return judged_from(
        {name: one}, rule=JudgeRule(), root=path, files={name: path}, digests={name: ""}, told=lambda _: told
    )


def expected(traces, name):
    return json.loads((traces / name / "expected.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", FIXTURES)
def test_onsets_stops_and_latencies(traces, name):
    """Onsets to 20 ms and stops to 70 ms; the end of a response that went on is none of the stack's doing."""
    truth, later = expected(traces, name), LATER_S.get(name, 0.0)
    result = judged(traces, name)
    table = result.overlaps
    assert len(table) == len(truth["overlaps"])
    for row, want in zip(table.to_dict("records"), truth["overlaps"], strict=True):
        assert row["onset_s"] - later == pytest.approx(want["onset_s"], abs=0.02)
        if want["outcome"] != "not yielded":
            assert row["agent_silent_s"] - later == pytest.approx(want["agent_silent_s"], abs=0.07)
            assert row["talk_over_ms"] == pytest.approx(want["talk_over_ms"], abs=90)
        assert (row["outcome"] == "not yielded") == (want["outcome"] == "not yielded")
    timed = result.responses.dropna(subset=["latency_ms"])
    wanted = truth["response_latencies"]
    assert timed["start_s"].sub(later).tolist() == pytest.approx([r["response_s"] for r in wanted], abs=0.05)
    assert timed["latency_ms"].tolist() == pytest.approx([r["response_latency_ms"] for r in wanted], abs=90)


def test_planted_from_the_sound_alone(traces):
    table = judged(traces, "planted").overlaps
    assert table["kind"].tolist() == [
        *("interruption", "backchannel", "noise", "interruption", "interruption", "interruption")
    ]
    assert table["outcome"].tolist() == [
        *("ambiguous", "not yielded", "yielded", "not yielded", "ambiguous", "ambiguous")
    ]
    assert table["p_cut"].iloc[0] > 0.5
    np.testing.assert_allclose(table["silent_ms"].iloc[[0, 2, 4, 5]], [500, 400, 294, 300], atol=90)
    assert table["talk_over_ms"].iloc[3] == pytest.approx(2154, abs=40)
    assert table["resumed_s"].iloc[2] == pytest.approx(25.098, abs=0.02)
    assert table["false_stop"].fillna(False).tolist() == [False, False, True, False, False, False]
    responses = judged(traces, "planted").responses
    cut_in = responses[responses["begins"] == "cut-in"]
    assert cut_in["start_s"].tolist() == pytest.approx([44.792], abs=0.02)


def test_planted_with_what_a_trace_would_tell_of_the_ends(traces):
    truth = json.loads((traces / "planted" / "truth.json").read_text())
    told = [ToldEnd(position=s_to_samples(r["end_s"], 16_000), how=r["ended"], by="trace") for r in truth["responses"]]
    result = judged(traces, "planted", told)
    want = [overlap["outcome"] for overlap in expected(traces, "planted")["overlaps"]]
    assert result.overlaps["outcome"].tolist() == want
    assert result.overlaps["evidence"].tolist() == ["trace", "time", "trace", "time", "trace", "trace"]
    row = result.totals.iloc[0]
    assert (row["n_yielded"], row["n_not_yielded"], row["n_finished"]) == (1, 1, 2)
    assert (row["n_false_stops"], row["n_spoken_on"], row["n_cut_ins"]) == (1, 1, 1)
    assert result.rates.loc["not_yielded_rate", "value"] == 0.5


def test_a_hum_that_stops_an_agent_is_a_false_stop_after_which_it_resumes(traces):
    """LiveKit: in no message, but in the sound. The fourth of five overlaps; the last is spoken on over."""
    table = judged(traces, "livekit").overlaps
    hum = table.iloc[3]
    assert hum["kind"] == "backchannel"  # for the sound, a hum is short speech
    assert hum["p_cut"] > 0.9
    assert hum["resumed_s"] == pytest.approx(22.47, abs=0.02)
    assert table["silent_ms"].iloc[:4].tolist() == pytest.approx([286, 346, 246, 246], abs=30)
    assert table["talk_over_ms"].iloc[4] == pytest.approx(1720, abs=20)
