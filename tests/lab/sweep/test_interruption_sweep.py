"""A scorer of interruptions in a sweep: axes beside the guards, results that are kept."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.detect.scorers import ScoreTrack
from bidilab.detect.turns import AdaptiveInterruption, Guards
from bidilab.lab.sweep import Grid, SweepResult, sweep

from .test_end_of_turn_sweep import HOW, Loudness

KNOBS = {"threshold": [0.4, 0.7], "prefix_padding_ms": 300, "silence_duration_ms": [100, 300]}
INTERRUPT = {
    "interrupt_threshold": [None, 0.5, 1],
    "interrupt_first_ms": [100, 200],
    "interrupt_window_ms": [600, None],
    "interrupt_interval_ms": 100,
}


class Meant(Loudness):
    """Says from what it heard whether the agent is to stop: made by hand, and quick."""

    name = "meant"

    def scores(self, windows, agent=None):
        assert agent is None
        return super().scores(windows)


def test_axes_of_a_grid():
    grid = Grid(**KNOBS, interrupt="made", **INTERRUPT, interrupt_latency_ms=10, min_interruption_ms=[0, 200], eot="x")
    assert len(grid) == 4 * 3 * 2 * 2 * 2
    names = ["interrupt_threshold", "interrupt_first_ms", "interrupt_interval_ms", "interrupt_window_ms"]
    assert list(grid.axes)[-5:] == ["min_interruption_ms", *names]
    table = grid.to_frame()
    for k in range(len(grid)):
        row, policy = table.loc[k], grid.adaptive(k)
        assert row["min_interruption_ms"] == grid.guards(k).min_interruption_ms
        if math.isinf(row["interrupt_threshold"]):
            assert policy is None
        else:
            values = [row[name] for name in names]
            assert policy == AdaptiveInterruption(
                threshold=values[0], first_ms=values[1], interval_ms=values[2], window_ms=values[3], latency_ms=10
            )
        assert (grid.only(k).adaptive(0), grid.only(k).guards(0)) == (policy, grid.guards(k))
        assert grid.guard_points[k % grid.n_guard_settings] == (grid.guards(k), policy)
        assert grid.nearest(**row) == k
    assert Grid.from_json(json.loads(json.dumps(grid.to_json()))) == grid


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"interrupt_threshold": 0.4}, "interrupt_threshold must be left out without interrupt"),
        ({"interrupt_window_ms": 1000}, "interrupt_window_ms must be left out without interrupt"),
        ({"interrupt": 3}, "interrupt must be a scorer"),
        ({"interrupt": "x", "interrupt_window_ms": [None, 150]}, r"interrupt_window_ms must be not below any"),
        ({"interrupt": "x", "interrupt_threshold": 2}, "interrupt_threshold must be a number in"),
        ({"interrupt": "x", "interrupt_latency_ms": -2}, "interrupt_latency_ms"),
    ],
)
def test_what_a_grid_refuses(wrong, message):
    with pytest.raises(InvalidParameterError, match=message):
        Grid(**wrong)


@pytest.mark.parametrize("evaluation", ["recorded", "simulated"])
def test_settings_side_by_side_are_those_swept_alone(bursts, evaluation):
    scorer = Meant()
    grid = Grid(
        **KNOBS, interrupt=scorer, **INTERRUPT, min_interruption_ms=[0, 300], eot=Loudness(), eot_threshold=[None, 0.5]
    )
    together = sweep(bursts, grid, evaluation=evaluation, **HOW)
    assert len(set(scorer.windows)) == len(scorer.windows) > 5
    table = together.settings
    assert table["latency_detected_ms_p50"].nunique() > 2
    for k in range(0, len(grid), 29):
        alone = sweep(bursts, grid.only(k), evaluation=evaluation, **HOW).settings.iloc[0]
        pd.testing.assert_series_equal(table.loc[k, alone.index], alone, check_names=False)
        tracked = together.source_of(k).tracked("r0", Guards())
        params, guards, end, adaptive = (
            getattr(together, name)(k) for name in ("params", "guards", "end_of_turn", "adaptive")
        )
        row, evaluated = (each(params, guards, end, adaptive) for each in (tracked.setting_row, tracked.evaluate))
        assert row["n_detected"] == sum(
            delay < 2**40 for member, delay in zip(evaluated.labels.members, evaluated.delays, strict=True)
            if member.is_true
        )  # fmt: skip
    plain = sweep(bursts, Grid(**KNOBS, min_interruption_ms=[0, 300]), evaluation=evaluation, **HOW).settings
    off = table[np.isinf(table["interrupt_threshold"]) & np.isinf(table["eot_threshold"])]
    for (first, window), part in off.groupby(["interrupt_first_ms", "interrupt_window_ms"]):
        assert (first, window) in {(100, 600), (200, 600), (100, math.inf), (200, math.inf)}
        pd.testing.assert_frame_equal(part[plain.columns].reset_index(drop=True), plain.reset_index(drop=True))


def test_threshold_1_with_a_window_is_a_minimum_length(bursts):
    """Long speech interrupts without a score, as LiveKit's minimum does."""
    grid = Grid(**KNOBS, interrupt=Meant(), interrupt_threshold=1, interrupt_first_ms=0, interrupt_window_ms=[320, 640])
    found = sweep(bursts, grid, **HOW).settings
    expected = sweep(bursts, Grid(**KNOBS, min_interruption_ms=[320, 640]), **HOW).settings
    rest = [name for name in expected.columns if name != "min_interruption_ms"]
    pd.testing.assert_frame_equal(found[rest], expected[rest])
    never = Grid(**KNOBS, interrupt=Meant(), interrupt_threshold=1)
    assert (sweep(bursts, never, **HOW).settings["n_detected"] == 0).all()


def test_tracks_and_results_that_are_kept(bursts, tmp_path):
    heard = np.arange(1, 80) * 1600
    tracks = {
        recording.id: ScoreTrack(
            detector="elsewhere",
            version="3",
            task="interruption",
            sample_rate=16_000,
            heard_at=heard,
            known_at=heard + 400,
            score=np.random.default_rng(3).random(len(heard)),
        )
        for recording in bursts
    }
    eot = {name: ScoreTrack(**{**_given(track), "task": "eot"}) for name, track in tracks.items()}
    with pytest.raises(InvalidParameterError, match="interrupt must be score tracks of interruptions"):
        sweep(bursts, Grid(interrupt=eot), **HOW)
    with pytest.raises(InvalidParameterError, match="scorer of interruptions"):
        sweep(bursts, Grid(interrupt=NoScorer()), **HOW)
    result = sweep(bursts, Grid(**KNOBS, interrupt=tracks, **INTERRUPT), **HOW)
    assert "interruption elsewhere 3, 0 ms from asking to knowing" in result.summary
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    with pytest.raises(ResultError, match=r"interruption scorer of this sweep, elsewhere 3, was given as score tracks"):
        _ = loaded.source
    loaded.attach(bursts, interrupt=tracks)
    k = loaded.setting(interrupt_threshold=0.5, interrupt_window_ms=600)
    assert loaded.adaptive(k) == result.adaptive(k)
    pd.testing.assert_frame_equal(loaded.events(k), result.events(k))
    pd.testing.assert_frame_equal(loaded.recordings_at(k), result.recordings_at(k))
    found = result.recommend()
    assert found.adaptive == result.adaptive(found.setting)


class NoScorer:
    def __hash__(self):
        return 0

    def build(self):
        return 3


def _given(track):
    names = ("detector", "version", "task", "sample_rate", "heard_at", "known_at", "score")
    return {name: getattr(track, name) for name in names}
