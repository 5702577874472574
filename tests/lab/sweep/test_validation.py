"""A setting on recordings that had no say in its choice."""

import math

import pandas as pd
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.sweep import Grid, SweepResult, sweep
from bidilab.lab.sweep.said import LIMITED, rates_in_words

KNOBS = {"threshold": [0.3, 0.6], "prefix_padding_ms": [100, 300], "silence_duration_ms": 200}
HOW = {"vad": "energy", "n_resamples": 20, "progress": False}


def test_validated_on_recordings_it_was_not_chosen_on(bursts):
    chosen_on, held_out = bursts.split(fraction=0.5, seed=0)
    result = sweep(chosen_on, Grid(**KNOBS, min_interruption_ms=[0, 200]), **HOW)
    found = result.recommend(validate_on=held_out)
    validation = found.validation
    assert validation.warnings == ()
    alone = sweep(held_out, result.grid.only(found.setting), **HOW)
    shown = [column for column in alone.settings if column in validation.table]
    assert {"missed_rate", "missed_rate_hi", "n_false_opportunities"} <= set(shown)
    validated = validation.table.loc[["validated on"], shown].reset_index(drop=True)
    pd.testing.assert_frame_equal(validated, alone.settings[shown].reset_index(drop=True))
    assert validation.table["n_recordings"].tolist() == [3, 3]
    assert "Validated on 3 recordings of bursts: " in str(found)
    assert "too few to say (n = " in validation.message
    assert "validated on" in found._repr_html_()
    assert found.to_dict()["validation"]["validated_on"]["n_recordings"] == 3
    again = result.recommend(validate_on=sweep(held_out, result.grid, **HOW)).validation
    pd.testing.assert_frame_equal(again.table, validation.table)

    overlapping = result.recommend(validate_on=bursts).validation
    assert "3 of the 6 recordings validated on are among those chosen on (r" in overlapping.warnings[0]
    other_grid = sweep(held_out, Grid(threshold=0.45), **HOW)
    with pytest.raises(InvalidParameterError, match="validate_on must be a sweep that holds"):
        result.recommend(validate_on=other_grid)
    simulated = sweep(held_out, result.grid, evaluation="simulated", **HOW)
    with pytest.raises(InvalidParameterError, match="the same evaluation"):
        result.recommend(validate_on=simulated)
    with pytest.raises(InvalidParameterError, match="a Dataset or a SweepResult"):
        result.recommend(validate_on="bursts")


def test_a_saved_sweep_of_a_part_finds_its_recordings_again(bursts, tmp_path):
    chosen_on, held_out = bursts.split(fraction=0.5, seed=0)
    SweepResult.load(sweep(chosen_on, Grid(**KNOBS), **HOW).save(tmp_path / "saved"))
    loaded = SweepResult.load(tmp_path / "saved")
    assert [r.id for r in loaded.dataset] == [r.id for r in chosen_on]
    assert loaded.recommend(validate_on=held_out).validation.warnings == ()


def test_rates_stand_beside_those_where_it_was_chosen():
    names = [name for rate, n, _, _ in LIMITED.values() for name in (rate, f"{rate}_lo", f"{rate}_hi", n)]
    after = pd.Series(
        dict(zip(names, [0.05, 0.02, 0.11, 90, 0.3, 0.25, 0.36, 200, math.nan, math.nan, math.nan, 0], strict=True))
    )
    before = pd.Series(dict(zip(names, [0.0, 0.0, 0.03, 80, 0.255, 0.2, 0.3, 190, 0.1, 0.0, 0.2, 100], strict=True)))
    assert rates_in_words(after, before, 20, beside="where it was chosen") == (
        "missed 5 % (2–11, n = 90; where it was chosen 0 %), false 30 % (25–36, n = 200; where it was chosen 26 %)"
    )
