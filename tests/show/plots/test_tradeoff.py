import numpy as np
import pytest
from matplotlib.figure import Figure

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.pareto import pareto_front
from bidilab.show.plots import tradeoff, tradeoff_table


def find(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def test_points_front_and_ring(settings):
    figure = tradeoff(settings, recommended=55)
    latency, missed = figure.axes[:2]
    for ax, name, scale in ((latency, "latency_detected_ms_p50", 1), (missed, "missed_rate", 100)):
        finite = settings[np.isfinite(settings[name])]
        offsets = ax.collections[0].get_offsets()
        np.testing.assert_allclose(offsets[:, 0], 100 * finite["false_interruption_rate"])
        np.testing.assert_allclose(offsets[:, 1], scale * finite[name])
        (front,) = find(ax, f"front-{name}")
        on_front = pareto_front(settings["false_interruption_rate"], settings[name])
        np.testing.assert_allclose(sorted(front.get_ydata()), sorted(scale * settings[name].iloc[on_front]))
        (ring,) = find(ax, "recommended")
        assert ring.get_xdata() == [100 * settings.loc[55, "false_interruption_rate"]]
        assert "threshold 0.5" in ax.texts[0].get_text()


def test_what_is_not_drawn_is_counted(settings):
    hidden = int(np.isinf(settings["latency_detected_ms_p50"]).sum())
    assert hidden
    figure = tradeoff(settings)
    assert f"{hidden} without a finite value" in figure.axes[0].get_title(loc="left")
    assert "without" not in figure.axes[1].get_title(loc="left")
    assert not find(figure.axes[0], "recommended")


def test_the_table_marks_the_front(settings):
    table = tradeoff_table(settings, ("missed_rate",))
    front = pareto_front(settings["false_interruption_rate"], settings["missed_rate"])
    assert set(np.flatnonzero(table["front_missed_rate"])) == set(front.tolist())


def test_draws_on_the_callers_axes(settings):
    figure = Figure()
    panels = figure.subplots(1, 2)
    assert tradeoff(settings, axes=list(panels)) is figure
    assert panels[0].collections


def test_bad_arguments(settings):
    with pytest.raises(InvalidParameterError, match="recommended"):
        tradeoff(settings, recommended=10_000)
    with pytest.raises(InvalidParameterError, match="axes"):
        tradeoff(settings, axes=[Figure().add_subplot()])
