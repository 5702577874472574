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


def title_of(axes):
    """The title as one line: it is broken where it is long."""
    return axes.get_title(loc="left").replace("\n", " ")


def test_heat_maps_over_guards(guarded):
    axes = heatmap(guarded, "missed_rate", x="min_interruption_ms", y="false_interruption_timeout_ms")
    assert [t.get_text() for t in axes.get_yticklabels()] == ["1000", "never"]
    assert "at threshold 0.5, prefix padding 300 ms, silence duration 400 ms" in title_of(axes)
    held = title_of(heatmap(guarded, "missed_rate"))
    assert "min interruption 0 ms, resume timeout never" in held  # guards that hold nothing back, by default
    over = heatmaps(guarded, "missed_rate", over="min_interruption_ms")
    assert len([a for a in over.axes if "min interruption" in title_of(a)]) == 2
    with pytest.raises(InvalidParameterError, match="three different ones"):
        heatmaps(guarded, "missed_rate", over="min_words")
    with pytest.raises(InvalidParameterError, match="parameters swept"):
        heatmap(guarded, "missed_rate", at={"min_words": 1})


def test_figures_over_the_min_speech(settings):
    parts = [settings.assign(min_speech_ms=ms) for ms in (0.0, 100.0, 200.0)]
    table = pd.concat(parts, ignore_index=True).rename_axis("setting")
    axes = heatmap(table, "missed_rate", x="min_speech_ms", y="threshold")
    assert axes.get_xlabel().startswith("min speech")
    assert "min speech 0 ms" in " ".join(heatmap(table, "missed_rate").get_title(loc="left").split())
    assert [t.get_text() for t in curve(table, "missed_rate", x="min_speech_ms").get_xticklabels()] != []
    assert "min_speech_ms" in tradeoff_table(table, ["missed_rate"])


def test_curves_along_guards(guarded):
    axes = curve(guarded, "missed_rate", x="false_interruption_timeout_ms")
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1000", "never"]
    assert all(math.isfinite(x) for line in axes.lines for x in line.get_xdata())
    figure = curves(guarded, at={"min_interruption_ms": 300.0})
    words = [" ".join(ax.texts[0].get_text().split()) for ax in figure.axes if not ax.axison]
    assert [text.startswith("at ") for text in words] == [True, False, True, True, False]
    assert words[-1].startswith("Resume timeout moves no event rate. At all 2 values:")
    assert words[-1].endswith("It moves nothing else that is drawn here.")
    assert len([ax for ax in figure.axes if ax.axison]) == 3 * 4 + 1  # the prefix padding moves the onset clipping
    assert "min interruption 300 ms" in words[0]
    assert list(tradeoff_table(guarded, ["missed_rate"]).columns[:5]) == [
        "threshold",
        "prefix_padding_ms",
        "silence_duration_ms",
        "min_interruption_ms",
        "false_interruption_timeout_ms",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_report_says_what_was_held_out_and_what_words_were_assumed(result, tmp_path):
    chosen_on, held_out = result.dataset.split(fraction=0.4, seed=0)
    grid = Grid(threshold=[0.3, 0.6], prefix_padding_ms=300, silence_duration_ms=300, min_interruption_ms=[0, 100])
    swept = sweep(chosen_on, grid, vad=result.vad, n_resamples=20, progress=False)
    page = swept.report(tmp_path / "report.html", validate_on=held_out).read_text("utf-8")
    assert swept.recommend().setting is not None
    assert "On recordings not used for the choice" in page
    assert "Chosen on some recordings, validated on others" in page
    assert "min interruption" in page
    assert "On recordings not used for the choice" not in swept.report(tmp_path / "other.html").read_text("utf-8")


@pytest.mark.usefixtures("undrawn")
def test_the_report_shows_the_min_speech_and_that_openai_has_no_such_knob(result, tmp_path):
    grid = Grid(threshold=0.3, prefix_padding_ms=300, silence_duration_ms=300, min_speech_ms=100)
    swept = sweep(result.dataset, grid, vad=result.vad, n_resamples=20, progress=False)
    assert swept.recommend().setting == 0
    page = swept.report(tmp_path / "report.html").read_text("utf-8")
    lost = "min_speech_ms: 100 ms wanted, 0 ms got. server_vad has no minimum of speech"
    assert f"It cannot express {lost}" in page
    assert "OpenAI cannot be set to min speech 100 ms" in page
    assert "threshold 0.3, prefix padding 300 ms, silence duration 300 ms, min speech 100 ms" in page
