import numpy as np
import pytest
from matplotlib.figure import Figure

from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots import by_kind, curve, curves, data_behind
from tests.show.conftest import THRESHOLDS


def slice_of(settings, prefix=300.0, silence=400.0):
    # 500 ms was not swept; 400 and 600 are equally near, and the smaller is taken.
    return settings[(settings["prefix_padding_ms"] == prefix) & (settings["silence_duration_ms"] == silence)]


def test_the_line_is_the_slice_in_percent(settings):
    ax = curve(settings, "missed_rate")
    line = ax.lines[0]
    np.testing.assert_allclose(line.get_xdata(), THRESHOLDS)
    np.testing.assert_allclose(line.get_ydata(), 100 * slice_of(settings)["missed_rate"])
    assert ax.get_xlabel() == "threshold"
    assert ax.get_ylabel() == "missed interruptions (%)"
    assert "silence duration 400 ms" in ax.get_title(loc="left")


def test_the_band_is_the_interval(settings):
    ax = curve(settings, "missed_rate")
    (band,) = ax.collections
    rows = slice_of(settings)
    ys = band.get_paths()[0].vertices[:, 1]
    for column in ("missed_rate_lo", "missed_rate_hi"):
        for value in 100 * rows[column]:
            assert np.isclose(ys, value).any()


def test_what_is_not_reached_breaks_the_line_and_is_marked(settings):
    name = "latency_detected_ms_p90"
    ax = curve(settings, name)
    values = slice_of(settings)[name].to_numpy()
    assert np.isinf(values).any()
    np.testing.assert_array_equal(np.isnan(ax.lines[0].get_ydata()), np.isinf(values))
    (marks,) = [line for line in ax.lines if line.get_gid() == f"{name}-not-reached"]
    np.testing.assert_allclose(marks.get_xdata(), np.array(THRESHOLDS)[np.isinf(values)])
    assert np.isfinite(ax.get_ylim()).all()
    assert ax.get_ylim()[1] < 10_000


def test_points_on_a_small_n_are_hollow(settings):
    ax = curve(settings, "missed_rate")
    (hollow,) = [line for line in ax.lines if line.get_gid() == "missed_rate-True"]
    assert hollow.get_xdata().tolist() == [0.2]
    assert hollow.get_markerfacecolor() == "white"


def test_metrics_of_different_units_are_refused(settings):
    with pytest.raises(InvalidParameterError, match="one unit"):
        curve(settings, ["missed_rate", "latency_detected_ms_p50"])


def test_draws_on_the_callers_axes(settings):
    mine = Figure().add_subplot()
    assert curve(settings, "missed_rate", ax=mine) is mine
    assert by_kind(settings, ax=mine) is mine


def test_three_by_three(settings):
    at = {"threshold": 0.6, "prefix_padding_ms": 100.0, "silence_duration_ms": 800.0}
    figure = curves(settings, at=at)
    assert len(figure.axes) == 9
    table = data_behind(figure)
    drawn = table[(table["metric"] == "missed_rate") & (table["against"] == "silence_duration_ms")]
    assert set(drawn["threshold"]) == {0.6}
    assert set(drawn["prefix_padding_ms"]) == {100.0}
    expected = settings.loc[drawn["setting"], "missed_rate"]
    np.testing.assert_allclose(drawn["value"], expected)
    lows = settings.loc[drawn["setting"], "missed_rate_lo"]
    np.testing.assert_allclose(drawn["lo"], lows)


def test_by_kind_has_a_line_a_kind(settings):
    ax = by_kind(settings)
    rows = slice_of(settings)
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["backchannel (n = 60)", "side speech (n = 25)", "noise (n = 45)", "echo (n = 30)"]
    by_label = dict(zip(labels, ax.get_legend_handles_labels()[0], strict=True))
    line = by_label["noise (n = 45)"]
    np.testing.assert_allclose(line.get_ydata(), 100 * rows["false_interruption_rate_noise"])


def test_no_key_lies_over_the_points(settings):
    figure = curves(settings)
    assert not [ax for ax in figure.axes if ax.get_legend() is not None]
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()][:2] == ["p50", "p90"]
