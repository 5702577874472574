"""What is recommended and what is said of it, on a sweep small enough to look through."""

import dataclasses
import math
import re

import numpy as np
import pytest

from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.lab.datasets import load_dataset
from bidilab.lab.sweep import Grid, SweepResult, Weights, sweep
from bidilab.lab.sweep.recommendation import LOSS, default_values
from tests.lab.sweep.conftest import write_dataset

HOW = {"vad": "energy", "progress": False}
GRID = Grid(threshold="0.3:0.7:0.1", prefix_padding_ms=[0, 300], silence_duration_ms=[200, 500, 800])


@pytest.fixture(scope="module")
def result(bursts_folder):
    return sweep(bursts_folder, GRID, **HOW)


def test_the_loss_is_the_sum_of_three_means(result):
    found = result.recommend(weights=Weights(late_per_s=0, wait_per_s=0))
    for setting in range(len(GRID)):
        row = result.settings.loc[setting]
        loss = row["missed_rate"] + row["false_interruption_rate"] + row["premature_endpoint_rate"]
        assert found.losses[setting] == pytest.approx(loss)
    full = result.recommend()
    assert (full.losses >= found.losses - 1e-12).all()
    doubled = result.recommend(weights=Weights(missed=0, false=2, cut_in=0, late_per_s=0, wait_per_s=0))
    assert doubled.losses == pytest.approx(2 * result.settings["false_interruption_rate"].to_numpy())


def test_the_default_stands_beside_the_choice(result):
    found = result.recommend()
    assert found.default == result.setting(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
    assert found.setting in found.table.index
    assert found.default in found.table.index
    assert found.table.index[0] == found.setting
    assert LOSS in found.table
    assert found.tied[found.setting]
    assert found.params == result.params(found.setting)
    assert found.qualifying
    assert found.n_qualifying == len(GRID)
    assert "OpenAI's default" in found.message
    assert "missed" in found.message.lower()
    assert any("6 recordings" in note for note in found.notes)


def test_a_difference_that_is_not_shown_is_said(result, bursts_folder):
    """A knob is moved for more than 3 points, however few recordings say so: then their weakness is said, too."""
    one = sweep(load_dataset(bursts_folder)[:1], GRID, **HOW).recommend()
    assert re.search(r"which costs [\d.]+ points more\.", one.message)
    assert one.notes[0].startswith("One recording cannot show that this is better than the default")
    few = sweep(load_dataset("overlap-mini")[:3], GRID, evaluation="simulated", **HOW).recommend()
    assert re.search(r"which costs [\d.]+ points more \(-", few.message)
    assert few.notes[0].startswith("This is not shown to be better than the default: the interval of the diff")
    assert "better than the default" not in str(result.recommend().notes)


def test_prefix_padding_is_the_default_where_onsets_are_whole(result):
    assert result.settings.loc[result.recommend().setting, "prefix_padding_ms"] == 300.0


def test_limits_hold_at_the_upper_end(result):
    """Six recordings show next to nothing: a rate of 0 may still be high."""
    none = result.recommend(max_missed_rate=0.05)
    assert (none.setting, none.params, none.qualifying, none.n_qualifying) == (None, None, False, 0)
    assert none.message.startswith("None of 15 settings can be shown to keep missed ≤ 5 %. The surest, threshold")
    assert "fits the data (n = 2)" in none.message
    assert any("true interruptions like these would show missed ≤ 5 %" in note for note in none.notes)
    assert none.default in none.table.index
    with pytest.raises(ResultError, match="no recommended setting to export: None of 15"):
        none.export("openai")
    assert result.recommend(max_missed_rate=1.0).setting is not None


@pytest.mark.parametrize("name", ["max_false_interruption_rate", "max_missed_rate", "max_premature_endpoint_rate"])
def test_limits_are_rates(result, name):
    with pytest.raises(InvalidParameterError, match=name):
        result.recommend(**{name: 5})


def test_what_is_shown_is_said_everywhere(result, tmp_path):
    found = result.recommend()
    assert found.message in repr(result)
    assert found.message in str(found)
    assert all(note in str(found) for note in found.notes)
    assert found.to_dict()["message"] == found.message
    assert found.to_dict()["weights"] == dataclasses.asdict(Weights())
    words = re.sub(r"\n# ", " ", found.export("livekit").text)
    assert f"# {found.message}" in words
    assert found.message in found.export("openai").notes


def test_a_saved_sweep_recommends_the_same(result, tmp_path):
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    for weights in (Weights(), Weights(wait_per_s=2)):
        before, after = result.recommend(weights=weights), loaded.recommend(weights=weights)
        assert (before.setting, before.message, before.notes) == (after.setting, after.message, after.notes)
        np.testing.assert_array_equal(before.losses, after.losses)


def test_degenerate_settings_are_never_chosen(bursts_folder):
    flat = sweep(bursts_folder, Grid(threshold=[0.0, 0.5], silence_duration_ms=[200, 500]), **HOW)
    assert flat.settings["degenerate"].any()
    found = flat.recommend()
    assert not flat.settings.loc[found.setting, "degenerate"]
    only = sweep(bursts_folder, Grid(threshold=0.0, silence_duration_ms=[200, 500]), **HOW).recommend()
    assert only.setting is None
    assert "degenerate" in only.message


def test_under_several_conditions_a_setting_is_what_it_is_where_it_does_worst(bursts_folder):
    noisy = sweep(
        bursts_folder,
        Grid(threshold=[0.3, 0.5, 0.7], silence_duration_ms=[500], conditions=[None, "gain_db=-30"]),
        **HOW,
    )
    found = noisy.recommend()
    n = noisy.grid.n_under_one_condition
    each = [noisy.under(condition).recommend().losses for condition in noisy.conditions]
    np.testing.assert_allclose(found.losses, np.maximum(*each))
    assert found.losses[found.setting % n] == pytest.approx(each[found.setting // n][found.setting % n])
    assert any("where it does worst" in note for note in found.notes)


def test_geminis_prefix_padding_is_a_knob(bursts_folder):
    assert default_values("gemini")["prefix_padding_ms"] == 20
    swept = sweep(bursts_folder, Grid(threshold=0.5, prefix_padding_ms=[20, 200, 600], provider="gemini"), **HOW)
    losses = swept.recommend().losses.reshape(1, 3, -1)
    assert not np.array_equal(losses[:, 0], losses[:, 2])
    assert "Gemini's default" in swept.recommend().message


def test_weights_must_cost_something(result):
    with pytest.raises(InvalidParameterError, match="weights"):
        Weights(missed=0, false=0, cut_in=0, late_per_s=0, wait_per_s=0)
    with pytest.raises(InvalidParameterError, match=r"weights\.missed"):
        Weights(missed=math.nan)


def test_what_is_not_labelled_is_said(tmp_path):
    """Recordings in which every sound over the agent is noise: nothing could be missed."""
    noises = sweep(write_dataset(tmp_path / "noises", kinds=("noise",)), GRID, **HOW)
    expected = "No true interruptions are labelled, so they have no part in the choice."
    assert expected in noises.recommend().notes
    limited = noises.recommend(max_missed_rate=0.1)
    assert limited.setting is None
    assert "no true interruptions are labelled, so nothing shows the rate of missed" in limited.message
    assert "nan" not in limited.message.lower()


def test_a_sweep_of_degenerate_settings_says_so_with_limits_too(bursts_folder):
    only = sweep(bursts_folder, Grid(threshold=0.0, silence_duration_ms=[200, 500]), **HOW)
    assert "each is degenerate" in only.recommend(max_missed_rate=0.5).message
