"""Intervals by recording: the worked figures of the definition, and slow formulas written down a second time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.intervals import (
    clustered_km_mean,
    clustered_km_quantile,
    clustered_quantile,
    clustered_rate,
    clustered_rate_per_exposure,
    paired_difference,
    rate_influences,
    too_few_to_say,
)

EVENTS = [1, 0, 2, 0, 1, 0, 0, 0, 1, 0, 1, 2, 0, 1, 0, 1, 0, 1, 0, 0]
MEMBERS = [2, 1, 2, 1, 2, 2, 1, 1, 2, 1, 2, 2, 1, 2, 1, 2, 2, 1, 1, 1]
DELAYS = [*range(40, 150, 10), np.inf]


def test_worked_rates():
    assert np.round(clustered_rate(EVENTS, MEMBERS)[:4], 4).tolist() == [0.3667, 0.2136, 0.5524, 0.9553]
    assert np.round(clustered_rate([0] * 18 + [2, 2], [2] * 20)[:4], 4).tolist() == [0.1, 0.025, 0.3249, 2.1053]
    assert np.round(clustered_rate([0] * 20, [2] * 20)[:4], 4).tolist() == [0, 0, 0.1246, 1.3]
    found = clustered_rate_per_exposure([3, 0, 1, 0, 2, 1], [1, 1, 2, 1, 1, 2])
    assert np.round(found[:3], 4).tolist() == [0.875, 0.1679, 2.6391]


@pytest.mark.parametrize(("q", "expected"), [(0.5, [90, 60, 130]), (0.9, [140, 120, np.inf])])
def test_worked_quantiles(q, expected):
    assert list(clustered_quantile(DELAYS, range(12), q)[:3]) == expected
    assert list(clustered_km_quantile(DELAYS, np.isfinite(DELAYS), range(12), q)[:3]) == expected


def test_what_cannot_be_said_is_undefined():
    assert np.isnan(clustered_rate([0, 0], [0, 0])[:4]).all()
    alone = clustered_rate([1, 0], [3, 0])
    assert alone.value == pytest.approx(1 / 3)
    assert np.isnan([alone.lo, alone.hi]).all()
    assert alone.n_clusters == 1
    assert np.isnan(clustered_quantile(np.zeros((2, 0)), [], 0.5).value).all()
    assert np.isnan(clustered_km_quantile([], [], [], 0.5).value)
    assert np.isnan(clustered_km_mean([], [], [], 5).value)
    assert np.isnan(clustered_km_mean([2, 4], [True, True], [1, 1], 5).lo)
    assert clustered_quantile([5.0, 7.0], [1, 1], 0.5)[:1] == (5.0,)
    assert np.isnan(clustered_quantile([5.0, 7.0], [1, 1], 0.5).lo)
    assert np.isnan(clustered_rate_per_exposure([1], [2.0]).hi)
    assert clustered_rate_per_exposure([0, 0, 0], [1, 1, 1]).lo == 0


def test_what_is_not_allowed():
    with pytest.raises(InvalidParameterError, match="at_most"):
        clustered_km_mean([1], [True], [0], 0)
    with pytest.raises(InvalidParameterError, match="times"):
        clustered_km_mean([-1], [True], [0], 5)
    with pytest.raises(InvalidParameterError, match="at most the members"):
        clustered_rate([3], [2])
    with pytest.raises(InvalidParameterError, match=">= 0"):
        clustered_rate([-1], [2])
    with pytest.raises(InvalidParameterError, match="clusters"):
        clustered_rate([1, 1], [2])
    with pytest.raises(InvalidParameterError, match="no NaN"):
        clustered_quantile([np.nan], [0], 0.5)
    with pytest.raises(InvalidParameterError, match="one per member"):
        clustered_quantile([1.0], [0, 1], 0.5)
    with pytest.raises(InvalidParameterError, match="confidence"):
        clustered_rate([1, 1], [2, 2], confidence=1.0)


clusters = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30)


@given(clusters)
def test_rates_by_the_formulas_one_by_one(drawn):
    y, n = [min(k, size) for k, size in drawn], [size for _, size in drawn]
    found = clustered_rate(y, n)
    held = [(k, size) for k, size in zip(y, n, strict=True) if size]
    total, m = sum(size for _, size in held), len(held)
    if not total:
        assert np.isnan(found.value)
        return
    r = sum(k for k, _ in held) / total
    assert found.value == pytest.approx(r)
    if m < 2:
        assert np.isnan(found.lo)
        return
    variance = m / (m - 1) * sum((k - r * size) ** 2 for k, size in held) / total**2
    effect = 1.0 if r in (0, 1) else variance / (r * (1 - r) / total)
    if min(sum(k > 0 for k, _ in held), sum(k < size for k, size in held)) < 8:
        effect = max(effect, 1 + 0.3 * (sum(size**2 for _, size in held) / total - 1))
    assert found.design_effect == pytest.approx(effect, abs=1e-9)
    if effect < 1e-6:
        return  # a variance of nothing but rounding
    t, size = stats.t.ppf(0.975, m - 1), total / effect
    middle, half = r + t * t / (2 * size), t * np.sqrt(r * (1 - r) / size + t * t / (4 * size**2))
    assert found.lo == pytest.approx((middle - half) / (1 + t * t / size), abs=1e-9)
    assert found.hi == pytest.approx((middle + half) / (1 + t * t / size), abs=1e-9)
    assert -1e-12 <= found.lo <= r + 1e-12
    assert r - 1e-12 <= found.hi <= 1 + 1e-12


@given(clusters, st.integers(1, 5))
def test_many_settings_at_once_are_one_by_one(drawn, n_settings):
    n = np.array([size for _, size in drawn])
    y = np.stack([np.minimum([k for k, _ in drawn], n) * (s % 2) for s in range(n_settings)])
    together = clustered_rate(y, n)
    for s in range(n_settings):
        np.testing.assert_allclose([a[s] for a in together[:4]], clustered_rate(y[s], n)[:4])
    rates = clustered_rate_per_exposure(y, n + 0.5)
    for s in range(n_settings):
        np.testing.assert_allclose([a[s] for a in rates[:4]], clustered_rate_per_exposure(y[s], n + 0.5)[:4])


members = st.lists(
    st.tuples(st.integers(0, 8), st.one_of(st.integers(-5, 20), st.just(np.inf))), min_size=1, max_size=40
)


@given(members, st.sampled_from([0.1, 0.5, 0.9]))
def test_quantiles_without_censoring_agree_whichever_way(drawn, q):
    of, delays = [c for c, _ in drawn], np.array([d for _, d in drawn], dtype=float)
    by_sorting = clustered_quantile(delays, of, q)
    by_survival = clustered_km_quantile(delays, np.isfinite(delays), of, q)
    np.testing.assert_allclose(by_sorting[:3], by_survival[:3])
    assert by_sorting.value == np.quantile(delays, q, method="inverted_cdf")
    if not np.isnan(by_sorting.lo):
        assert by_sorting.lo <= by_sorting.value <= by_sorting.hi
    rows = clustered_quantile(np.stack([delays, delays + 1]), of, q)
    np.testing.assert_array_equal([a[0] for a in rows], by_sorting)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.one_of(st.integers(0, 20), st.just(np.inf))), min_size=2, max_size=40),
    st.sampled_from([3, 10.5, 40]),
)
def test_a_mean_without_censoring_is_that_of_what_is_cut_at_the_limit(drawn, at_most):
    of, delays = np.array([c for c, _ in drawn]), np.array([d for _, d in drawn], dtype=float)
    found = clustered_km_mean(delays, np.isfinite(delays), of, at_most)
    cut = np.minimum(delays, at_most)
    assert found.value == pytest.approx(cut.mean())
    m = len(set(of.tolist()))
    if m < 2:
        assert np.isnan([found.lo, found.hi]).all()
        return
    names = sorted(set(of.tolist()))
    late = cut == at_most
    share = clustered_rate([late[of == c].sum() for c in names], [(of == c).sum() for c in names])
    rest = 0.0 if late.all() else cut[~late].mean()
    # The deviations of those not at the limit from their own mean, by cluster.
    own = np.array([(cut[(of == c) & ~late] - rest).sum() for c in names]) / len(cut)
    half = stats.t.ppf(0.975, m - 1) * np.sqrt(m / (m - 1) * (own**2).sum())
    lo = cut.mean() - np.hypot(half, (share.value - share.lo) * (at_most - rest))
    hi = cut.mean() + np.hypot(half, (share.hi - share.value) * (at_most - rest))
    assert found.lo == pytest.approx(max(lo, 0), abs=1e-9)
    assert found.hi == pytest.approx(min(hi, at_most), abs=1e-9)


def test_a_mean_interval_holds_the_mean_where_few_are_never_heard():
    """One of 25 recordings has a turn that is never heard: the interval of 20 drawn anew holds the mean of all."""
    rng = np.random.default_rng(3)
    n = 400
    waits = rng.normal(600, 150, (n, 2)).clip(0)
    waits[::25, 0] = np.inf
    mean, held = np.minimum(waits, 5000).mean(), 0
    for _ in range(300):
        drawn = waits[rng.integers(0, n, 20)].ravel()
        found = clustered_km_mean(drawn, np.isfinite(drawn), np.repeat(range(20), 2), 5000)
        held += found.lo <= mean <= found.hi
    assert 0.93 <= held / 300 <= 1


def test_what_is_not_seen_to_end_counts_up_to_the_limit():
    """Of four, one ends at 10, one is given up at 20, one ends at 30: S is 3/4 from 10 and 3/8 from 30 on."""
    found = clustered_km_mean([10, 20, 30, 40], [True, False, True, False], range(4), 100)
    assert found.value == pytest.approx(10 + 0.75 * 20 + 0.375 * 70)
    assert clustered_km_mean([10, 20], [False, False], range(2), 100).value == 100


def test_the_influence_on_a_mean_is_the_derivative():
    """With censoring: one member's weight is moved a little, and the mean with it."""
    from bidilab.lab.metrics.intervals import _km_mean_influences
    from bidilab.lab.metrics.survival import kaplan_meier

    rng = np.random.default_rng(6)
    time, seen = rng.integers(1, 15, 40).astype(float), rng.random(40) < 0.6
    at_most = 12.0

    def area(weights):
        at, survival = kaplan_meier(time, seen, weights)
        within = at < at_most
        edges = np.concatenate([[0.0], at[within], [at_most]])
        return np.concatenate([[1.0], survival[within]]) * np.diff(edges)

    at, _ = kaplan_meier(time, seen)
    at = at[at < at_most]
    after = np.cumsum(area(np.ones(40))[::-1])[::-1][1:]
    influences = _km_mean_influences(time, seen, at, after)
    assert influences.sum() == pytest.approx(0, abs=1e-9)
    for k in range(40):
        moved = np.ones(40)
        moved[k] += 1e-6
        slope = (area(moved).sum() - area(np.ones(40)).sum()) / 1e-6
        assert influences[k] == pytest.approx(slope, abs=1e-4)


@given(members, st.sampled_from([0.1, 0.5, 0.9]), st.floats(0.05, 0.95))
def test_a_member_in_two_parts_is_one_member(drawn, q, part):
    of, delays = [c for c, _ in drawn], np.array([d for _, d in drawn], dtype=float)
    whole = clustered_km_quantile(delays, np.isfinite(delays), of, q)
    weights = np.concatenate([np.full(len(of), part), np.full(len(of), 1 - part)])
    halved = clustered_km_quantile(np.tile(delays, 2), np.isfinite(np.tile(delays, 2)), of * 2, q, weights=weights)
    np.testing.assert_allclose(halved, whole)


def test_what_is_likely_seen_counts_as_that():
    """Ten recordings: five delays of 100 are seen, five of 100 are as likely censored: 7.5 of ten are at 100 or before.

    What is censored at 100 is at risk there, so survival falls to 0.25 at once.
    """
    times, seen, of = [100.0] * 15, [True] * 10 + [False] * 5, [*range(10), *range(5, 10)]
    estimate = clustered_km_quantile(times, seen, of, 0.7, weights=[1.0] * 5 + [0.5] * 10)
    assert estimate.value == 100
    assert clustered_km_quantile(times, seen, of, 0.8, weights=[1.0] * 5 + [0.5] * 10).value == np.inf


def test_the_influence_is_the_derivative():
    """Of a survival with censoring: one member's weight is moved a little, and the estimate with it."""
    from bidilab.lab.metrics.intervals import _km_influences
    from bidilab.lab.metrics.survival import kaplan_meier

    rng = np.random.default_rng(5)
    time, seen = rng.integers(1, 15, 40).astype(float), rng.random(40) < 0.6
    at, survival = kaplan_meier(time, seen)
    cut = at[len(at) // 2]
    influences = _km_influences(time, seen, np.ones(40), at, survival[len(at) // 2], cut)
    assert influences.sum() == pytest.approx(0, abs=1e-12)

    def failing(weights):
        at, survival = kaplan_meier(time, seen, weights)
        return 1 - survival[at <= cut][-1]

    for j in range(40):
        weights = np.ones(40)
        weights[j] += 1e-6
        # Greenwood's form has (Y - d) where the derivative has Y: the two differ by what one event weighs.
        assert (failing(weights) - failing(np.ones(40))) / 1e-6 == pytest.approx(influences[j], abs=2e-3)


def test_a_difference_is_paired():
    rng = np.random.default_rng(1)
    n = rng.integers(1, 4, 30)
    y = rng.binomial(n, 0.4)
    z = rate_influences(y, n)
    same = paired_difference(z, z, 0.0)
    assert (same.lo, same.hi) == (0, 0)
    apart = paired_difference(z, np.zeros(30), 0.4)
    r, t = y.sum() / n.sum(), stats.t.ppf(0.975, 29)
    half = t * np.sqrt(30 / 29 * ((y - r * n) ** 2).sum()) / n.sum()
    assert apart.hi - apart.value == pytest.approx(half)
    assert np.isnan(paired_difference([0.1], [0.2], 0.1).lo)


def test_too_few():
    assert too_few_to_say(0.1, 0.6, 20) == (0.6 - 0.1 > 0.5)
    assert too_few_to_say(np.nan, np.nan, 1)


@pytest.mark.parametrize(("p", "correlation", "n_clusters"), [(0.1, 0.2, 20), (0.4, 0.1, 40), (0.02, 0.0, 75)])
def test_an_interval_covers(p, correlation, n_clusters):
    """Beta-binomial data: the definition was measured to cover at least 0.939, 0.965 on average."""
    rng = np.random.default_rng(7)
    n = rng.integers(1, 6, n_clusters)
    if correlation:
        a, b = (share * (1 / correlation - 1) for share in (p, 1 - p))
        chances = rng.beta(a, b, (2000, n_clusters))
    else:
        chances = np.full((2000, n_clusters), p)
    found = clustered_rate(rng.binomial(n, chances), n)
    assert np.mean((found.lo <= p) & (p <= found.hi)) >= 0.93
