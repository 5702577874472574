"""Kaplan–Meier: hand-derived goldens, lifelines, exact arithmetic; the compiled bootstrap and its reference."""

import doctest
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics import latency, survival
from bidilab.lab.metrics.latency import (
    ABSENT,
    CENSORED,
    EVENT,
    bootstrap_km_quantiles,
    kaplan_meier,
    km_quantile,
    km_quantiles,
    resample_counts,
)
from bidilab.lab.metrics.latency_reference import bootstrap_km_quantiles_reference
from bidilab.lab.metrics.statistics import quantile
from tests.sizes import examples

QUANTILES = (0.5, 0.9)

times = st.integers(-5, 20)  # a narrow range, so that ties are common
samples = st.lists(st.tuples(times, st.booleans(), st.integers(0, 3)), max_size=40)
percents = st.integers(1, 100)


@st.composite
def tables(draw, max_settings=4, max_opportunities=40, max_clusters=6):
    n_settings, n = draw(st.integers(1, max_settings)), draw(st.integers(0, max_opportunities))
    n_clusters = draw(st.integers(1, max_clusters))
    rows = st.lists(st.lists(times, min_size=n, max_size=n), min_size=n_settings, max_size=n_settings)
    state = st.lists(
        st.lists(st.sampled_from([ABSENT, EVENT, EVENT, CENSORED]), min_size=n, max_size=n),
        min_size=n_settings,
        max_size=n_settings,
    )
    cluster = draw(st.lists(st.integers(0, n_clusters - 1), min_size=n, max_size=n))
    return (
        np.array(draw(rows), dtype=np.int64).reshape(n_settings, n),
        np.array(draw(state), dtype=np.uint8).reshape(n_settings, n),
        np.array(cluster, dtype=np.int64),
        n_clusters,
    )


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


@pytest.mark.parametrize("module", [latency, survival])
def test_the_formulas_in_the_docstrings_hold(module):
    failures, examples = doctest.testmod(module)
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


@given(tables(max_opportunities=60), st.lists(percents, min_size=1, max_size=4))
def test_the_compiled_quantiles_are_those_of_each_row(table, percent):
    time, state, _, _ = table
    shares = [p / 100 for p in percent]
    want = [
        [km_quantile(t[s != ABSENT], s[s != ABSENT] == EVENT, q) for q in shares]
        for t, s in zip(time, state, strict=True)
    ]
    np.testing.assert_array_equal(km_quantiles(time, state, shares), want)


@given(tables(), st.integers(1, 30), st.integers(0, 5), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_compiled_bootstrap_is_the_readable_one(table, n_resamples, seed, confidence):
    options = {"quantiles": (0.9, 0.25, 0.5), "n_resamples": n_resamples, "seed": seed, "confidence": confidence}
    want = bootstrap_km_quantiles_reference(*table, **options)
    np.testing.assert_array_equal(bootstrap_km_quantiles(*table, **options), want)


def random_table(seed, *, n_settings=3, n=120, n_clusters=25, censored=0.2):
    generator = np.random.default_rng(seed)
    time = generator.integers(-20, 300, (n_settings, n))
    state = np.where(generator.random((n_settings, n)) < censored, CENSORED, EVENT).astype(np.uint8)
    state[generator.random((n_settings, n)) < 0.1] = ABSENT
    return time, state, generator.integers(0, n_clusters, n), n_clusters


@pytest.mark.parametrize("censored", [0.0, 0.2, 0.7])
def test_more_resamples_than_one_block_and_more_events_than_one_look(censored):
    table = random_table(3, censored=censored)
    want = bootstrap_km_quantiles_reference(*table, n_resamples=300, seed=9)
    np.testing.assert_array_equal(bootstrap_km_quantiles(*table, n_resamples=300, seed=9), want)


@settings(max_examples=examples(20))
@given(st.integers(0, 1000), st.integers(1, 5))
def test_a_slice_of_the_settings_gives_the_rows_of_the_whole(seed, cut):
    time, state, cluster, n_clusters = random_table(seed, n_settings=6, n=40)
    whole = bootstrap_km_quantiles(time, state, cluster, n_clusters, n_resamples=50, seed=4)
    parts = [
        bootstrap_km_quantiles(time[part], state[part], cluster, n_clusters, n_resamples=50, seed=4)
        for part in (slice(None, cut), slice(cut, None))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


# Two recordings, each of one opportunity, heard at 10 and at 20: the resamples are {10,10}, {10,20}, {20,20}, in the
# proportions 1 : 2 : 1, with medians 10, 10, 20. The share of 20 is 1/4: above 2.5 %, so the interval is [10, 20];
# at a confidence of 0.4 the upper end is the 0.7 quantile, which is 10.
def test_the_interval_of_two_recordings_by_hand():
    table = ([[10, 20]], [[EVENT, EVENT]], [0, 1], 2)
    got = bootstrap_km_quantiles(*table, quantiles=[0.5], n_resamples=2000, seed=1)
    assert got.tolist() == [[[10, 20]]]
    got = bootstrap_km_quantiles(*table, quantiles=[0.5], n_resamples=2000, seed=1, confidence=0.4)
    assert got.tolist() == [[[10, 10]]]


# As above with the second one missed: {10,10}, {10,20o}, {20o,20o} have medians 10, 10 and "not reached".
def test_the_upper_end_may_not_be_reached():
    got = bootstrap_km_quantiles([[10, 20]], [[EVENT, CENSORED]], [0, 1], 2, quantiles=[0.5], n_resamples=2000)
    assert got.tolist() == [[[10, math.inf]]]


# Three recordings, of which the third holds nothing: resamples of it alone (1 in 27) are left out.
def test_resamples_without_data_are_left_out():
    got = bootstrap_km_quantiles([[10, 20, 99]], [[EVENT, EVENT, ABSENT]], [0, 1, 2], 3, quantiles=[0.5])
    assert got.tolist() == [[[10, 20]]]


def test_one_recording_does_not_tell_how_recordings_differ():
    one, other = [EVENT, EVENT, ABSENT], [EVENT, ABSENT, EVENT]
    got = bootstrap_km_quantiles([[10, 20, 30]] * 3, [one, other, [ABSENT] * 3], [0, 0, 1], 2, quantiles=[0.5])
    assert np.isnan(got[0]).all()
    assert not np.isnan(got[1]).any()
    assert np.isnan(got[2]).all()
    assert np.isnan(bootstrap_km_quantiles([[10, 20]], [[EVENT, EVENT]], [0, 0], 1)).all()


def test_no_opportunities_and_no_settings():
    nothing = np.empty((2, 0), dtype=np.int64)
    assert np.isnan(km_quantiles(nothing, nothing)).all()
    assert bootstrap_km_quantiles(nothing, nothing, [], 3).shape == (2, 2, 2)
    assert km_quantiles(np.empty((0, 5), dtype=np.int64), np.empty((0, 5), dtype=np.uint8)).shape == (0, 2)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 3))
def test_each_resample_holds_as_many_recordings_as_there_are(n_clusters, n_resamples, seed):
    counts = resample_counts(n_clusters, n_resamples, seed)
    assert counts.shape == (n_clusters, n_resamples)
    assert (counts.sum(axis=0) == n_clusters).all()
    np.testing.assert_array_equal(resample_counts(n_clusters, n_resamples, seed), counts)


# A 95 % interval of the median of exponential latencies, 40 recordings of 3: it ought to hold ln 2 about 95 times in
# 100. Seeded, so this never changes; the bounds are those of a binomial with 200 trials, four deviations wide.
def test_the_intervals_hold_the_truth_about_as_often_as_they_say():
    generator = np.random.default_rng(12)
    time = (generator.exponential(1.0, (200, 120)) * 10_000).astype(np.int64)
    got = bootstrap_km_quantiles(time, np.ones_like(time), np.repeat(np.arange(40), 3), 40, quantiles=[0.5])
    truth = math.log(2) * 10_000
    held = int(((got[:, 0, 0] <= truth) & (truth <= got[:, 0, 1])).sum())
    assert 178 <= held <= 200


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
        lambda: km_quantiles([1], [1]),
        lambda: km_quantiles([[1]], [[1, 1]]),
        lambda: km_quantiles([[1.5]], [[1]]),
        lambda: km_quantiles([[1]], [[3]]),
        lambda: km_quantiles([[1]], [[-1]]),
        lambda: km_quantiles([[1]], [[1.0]]),
        lambda: km_quantiles([[2**60]], [[1]]),
        lambda: km_quantiles([[1]], [[1]], [0.5, 2]),
        lambda: bootstrap_km_quantiles([[1]], [[1]], [0, 1], 2),
        lambda: bootstrap_km_quantiles([[1]], [[1]], [2], 2),
        lambda: bootstrap_km_quantiles([[1]], [[1]], [-1], 2),
        lambda: bootstrap_km_quantiles([[1]], [[1]], [0.5], 2),
        lambda: bootstrap_km_quantiles([[1]], [[1]], [0], 2, n_resamples=0),
        lambda: bootstrap_km_quantiles([[1]], [[1]], [0], 2, seed=-1),
        lambda: bootstrap_km_quantiles([[1]], [[1]], [0], 2, confidence=1.0),
        lambda: resample_counts(0, 10, 0),
        lambda: resample_counts(65_536, 10, 0),
    ],
)
def test_what_is_not_allowed_is_refused(call):
    with pytest.raises(InvalidParameterError):
        call()
