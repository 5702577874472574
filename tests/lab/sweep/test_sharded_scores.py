"""Turns that end by a score are evaluated by parts as they are together."""

import pandas as pd
import pytest

from bidilab.lab.sweep import sharded, sweep
from bidilab.lab.sweep.grid import Grid

from .test_end_of_turn_sweep import EOT, HOW, KNOBS, LoudnessSpec, tracks_of


@pytest.mark.parametrize("given", ["a scorer", "score tracks"])
def test_scores_by_parts(bursts, tmp_path, monkeypatch, given):
    monkeypatch.setattr(sharded, "SMALLEST_SHARD_S", 16.0)
    if given == "a scorer":
        grid = Grid(**KNOBS, eot=LoudnessSpec(), **EOT, min_interruption_ms=[0, 500])
    else:
        grid = Grid(**KNOBS, eot=tracks_of(bursts, without=("r1",)), **{**EOT, "eot_latency_ms": None})
    whole = sweep(bursts, grid, **HOW)
    parts = sweep(bursts, grid, checkpoint=tmp_path / "kept", **HOW)
    assert len(list((tmp_path / "kept").iterdir())) == 3
    pd.testing.assert_frame_equal(parts.settings, whole.settings, check_exact=True)
    pd.testing.assert_frame_equal(parts.recordings, whole.recordings, check_exact=True)
