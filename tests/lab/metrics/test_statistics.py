"""Rates, their intervals and quantiles. Expected numbers not derived by hand are from statsmodels 0.15.0."""

import doctest
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics import statistics
from bidilab.lab.metrics.statistics import (
    poisson_interval,
    poisson_rate,
    quantile,
    quantiles_by_row,
    rank,
    rate,
    wilson_interval,
)

confidences = st.floats(0.5, 0.999)


@st.composite
def trials(draw):
    n = draw(st.integers(0, 5000))
    return draw(st.integers(0, n)), n


def test_the_formulas_in_the_docstrings_hold():
    failures, examples = doctest.testmod(statistics)
    assert examples > 0
    assert failures == 0


# statsmodels.stats.proportion.proportion_confint(k, n, alpha=1 - confidence, method="wilson")
@pytest.mark.parametrize(
    ("successes", "n", "confidence", "lo", "hi"),
    [
        (8, 10, 0.95, 0.49016247153664183, 0.9433178485456247),
        (0, 10, 0.95, 0.0, 0.27753279986288926),
        (1, 1, 0.95, 0.2065493143772374, 1.0),
        (37, 412, 0.95, 0.06585591872396812, 0.12133431247964654),
        (3, 50, 0.90, 0.02423125703121838, 0.14094194646069935),
        (412, 412, 0.99, 0.9841511143602905, 1.0),
    ],
)
def test_wilson_interval_agrees_with_statsmodels(successes, n, confidence, lo, hi):
    np.testing.assert_allclose(wilson_interval(successes, n, confidence), (lo, hi), rtol=1e-12, atol=0)


# statsmodels.stats.rates.confint_poisson(k, exposure, method="exact-c", alpha=1 - confidence)
@pytest.mark.parametrize(
    ("count", "exposure", "confidence", "lo", "hi"),
    [
        (0, 1.0, 0.95, 0.0, 3.6888794541139363),
        (1, 2.5, 0.95, 0.010127123193715951, 2.2286573563755594),
        (10, 4.0, 0.95, 1.1988471740331084, 4.597589010504444),
        (250, 31.0, 0.95, 7.095741794546365, 9.128635646526327),
        (7, 3.0, 0.90, 1.0951052306315567, 4.382704600810707),
    ],
)
def test_poisson_interval_agrees_with_statsmodels(count, exposure, confidence, lo, hi):
    np.testing.assert_allclose(poisson_interval(count, exposure, confidence), (lo, hi), rtol=1e-12, atol=0)


def test_undefined_is_nan_and_says_nothing_of_its_neighbours():
    np.testing.assert_array_equal(rate([0, 3], [0, 4]), [np.nan, 0.75])
    lo, hi = wilson_interval([0, 0], [0, 10])
    np.testing.assert_array_equal(np.isnan([lo, hi]), [[True, False], [True, False]])
    np.testing.assert_array_equal(poisson_rate([0, 2, 3], [0.0, 0.0, 2.0]), [np.nan, np.nan, 1.5])
    lo, hi = poisson_interval([0, 2, 3], [0.0, 0.0, 2.0])
    np.testing.assert_array_equal(np.isnan(lo), [True, True, False])
    np.testing.assert_array_equal(np.isnan(hi), [True, True, False])


def test_numbers_give_numbers_and_arrays_broadcast():
    assert isinstance(rate(1, 4), float)
    assert isinstance(poisson_rate(1, 4.0), float)
    assert all(isinstance(end, float) for end in (*wilson_interval(1, 4), *poisson_interval(1, 4.0)))
    assert wilson_interval([[1], [2]], [4, 5, 6])[0].shape == (2, 3)
    assert wilson_interval([], [])[0].shape == (0,)


@given(trials(), confidences)
def test_wilson_interval_holds_the_rate_and_mirrors(trial, confidence):
    k, n = trial
    lo, hi = wilson_interval(k, n, confidence)
    if n == 0:
        assert math.isnan(lo)
        assert math.isnan(hi)
        return
    assert 0 <= lo <= k / n <= hi <= 1
    other_lo, other_hi = wilson_interval(n - k, n, confidence)
    assert other_lo == pytest.approx(1 - hi, abs=1e-12)
    assert other_hi == pytest.approx(1 - lo, abs=1e-12)


@given(st.integers(0, 2000), st.floats(0.01, 1000), confidences)
def test_poisson_interval_leaves_the_tail_it_should_on_either_side(count, exposure, confidence):
    lo, hi = poisson_interval(count, exposure, confidence)
    assert lo <= count / exposure <= hi
    # P(X <= count | hi) = P(X >= count | lo) = alpha/2, summed term by term in place of the χ² quantile.
    mean = hi * exposure
    terms = (math.exp(-mean + i * math.log(mean) - math.lgamma(i + 1)) for i in range(count + 1))
    assert sum(terms) == pytest.approx((1 - confidence) / 2, rel=1e-6)
    if count:
        mean = lo * exposure
        below = (math.exp(-mean + i * math.log(mean) - math.lgamma(i + 1)) for i in range(count))
        assert sum(below) == pytest.approx((1 + confidence) / 2, rel=1e-6)


# Values in order, and the share of them at or below each:
#
#   value   10    20    30    40
#   share   1/4   2/4   3/4   1
@pytest.mark.parametrize(("q", "expected"), [(0.01, 10), (0.25, 10), (0.26, 20), (0.5, 20), (0.75, 30), (1.0, 40)])
def test_quantile_is_the_least_value_that_a_share_q_does_not_exceed(q, expected):
    assert quantile([40, 10, 30, 20], q) == expected


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.integers(1, 100))
def test_quantile_in_exact_arithmetic(values, percent):
    share = Fraction(percent, 100)
    expected = next(v for v in sorted(values) if Fraction(sum(w <= v for w in values), len(values)) >= share)
    assert quantile(values, percent / 100) == expected


def test_quantile_of_nothing_is_nan_and_infinity_is_a_value():
    assert math.isnan(quantile([], 0.5))
    assert quantile([1.0, math.inf, math.inf], 0.5) == math.inf


@given(st.integers(1, 3000), st.integers(0, 1000))
def test_rank_in_exact_arithmetic(n, per_mille):
    at = rank(n, per_mille / 1000)
    assert Fraction(at + 1, n) >= Fraction(per_mille, 1000)
    assert at == 0 or Fraction(at, n) < Fraction(per_mille, 1000)


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson_interval(-1, 10),
        lambda: wilson_interval(11, 10),
        lambda: wilson_interval([1, 11], 10),
        lambda: wilson_interval(math.nan, 10),
        lambda: wilson_interval(1, math.nan),
        lambda: wilson_interval(1.5, 10),
        lambda: wilson_interval(1, math.inf),
        lambda: wilson_interval(1, 10, 0.0),
        lambda: wilson_interval(1, 10, 1.0),
        lambda: wilson_interval(1, 10, math.nan),
        lambda: rate(2, 1),
        lambda: poisson_interval(-1, 1.0),
        lambda: poisson_interval(1, -1.0),
        lambda: poisson_interval(1, math.nan),
        lambda: poisson_interval(1, math.inf),
        lambda: poisson_interval(1, 1.0, 95),
        lambda: poisson_rate(math.nan, 1.0),
        lambda: quantile([1.0, math.nan], 0.5),
        lambda: quantile([[1.0]], 0.5),
        lambda: quantile([1.0], 0.0),
        lambda: quantile([1.0], 1.1),
        lambda: quantile([1.0], math.nan),
    ],
)
def test_what_is_not_allowed_is_refused(call):
    with pytest.raises(InvalidParameterError):
        call()


def test_the_refusal_names_the_count_and_its_bound():
    with pytest.raises(InvalidParameterError, match=r"successes must be at most n \(10\), got 11"):
        wilson_interval([1, 11], 10)


@given(
    st.lists(st.lists(st.tuples(st.integers(-50, 50), st.booleans()), min_size=4, max_size=4), min_size=1, max_size=5)
)
def test_quantiles_by_row_are_those_of_each_row(rows):
    values = np.array([[v for v, _ in row] for row in rows])
    defined = np.array([[d for _, d in row] for row in rows])
    table = quantiles_by_row(values, defined, (0.5, 0.9))
    for row, keep, got in zip(values, defined, table, strict=True):
        np.testing.assert_array_equal(got, [quantile(row[keep], q) for q in (0.5, 0.9)])
