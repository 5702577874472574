"""The figure of conditions: against a level where they share one, else a row each; and no figure mixes conditions."""

import numpy as np
import pandas as pd
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots import conditions, curve, data_behind, heatmap, tradeoff
from bidilab.show.plots.conditions import level_of
from bidilab.show.plots.style import detached_figures


def under(settings, *labels):
    """The made-up settings under several conditions, each with a higher missed rate than the one before."""
    parts = []
    for k, label in enumerate(labels):
        part = settings.assign(missed_rate=0.1 * (k + 1), missed_rate_lo=0.1 * k, missed_rate_hi=0.1 * (k + 2))
        part.insert(0, "condition", label)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("labels", "level"),
    [
        (["as recorded", "echo_db=-20", "echo_db=-10"], "echo_db"),
        (["snr_db=5,noise=pink", "snr_db=9,noise=pink", "snr_db=9,noise=white"], "snr_db"),
        (["as recorded", "echo_db=-20", "codec=pcmu"], None),
        (["as recorded", "echo_db=-20"], None),
        (["as recorded"], None),
    ],
)
def test_level(labels, level):
    assert level_of(labels) == level


def test_against_a_level(settings):
    labels = ["as recorded", "snr_db=20,noise=pink", "snr_db=10,noise=pink", "snr_db=10,noise=white"]
    with detached_figures():
        figure = conditions(under(settings, *labels), at={"threshold": 0.5})
    panel = figure.axes[0]
    assert panel.xaxis_inverted()  # harder to the right
    line = next(line for line in panel.lines if line.get_label() == "noise pink")
    np.testing.assert_allclose(line.get_xdata(), [10, 20])
    np.testing.assert_allclose(line.get_ydata(), [30, 20])  # per cent
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"noise pink", "noise white", "as recorded"} <= set(words)
    assert set(data_behind(figure)["condition"]) == set(labels)


def test_a_row_each(settings):
    labels = ["as recorded", "bandwidth=telephone,codec=opus,bitrate_kbps=8", "codec=pcmu"]
    with detached_figures():
        figure = conditions(under(settings, *labels), "missed_rate")
    words = [text.get_text().replace("\n", " ") for text in figure.axes[0].get_yticklabels()]
    assert words == [label.replace(",", ", ") for label in labels]
    assert [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"] == pytest.approx(
        [10, 20, 30]
    )


def test_no_figure_mixes_conditions(settings):
    table = under(settings, "as recorded", "codec=pcmu")
    for draw in (lambda: heatmap(table, "missed_rate"), lambda: curve(table, "missed_rate"), lambda: tradeoff(table)):
        with pytest.raises(InvalidParameterError, match="one condition"):
            draw()


def test_conditions_are_needed(settings):
    with pytest.raises(InvalidParameterError, match="condition"):
        conditions(settings)
