import numpy as np
import pandas as pd
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


def panels(figure):
    return [ax for ax in figure.axes if ax.axison]  # the words above a column are axes too


def words_of(figure):
    return [" ".join(ax.texts[0].get_text().split()) for ax in figure.axes if not ax.axison]


def test_event_rates_against_what_moves_them(settings):
    at = {"threshold": 0.6, "prefix_padding_ms": 100.0, "silence_duration_ms": 800.0}
    figure = curves(settings, at=at)
    drawn = [ax.get_xlabel() for ax in panels(figure) if ax.get_xlabel()]
    assert drawn == ["prefix padding (ms)", "threshold", "silence duration (ms)"]  # in the order of their last panels
    table = data_behind(figure)
    drawn = table[(table["metric"] == "missed_rate") & (table["against"] == "silence_duration_ms")]
    assert set(drawn["threshold"]) == {0.6}
    assert set(drawn["prefix_padding_ms"]) == {100.0}
    expected = settings.loc[drawn["setting"], "missed_rate"]
    np.testing.assert_allclose(drawn["value"], expected)
    lows = settings.loc[drawn["setting"], "missed_rate_lo"]
    np.testing.assert_allclose(drawn["lo"], lows)


def test_what_a_knob_cannot_move_is_said_and_what_it_moves_is_drawn(settings):
    figure = curves(settings)
    threshold, prefix, silence = words_of(figure)
    row = slice_of(settings).set_index("threshold").loc[0.5]
    assert threshold.startswith("at ")
    assert silence.startswith("at ")  # in these settings the echoes hang on it
    assert prefix.startswith("Prefix padding moves no event rate. At all 3 values:")
    assert f"missed interruptions {100 * row['missed_rate']:.1f}" in prefix
    assert prefix.endswith("It moves:")
    titles = [ax.get_title(loc="left") for ax in panels(figure)]
    assert [title for title in titles if title] == ["Onset clipping (ms)\nn = 150 detected onsets"]
    no_echo = settings.drop(columns=[c for c in settings if "echo" in c]).assign(false_interruption_rate=0.25)
    figure = curves(no_echo)
    assert words_of(figure)[2].startswith("Silence duration moves no event rate. At all 5 values:")
    titles = [ax.get_title(loc="left").split(" (")[0] for ax in panels(figure)]
    assert [t for t in titles if t] == ["False stops", "Onset clipping", "Premature endpoints", "Endpoint latency"] or [
        t for t in titles if t
    ] == ["Onset clipping", "False stops", "Premature endpoints", "Endpoint latency"]


def test_one_value_swept_is_no_reason_to_say_that_it_moves_nothing(settings):
    figure = curves(settings[settings["prefix_padding_ms"] == 300.0])
    assert all(words.startswith("at ") for words in words_of(figure))


def test_a_knob_that_a_guard_lets_move_event_rates_is_drawn(settings):
    """With a guard that counts silence, the silence duration decides what passes it; without, it moves nothing."""
    without = settings.assign(min_interruption_ms=0.0, false_interruption_rate=0.25)
    moved = 0.2 + settings["silence_duration_ms"] / 10_000
    table = pd.concat([without, without.assign(min_interruption_ms=300.0, false_interruption_rate=moved)])
    table = table.reset_index(drop=True).rename_axis("setting")
    for guard, starts in ((0.0, "Silence duration moves no"), (300.0, "at ")):
        assert words_of(curves(table, at={"min_interruption_ms": guard}))[2].startswith(starts)


def test_a_flat_line_that_cannot_but_be_flat_says_so(settings):
    note = "prefix padding does not move it, at any value swept"
    assert note in curve(settings, "missed_rate", x="prefix_padding_ms").get_title(loc="left")
    assert note not in curve(settings, "onset_clipped_ms_p90", x="prefix_padding_ms").get_title(loc="left")


def test_a_band_without_an_upper_end_is_open_and_said_to_be(settings):
    ax = curve(settings, "endpoint_latency_ms_p50", x="silence_duration_ms")
    top = ax.get_ylim()[1]
    (band,) = ax.collections
    assert band.get_paths()[0].vertices[:, 1].max() > 10 * top
    assert "band to the upper edge: at least" in [text.get_text() for text in ax.get_legend().get_texts()]
    ax = curve(settings, "onset_clipped_ms_p50", x="prefix_padding_ms")  # no interval at all
    assert not ax.collections
    assert ax.get_legend() is None


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
