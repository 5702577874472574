import numpy as np
import pandas as pd
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots import ecdf, latency_ecdf


def events(*rows):
    return pd.DataFrame(rows, columns=["outcome", "latency_ms"])


def test_a_missed_interruption_never_stops_the_agent():
    # Five true interruptions, time from onset in ms; x is where the agent stops. Two are missed.
    #
    #   0       100     200     300     400
    #   |--------x                               1 of 5
    #   |----------------x                       2 of 5
    #   |--------------------------------x       3 of 5
    #   |---------------------------------------- … missed, twice
    table = events(
        ("detected", 100.0),
        ("missed", np.inf),
        ("detected", 200.0),
        ("missed", np.inf),
        ("detected", 400.0),
        ("crowded", np.nan),
        ("false", 50.0),
        ("ignored", np.inf),
        ("again", np.nan),
    )
    curve = latency_ecdf(table)
    assert curve["latency_ms"].tolist() == [100.0, 200.0, 400.0]
    assert curve["n_at_risk"].tolist() == [5, 4, 3]
    np.testing.assert_allclose(curve["fraction"], [1 / 5, 2 / 5, 3 / 5])


def test_a_deaf_setting_ends_below_one():
    curve = latency_ecdf(events(("detected", 100.0), *[("missed", np.inf)] * 3))
    assert curve["fraction"].tolist() == [0.25]


def test_two_at_the_same_time_make_one_step():
    curve = latency_ecdf(events(("detected", 32.0), ("detected", 32.0 + 1e-9), ("missed", np.inf)))
    assert curve.to_numpy().tolist() == [[32.0, pytest.approx(2 / 3), 3]]


def test_curve_label_and_data(result):
    setting = int(result.settings["n_detected"].idxmax())
    table = result.events(setting)
    ax = result.plot.ecdf(setting)
    line = ax.lines[0]
    expected = latency_ecdf(table)
    np.testing.assert_allclose(line.get_ydata()[1:-1], 100 * expected["fraction"])
    counts = result.settings.loc[setting]
    text = ax.get_legend().get_texts()[0].get_text()
    assert f"{counts['n_detected']:.0f} detected, {counts['n_missed']:.0f} missed" in text


def test_the_curve_reaches_one_half_at_the_median_of_the_settings_table(result):
    checked = 0
    for setting, row in result.settings.iterrows():
        curve = latency_ecdf(result.events(setting))
        median = row["latency_detected_ms_p50"]
        reached = curve[curve["fraction"] >= 0.5 - 1e-12]["latency_ms"]
        if np.isfinite(median):
            assert reached.iloc[0] == pytest.approx(median)
            checked += 1
        else:
            assert reached.empty
    assert checked


def test_nothing_detected_is_a_flat_line():
    ax = ecdf(events(("missed", np.inf)))
    assert set(ax.lines[0].get_ydata()) == {0.0}


def test_bad_tables():
    with pytest.raises(InvalidParameterError, match="outcome"):
        latency_ecdf(pd.DataFrame({"latency_ms": [1.0]}))
    with pytest.raises(InvalidParameterError, match="at least one"):
        ecdf({})
