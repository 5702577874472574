"""Verdicts against limits, by hand.

Twenty recordings, y missed of n interruptions (`tests/lab/metrics/test_intervals.py` has the same): r = 11/30, design
effect D = 0.9553, so 31.40 independent ones; t of 19 degrees of freedom at 95 % is 1.7291. Wilson with these::

    centre = (0.3667 + 2.9898/62.81) / (1 + 2.9898/31.40)               = 0.3783
    half   = 1.7291 √(0.2322/31.40 + 2.9898/(4 · 31.40²)) / 1.0952      = 0.1426

    0          0.2357        0.3667             0.5208            1
    |------------[-------------·------------------]---------------|
          fails  |            inconclusive         | passes            a limit "at most"
         passes  |            inconclusive         | fails             a limit "at least"
"""

import math

import numpy as np
import pytest
from scipy import stats

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.gate import check

Y = [1, 0, 2, 0, 1, 0, 0, 0, 1, 0, 1, 2, 0, 1, 0, 1, 0, 1, 0, 0]
N = [2, 1, 2, 1, 2, 2, 1, 1, 2, 1, 2, 2, 1, 2, 1, 2, 2, 1, 1, 1]
LO, HI = 0.2357, 0.5208


@pytest.mark.parametrize(
    ("limits", "verdict", "exit_code", "with_proof"),
    [
        ({"max": {"missed_rate": 0.23}}, "fail", 1, 1),
        ({"max": {"missed_rate": 0.24}}, "inconclusive", 0, 3),
        ({"max": {"missed_rate": 0.52}}, "inconclusive", 0, 3),
        ({"max": {"missed_rate": 0.53}}, "pass", 0, 0),
        ({"min": {"missed_rate": 0.23}}, "pass", 0, 0),
        ({"min": {"missed_rate": 0.24}}, "inconclusive", 0, 3),
        ({"min": {"missed_rate": 0.52}}, "inconclusive", 0, 3),
        ({"min": {"missed_rate": 0.53}}, "fail", 1, 1),
    ],
)
def test_only_a_bound_beyond_the_limit_fails_and_only_one_within_it_is_shown(
    made, limits, verdict, exit_code, with_proof
):
    report = check(made(Y, N), **limits)
    (row,) = report.rows
    assert (row.lo, row.hi) == (pytest.approx(LO, abs=5e-5), pytest.approx(HI, abs=5e-5))
    assert (row.value, row.n, row.verdict) == (pytest.approx(11 / 30), 30, verdict)
    assert report.exit_code == exit_code
    assert check(made(Y, N), **limits, proof=True).exit_code == with_proof
    assert bool(report.warnings) == (verdict == "inconclusive")


def test_the_bound_is_the_one_that_decides(made):
    assert check(made(Y, N), max={"missed_rate": 0.2}).rows[0].bound == pytest.approx(LO, abs=5e-5)
    assert check(made(Y, N), max={"missed_rate": 0.4}).rows[0].bound == pytest.approx(HI, abs=5e-5)
    assert check(made(Y, N), min={"missed_rate": 0.6}).rows[0].bound == pytest.approx(HI, abs=5e-5)
    assert check(made(Y, N), min={"missed_rate": 0.3}).rows[0].bound == pytest.approx(LO, abs=5e-5)


def test_how_many_would_show_it_are_as_many_as_the_bound_needs(made):
    (row,) = check(made(Y, N), max={"missed_rate": 0.45}).rows
    t = stats.t.ppf(0.95, 19)
    needed = math.ceil(0.9553 * t * t * 0.45 * 0.55 / (0.45 - 11 / 30) ** 2)
    assert f"about {needed} true interruptions met like these would show it" in row.reason


@pytest.mark.parametrize(
    ("missed", "met", "words"),
    [
        ([1, 0, 0], [3, 3, 3], "9 true interruptions met are too few to judge by: it takes 10 at least"),
        ([0, 0], [0, 0], "there are no true interruptions met"),
        ([3, 0], [12, 0], "all true interruptions met are of one recording, and a bound needs at least two"),
    ],
)
def test_too_little_to_judge_by_is_exit_code_2_with_a_sentence_why(made, missed, met, words):
    report = check(made(missed, met), max={"missed_rate": 0.9}, proof=True)
    assert report.exit_code == 2
    assert report.rows[0].verdict == "not judged"
    assert report.rows[0].reason == words
    assert words in str(report)


def test_what_surely_fails_fails_whatever_else_cannot_be_judged(made):
    absent = {"latency_detected_ms": "the provider keeps it to itself"}
    limits = {"missed_rate": 0.2, "latency_detected_ms_p50": 300}
    report = check(made(Y, N, absent=absent), max=limits)
    assert [row.verdict for row in report.rows] == ["fail", "not judged"]
    assert report.exit_code == 1
    assert check(made(Y, N, absent=absent), max={**limits, "missed_rate": 0.6}).exit_code == 2


def test_a_quantile_has_the_bounds_of_its_order_statistics(made):
    """Twelve recordings, a delay each, one never: h of p50 is 1.7959 √(0.25/12) = 0.259, so ranks 3 and 10 of 12.

    ::

        40 50 60 70 80 90 100 110 120 130 ... never
               [         ·            ]
             rank 3    rank 6     rank 10 (0.759 · 12 = 9.1, the next whole one)
    """
    delays = [[d] for d in (40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0, 120.0, 130.0, 140.0, np.inf)]
    evidence = made([0] * 11 + [1], delays=delays)
    for limit, verdict in ((59, "fail"), (60, "inconclusive"), (129, "inconclusive"), (130, "pass")):
        (row,) = check(evidence, max={"latency_detected_ms_p50": limit}).rows
        assert (row.value, row.lo, row.hi, row.verdict) == (90, 60, 130, verdict)
    (row,) = check(evidence, max={"latency_detected_ms_p90": 1000}).rows
    assert (row.verdict, row.hi) == ("inconclusive", math.inf)
    assert row.reason == "within the limit, but the data set no upper end"
    never = made([1] * 12, delays=[[np.inf]] * 12)
    (row,) = check(never, max={"latency_detected_ms_p50": 1000}).rows
    assert row.verdict == "fail"
    assert "not reached" in row.shown


def test_recordings_that_go_together_are_one_unit(made):
    apart = check(made([1, 1, 0, 0] * 6, [2] * 24), max={"missed_rate": 0.5}).rows[0]
    together = made([1, 1, 0, 0] * 6, [2] * 24, clusters=np.repeat(np.arange(4), 6)[np.argsort([0, 1, 2, 3] * 6)])
    wide = check(together, max={"missed_rate": 0.5}).rows[0]
    assert wide.value == apart.value
    assert wide.hi > apart.hi


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max": {"mised_rate": 0.1}}, "missed_rate"),
        ({"max": {"n_missed": 3}}, "n_missed is a count, which has no bound"),
        ({"max": {"missed_rate": 10}}, r"a rate in \[0, 1\] \(0.1 for 10 %\)"),
        ({"min": {"latency_detected_ms_p50": -1}}, "a finite number of ms >= 0"),
        ({"max": {"missed_rate": "0.1"}}, "a rate"),
        ({}, "limits on some of missed_rate"),
        ({"metrics": ["missed_rate"]}, "left out without a baseline"),
        ({"max": {"missed_rate": 0.1}, "margin": {"missed_rate": 0.1}}, "left out without a baseline"),
        ({"max": {"missed_rate": 0.1}, "baseline_setting": 3}, "left out without a baseline"),
        ({"max": {"missed_rate": 0.1}, "setting": 3}, "left out for a replay"),
    ],
)
def test_what_cannot_be_asked_is_said(made, limits, words):
    with pytest.raises(InvalidParameterError, match=words):
        check(made(Y, N), **limits)


@pytest.mark.parametrize("result", [None, 3, "nowhere/at/all", {}])
def test_what_is_no_result_is_said(result):
    with pytest.raises(InvalidParameterError, match="result must be"):
        check(result, max={"missed_rate": 0.1})
