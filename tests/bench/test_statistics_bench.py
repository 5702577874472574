"""Cost of the clustered bootstrap: the compiled form at the size of a sweep, and beside its plain reference.

Run with ``pytest tests/bench/test_statistics_bench.py --benchmark-only -s``.
"""

import time

import numpy as np
import pytest

from bidilab.lab.metrics.latency import CENSORED, EVENT, bootstrap_km_quantiles, km_quantiles
from bidilab.lab.metrics.latency_reference import bootstrap_km_quantiles_reference


def table(n_settings, n, n_clusters):
    generator = np.random.default_rng(0)
    times = generator.integers(-1_000, 40_000, (n_settings, n)).astype(np.int32)
    states = np.where(generator.random((n_settings, n)) < 0.2, CENSORED, EVENT).astype(np.uint8)
    return times, states, generator.integers(0, n_clusters, n), n_clusters


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    bootstrap_km_quantiles(*table(2, 10, 3), n_resamples=10)


@pytest.mark.parametrize(("n", "n_clusters"), [(100, 60), (2_500, 600)])
def test_bootstrap_of_a_thousand_settings(benchmark, n, n_clusters):
    data = table(1_000, n, n_clusters)
    benchmark.pedantic(lambda: bootstrap_km_quantiles(*data, n_resamples=1_000), rounds=2)


def test_point_quantiles_of_a_thousand_settings(benchmark):
    times, states, _, _ = table(1_000, 2_500, 600)
    benchmark.pedantic(lambda: km_quantiles(times, states), rounds=2)


def test_bootstrap_beside_the_plain_reference(benchmark):
    data = table(20, 100, 60)
    started = time.perf_counter()
    want = bootstrap_km_quantiles_reference(*data, n_resamples=1_000)
    plain_s = time.perf_counter() - started
    got = benchmark.pedantic(lambda: bootstrap_km_quantiles(*data, n_resamples=1_000), rounds=5)
    np.testing.assert_array_equal(got, want)
    if benchmark.stats is not None:  # None when benchmarks are disabled and the body runs once as a plain test
        ratio = plain_s / benchmark.stats.stats.median
        benchmark.extra_info["times_faster_than_reference"] = round(ratio, 1)
        print(f"\nbootstrap, 20 settings x 100 opportunities x 1000 resamples: {ratio:.0f}x the plain reference")
