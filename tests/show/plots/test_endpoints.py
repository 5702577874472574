import numpy as np
import pytest
from matplotlib.figure import Figure

from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots import data_behind, endpoints
from tests.show.conftest import SILENCES, THRESHOLDS


def rows_of(settings, threshold):
    return settings[(settings["prefix_padding_ms"] == 300.0) & (settings["threshold"] == threshold)]


def test_a_line_per_threshold_and_the_one_held_with_its_intervals(settings):
    ax = endpoints(settings, at={"threshold": 0.6, "prefix_padding_ms": 300.0})
    others = {line.get_gid() for line in ax.lines if str(line.get_gid()).startswith("threshold-")}
    assert others == {f"threshold-{value:g}" for value in THRESHOLDS if value != 0.6}
    (held,) = ax.containers
    rows = rows_of(settings, 0.6)
    np.testing.assert_allclose(held.lines[0].get_xdata(), rows["endpoint_latency_ms_p50"])
    np.testing.assert_allclose(held.lines[0].get_ydata(), 100 * rows["premature_endpoint_rate"])
    across, up = (np.array(arms.get_segments()) for arms in held.lines[2])
    np.testing.assert_allclose(across[:, 0, 0], rows["endpoint_latency_ms_p50_lo"])
    np.testing.assert_allclose(up[:, :, 1], 100 * rows[["premature_endpoint_rate_lo", "premature_endpoint_rate_hi"]])
    assert across[-1, 1, 0] > ax.get_xlim()[1]  # no upper end: it goes on beyond the axis
    assert [text.get_text() for text in ax.texts] == [f"{value:g}" for value in SILENCES]
    assert "n = 80 user turns" in ax.get_title(loc="left")
    assert len(data_behind(ax)) == len(THRESHOLDS) * len(SILENCES)


def test_settings_and_a_budget_are_marked(settings):
    ax = endpoints(settings, marked={"recommended": 50, "default": 5}, max_premature_endpoint_rate=0.1)
    words = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert words[1:] == ["recommended", "default", "limit: 10.0 %"]
    marks = {line.get_marker(): line for line in ax.lines if line.get_zorder() == 6}
    assert marks["o"].get_xdata()[0] == settings.loc[50, "endpoint_latency_ms_p50"]
    assert marks["D"].get_ydata()[0] == 100 * settings.loc[5, "premature_endpoint_rate"]


def test_a_wait_that_is_not_reached_is_left_out_and_counted(settings):
    settings.loc[rows_of(settings, 0.5).index[-1], "endpoint_latency_ms_p50"] = np.inf
    ax = endpoints(settings)
    assert "left out, as their wait is not reached: 1" in ax.get_title(loc="left")
    assert len(ax.containers[0].lines[0].get_xdata()) == len(SILENCES) - 1


def test_draws_on_the_callers_axes_and_without_intervals(settings):
    mine = Figure().add_subplot()
    bare = settings.drop(columns=[c for c in settings if c.startswith("endpoint") and c.endswith(("_lo", "_hi"))])
    assert endpoints(bare, ax=mine) is mine


@pytest.mark.parametrize("marked", [{"best": 1}, {"default": 10_000}])
def test_what_cannot_be_marked_is_refused(settings, marked):
    with pytest.raises(InvalidParameterError, match="marked"):
        endpoints(settings, marked=marked)
