"""Figures and report of a sweep with guards: their axes, never as a value, and the held-out section."""

import math

import pandas as pd
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.sweep import Grid, sweep
from bidilab.show.plots import heatmap, heatmaps
from bidilab.show.plots.curves import curve, curves
from bidilab.show.plots.tradeoff import tradeoff_table

GUARDS = {"min_interruption_ms": [0.0, 300.0], "false_interruption_timeout_ms": [1000.0, math.inf]}


@pytest.fixture
def guarded(settings):
    """The made-up table four times, once for each pair of guards; misses grow with the debounce."""
    parts = [
        settings.assign(min_interruption_ms=ms, false_interruption_timeout_ms=timeout, pause_s=1.0)
        for ms in GUARDS["min_interruption_ms"]
        for timeout in GUARDS["false_interruption_timeout_ms"]
    ]
    table = pd.concat(parts, ignore_index=True).rename_axis("setting")
    table["missed_rate"] += table["min_interruption_ms"] / 10_000
    return table


def test_heat_maps_over_guards(guarded):
    axes = heatmap(guarded, "missed_rate", x="min_interruption_ms", y="false_interruption_timeout_ms")
    assert [t.get_text() for t in axes.get_yticklabels()] == ["1000", "never"]
    assert "at threshold 0.5, prefix padding 300 ms, silence duration 400 ms" in axes.get_title(loc="left")
    held = heatmap(guarded, "missed_rate").get_title(loc="left")
    assert "min interruption 0 ms, resume timeout never" in held  # guards that hold nothing back, by default
    over = heatmaps(guarded, "missed_rate", over="min_interruption_ms")
    assert len([a for a in over.axes if "min interruption" in a.get_title(loc="left")]) == 2
    with pytest.raises(InvalidParameterError, match="three different ones"):
        heatmaps(guarded, "missed_rate", over="min_words")
    with pytest.raises(InvalidParameterError, match="parameters swept"):
        heatmap(guarded, "missed_rate", at={"min_words": 1})


def test_curves_along_guards(guarded):
    axes = curve(guarded, "missed_rate", x="false_interruption_timeout_ms")
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1000", "never"]
    assert all(math.isfinite(x) for line in axes.lines for x in line.get_xdata())
    figure = curves(guarded, at={"min_interruption_ms": 300.0})
    assert len(figure.axes) == 3 * 5
    assert list(tradeoff_table(guarded, ["missed_rate"]).columns[:5]) == [
        "threshold",
        "prefix_padding_ms",
        "silence_duration_ms",
        "min_interruption_ms",
        "false_interruption_timeout_ms",
    ]


def test_the_report_says_what_was_held_out_and_what_words_were_assumed(result, tmp_path):
    chosen_on, held_out = result.dataset.split(fraction=0.4, seed=0)
    grid = Grid(threshold=[0.3, 0.6], prefix_padding_ms=300, silence_duration_ms=300, min_interruption_ms=[0, 100])
    swept = sweep(chosen_on, grid, vad=result.vad, n_resamples=20, progress=False)
    page = swept.report(tmp_path / "report.html", validate_on=held_out).read_text("utf-8")
    assert swept.recommend().setting is not None
    assert "On recordings it was not chosen on" in page
    assert "Chosen on some recordings, validated on others" in page
    assert "min interruption" in page
    assert "On recordings it was not chosen on" not in swept.report(tmp_path / "other.html").read_text("utf-8")
