"""Kaplan–Meier: hand-derived goldens, lifelines, exact arithmetic."""

import doctest
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics import survival
from bidilab.lab.metrics.intervals import clustered_km_quantile
from bidilab.lab.metrics.statistics import quantile
from bidilab.lab.metrics.survival import kaplan_meier, km_quantile

times = st.integers(-5, 20)  # a narrow range, so that ties are common
samples = st.lists(st.tuples(times, st.booleans(), st.integers(0, 3)), max_size=40)
percents = st.integers(1, 100)


def exact_quantile(rows, share):
    """The definition in fractions: the least event time with S <= 1 - q."""
    rows = [(time, observed, weight) for time, observed, weight in rows if weight]
    if not rows:
        return math.nan
    alive = Fraction(1)
    for at in sorted({time for time, observed, _ in rows if observed}):
        at_risk = sum(weight for time, _, weight in rows if time >= at)
        heard = sum(weight for time, observed, weight in rows if time == at and observed)
        alive *= 1 - Fraction(heard, at_risk)
        if alive <= 1 - share:
            return float(at)
    return math.inf


def test_the_formulas_in_the_docstrings_hold():
    failures, examples = doctest.testmod(survival)
    assert examples > 0
    assert failures == 0


# Five opportunities, by hand. x heard, o given up (censored); one is heard before its labelled onset.
#
#   time      -2      4      4      7      9
#              x      x      o      o      x
#   at risk    5      4      4      2      1
#   S         4/5   4/5·3/4  .      .      0
#                   = 3/5
#
# At 4 the event comes first: the one censored there is still at risk, so the factor is 3/4 and not 2/3.
def test_events_come_before_censorings_at_the_same_time():
    at, alive = kaplan_meier([4, 9, -2, 4, 7], [False, True, True, True, False])
    assert at.tolist() == [-2, 4, 9]
    np.testing.assert_allclose(alive, [0.8, 0.6, 0.0], atol=1e-15)


@pytest.mark.parametrize(("q", "expected"), [(0.1, -2), (0.2, -2), (0.3, 4), (0.4, 4), (0.5, 9), (1.0, 9)])
def test_a_quantile_is_the_time_at_which_survival_gets_there(q, expected):
    assert km_quantile([4, 9, -2, 4, 7], [False, True, True, True, False], q) == expected


# Deaf to half: 2 heard, 2 given up after that. S stays at 1/2: p50 is reached, p51 never.
#
#   time     3     5     8     8
#            x     x     o     o
#   S       3/4   1/2    .     .
def test_a_quantile_that_survival_never_falls_to_is_not_reached():
    time, heard = [3, 5, 8, 8], [True, True, False, False]
    assert km_quantile(time, heard, 0.5) == 5
    assert km_quantile(time, heard, 0.51) == math.inf


def test_without_data_it_is_undefined_and_with_only_misses_not_reached():
    assert math.isnan(km_quantile([], [], 0.5))
    assert math.isnan(km_quantile([3], [True], 0.5, weights=[0]))
    assert km_quantile([3, 4], [False, False], 0.5) == math.inf
    assert [part.tolist() for part in kaplan_meier([3, 4], [False, False])] == [[], []]


# The 6-MP arm of Freireich et al., Blood 21, 1963; survival by lifelines 0.30.3, KaplanMeierFitter.
def test_survival_agrees_with_lifelines_on_the_leukaemia_trial():
    time = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    at, alive = kaplan_meier(time, [True] * 9 + [False] * 12)
    assert at.tolist() == [6, 7, 10, 13, 16, 22, 23]
    expected = [
        0.857142857142857,
        0.8067226890756299,
        0.7529411764705878,
        0.6901960784313722,
        0.6274509803921566,
        0.5378151260504199,
        0.44817927170868327,
    ]
    np.testing.assert_allclose(alive, expected, rtol=1e-12)


LIFELINES_TIMES = [
    *[189, 125, 137, 179, 116, 155, 166, 45, 12, 60, 57, 174, 182, 2, 100],
    *[164, 27, 159, 24, 94, 163, 61, 68, 56, 144, 51, 198, 89, 96, 101],
]
LIFELINES_OBSERVED = [
    *[1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1],
    *[1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1],
]
LIFELINES_WEIGHTS = [
    *[0, 2, 1, 0, 0, 2, 2, 2, 2, 3, 2, 1, 2, 2, 0],
    *[0, 2, 1, 2, 1, 0, 0, 1, 3, 1, 1, 2, 3, 1, 2],
]


# lifelines 0.30.3, KaplanMeierFitter().fit(times, observed, weights=...).percentile(1 - q)
@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, {0.1: 24, 0.25: 60, 0.5: 144, 0.75: 166, 0.9: 189}),
        (LIFELINES_WEIGHTS, {0.1: 24, 0.25: 51, 0.5: 89, 0.75: 166, 0.9: math.inf}),
    ],
)
def test_quantiles_agree_with_lifelines(weights, expected):
    got = {q: km_quantile(LIFELINES_TIMES, LIFELINES_OBSERVED, q, weights) for q in expected}
    assert got == expected


@given(samples, percents)
def test_a_quantile_in_exact_arithmetic(rows, percent):
    time, observed, weights = ([row[k] for row in rows] for k in range(3))
    got = km_quantile(time, np.array(observed, dtype=bool), percent / 100, weights)
    assert got == pytest.approx(exact_quantile(rows, Fraction(percent, 100)), abs=0, nan_ok=True)


@given(samples, percents)
def test_weights_are_repetitions(rows, percent):
    repeated = [(time, observed) for time, observed, weight in rows for _ in range(weight)]
    got = km_quantile([r[0] for r in rows], [r[1] for r in rows], percent / 100, [r[2] for r in rows])
    want = km_quantile([r[0] for r in repeated], [r[1] for r in repeated], percent / 100)
    assert got == pytest.approx(want, abs=0, nan_ok=True)


@given(st.lists(times, max_size=60), percents)
def test_with_nothing_censored_it_is_the_plain_quantile(values, percent):
    got = km_quantile(values, [True] * len(values), percent / 100)
    assert got == pytest.approx(quantile(values, percent / 100), abs=0, nan_ok=True)


@given(samples, st.integers(1, 99))
def test_the_quantile_with_an_interval_is_the_same(rows, percent):
    time, observed = [row[0] for row in rows], [row[1] for row in rows]
    got = clustered_km_quantile(time, observed, range(len(rows)), percent / 100).value
    assert got == pytest.approx(km_quantile(time, observed, percent / 100), abs=0, nan_ok=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda: kaplan_meier([1.0, math.nan], [True, True]),
        lambda: kaplan_meier([1.0, math.inf], [True, True]),
        lambda: kaplan_meier([1.0], [True, True]),
        lambda: kaplan_meier([[1.0]], [[True]]),
        lambda: kaplan_meier([1.0], [2]),
        lambda: kaplan_meier([1.0], [True], [-1]),
        lambda: kaplan_meier([1.0], [True], [math.nan]),
        lambda: kaplan_meier([1.0], [True], [1, 1]),
        lambda: km_quantile([1.0], [True], 0.0),
        lambda: km_quantile([1.0], [True], 1.5),
        lambda: km_quantile([1.0], [True], math.nan),
    ],
)
def test_what_is_not_allowed_is_refused(call):
    with pytest.raises(InvalidParameterError):
        call()
