"""The frontier as it is drawn: what stands on the axes, read back from the artists."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.columns import SETTINGS
from bidilab.show.plots import data_behind, frontier
from bidilab.show.plots.style import COLOURS

X, Y = "endpoint_latency_ms_mean", "cutoff_rate"


def table(**detectors):
    """Points by detector; the name ``alone`` and those that begin with it ask no scorer."""
    rows = [
        {
            "detector": name,
            "alone": name.startswith("alone"),
            "setting": k,
            X: x,
            Y: y,
            f"{Y}_lo": y / 2,
            f"{Y}_hi": 2 * y,
        }
        for name, points in detectors.items()
        for k, (x, y) in enumerate(points)
    ]
    return pd.DataFrame(rows)


def line(ax, gid):
    (found,) = [each for each in ax.get_lines() if each.get_gid() == gid]
    return found


def test_steps_bands_budgets_and_legend():
    drawn = table(scorer=[(300, 0.3), (900, 0.05)], alone=[(500, 0.4), (1600, 0.04)])
    n = {"scorer": "705 pauses", "alone": "705 pauses"}
    ax = frontier(drawn, x=X, y=Y, x_budgets=(300, 600), y_budgets=(0.05, 0.1), n=n)
    scorer, alone = line(ax, "step-scorer"), line(ax, "step-alone")
    right = ax.get_xlim()[1]
    assert scorer.get_xdata().tolist() == [300, 900, right]
    assert scorer.get_ydata().tolist() == pytest.approx([30, 5, 5])
    assert scorer.get_drawstyle() == "steps-post"
    assert scorer.get_linestyle() == "-"
    assert alone.get_linestyle() == "--"
    assert to_hex(alone.get_color()).upper() == COLOURS["grey"]
    assert to_hex(scorer.get_color()).upper() == COLOURS["blue"]
    assert [line(ax, f"budget-{b}").get_xdata()[0] for b in (300, 600)] == [300, 600]
    assert [line(ax, f"budget-{b}").get_ydata()[0] for b in (0.05, 0.1)] == pytest.approx([5, 10])
    assert {t.get_text() for t in ax.texts} == {"300 ms", "600 ms", "5 %", "10 %"}
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend[:2] == ["scorer\nn = 705 pauses", "alone\nn = 705 pauses"]
    assert "95 % interval" in legend[2]
    low, high = (f(ax.collections[0].get_paths()[0].vertices[:, 1]) for f in (np.min, np.max))
    assert (low, high) == pytest.approx((2.5, 60))
    assert ax.get_xlabel() == SETTINGS[X].axis_label
    assert ax.get_ylabel() == "pauses cut off (%)"
    pd.testing.assert_frame_equal(data_behind(ax), drawn)


def test_several_without_a_scorer_differ_in_colour_and_marker():
    ax = frontier(table(alone=[(1, 0.5)], alone_b=[(2, 0.4)], b=[(3, 0.1)]), x=X, y=Y)
    lines = [line(ax, f"step-{name}") for name in ("alone", "alone_b", "b")]
    assert len({each.get_color() for each in lines}) == 3
    assert [each.get_linestyle() for each in lines] == ["--", "--", "-"]
    assert len({handle.get_marker() for handle in ax.get_legend().legend_handles[:3]}) == 3


def test_without_intervals_there_is_no_band_and_negative_latencies_are_seen():
    drawn = table(a=[(-40, 0.5), (100, 0.1)]).drop(columns=[f"{Y}_lo", f"{Y}_hi"])
    ax = frontier(drawn, x=X, y=Y)
    assert not ax.collections
    assert ax.get_xlim()[0] < -40
    assert len(ax.get_legend().get_texts()) == 1


def test_what_is_no_table_of_a_frontier():
    with pytest.raises(InvalidParameterError, match="alone"):
        frontier(table(a=[(1, 0.1)]).drop(columns="alone"), x=X, y=Y)
    with pytest.raises(InvalidParameterError, match="at least one step"):
        frontier(table(a=[(1, 0.1)]).iloc[:0], x=X, y=Y)
    with pytest.raises(InvalidParameterError, match=Y):
        frontier(table(a=[(1, 0.1)]).drop(columns=Y), x=X, y=Y)
