"""A scorer of ends of turns in a sweep: axes, work that is shared, results that are kept."""

import dataclasses
import json
import math
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from bidilab.core.errors import DatasetError, InvalidParameterError, ResultError
from bidilab.detect.scorers import ScoreTrack
from bidilab.detect.turns import EndOfTurn, Guards, detect_turns_reference
from bidilab.detect.vad import ProbabilityCache
from bidilab.lab.sweep import Grid, ProcessPool, SweepResult, frontier, sweep
from bidilab.lab.sweep import asked as asked_module
from bidilab.lab.sweep import scores as scores_module

KNOBS = {"threshold": [0.4, 0.7], "prefix_padding_ms": [100, 300], "silence_duration_ms": [100, 200]}
HOW = {"vad": "energy", "n_resamples": 20, "progress": False}
EOT = {
    "eot_threshold": [None, 0.3, 0.6, 1],
    "eot_action_delay_ms": [0, 400],
    "eot_timeout_ms": [600, 1200],
    "eot_latency_ms": 20,
}


class Loudness:
    """Says that a turn is over the surer, the longer what it heard: made by hand, and quick."""

    name, version, sample_rate = "loudness", "1", 16_000
    window_samples, preroll_samples, latency_ms = 48_000, 800, 30.0

    def __init__(self):
        self.windows = []

    def scores(self, windows):
        self.windows += [window.tobytes() for window in windows]
        return np.array([abs(math.sin(1e4 * float(np.abs(window).mean()))) for window in windows], np.float32)


@dataclass(frozen=True)
class LoudnessSpec:
    name: str = "loudness"

    def build(self):
        return Loudness()


def test_axes_of_a_grid():
    grid = Grid(**KNOBS, eot="smart-turn", **EOT, eot_interval_ms="0,100", min_interruption_ms=[0, 200])
    assert len(grid) == 8 * 4 * 2 * 2 * 2 * 2
    names = ["eot_threshold", "eot_action_delay_ms", "eot_timeout_ms", "eot_interval_ms", "min_interruption_ms"]
    assert list(grid.axes)[3:] == names
    assert grid.axes["eot_threshold"] == (0.3, 0.6, 1.0, math.inf)
    table = grid.to_frame()
    for k in range(len(grid)):
        row, policy = table.loc[k], grid.end_of_turn(k)
        assert tuple(row.iloc[:3]) == grid[k]
        assert row["min_interruption_ms"] == grid.guards(k).min_interruption_ms
        if math.isinf(row["eot_threshold"]):
            assert policy is None
        else:
            assert policy == EndOfTurn(
                threshold=row["eot_threshold"],
                action_delay_ms=row["eot_action_delay_ms"],
                timeout_ms=row["eot_timeout_ms"],
                interval_ms=row["eot_interval_ms"],
                latency_ms=20,
            )
        assert (grid.only(k).end_of_turn(0), grid.only(k).guards(0)) == (policy, grid.guards(k))
        assert grid.nearest(**row) == k
    assert Grid.from_json(json.loads(json.dumps(grid.to_json()))) == grid
    assert "4 end-of-turn thresholds × 2 end-of-turn delays × 2 end-of-turn timeouts" in repr(grid)
    assert Grid(eot="x", eot_threshold="0.3,off") == Grid(eot="x", eot_threshold=[None, 0.3])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"eot_threshold": 0.4}, "eot_threshold must be left out without eot"),
        ({"eot_timeout_ms": 1000}, "eot_timeout_ms must be left out without eot"),
        ({"eot": 3}, "eot must be a scorer"),
        ({"eot": "x", "eot_threshold": 1.5}, "eot_threshold must be a number in"),
        ({"eot": "x", "eot_threshold": "off,off"}, "eot_threshold must be values that differ"),
        ({"eot": "x", "eot_interval_ms": 0.5}, "eot_interval_ms must be whole milliseconds"),
        ({"eot": "x", "eot_context": "all"}, "eot_context must be one of turn, window"),
        ({"eot": "x", "eot_latency_ms": -1}, "eot_latency_ms"),
        # refused, not skipped, although 1000 ms goes with 200
        ({"eot": "x", "eot_timeout_ms": [1000, 3000], "eot_action_delay_ms": [200, 1500]}, "the longest is 1500"),
    ],
)
def test_what_a_grid_refuses(wrong, message):
    with pytest.raises(InvalidParameterError, match=message):
        Grid(**wrong)


@pytest.mark.parametrize("evaluation", ["recorded", "simulated"])
def test_settings_side_by_side_are_those_swept_alone(bursts, evaluation):
    grid = Grid(**KNOBS, eot=Loudness(), **EOT, min_interruption_ms=[0, 500])
    together = sweep(bursts, grid, evaluation=evaluation, **HOW)
    table = together.settings
    assert table["endpoint_latency_ms_p50"].nunique() > 4
    for k in range(0, len(grid), 37):
        alone = sweep(bursts, grid.only(k), evaluation=evaluation, **HOW).settings.iloc[0]
        pd.testing.assert_series_equal(table.loc[k, alone.index], alone, check_names=False)
    # Off is the plain VAD, whatever else is set; a threshold of 1 is the VAD with the timeout for its silence.
    plain = sweep(bursts, Grid(**KNOBS, min_interruption_ms=[0, 500]), evaluation=evaluation, **HOW).settings
    axes = [*KNOBS, "min_interruption_ms"]
    for delay, timeout in ((0, 600), (400, 1200)):
        chosen = (table["eot_action_delay_ms"] == delay) & (table["eot_timeout_ms"] == timeout)
        off = table[chosen & np.isinf(table["eot_threshold"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(off[plain.columns], plain.reset_index(drop=True))
        never = table[chosen & (table["eot_threshold"] == 1) & (table["silence_duration_ms"] == 200)]
        late = Grid(**{**KNOBS, "silence_duration_ms": timeout}, min_interruption_ms=[0, 500])
        expected = sweep(bursts, late, evaluation=evaluation, **HOW).settings
        rest = [name for name in plain.columns if name not in axes]
        pd.testing.assert_frame_equal(never[rest].reset_index(drop=True), expected[rest].reset_index(drop=True))


def test_timeouts_are_counted_where_a_scorer_is_asked(bursts):
    result = sweep(bursts, Grid(**KNOBS, eot=Loudness(), **EOT), **HOW)
    table, by_recording = result.settings, result.recordings.groupby("setting")["n_timeouts"].sum()
    assert table["n_timeouts"].tolist() == by_recording.tolist()
    off, never = np.isinf(table["eot_threshold"]), table["eot_threshold"] == 1
    assert (table.loc[off, "timeout_rate"] == 0).all()
    assert (table.loc[never, "timeout_rate"] == 1).all()
    asked = table[~off & ~never]
    assert ((asked["timeout_rate"] > 0) & (asked["timeout_rate"] < 1)).any()
    for setting in (asked.index[0], asked.index[-1]):
        causes = [
            endpoint.cause
            for recording in bursts
            for endpoint in result.source_of(setting)
            .tracked(recording.id)
            .evaluate(result.params(setting), end_of_turn=result.end_of_turn(setting))
            .endpoints
        ]
        assert causes.count("timeout") == table.loc[setting, "n_timeouts"]
        assert sum(cause is not None for cause in causes) == table.loc[setting, "n_endpoints"]
    plain = sweep(bursts, Grid(**KNOBS), **HOW)
    assert "timeout_rate" not in plain.settings
    assert not plain.recordings["n_timeouts"].any()


def test_the_frontier_of_a_scorer_has_silence_alone_beside_it(bursts):
    mixed = sweep(bursts, Grid(**KNOBS, eot=Loudness(), **EOT), **HOW)
    x, y = "endpoint_latency_ms_mean", "premature_endpoint_rate"
    found = frontier({"loudness": mixed}, x, y)
    assert found.detectors == ("loudness", "silence alone")
    steps = found.table[found.table["detector"] == "silence alone"]
    assert (mixed.settings.loc[steps["setting"], "eot_threshold"] == math.inf).all()
    assert steps["parameters"].str.contains("end-of-turn threshold off").all()
    plain = sweep(bursts, Grid(**KNOBS), **HOW)
    assert frontier({"loudness": mixed, "silence": plain}, x, y).detectors == ("loudness", "silence")


def test_one_inference_for_each_distinct_window_and_all_of_them_met(bursts, tmp_path):
    scorer, cache = Loudness(), ProbabilityCache(tmp_path / "kept")
    grid = Grid(**KNOBS, eot=scorer, **EOT)
    result = sweep(bursts, grid, cache=cache, **HOW)
    assert len(set(scorer.windows)) == len(scorer.windows) > 10
    met = set()
    for k in range(len(grid)):
        policy = grid.end_of_turn(k)
        for recording in bursts if policy is not None and policy.threshold < 1 else ():
            tracked = result.source_of(k).tracked(recording.id)

            def noted(question, of=recording.id, tracked=tracked):
                start = max(0, question.onset - scorer.preroll_samples, question.asked_at - scorer.window_samples)
                met.add((of, start, question.asked_at))
                return tracked._ending(EndOfTurn()).scores(question)

            turns = detect_turns_reference(
                tracked.probabilities,
                grid.params(k),
                frame_samples=tracked.frame_samples,
                sample_rate=16_000,
                end_of_turn=policy,
                scores=noted,
            )
            assert turns == result.turns(recording.id, k)
    assert len(met) == len(scorer.windows)  # the looks above asked for nothing that was not known
    again = Loudness()
    sweep(bursts, dataclasses.replace(grid, eot=again), cache=cache, **HOW)
    assert again.windows == []


@pytest.mark.slow
def test_many_processes_give_the_same(bursts, monkeypatch):
    monkeypatch.setattr(scores_module, "_POOL_WINDOWS", 1)  # so few are scored in this process otherwise
    grid = Grid(**KNOBS, eot=LoudnessSpec(), **EOT, min_interruption_ms=[0, 500])
    alone, many = (sweep(bursts, grid, executor=each, cache=False, **HOW) for each in (None, ProcessPool(2)))
    pd.testing.assert_frame_equal(alone.settings, many.settings)


def tracks_of(dataset, *, without=()):
    rng = np.random.default_rng(5)
    heard = np.arange(1, 80) * 1600
    return {
        recording.id: ScoreTrack(
            detector="elsewhere",
            version="3",
            task="eot",
            sample_rate=16_000,
            heard_at=heard,
            known_at=heard + 400,
            score=rng.random(len(heard)),
        )
        for recording in dataset
        if recording.id not in without
    }


def test_scores_computed_elsewhere(bursts):
    tracks = tracks_of(bursts, without=["r2"])
    result = sweep(bursts, Grid(**KNOBS, eot=tracks, **{**EOT, "eot_latency_ms": None}), **HOW)
    assert result.grid.eot_name == "elsewhere"
    assert result.meta["eot"]["without_scores"] == ["r2"]
    assert "elsewhere 3, 0 ms from asking to knowing; 1 of 6 recordings have no scores" in result.summary
    k = result.setting(threshold=0.4, silence_duration_ms=100, eot_threshold=0.3, eot_action_delay_ms=0)
    causes = {name: {t.cause for t in result.turns(name, k)} for name in ("r0", "r2")}
    assert "score" in causes["r0"]
    assert causes["r2"] <= {"timeout", "flush"}
    with pytest.raises(DatasetError, match="1 of 7 score tracks belong to no recording of the dataset: nobody"):
        sweep(bursts, Grid(eot={**tracks_of(bursts), "nobody": tracks["r0"]}), **HOW)
    other = dataclasses.replace(tracks["r0"], version="4")
    with pytest.raises(InvalidParameterError, match="score tracks of one detector and version"):
        sweep(bursts, Grid(eot={**tracks, "r0": other}), **HOW)
    with pytest.raises(InvalidParameterError, match="score tracks of ends of turns"):
        sweep(bursts, Grid(eot={"r0": dataclasses.replace(tracks["r0"], task="interruption")}), **HOW)
    with pytest.raises(InvalidParameterError, match="computed from the audio as it was recorded"):
        sweep(bursts, Grid(eot=tracks, conditions="gain_db=3"), **HOW)


def test_results_keep_the_scorer(bursts, tmp_path, monkeypatch):
    scorer = Loudness()
    result = sweep(bursts, Grid(**KNOBS, eot=scorer, **EOT, min_interruption_ms=[0, 500]), **HOW)
    facts = result.meta["eot"]
    assert {name: facts[name] for name in ("name", "version", "latency_ms", "context", "given_as")} == {
        "name": "loudness",
        "version": "1",
        "latency_ms": 30.0,
        "context": "turn",
        "given_as": "Loudness",
    }
    assert "end of turn  loudness 1, 20 ms from asking to knowing" in result.summary
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    pd.testing.assert_frame_equal(loaded.settings, result.settings)
    k = loaded.setting(threshold=0.4, eot_threshold=0.3, eot_timeout_ms=600, min_interruption_ms=500)
    assert loaded.end_of_turn(k) == result.end_of_turn(k)
    assert loaded.guards(k) == Guards(min_interruption_ms=500)
    assert not loaded.has_recordings
    with pytest.raises(ResultError, match=r"loudness 1, was given as an object, a Loudness: give it again with result"):
        _ = loaded.source
    changed = Loudness()
    changed.version = "2"
    with pytest.raises(ResultError, match="has changed since this sweep: loudness 1 then, loudness 2 now"):
        loaded.attach(bursts, eot=changed)
    loaded.attach(bursts, eot=Loudness())
    pd.testing.assert_frame_equal(loaded.events(k), result.events(k))
    pd.testing.assert_frame_equal(loaded.recordings_at(k), result.recordings_at(k))
    assert loaded.turns("r0", k) == result.turns("r0", k)
    pd.testing.assert_frame_equal(loaded.compare(0, k), result.compare(0, k))
    plain = sweep(bursts, Grid(**KNOBS), **HOW)
    with pytest.raises(ResultError, match="no end-of-turn scorer"):
        SweepResult.load(plain.save(tmp_path / "plain")).attach(bursts, eot=scorer)
    assert "eot" not in plain.meta
    with pytest.raises(InvalidParameterError, match="same end-of-turn scorer"):
        result.recommend(validate_on=plain)


def test_a_scorer_by_name_is_found_again(bursts, tmp_path, monkeypatch):
    class Spec(LoudnessSpec):
        def __init__(self, *, name, task, sample_rate, options=()):
            assert (name, task, sample_rate) == ("loudness", "eot", 16_000)
            object.__setattr__(self, "options", options)

    monkeypatch.setattr(asked_module, "ScorerSpec", Spec)
    result = sweep(bursts, Grid(**KNOBS, eot="loudness", **EOT), **HOW)
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    assert loaded.grid == result.grid
    assert loaded.turns("r1", 7) == result.turns("r1", 7)
    again = loaded._on(bursts, 7)
    pd.testing.assert_series_equal(
        again.settings.iloc[0], loaded.settings.loc[7, again.settings.columns], check_names=False
    )


def test_the_axes_are_recommended_over(bursts):
    result = sweep(bursts, Grid(**KNOBS, eot=Loudness(), **EOT), **HOW)
    found = result.recommend()
    assert found.setting is not None
    assert found.end_of_turn == result.end_of_turn(found.setting)
    knobs = {name for name in result.axes if name.startswith("eot_")}
    assert knobs <= set(found.table.columns)
    lost = {each.parameter for each in found.export("openai").compromises}
    by_score = found.end_of_turn is not None and found.end_of_turn.threshold < 1
    assert ("eot_threshold" in lost) == by_score
    assert found.eot_scorer == result.eot_detector == "loudness 1"
    again = result.export(found.setting, "openai")
    assert (again.text, again.compromises) == (found.export("openai").text, found.export("openai").compromises)
    for setting in (0, len(result.grid) - 1):
        lost = {each.parameter for each in result.export(setting, "livekit").compromises}
        ending = result.end_of_turn(setting)
        assert ("eot_threshold" in lost) == (ending is not None and ending.threshold < 1)
        if ending is not None and ending.threshold < 1:
            assert "for the scores of loudness 1, and left out" in repr(result.export(setting, "livekit"))
    with pytest.raises(InvalidParameterError, match="setting must be a row of settings"):
        result.export(len(result.grid), "openai")


def test_how_many_scores_it_will_take_is_told_before_they_are_computed(tmp_path, bursts, capsys):
    """An estimate: what is asked if no score fires, and if all do. Nothing is told where nothing is computed."""
    scorer = Loudness()
    grid = Grid(**KNOBS, eot=scorer, **EOT)
    how = HOW | {"progress": True, "jobs": 1, "cache": ProbabilityCache(tmp_path)}
    sweep(bursts, grid, **how)
    said = re.findall(r"End-of-turn scores:[^\r\n]*?(\d+)/(\d+) ", capsys.readouterr().err)
    first, last = (tuple(map(int, found)) for found in (said[0], said[-1]))
    assert first[0] == 0
    assert 0.5 * len(scorer.windows) <= first[1] <= 1.5 * len(scorer.windows)
    assert last == (len(scorer.windows),) * 2
    sweep(bursts, grid, **how)
    assert not re.findall(r"End-of-turn scores:[^\r\n]*?(\d+)/(\d+) ", capsys.readouterr().err)
