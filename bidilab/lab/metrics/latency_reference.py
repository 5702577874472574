"""The clustered bootstrap of `latency`, slowly and readably; the compiled form is tested equal to it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bidilab.lab.metrics.latency import ABSENT, EVENT, km_quantile, resample_counts
from bidilab.lab.metrics.statistics import rank

__all__ = ["bootstrap_km_quantiles_reference"]


def bootstrap_km_quantiles_reference(
    times: npt.NDArray[np.int64],
    states: npt.NDArray[np.uint8],
    cluster: npt.NDArray[np.int64],
    n_clusters: int,
    *,
    quantiles: Sequence[float] = (0.5, 0.9),
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> npt.NDArray[np.float64]:
    """`bidilab.lab.metrics.latency.bootstrap_km_quantiles`, one resample of one setting after the other."""
    counts = resample_counts(n_clusters, n_resamples, seed)
    out = np.full((len(times), len(quantiles), 2), np.nan)
    for setting, (time, state) in enumerate(zip(times, states, strict=True)):
        present = state != ABSENT
        time, observed, recording = time[present], state[present] == EVENT, cluster[present]
        if len(set(recording.tolist())) < 2:
            continue
        for k, q in enumerate(quantiles):
            resampled = [km_quantile(time, observed, q, counts[recording, b]) for b in range(n_resamples)]
            defined = sorted(value for value in resampled if not math.isnan(value))
            if defined:
                tail = (1 - confidence) / 2
                out[setting, k] = [defined[rank(len(defined), side)] for side in (tail, 1 - tail)]
    return out
