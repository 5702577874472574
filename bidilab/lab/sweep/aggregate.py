"""From the evaluations of many settings to the columns of a result: sums, rates, quantiles, intervals. Vectorised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.metrics.latency import bootstrap_km_quantiles, km_quantiles
from bidilab.lab.metrics.statistics import poisson_interval, poisson_rate, quantiles_by_row, rate, wilson_interval
from bidilab.lab.sweep.evaluated import COUNTS, UNDEFINED, Evaluated
from bidilab.lab.sweep.problem import SweepProblem

__all__ = ["QUANTILES", "RESUME_COLUMNS", "SETTING_COLUMNS", "SIMULATED_COLUMNS", "aggregate", "clipped_quantiles"]

QUANTILES = (0.5, 0.9)
_Columns = dict[str, npt.NDArray[Any]]


def _with_interval(name: str) -> tuple[str, str, str]:
    return name, f"{name}_lo", f"{name}_hi"


SETTING_COLUMNS: tuple[str, ...] = (
    "degenerate",
    "n_true_opportunities",
    "n_masked",
    "n_preempted",
    "n_detected",
    "n_missed",
    *_with_interval("missed_rate"),
    *_with_interval("latency_detected_ms_p50"),
    *_with_interval("latency_detected_ms_p90"),
    "agent_speech_min",
    "n_false_opportunities",
    "n_false",
    *_with_interval("false_interruption_rate"),
    *_with_interval("false_per_min"),
    *(f"n_false_{cause}" for cause in (*FALSE_KINDS, "premature_endpoint", "none")),
    *(
        column
        for kind in FALSE_KINDS
        for column in (f"n_false_opportunities_{kind}", *_with_interval(f"false_interruption_rate_{kind}"))
    ),
    "n_terminal_overlap",
    "n_turns",
    "n_premature_endpoints",
    *_with_interval("premature_endpoint_rate"),
    "n_endpoints",
    "endpoint_latency_ms_p50",
    "endpoint_latency_ms_p90",
    "n_onsets",
    "onset_clipped_ms_p50",
    "onset_clipped_ms_p90",
    "talk_over_s",
    "n_detector_turns",
)
"""Columns of ``SweepResult.settings`` behind the three axes."""
SIMULATED_COLUMNS: tuple[str, ...] = ("n_responses", "n_cancelled_unheard")
"""Further columns of a simulated evaluation: responses made, and those cut before their first audible sample."""
RESUME_COLUMNS: tuple[str, ...] = ("n_resumed", "n_resumed_true", "pause_s")
"""Further columns where guards resume: false interruptions that were taken back (they stay false: the user heard the
agent stop) and the seconds for which they had it pause, and true interruptions that were taken back."""


def aggregate(problem: SweepProblem, evaluated: Sequence[Evaluated], *, n_resamples: int, seed: int) -> pd.DataFrame:
    """All columns of `SETTING_COLUMNS` but the onset clipping, one row for each evaluation.

    Parameters
    ----------
    problem
        What was evaluated on.
    evaluated
        One for each setting.
    n_resamples, seed
        Of the bootstrap over recordings.
    """
    totals = np.stack([e.counts.sum(axis=0, dtype=np.int64) for e in evaluated])
    # Arrays by name until the end: a table that grows column by column costs more than all that is computed here.
    table: _Columns = dict(zip(COUNTS, totals.T, strict=True))
    rate_hz = problem.sample_rate
    table["pause_s"] = table.pop("pause_samples") / rate_hz
    table["talk_over_s"] = table.pop("talk_over_samples") / rate_hz
    exposure = table["agent_speech_min"] = table.pop("agent_speech_samples") / rate_hz / 60
    table["degenerate"] = (table["n_detector_turns"] > 0) & (table["n_detector_turns"] == table.pop("n_flushed"))
    hits = {kind: table.pop(f"n_false_on_opportunity_{kind}") for kind in FALSE_KINDS}
    chances = {kind: table[f"n_false_opportunities_{kind}"] for kind in FALSE_KINDS}
    table["n_false_opportunities"] = np.sum(list(chances.values()), axis=0)
    _add_rate(table, "false_interruption_rate", np.sum(list(hits.values()), axis=0), table["n_false_opportunities"])
    for kind in FALSE_KINDS:
        _add_rate(table, f"false_interruption_rate_{kind}", hits[kind], chances[kind])
    _add_rate(table, "missed_rate", table["n_missed"], table["n_true_opportunities"])
    _add_rate(table, "premature_endpoint_rate", table["n_premature_endpoints"], table["n_turns"])
    table["false_per_min"] = poisson_rate(table["n_false"], exposure)
    table["false_per_min_lo"], table["false_per_min_hi"] = poisson_interval(table["n_false"], exposure)
    _add_latency(table, problem, evaluated, n_resamples, seed)
    _add_endpoint_latency(table, evaluated, rate_hz)
    return pd.DataFrame(table)


def _add_rate(table: _Columns, name: str, successes: npt.NDArray[Any], n: npt.NDArray[Any]) -> None:
    table[name] = rate(successes, n)
    table[f"{name}_lo"], table[f"{name}_hi"] = wilson_interval(successes, n)


def _add_latency(
    table: _Columns, problem: SweepProblem, evaluated: Sequence[Evaluated], n_resamples: int, seed: int
) -> None:
    times = np.stack([e.latency for e in evaluated])
    states = np.stack([e.state for e in evaluated])
    ms = 1000 / problem.sample_rate
    point = km_quantiles(times, states, QUANTILES)
    interval = bootstrap_km_quantiles(
        times,
        states,
        problem.true_recording,
        problem.n_recordings,
        quantiles=QUANTILES,
        n_resamples=n_resamples,
        seed=seed,
    )
    for k, q in enumerate(QUANTILES):
        name = f"latency_detected_ms_p{round(100 * q)}"
        table[name] = point[:, k] * ms
        table[f"{name}_lo"] = interval[:, k, 0] * ms
        table[f"{name}_hi"] = interval[:, k, 1] * ms


def _add_endpoint_latency(table: _Columns, evaluated: Sequence[Evaluated], sample_rate: int) -> None:
    values = np.stack([e.endpoint_latency for e in evaluated])
    columns = quantiles_by_row(values, values != UNDEFINED, QUANTILES) * 1000 / sample_rate
    for k, q in enumerate(QUANTILES):
        table[f"endpoint_latency_ms_p{round(100 * q)}"] = columns[:, k]


def clipped_quantiles(
    problem: SweepProblem, evaluated: Sequence[Evaluated], prefix_samples: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Quantiles of onset clipping in milliseconds, ``(n_evaluated, n_prefixes, 2)``; NaN where no onset was found.

    Prefix padding moves nothing but this, so one evaluation serves every padding.
    """
    start = problem.segments[problem.segments[:, 3] >= 0, 0]
    onset, previous_end = (np.stack([e.first_turn[:, k] for e in evaluated]).astype(np.int64) for k in (0, 1))
    found = onset != int(UNDEFINED)
    out = np.empty((len(evaluated), len(prefix_samples), len(QUANTILES)))
    for k, prefix in enumerate(prefix_samples):
        audio_start = np.maximum(np.maximum(onset - prefix, previous_end), 0)
        out[:, k] = quantiles_by_row(np.maximum(audio_start - start, 0), found, QUANTILES)
    return out * 1000 / problem.sample_rate
