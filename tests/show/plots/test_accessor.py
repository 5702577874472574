"""``result.plot``: what a recommendation says is what its figures mark."""

import numpy as np
import pytest

import bidilab as bl
from bidilab.lab.sweep import Grid, Weights, sweep
from bidilab.show.plots import data_behind, detached_figures


@pytest.fixture(autouse=True)
def detached():
    with detached_figures():
        yield


def test_the_loss_map_marks_what_is_recommended(result):
    found = result.recommend()
    table = data_behind(result.plot.loss())
    np.testing.assert_array_equal(table["loss"], found.losses[table.index])
    np.testing.assert_array_equal(table["tied"], found.tied[table.index])
    assert "recommended" in table.loc[found.setting, "role"]
    assert "default" in table.loc[found.default, "role"]


def test_the_loss_map_is_of_the_weights_and_limits_asked_for(result):
    found = result.recommend(max_missed_rate=0.0, weights=Weights(missed=3, cut_in=0.5))
    assert found.setting is None
    ax = result.plot.loss(found)
    assert "weights: missed 3, false 1, cut-in 0.5, late 0.5/s, waiting 0.333/s" in " ".join(
        ax.get_title(loc="left").split()
    )
    table = data_behind(ax)
    np.testing.assert_array_equal(table["loss"], found.losses[table.index])
    assert not table["admissible"].any()
    assert set(table["role"]) == {"", "default"}


def test_waiting_against_cut_ins_marks_what_is_recommended_and_its_limit(result):
    found = result.recommend(max_premature_endpoint_rate=0.95)
    ax = result.plot.endpoints(found)
    words = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert words[-1] == "limit: 95.0 %"
    assert {"recommended", "default"} <= set(words)
    assert f"threshold {result.settings.loc[found.setting, 'threshold']:g}" in words[0]
    assert result.plot.endpoints().figure.legends
    assert result.plot.endpoints(3).figure.legends


def test_under_several_conditions_the_loss_is_that_of_the_worst(result):
    grid = Grid(
        threshold=[0.4, 0.8],
        prefix_padding_ms=300,
        silence_duration_ms=[200, 500],
        conditions=[None, bl.Condition(gain_db=-20)],
    )
    several = sweep(result.dataset, grid, vad="energy", cache=False, jobs=1, n_resamples=5, progress=False)
    found = several.recommend()
    table = data_behind(several.plot.loss()).sort_index()
    np.testing.assert_array_equal(table["loss"], found.losses)
    assert len(found.losses) == 4
    assert "recommended" in table.loc[found.setting % 4, "role"]
