"""Quantiles and means of waits: the compiled form says what the readable one says, on any times and censorings."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.intervals import clustered_km_mean, clustered_km_quantile
from bidilab.lab.metrics.waits import clustered_km_means, clustered_km_quantiles
from bidilab.lab.sweep.evaluated import NEVER_HEARD
from tests.sizes import examples

QUANTILES = (0.1, 0.5, 0.9)
NEVER = int(NEVER_HEARD)

waits = st.tuples(
    st.one_of(st.integers(0, 12), st.integers(0, 100_000), st.just(NEVER)),  # a narrow range, so that ties are common
    st.booleans(),
)


@st.composite
def tables(draw):
    n = draw(st.integers(1, 25))
    rows = draw(st.lists(st.lists(waits, min_size=n, max_size=n), min_size=1, max_size=3))
    clusters = draw(st.lists(st.integers(0, 20), min_size=n, max_size=n))  # some numbers may stand for nobody
    times = np.array([[time for time, _ in row] for row in rows], np.int32)
    seen = np.array([[seen and time != NEVER for time, seen in row] for row in rows])
    return times, seen, np.array(clusters, np.int64)


def one(times, *, seen=None, clusters=None):
    """A table of one setting, by default all seen and each in a recording of its own."""
    table = np.array([times], np.int32)
    state = np.ones(table.shape, bool) if seen is None else np.array([seen])
    return table, state, np.arange(table.shape[1]) if clusters is None else np.array(clusters)


@settings(max_examples=examples(200))
@example(one([5]), 0.95)
@example(one([5, 5, 5], clusters=[0, 0, 0]), 0.95)
@example(one([NEVER] * 5, seen=[False] * 5), 0.95)
@example(one([7] * 20, seen=[True, False] * 10, clusters=[*range(10)] * 2), 0.5)
@given(tables(), st.sampled_from([0.5, 0.95]))
def test_compiled_equals_readable(table, confidence):
    times, seen, clusters = table
    found = clustered_km_quantiles(times, seen, clusters, QUANTILES, confidence)
    assert found.shape == (len(times), len(QUANTILES), 3)
    for time, state, row in zip(times, seen, found, strict=True):
        reals = np.where(time == NEVER, np.inf, time.astype(float))
        for q, got in zip(QUANTILES, row, strict=True):
            estimate = clustered_km_quantile(reals, state, clusters, q, confidence)
            np.testing.assert_array_equal(got, [estimate.value, estimate.lo, estimate.hi])


@settings(max_examples=examples(200))
@example(one([5]), 3)
@example(one([5, 5, 5], clusters=[0, 0, 0]), 5)
@example(one([NEVER] * 5, seen=[False] * 5), 1000)
@example(one([7] * 20, seen=[True, False] * 10, clusters=[*range(10)] * 2), 50_000)
@given(tables(), st.sampled_from([1, 6.5, 12, 50_000, 100_001]))
def test_means_compiled_equal_readable(table, at_most):
    times, seen, clusters = table
    found = clustered_km_means(times, seen, clusters, at_most)
    assert found.shape == (len(times), 3)
    for time, state, row in zip(times, seen, found, strict=True):
        estimate = clustered_km_mean(np.where(time == NEVER, np.inf, time.astype(float)), state, clusters, at_most)
        np.testing.assert_allclose(row, [estimate.value, estimate.lo, estimate.hi], rtol=1e-9, atol=1e-9 * at_most)


def test_on_waits_of_a_size_that_sweeps_have():
    rng = np.random.default_rng(4)
    clusters = np.sort(rng.integers(0, 60, 400))
    times = rng.integers(2_000, 30_000, (6, 400)).astype(np.int32) // 512 * 512
    seen = rng.random((6, 400)) < np.array([1.0, 0.95, 0.7, 0.4, 0.05, 0.0])[:, None]
    times[rng.random((6, 400)) < 0.1] = NEVER
    seen &= times != NEVER
    found = clustered_km_quantiles(times, seen, clusters, QUANTILES)
    assert np.isfinite(found[0, :2]).all()
    assert np.isinf(found[-1]).all()
    for time, state, row in zip(times, seen, found, strict=True):
        reals = np.where(time == NEVER, np.inf, time.astype(float))
        want = [clustered_km_quantile(reals, state, clusters, q)[:3] for q in QUANTILES]
        np.testing.assert_array_equal(row, want)


def test_the_worked_example():
    times = one([*range(40, 150, 10), NEVER], seen=[True] * 11 + [False])
    assert clustered_km_quantiles(*times, (0.5, 0.9))[0].tolist() == [[90, 60, 130], [140, 120, np.inf]]


def test_the_mean_counts_up_to_the_limit():
    assert clustered_km_means(*one([400, 600, 800, NEVER], seen=[True] * 3 + [False]), 5000)[0, 0] == 1700
    assert clustered_km_means(*one([400, 600, 800, 7000]), 5000)[0, 0] == 1700
    assert clustered_km_means(*one([400, 600, 800, 1000]), 500)[0, 0] == 475


def test_means_refuse_what_is_no_limit_or_no_table():
    with pytest.raises(InvalidParameterError, match="at_most"):
        clustered_km_means(*one([5]), 0)
    with pytest.raises(InvalidParameterError, match="at_most"):
        clustered_km_means(*one([5]), np.inf)
    with pytest.raises(InvalidParameterError, match="times"):
        clustered_km_means(np.zeros((2, 0), np.int32), np.zeros((2, 1), bool), np.zeros(0, int), 5)


def test_without_settings_or_turns_there_is_nothing_to_say():
    nothing = np.zeros((2, 0), np.int32)
    assert np.isnan(clustered_km_quantiles(nothing, nothing.astype(bool), np.zeros(0, int), (0.5,))).all()
    assert np.isnan(clustered_km_means(nothing, nothing.astype(bool), np.zeros(0, int), 5)).all()
    none = np.zeros((0, 3), np.int32)
    assert clustered_km_quantiles(none, none.astype(bool), np.zeros(3, int), (0.5,)).shape == (0, 1, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"times": np.zeros(3, np.int32)},
        {"observed": np.ones((1, 2), bool)},
        {"clusters": np.zeros(2, int)},
        {"quantiles": (0.0,)},
        {"quantiles": (1.5,)},
        {"confidence": 1.0},
    ],
    ids=str,
)
def test_what_is_not_allowed_is_refused(change):
    times, seen, clusters = one([1, 2, 3])
    good = {"times": times, "observed": seen, "clusters": clusters, "quantiles": (0.5,), "confidence": 0.95}
    with pytest.raises(InvalidParameterError):
        clustered_km_quantiles(**good | change)
