"""ReplayPlayer: its numbers are the sweep's, its prediction is the session, and it says what it does not know."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

import bidilab as bl
from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.audio import Audio
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Turn
from bidilab.lab.sweep import Grid, sweep
from bidilab.show.widgets.replay.player import controls_data
from bidilab.show.widgets.replay.subject import Subject
from bidilab.show.widgets.replay.trial import turns_frame
from tests.conftest import ROOT

MINI = f"{ROOT / 'datasets' / 'overlap-mini'}#early-clean-01"
DID = {"stopped": "detected", "stopped_falsely": "false", "continued": "continued"}
GRID = Grid(threshold=[0.3, 0.6, 0.9], prefix_padding_ms=[0, 300], silence_duration_ms=[200, 800])


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def session():
    return bl.replay(MINI, turn_detection=bl.ServerVad(threshold=0.6, silence_duration_ms=400))


def stereo(folder, *, channels=2, rate=16_000):
    """10 s: the user speaks (noise) at 1 to 2 and 5 to 6 s, the agent at 3 to 7 s."""
    rng = np.random.default_rng(0)
    samples = np.zeros((10 * rate, 2), np.float32)
    for channel, start_s, end_s in ((0, 1, 2), (0, 5, 6), (1, 3, 7)):
        n = (end_s - start_s) * rate
        samples[start_s * rate : start_s * rate + n, channel] = rng.normal(0, 0.1, n)
    path = folder / "call.wav"
    soundfile.write(path, samples[:, :channels], rate)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("evaluation", ["recorded", "simulated"])
@pytest.mark.parametrize("index", range(3))
def test_the_numbers_are_those_of_a_sweep_of_the_recording(result, evaluation, index):
    alone = sweep(
        result.dataset[index : index + 1],
        GRID,
        vad="energy",
        evaluation=evaluation,
        cache=False,
        jobs=1,
        progress=False,
    )
    player = bl.ReplayPlayer(result.dataset[index], vad="energy", evaluation=evaluation)
    name = result.dataset[index].id
    for setting in range(len(GRID)):
        params = alone.params(setting)
        player.threshold = params.threshold
        player.prefix_padding_ms = params.prefix_padding_ms
        player.silence_duration_ms = params.silence_duration_ms
        assert player.params == params
        assert player.turns == alone.turns(name, setting)
        pd.testing.assert_frame_equal(player.events, alone.events(setting))
        of_sweep = alone.settings.loc[setting, player.row.index]
        pd.testing.assert_series_equal(player.row.astype(float), of_sweep.astype(float), check_names=False)
        left_out = set(alone.settings) - set(player.row.index)
        assert all(
            column.endswith(("_lo", "_hi")) or column in alone.axes for column in left_out
        )  # one has no interval


def test_the_prediction_is_what_the_session_did(session):
    player = bl.ReplayPlayer(session)
    assert player.params == session.params
    assert player.evaluation == "simulated"
    assert tuple(turn for turn in player.turns if not turn.flushed) == session.turns
    columns = ["outcome", "onset_s", "decided_s"]
    predicted, happened = player.interruptions, session.interruptions[columns]
    assert len(happened) > 0
    # A session tells what it did at what its agent was speaking at.
    met = predicted[predicted["decided_s"].notna() | (predicted["in_session"] == "spoke_on")].reset_index(drop=True)
    did = met["in_session"].map(DID).where(met["decided_s"].notna(), "missed")
    predicted = met.assign(outcome=did)[columns]
    pd.testing.assert_frame_equal(predicted.astype({"outcome": str}), happened.astype({"outcome": str}))
    beside = player.recording["session"]
    assert [turn["started_s"] for turn in beside["turns"]] == [turn.started_at / 16_000 for turn in session.turns]
    assert [event["cut_s"] for event in beside["events"]] == happened["decided_s"].tolist()
    assert "bidi_audio_stream" not in {row["type"] for row in beside["rows"]}
    player.threshold = 0.95  # what is tried moves, what happened does not
    assert player.recording["session"] == beside
    assert player.log is session.log


def test_what_the_page_sets_is_what_the_cell_reads(result):
    player = bl.ReplayPlayer(result.dataset[0], vad="energy")
    before = player.decisions
    player.set_state({"threshold": 0.35, "silence_duration_ms": 250})
    assert (player.params.threshold, player.params.silence_duration_ms) == (0.35, 250)
    assert player.decisions["setting"]["threshold"] == 0.35
    assert player.decisions["turns"] != before["turns"]
    assert player.decisions["threshold"] == 0.35
    player.set_state({"evaluation": "simulated"})
    assert player.decisions["responses"] is not None
    assert not player.decisions["agent_audio"]
    json.dumps(player.decisions, allow_nan=False)


def test_a_setting_of_its_own_kind(result):
    given = bl.TurnParams(threshold=0.6, deactivation_threshold=0.5, min_speech_ms=64, silence_duration_ms=3000)
    player = bl.ReplayPlayer(result.dataset[0], vad="energy", params=given)
    assert player.params == given
    assert "silence 3000 ms, min speech 64 ms\n" in repr(player)
    sliders = player.controls["sliders"]
    assert sliders["threshold"]["least"] == 0.5
    assert sliders["silence_duration_ms"]["greatest"] == 3000
    with pytest.raises(InvalidParameterError, match="deactivation_threshold"):
        player.threshold = 0.4
    assert player.params == given
    assert bl.ReplayPlayer(result.dataset[0], vad="energy", params=bl.ServerVad(threshold=0.7)).threshold == 0.7


def test_without_labels_nothing_is_true_or_false(tmp_path):
    player = bl.ReplayPlayer(stereo(tmp_path), vad="energy")
    assert player.evaluation == "recorded"
    (response,) = [s for s in player.recording["segments"] if s["channel"] == "agent"]
    assert response["start_s"] == pytest.approx(3.0, abs=0.04)  # within a frame
    assert response["end_s"] == pytest.approx(7.0, abs=0.04)
    (row,) = player.interruptions.to_dict("records")
    assert row["outcome"] == "unlabelled"
    assert row["onset_s"] == pytest.approx(5.0, abs=0.04)
    assert pd.isna(row["cause"])
    assert pd.isna(row["latency_ms"])
    assert dict(player.row) == {"n_detector_turns": 2, "n_interruptions": 1}
    words = " ".join(player.controls["notes"])
    assert "without a verdict" in words
    assert "found on its channel" in words
    assert "false interruption" not in player.static_form().text


def test_a_mono_file_has_a_simulated_agent_only(tmp_path):
    player = bl.ReplayPlayer(stereo(tmp_path, channels=1), vad="energy")
    assert player.controls["evaluations"] == ["simulated"]
    assert list(player.recording["channels"]) == ["user"]
    with pytest.raises(InvalidParameterError, match="one of simulated"):
        player.evaluation = "recorded"


def test_audio_in_memory_is_what_its_file_is(tmp_path):
    path = stereo(tmp_path)
    samples, rate = soundfile.read(path, dtype="float32")
    of_memory = bl.ReplayPlayer(Audio(samples=samples, sample_rate=rate, name="call"), vad="energy")
    assert of_memory.turns == bl.ReplayPlayer(path, vad="energy").turns


def test_a_log_alone_shows_what_happened(session):
    player = bl.ReplayPlayer(session.log)
    assert player.turns == session.turns
    assert (
        player.interruptions["decided_s"].tolist()
        == session.log.interruptions().eval("onset_s + onset_to_detected_ms / 1000").tolist()
    )
    assert set(player.interruptions["outcome"]) == {"unlabelled"}
    assert player.controls["evaluations"] == []
    assert "audio=" in player.controls["notes"][0]
    assert player.recording["channels"] == {}
    assert player.recording["probability"] is None
    heard = [(s["start_s"], s["end_s"]) for s in player.decisions["responses"]]
    assert heard == [(s.start_s, s.end_s) for s in session.spoken]
    assert len(player.to_frame()) == len(session.turns)
    assert player.static_form().png
    with pytest.raises(InvalidParameterError, match="left out for a log"):
        player.evaluation = "simulated"


def test_a_log_with_the_audio_it_heard(session):
    player = bl.ReplayPlayer(session.log, audio=MINI, params=session.params)
    assert player.evaluation == "simulated"
    assert player.interruptions["decided_s"].tolist() == session.interruptions["decided_s"].tolist()
    assert [e["outcome"] for e in player.recording["session"]["events"]] == session.interruptions["outcome"].tolist()


@pytest.mark.parametrize(
    ("recording", "options", "message"),
    [
        (MINI, {"audio": MINI}, "audio"),
        (MINI, {"evaluation": "imagined"}, "recorded, simulated"),
        (MINI, {"params": {"threshold": 0.5}}, "params"),
        (MINI, {"response_delay_ms": -1}, "response_delay_ms"),
        (MINI, {"min_overlap_ms": -1}, "min_overlap_ms"),
        (MINI, {"vad": "ears"}, "vad"),
        (17, {}, "recording"),
        (EventLog(), {}, "at least one row"),
    ],
)
def test_what_is_refused(recording, options, message):
    with pytest.raises(InvalidParameterError, match=message):
        bl.ReplayPlayer(recording, **{"vad": "energy"} | options)


def test_a_turn_and_what_it_did():
    turns = (
        Turn(16_000, 16_512, 11_200, 32_000, 40_000, 40_000, False),
        Turn(80_000, 80_512, 75_200, 96_000, 96_000, 96_000, True, "flush"),
    )
    events = pd.DataFrame(
        {
            "outcome": ["missed", "false"],
            "in_session": ["spoke_on", "stopped_falsely"],
            "cause": [None, "noise"],
            "kind": ["turn", "noise"],
            "decided_s": [np.nan, 80_512 / 16_000],
            "latency_ms": [np.nan, np.nan],
        }
    )
    table = turns_frame(turns, events, 16_000)
    assert table.loc[0, ["onset_s", "started_s", "audio_start_s", "offset_s", "stopped_s"]].tolist() == [
        1.0,
        1.032,
        0.7,
        2.0,
        2.5,
    ]
    assert table["flushed"].tolist() == [False, True]
    assert table["outcome"].isna().tolist() == [True, False]
    told = table.loc[1, ["outcome", "in_session", "cause", "kind"]]
    assert told.tolist() == ["false", "stopped_falsely", "noise", "noise"]
    assert turns_frame((), events, 16_000).empty


def test_the_static_form_says_what_the_widget_says(result):
    player = bl.ReplayPlayer(result.dataset[0], vad="energy")
    data, _ = player._repr_mimebundle_()
    numbers = {number["label"]: number["value"] for number in player.decisions["numbers"]}
    for label, value in numbers.items():
        assert f"{label}: {value}" in data["text/plain"]
    assert int(numbers["false stops, of any cause"]) == int(player.row["n_false"])
    assert data["image/png"]
    assert "<b>" not in data["text/html"].replace("<b>", "", 1)  # the one is the title's
    player.threshold = 0.9
    assert "threshold 0.9" in player._repr_mimebundle_()[0]["text/plain"]
    assert repr(player).startswith("ReplayPlayer r0, recorded, energy 1: threshold 0.9")


def test_requests_of_the_page(result, monkeypatch):
    player = bl.ReplayPlayer(result.dataset[0], vad="energy")
    sent = []
    monkeypatch.setattr(player, "send", lambda content, buffers: sent.append((content, buffers)))
    request = {"kind": "audio", "channel": "agent", "start_s": 2.5, "end_s": 2.75, "request": "q"}
    player._handle_custom_msg(request, [])
    ((content, (data,)),) = sent
    assert content == {"reply": "q", "sample_rate": 16_000, "start_samples": 40_000}
    expected = np.rint(result.dataset[0].agent()[40_000:44_000] * 32768).clip(-32768, 32767)
    np.testing.assert_array_equal(np.frombuffer(data, "<i2"), expected)


def test_the_labels_of_the_controls_have_units(result):
    from bidilab.detect.vad import VadSpec

    subject = Subject.of(result.dataset[0], VadSpec.of("energy"))
    sliders = controls_data(subject, bl.TurnParams())["sliders"]
    assert {name: slider["unit"] for name, slider in sliders.items()} == {
        "threshold": "",
        "prefix_padding_ms": "ms",
        "silence_duration_ms": "ms",
    }
    assert sliders["threshold"]["least"] == 0.0


def test_a_session_is_tried_with_the_detector_that_it_had(result):
    made = bl.replay(result.dataset[0], vad="energy", turn_detection=bl.ServerVad(threshold=0.4))
    player = bl.ReplayPlayer(made)
    assert tuple(turn for turn in player.turns if not turn.flushed) == made.turns
    assert "energy" in player.static_form().title


def test_no_number_is_shown_twice(result):
    player = bl.ReplayPlayer(result.dataset[0], vad="energy", evaluation="simulated")
    labels = [number["label"] for number in player.decisions["numbers"]]
    assert len(labels) == len(set(labels)) > 10
