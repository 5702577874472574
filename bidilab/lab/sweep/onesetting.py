"""One setting of a sweep, recording by recording: what the compiled evaluation of the sweep says of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bidilab.detect.turns import Guards, TurnParams
from bidilab.detect.turns.kernels import turns_in_frames
from bidilab.lab.metrics.latency import km_quantiles
from bidilab.lab.sweep.evaluated import ABSENT, COUNTS, Evaluated, SimulatedLengths
from bidilab.lab.sweep.kernels import evaluate
from bidilab.lab.sweep.problem import SweepProblem
from bidilab.lab.sweep.storage import RECORDING_COUNTS

__all__ = ["RECORDING_COLUMNS", "evaluate_setting", "recordings_table"]

RECORDING_COLUMNS: tuple[str, ...] = (
    *RECORDING_COUNTS,
    "latency_detected_ms_p50",
    "agent_speech_min",
    "talk_over_s",
)
"""Columns of `recordings_table`."""


def evaluate_setting(
    problem: SweepProblem, params: TurnParams, simulated: SimulatedLengths | None, guards: Guards
) -> Evaluated:
    """Evaluate one setting on every recording, as the sweep does.

    Parameters
    ----------
    problem
        Labels and tracks.
    params
        Canonical parameters of the setting.
    simulated
        The simulated agent of a *simulated* evaluation; ``None`` for a *recorded* one.
    guards
        Of the interruptions; the problem holds the words that they count.
    """
    rule = params.in_frames(frame_samples=problem.frame_samples, sample_rate=problem.sample_rate)
    turns = turns_in_frames(
        problem.probabilities,
        problem.frame_bounds,
        threshold=rule.threshold,
        deactivation_threshold=rule.deactivation_threshold,
        min_speech_frames=rule.min_speech_frames,
        silence_frames=rule.silence_frames,
    )
    guard = guards.in_frames(frame_samples=problem.frame_samples, sample_rate=problem.sample_rate)
    return evaluate(problem, turns, simulated, guards=(guard,))[0]


def recordings_table(problem: SweepProblem, evaluated: Evaluated, recording_ids: Sequence[str]) -> pd.DataFrame:
    """Counts, latency and times of every recording under one setting.

    Returns
    -------
    DataFrame
        One row a recording, indexed by ``recording_id``, with the columns `RECORDING_COLUMNS`:
        ``latency_detected_ms_p50`` is the Kaplan–Meier median of the recording's true opportunities (misses censored;
        infinite where too many were missed, NaN where the recording has none).
    """
    table = pd.DataFrame(
        evaluated.counts[:, : len(RECORDING_COUNTS)],
        columns=list(RECORDING_COUNTS),
        index=pd.Index(list(recording_ids), name="recording_id"),
    )
    own = problem.true_recording == np.arange(problem.n_recordings)[:, None]
    medians = km_quantiles(
        np.broadcast_to(evaluated.latency, own.shape), np.where(own, evaluated.state, ABSENT).astype(np.uint8), (0.5,)
    )
    table["latency_detected_ms_p50"] = medians[:, 0] * 1000 / problem.sample_rate
    table["agent_speech_min"] = evaluated.counts[:, COUNTS.index("agent_speech_samples")] / problem.sample_rate / 60
    table["talk_over_s"] = evaluated.counts[:, COUNTS.index("talk_over_samples")] / problem.sample_rate
    return table
