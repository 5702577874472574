"""A call with known truth, judged from its audio: edges, kinds, outcomes, answers."""

import numpy as np
import pytest

from bidilab.core.audio import Audio
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.dsp.mixing import db_to_gain
from bidilab.lab.datasets import load_dataset
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.tracks import band_levels_db
from bidilab.lab.judge import judge
from bidilab.lab.judge.echo import find_echo
from bidilab.lab.judge.hearing import Heard, hear
from tests.conftest import ROOT
from tests.lab.judge.calls import RATE, Call, clip, responses

ONSET_S, STOP_S = 0.02, 0.07


@pytest.fixture(scope="module")
def judged(recorded):
    folder, _, cache = recorded
    return judge(folder, user_channel=1, cache=cache, progress=False)


def test_overlaps_are_found_where_they_are(judged, recorded):
    at = recorded[1]
    table = judged.overlaps
    assert table["kind"].tolist() == ["interruption", "backchannel", "noise"]
    np.testing.assert_allclose(table["onset_s"], [at["interruption"], at["backchannel"], at["cough"]], atol=ONSET_S)
    np.testing.assert_allclose(table["agent_silent_s"], [at["cut"], at["r2_end"], at["false_stop"]], atol=STOP_S)
    np.testing.assert_allclose(table["silent_ms"].iloc[[0, 2]], [450, 400], atol=1000 * (ONSET_S + STOP_S))
    assert table["talk_over_ms"].iloc[1] == pytest.approx(
        1000 * (at["backchannel_end"] - at["backchannel"]), abs=1000 * STOP_S
    )


def test_a_stop_by_a_cough_after_which_the_agent_goes_on_is_false(judged, recorded):
    at = recorded[1]
    row = judged.overlaps.iloc[2]
    assert (row["outcome"], row["evidence"], row["false_stop"]) == ("yielded", "resume", True)
    assert row["resumed_s"] == pytest.approx(at["resumed"], abs=ONSET_S)
    stop = judged.stops.iloc[-1]
    assert (stop["cause"], stop["p_cut"]) == ("noise", 1)
    assert stop["resume_ms"] == pytest.approx(1800, abs=90)


def test_a_backchannel_talked_through_is_not_yielded_to(judged):
    row = judged.overlaps.iloc[1]
    assert (row["outcome"], row["false_stop"], row["p_cut"]) == ("not yielded", False, 0)


def test_from_the_sound_alone_a_stop_by_speech_is_a_probability(judged):
    row = judged.overlaps.iloc[0]
    assert row["evidence"] in ("sound", "chance")
    assert 0.05 < row["p_cut"] < 1


def test_answers_are_timed_from_the_end_of_the_turn(judged):
    after = judged.responses[judged.responses["begins"] == "after the user"]
    np.testing.assert_allclose(after["latency_ms"], [800, 1000, 900], atol=1000 * STOP_S)
    assert judged.responses["begins"].iloc[-1] == "by itself"


@pytest.fixture(scope="module")
def both():
    """A short call with both sides, of which the agent's is clean."""
    call = Call(13)
    call.says(clip("bram", "turn", 1), 0.5)
    call.answers(responses(1), 4.5)
    call.answers(responses(2), 8.5)
    return call


def refused(samples, match, user_channel=1):
    with pytest.raises(AudioError, match=match):
        hear(Audio(samples=np.asarray(samples, dtype=np.float32), sample_rate=RATE, name="call"), user_channel)


def test_a_mix_of_both_sides_is_refused_and_the_switches_are_named(both):
    mix = both.user + both.agent
    for switch in ("num_channels=2", "recordingChannels=dual", "stereoUrl", "recording_multi_channel_url"):
        refused(mix, switch)
    refused(np.stack([mix, 0.5 * mix], 1), "the same mix")
    refused(np.stack([both.user, both.agent, mix], 1), "3 channels")
    refused(np.stack([mix, both.agent], 1), "holds the agent too")


@pytest.mark.parametrize("n_samples", [0, 1, 79, 15_999])
def test_what_is_too_short_to_be_a_call_is_refused(n_samples):
    refused(np.random.default_rng(0).normal(0, 0.1, (n_samples, 2)), "at least 1 s")


@pytest.mark.parametrize("rate", [8000, 44_100])
def test_noise_of_a_second_is_heard(rate):
    noise = np.random.default_rng(0).normal(0, 0.1, (rate, 2)).astype(np.float32)
    assert hear(Audio(samples=noise, sample_rate=rate), 1).n_samples == rate


def test_the_wrong_device_is_refused(both):
    """The agent, 25 ms later and 2 dB down, and nothing else."""
    late = np.concatenate([np.zeros(400), db_to_gain(-2) * both.agent])[: len(both.agent)]
    refused(np.stack([late, both.agent], 1), "holds the agent too, -2 dB")


def test_a_silent_side_is_named(both):
    silent = np.zeros_like(both.user)
    refused(np.stack([silent, both.agent], 1), "the user's channel is silent")
    refused(np.stack([both.user, silent], 1), "the agent's channel is silent")
    refused(np.stack([silent, silent], 1), "both channels are silent")


def test_channels_that_look_swapped_are_told(both):
    room = Call(13, noise_db=-52)
    room.user += both.user
    room.agent += both.agent
    assert hear(room.audio(), 1).warning == ""
    assert "look swapped" in hear(room.audio(), 2).warning
    assert "look swapped" in hear(room.audio(swapped=True), 1).warning


def test_which_channel_is_the_users_must_be_said(both):
    for wrong in (None, 0, 3, True):
        with pytest.raises(InvalidParameterError, match="user_channel"):
            hear(both.audio(), wrong)


def test_swapped_channels_are_heard_alike(both):
    there, back = hear(both.audio(), 1), hear(both.audio(swapped=True), 2)
    assert (there.user, there.agent) == (back.user, back.agent)
    assert Heard.from_dict(there.to_dict()) == there


@pytest.mark.parametrize("gain_db", [-5, -15, -25])
def test_an_echo_is_found_with_its_level_down_to_25_db_below(gain_db):
    audio = load_dataset(ROOT / "datasets" / "overlap-mini")["early-clean-02"].audio()
    user, agent = (audio.channel(k).astype(np.float64) for k in (0, 1))
    later = int(0.09 * RATE)
    user = user + np.random.default_rng(0).normal(0, db_to_gain(-65), len(user))
    silent = [band_levels_db(c.astype(np.float32), bandwidth_hz=7600, silence_dbfs=-75)[0] for c in (user, agent)]
    assert find_echo(*silent, LabelRule()) is None
    user[later:] += db_to_gain(gain_db) * agent[:-later]
    levels = [band_levels_db(c.astype(np.float32), bandwidth_hz=7600, silence_dbfs=-75)[0] for c in (user, agent)]
    echo = find_echo(*levels, LabelRule())
    assert echo.gain_db == pytest.approx(gain_db, abs=2)
    assert echo.lag_ms == pytest.approx(90, abs=30)


def test_what_an_echo_explains_is_no_speech_of_the_user():
    """The agent at -10 dB in the user's channel, and an interruption that is none of it."""
    call = Call(20, noise_db=-60)
    call.answers(responses(1, 2, 3), 1.0)
    end = call.says(clip("bram", "interruption", 2), 5.0)
    later = int(0.12 * RATE)
    call.user[later:] += db_to_gain(-10) * call.agent[:-later]
    found = hear(call.audio(), 1)
    assert found.echo_db == pytest.approx(-10, abs=2)
    speech = [u for u in found.user if u.over_echo_db >= 6 and not u.sound]
    assert speech[0].start / RATE == pytest.approx(5.0, abs=0.1)
    assert speech[-1].end / RATE == pytest.approx(end, abs=0.15)
