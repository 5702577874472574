"""Guards as axes of a sweep."""

import math

import pandas as pd
import pytest

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.detect.turns import Guards
from bidilab.lab.datasets import Dataset
from bidilab.lab.sweep import Grid, SweepResult, sweep

from .conftest import write_dataset

KNOBS = {"threshold": [0.3, 0.6], "prefix_padding_ms": [100, 300], "silence_duration_ms": 200}
ONE = {"threshold": 0.3, "prefix_padding_ms": 300, "silence_duration_ms": 200}
HOW = {"vad": "energy", "n_resamples": 20, "progress": False}


def test_a_grid_with_guards():
    grid = Grid(**KNOBS, min_interruption_ms=[0, 400], false_interruption_timeout_ms=[None, 1000])
    assert len(grid) == 16
    assert list(grid.axes)[3:] == ["min_interruption_ms", "false_interruption_timeout_ms"]
    assert grid.to_frame().iloc[1].tolist() == [0.3, 100, 200, 0, math.inf]
    assert grid.guards(1) == Guards()
    assert grid.guards(6) == Guards(min_interruption_ms=400, false_interruption_timeout_ms=1000)
    for k in range(16):
        row, guards = grid.to_frame().loc[k], grid.guards(k)
        assert tuple(row.iloc[:3]) == grid[k]
        assert row["min_interruption_ms"] == guards.min_interruption_ms
        assert row["false_interruption_timeout_ms"] == guards.false_interruption_timeout_ms
        assert list(grid.only(k)) == [grid[k]]
        assert grid.only(k).guards(0) == guards
        assert grid.nearest(**row) == k
    assert Grid(**grid.to_json()) == grid
    assert "2 min interruptions × 2 false-interruption timeouts = 16 settings" in repr(grid)
    assert Grid(**KNOBS, min_words="0,2", false_interruption_timeout_ms="500,never").guards(3) == Guards(min_words=2)
    for wrong in ({"min_words": 0.5}, {"min_interruption_ms": -1}, {"false_interruption_timeout_ms": "never,never"}):
        with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
            Grid(**wrong)


@pytest.mark.parametrize("evaluation", ["recorded", "simulated"])
def test_settings_side_by_side_are_those_swept_alone(bursts, evaluation, tmp_path):
    grid = Grid(
        **KNOBS, min_interruption_ms=[0, 10, 400]
    )  # 0 and 10 ms are alike only where 10 ms is one frame or none
    together = sweep(bursts, grid, evaluation=evaluation, **HOW)
    for ms in (0, 400):
        alone = sweep(bursts, Grid(**KNOBS, min_interruption_ms=ms), evaluation=evaluation, **HOW)
        rows = together.settings[together.settings["min_interruption_ms"] == ms].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows[alone.settings.columns], alone.settings.reset_index(drop=True))
    loaded = SweepResult.load(together.save(tmp_path / "saved"))
    pd.testing.assert_frame_equal(loaded.settings, together.settings)
    assert loaded.guards(2) == Guards(min_interruption_ms=400)
    pd.testing.assert_frame_equal(loaded.events(2), together.events(2))


def test_latency_is_to_where_it_is_acted_upon(bursts):
    result = sweep(bursts, Grid(**ONE, min_interruption_ms=[0, 400]), **HOW)
    plain, guarded = (result.events(k).query("outcome == 'detected'") for k in (0, 1))
    assert len(plain) == len(guarded) > 0
    # The bursts last 0.8 s. Whole frames of 32 ms: 400 ms are 13 of them, 416 ms from the detector's onset.
    assert ((guarded["decided_s"] - guarded["onset_s"]) * 1000).round(6).tolist() == [416.0] * len(guarded)
    assert (guarded["latency_ms"].to_numpy() > plain["latency_ms"].to_numpy() + 300).all()
    assert result.settings["latency_detected_ms_p50"].diff()[1] == pytest.approx(
        384
    )  # 416 - 32, the frame it starts on


def test_resumed_interruptions_are_false_and_their_pauses_are_told(tmp_path):
    dataset = Dataset.load(write_dataset(tmp_path / "said", n=6))
    grid = Grid(
        threshold=0.3, prefix_padding_ms=300, silence_duration_ms=200, false_interruption_timeout_ms=[500, None]
    )
    with pytest.raises(DatasetError, match="words with times"):
        sweep(dataset, grid, **HOW)
    from dataclasses import replace

    silent = [
        replace(r, segments=tuple(replace(s, kind="noise") if s.kind == "backchannel" else s for s in r.segments))
        for r in dataset
    ]
    told = [
        replace(r, segments=tuple(replace(s, text="hold on") if s.channel == "user" else s for s in r.segments))
        for r in silent
    ]
    result = sweep(replace(dataset, recordings=tuple(told)), grid, word_times="spread", **HOW)
    resumes, never = (result.settings.loc[k] for k in (0, 1))
    assert resumes["n_false"] == never["n_false"]
    events = result.events(0)
    resumed = events[events["resumed_s"].notna()]
    assert set(resumed["kind"]) <= {"noise"}  # the text of a noise is not said; all others have words
    assert len(resumed) == resumes["n_resumed"] > 0
    assert resumes["pause_s"] == pytest.approx((resumed["resumed_s"] - resumed["decided_s"]).sum())
    assert (never["n_resumed"], never["pause_s"], resumes["n_resumed_true"]) == (0, 0, 0)
