"""ReplayPlayer with a scorer: its decisions are the sweep's, and what was asked is what a detector asks."""

import json

import numpy as np
import pandas as pd
import pytest

import bidilab as bl
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.scorers import RecordingScores, ScoreTrack
from bidilab.detect.turns import EndOfTurn, ScoreWanted, TurnDetector, turns_from_events
from bidilab.detect.vad import resample
from bidilab.lab.sweep import Grid, sweep
from tests.show.widgets.scorers import Loudness

GRID = {
    "threshold": [0.3, 0.6],
    "prefix_padding_ms": 300,
    "silence_duration_ms": [100, 400],
    "eot_threshold": [None, 0.2, 0.6],
    "eot_action_delay_ms": [0, 400],
    "eot_timeout_ms": [600, 1200],
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


def set_to(player, params, rule):
    with player.hold_trait_notifications():
        player.threshold, player.silence_duration_ms = params.threshold, params.silence_duration_ms
        player.by_score = rule is not None
        if rule is not None:
            player.eot_threshold, player.eot_action_delay_ms = rule.threshold, rule.action_delay_ms
            player.eot_timeout_ms = rule.timeout_ms


@pytest.mark.slow
@pytest.mark.parametrize("evaluation", ["recorded", "simulated"])
def test_decisions_are_those_of_a_sweep(result, evaluation):
    data = result.dataset[1:2]
    alone = sweep(data, Grid(**GRID, eot=Loudness()), vad="energy", evaluation=evaluation, jobs=1, progress=False)
    player = bl.ReplayPlayer(data[0], vad="energy", evaluation=evaluation, scorer=Loudness())
    causes = set()
    for setting in range(0, len(alone.grid), 3):
        set_to(player, alone.params(setting), alone.end_of_turn(setting))
        assert (player.params, player.end_of_turn) == (alone.params(setting), alone.end_of_turn(setting))
        assert player.turns == alone.turns(data[0].id, setting)
        pd.testing.assert_frame_equal(player.events, alone.events(setting))
        of_sweep = alone.settings.loc[setting, player.row.index]
        pd.testing.assert_series_equal(player.row.astype(float), of_sweep.astype(float), check_names=False)
        causes |= {turn.cause for turn in player.turns}
        assert player.to_frame()["ended_by"].tolist() == [turn.cause for turn in player.turns]
    assert {"silence", "score", "timeout"} <= causes


def test_what_was_asked_is_what_a_detector_asks(result):
    recording = result.dataset[1]
    player = bl.ReplayPlayer(
        recording, vad="energy", scorer=Loudness(), end_of_turn=EndOfTurn(threshold=0.7, interval_ms=100)
    )
    player.silence_duration_ms = 100
    scores = RecordingScores(Loudness(), resample(recording.user(), recording.sample_rate, 16_000))
    detector = TurnDetector(
        player.params,
        frame_samples=512,
        sample_rate=16_000,
        end_of_turn=player.end_of_turn,
        scorer_latency_ms=Loudness.latency_ms,
    )
    asked, events = [], []
    for probability in player._subject.probabilities:
        event = detector.feed(float(probability))
        if isinstance(event, ScoreWanted):
            (score,) = scores.answers([event])
            asked.append((event.onset / 16_000, event.pause_start / 16_000, event.asked_at / 16_000, score))
            event = detector.answer(score)
        events.append(event)
    events.append(detector.flush())
    assert turns_from_events(e for e in events if e is not None) == player.turns
    assert len(asked) > 3
    np.testing.assert_array_equal(player.scores.to_numpy(), np.array(asked))
    drawn = player.decisions
    assert [each["at_s"] for each in drawn["asked"]] == [each[2] for each in asked]
    assert [each["fires"] for each in drawn["asked"]] == [each[3] > 0.7 for each in asked]
    by_score = [turn for turn in drawn["turns"] if turn["cause"] == "score"]
    assert all(turn["score"] > 0.7 for turn in by_score)
    assert by_score
    json.dumps([drawn, player.controls], allow_nan=False)


def test_knobs_of_the_page(result):
    player = bl.ReplayPlayer(result.dataset[0], vad="energy", scorer=Loudness())
    assert player.controls["scorer"] == "loudness 1"
    assert list(player.controls["sliders"])[3:] == ["eot_threshold", "eot_action_delay_ms", "eot_timeout_ms"]
    player.set_state(
        {"eot_action_delay_ms": 3500, "eot_timeout_ms": 3500}
    )  # as the page does: one takes the other along
    assert player.end_of_turn == EndOfTurn(action_delay_ms=3500, timeout_ms=3500)
    with pytest.raises(InvalidParameterError, match="eot_timeout_ms must be not below"):
        player.eot_timeout_ms = 100
    assert player.end_of_turn == EndOfTurn(action_delay_ms=3500, timeout_ms=3500)
    assert "turns ended by a score" in player.static_form().text
    assert "A turn ends by a score of loudness 1 above 0.5" in player.static_form().title
    player.set_state({"by_score": False})
    assert player.end_of_turn is None
    assert player.turns == bl.ReplayPlayer(result.dataset[0], vad="energy").turns
    assert player.decisions["asked"] == []
    assert player.decisions["eot_threshold"] is None


def test_scores_computed_elsewhere(result):
    recording = result.dataset[0]
    at = np.arange(1, 11 * 16) * 1000
    track = ScoreTrack(
        detector="vap", version="2", task="eot", sample_rate=16_000, heard_at=at, known_at=at + 160,
        score=np.full(len(at), 0.9, np.float32),
    )  # fmt: skip
    one, many = (
        bl.ReplayPlayer(recording, vad="energy", scorer=given)
        for given in (track, {recording.id: track, "else": track})
    )
    assert one.turns == many.turns
    assert "score" in {turn.cause for turn in one.turns}
    assert one.controls["scorer"] == "vap 2"
    with pytest.raises(InvalidParameterError, match="scorer must be scores of 'r0'"):
        bl.ReplayPlayer(recording, vad="energy", scorer={"else": track})


def test_what_is_refused(result):
    recording = result.dataset[0]
    with pytest.raises(InvalidParameterError, match="scorer must be given with end_of_turn"):
        bl.ReplayPlayer(recording, vad="energy", end_of_turn=EndOfTurn())
    with pytest.raises(InvalidParameterError, match="scorer must be a scorer of ends of turns"):
        bl.ReplayPlayer(recording, vad="energy", scorer=3)
    player = bl.ReplayPlayer(recording, vad="energy")
    with pytest.raises(InvalidParameterError, match="by_score must be False without a scorer"):
        player.by_score = True


def test_a_timeline_of_a_sweep_shows_what_was_asked(result):
    data = result.dataset[1:2]
    alone = sweep(data, Grid(**GRID, eot=Loudness()), vad="energy", jobs=1, progress=False)
    setting = alone.setting(eot_threshold=0.6, silence_duration_ms=100)
    table = alone.plot.timeline_data(data[0].id, setting).table()
    assert set(table.loc[table["track"] == "turn_end", "label"]) <= {"score", "timeout", "silence", "flush"}
    assert (table["track"] == "score").sum() > 0
    assert len(alone.plot.timeline(data[0].id, setting).axes) == 4
