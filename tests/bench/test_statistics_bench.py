"""Cost of the intervals of a sweep: the compiled form of what needs one, and beside it the readable one.

Run with ``pytest tests/bench/test_statistics_bench.py --benchmark-only -s``.
"""

import time

import numpy as np
import pytest

from bidilab.lab.metrics.intervals import clustered_km_quantile, clustered_quantile, clustered_rate
from bidilab.lab.metrics.waits import clustered_km_quantiles

QUANTILES = (0.5, 0.9)


def waits(n_settings, n, n_clusters):
    generator = np.random.default_rng(0)
    times = generator.integers(0, 40_000, (n_settings, n)).astype(np.int32) // 512 * 512
    return times, generator.random((n_settings, n)) < 0.8, np.sort(generator.integers(0, n_clusters, n))


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    clustered_km_quantiles(*waits(2, 10, 3), QUANTILES)


@pytest.mark.parametrize(("n", "n_clusters"), [(100, 60), (4_000, 2_000)])
def test_waits_of_two_hundred_settings(benchmark, n, n_clusters):
    data = waits(200, n, n_clusters)
    benchmark.pedantic(lambda: clustered_km_quantiles(*data, QUANTILES), rounds=2)


def test_rates_of_a_thousand_settings(benchmark):
    generator = np.random.default_rng(0)
    members = generator.integers(0, 8, 2_000)
    events = generator.binomial(members, 0.2, (1_000, 2_000))
    benchmark.pedantic(lambda: clustered_rate(events, members), rounds=2)


def test_latencies_of_two_hundred_settings(benchmark):
    generator = np.random.default_rng(0)
    delays = np.where(generator.random((200, 8_000)) < 0.1, np.inf, generator.integers(0, 99, (200, 8_000)))
    clusters = np.sort(generator.integers(0, 2_000, 8_000))
    benchmark.pedantic(lambda: clustered_quantile(delays, clusters, 0.5), rounds=2)


def test_waits_beside_the_readable_form(benchmark):
    times, seen, clusters = waits(20, 400, 100)
    started = time.perf_counter()
    want = [
        [clustered_km_quantile(row, state, clusters, q)[:3] for q in QUANTILES]
        for row, state in zip(times, seen, strict=True)
    ]
    plain_s = time.perf_counter() - started
    got = benchmark.pedantic(lambda: clustered_km_quantiles(times, seen, clusters, QUANTILES), rounds=5)
    np.testing.assert_array_equal(got, want)
    if benchmark.stats is not None:  # None when benchmarks are disabled and the body runs once as a plain test
        ratio = plain_s / benchmark.stats.stats.median
        benchmark.extra_info["times_faster_than_readable"] = round(ratio, 1)
        print(f"\nwaits, 20 settings x 400 turns: {ratio:.0f}x the readable form")
