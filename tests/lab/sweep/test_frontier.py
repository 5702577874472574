"""The frontier against points made by hand, and of sweeps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bidilab as bl
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.lab.sweep import Frontier, Grid, SweepResult, frontier, sweep

X, Y = "endpoint_latency_ms_mean", "cutoff_rate"
HOW = {"vad": "energy", "jobs": 1, "n_resamples": 2, "progress": False}


@pytest.fixture(scope="module")
def base(bursts):
    grid = Grid(threshold=[0.3, 0.5, 0.7], prefix_padding_ms=300, silence_duration_ms=[200, 400])
    return sweep(bursts, grid, cache=False, **HOW)


def made(base, points, **columns):
    """A sweep whose six settings have these latencies and rates; the others are infinitely late."""
    settings = base.settings.copy()
    table = np.full((len(settings), 2), np.inf)
    table[: len(points)] = np.reshape(points, (-1, 2))
    settings[[X, Y]] = table
    for end, factor in (("lo", 0.5), ("hi", 1.5)):
        settings[[f"{X}_{end}", f"{Y}_{end}"]] = table * factor
    settings = settings.assign(n_pauses=100, n_turns=40, degenerate=False, **columns)
    return SweepResult(settings=settings, grid=base.grid, meta=base.meta)


def steps(found, name):
    rows = found.table[found.table["detector"] == name]
    return list(zip(rows["setting"], rows[X], rows[Y], strict=True))


def test_the_least_at_each_latency(base):
    found = frontier({"mine": made(base, [(300, 0.5), (250, 0.6), (400, 0.5), (700, 0.1), (800, 0.2)])})
    assert steps(found, "mine") == [(1, 250, 0.6), (0, 300, 0.5), (3, 700, 0.1)]
    assert found.table["parameters"].tolist() == [
        "threshold 0.3, silence duration 400 ms",
        "threshold 0.3, silence duration 200 ms",
        "threshold 0.5, silence duration 400 ms",
    ]
    assert found.table[f"{Y}_hi"].tolist() == [0.6 * 1.5, 0.75, 0.1 * 1.5]
    assert found.n_settings == {"mine": 6}
    assert found.n_of("mine") == "100 pauses, 40 user turns"


def test_budgets(base):
    found = frontier({"mine": made(base, [(250, 0.6), (300, 0.5), (700, 0.1)]), "deaf": made(base, [(900, 0.2)])})
    at = found.at(x=300)
    assert (at.loc["mine", Y], at.loc["mine", "setting"]) == (0.5, 1)
    assert pd.isna(at.loc["deaf", Y])
    assert pd.isna(at.loc["deaf", "setting"])
    assert found.at(x=299.9).loc["mine", Y] == 0.6
    assert found.at(y=0.1).loc["mine", X] == 700  # the budget itself keeps it
    assert found.at(y=0.2)[X].tolist() == [700, 900]
    assert found.headlines.loc["mine"].tolist() == [
        "50.0 % (25.0–75.0)",
        "50.0 % (25.0–75.0)",
        "not reached",
        "700 ms (350–1050)",
    ]
    assert list(found.headlines) == ["cut off at 300 ms", "cut off at 600 ms", "ms at 5 %", "ms at 10 %"]
    for wrong in ({}, {"x": 1, "y": 1}):
        with pytest.raises(InvalidParameterError, match="exactly one"):
            found.at(**wrong)


def test_a_scorer_and_silence_alone_are_told_apart(base):
    off = {"eot_threshold": [np.inf, 0.5, np.inf, 0.5, 0.8, 0.8]}
    mixed = made(base, [(300, 0.5), (300, 0.2), (700, 0.3), (500, 0.1), (450, 0.3), (900, 0.1)], **off)
    found = frontier({"smart-turn": mixed})
    assert found.detectors == ("smart-turn", "silence alone")
    assert steps(found, "smart-turn") == [(1, 300, 0.2), (3, 500, 0.1)]
    assert steps(found, "silence alone") == [(0, 300, 0.5), (2, 700, 0.3)]
    assert found.n_settings == {"smart-turn": 4, "silence alone": 2}
    assert found.table.groupby("detector")["alone"].first().to_dict() == {"smart-turn": False, "silence alone": True}
    assert frontier({"silero": made(base, [(300, 0.5)])}).table["alone"].all()


def test_the_same_silence_alone_is_shown_once(base):
    off = {"eot_threshold": [np.inf, 0.5, np.inf, 0.5, 0.8, 0.8]}
    points = [(300, 0.5), (300, 0.2), (700, 0.3), (500, 0.1)]
    mixed, other = made(base, points, **off), made(base, [(300, 0.5), (350, 0.25), (700, 0.3), (500, 0.1)], **off)
    assert frontier({"a": mixed, "b": other}).detectors == ("a", "silence alone (a)", "b")
    plain = made(base, [(300, 0.5), (700, 0.3)])
    assert frontier({"silero": plain, "b": other}).detectors == ("silero", "b")
    assert frontier({"b": other, "silero": plain}).detectors == ("b", "silero")  # the one that has a name stays
    better = made(base, [(300, 0.4), (650, 0.3)])
    assert frontier({"b": other, "silero": better}).detectors == ("b", "silero")
    later = made(base, [(301, 0.4), (650, 0.3)])  # worse at 300 ms
    assert frontier({"b": other, "silero": later}).detectors == ("b", "silence alone (b)", "silero")
    assert frontier({"silero": plain, "again": plain}).detectors == ("silero", "again")
    third = made(base, [(290, 0.5), (350, 0.25)], **off)
    assert frontier({"a": mixed, "b": third}).detectors == ("a", "silence alone (a)", "b", "silence alone (b)")


def test_a_threshold_that_no_score_is_above_is_silence_alone(base):
    never = made(base, [(300, 0.5), (200, 0.6), (900, 0.1)], eot_threshold=[0.5, np.inf, 1, 0.5, 0.5, 0.5])
    assert steps(frontier({"m": never}), "silence alone") == [(1, 200, 0.6), (2, 900, 0.1)]


def test_names_of_parts_stay_apart(base):
    off = {"eot_threshold": [np.inf, 0.5] * 3}
    mixed, plain = made(base, [(300, 0.5), (300, 0.2)], **off), made(base, [(310, 0.5)])
    assert frontier({"silence alone": mixed}).detectors == ("silence alone", "silence alone (silence alone)")
    with pytest.raises(InvalidParameterError, match="names that differ"):
        frontier({"a": mixed, "silence alone (a)": plain})


def test_a_scorer_of_interruptions_is_another_axis(base):
    eot = made(base, [(300, 0.5)] * 6, eot_threshold=[np.inf, 0.5] * 3)
    assert frontier({"m": eot}, "latency_detected_ms_p50", "false_interruption_rate").table["alone"].all()
    both = made(base, [(300, 0.5)] * 6, interrupt_threshold=[np.inf, 0.5] * 3)
    found = frontier({"m": both}, "latency_detected_ms_p50", "false_interruption_rate")
    assert found.detectors == ("m", "no scorer")
    assert frontier({"m": both}).table["alone"].all()


def test_degenerate_settings_are_no_part(base):
    result = made(base, [(250, 0.0), (300, 0.5)])
    result.settings["degenerate"] = [True, *[False] * 5]
    assert steps(frontier({"mine": result}), "mine") == [(1, 300, 0.5)]


def test_what_cannot_be_compared(base, bursts, bursts_folder):
    with pytest.raises(InvalidParameterError, match="results"):
        frontier({})
    with pytest.raises(InvalidParameterError, match="results"):
        frontier(base)
    with pytest.raises(InvalidParameterError, match=r"results\['a'\]"):
        frontier({"a": base.settings})
    with pytest.raises(InvalidParameterError, match=r"^x must be .*endpoint_latency_ms_p90.*got 'cutoff_rate'"):
        frontier({"a": base}, "cutoff_rate")
    with pytest.raises(InvalidParameterError, match=r"^y must be .*missed_rate.*got 'n_missed'"):
        frontier({"a": base}, y="n_missed")
    more = made(base, [(300, 0.5)])
    more.settings["n_pauses"] = 101
    with pytest.raises(InvalidParameterError, match=r"made in the same way, with the same n_pauses.*100, 101"):
        frontier({"a": made(base, [(300, 0.5)]), "b": more})
    with pytest.raises(InvalidParameterError, match="y_budgets"):
        frontier({"a": base}, y_budgets=[-1])
    with pytest.raises(ResultError, match="a: no setting has a finite"):
        frontier({"a": made(base, [])})
    other = sweep(bursts[:4], Grid(threshold=0.5), cache=False, **HOW)
    with pytest.raises(InvalidParameterError, match="the same recordings"):
        frontier({"a": base, "b": other}, "endpoint_latency_ms_p50", "premature_endpoint_rate")
    several = sweep(bursts, Grid(threshold=0.5, conditions=[None, "gain_db=-6"]), cache=False, **HOW)
    with pytest.raises(InvalidParameterError, match="under one condition"):
        frontier({"a": several})
    one = frontier({"a": several.under("gain_db=-6")}, "endpoint_latency_ms_p50", "premature_endpoint_rate")
    assert len(one.table) >= 1
    before = SweepResult(settings=base.settings.drop(columns=[Y]), grid=base.grid, meta=base.meta)
    with pytest.raises(ResultError, match="no column 'cutoff_rate'; sweep again"):
        frontier({"a": before})


def test_text_and_html_say_the_same(base):
    found = frontier({"<mine>": made(base, [(250, 0.6), (700, 0.1)])})
    text, page = repr(found), found._repr_html_()
    for said in ("best of 6 settings; n = 100 pauses, 40 user turns", "60.0 % (30.0–90.0)", "700 ms (350–1050)"):
        assert said in text
        assert said in page
    assert "<mine>" in text
    assert "&lt;mine&gt;" in page
    assert "<mine>" not in page


def test_of_a_sweep_as_a_user_has_it(base):
    found = bl.frontier({"energy": base}, "endpoint_latency_ms_p50", "premature_endpoint_rate")
    assert isinstance(found, bl.Frontier)
    assert Frontier is bl.Frontier
    chosen = found.at(y=1)
    row = base.settings.loc[chosen.loc["energy", "setting"]]
    assert chosen.loc["energy", "endpoint_latency_ms_p50"] == row["endpoint_latency_ms_p50"]
    assert row["endpoint_latency_ms_p50"] == base.settings["endpoint_latency_ms_p50"].min()


points = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=6)


@given(points, st.integers(0, 10))
def test_a_step_is_the_least_of_all_settings_within_the_budget(base, drawn, budget):
    found = frontier({"mine": made(base, drawn)})
    across = [y for x, y in drawn if x <= budget]
    up = [x for x, y in drawn if y <= budget]
    for got, expected in ((found.at(x=budget)[Y], across), (found.at(y=budget)[X], up)):
        assert (pd.isna(got["mine"]) and not expected) or got["mine"] == min(expected)
