"""One setting of a sweep looked at closely: counts of each recording, and a row per opportunity and interruption."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bidilab.detect.turns import Guards, TurnParams
from bidilab.detect.turns.kernels import turns_in_frames
from bidilab.lab.metrics.columns import COUNTED, EVENTS, RECORDINGS_AT, Duration
from bidilab.lab.metrics.interruption import InterruptionEvaluation, Outcome
from bidilab.lab.metrics.latency import km_quantiles
from bidilab.lab.sweep.evaluated import ABSENT, Evaluated, SimulatedLengths
from bidilab.lab.sweep.kernels import evaluate
from bidilab.lab.sweep.problem import SweepProblem

__all__ = ["EVENT_COLUMNS", "RECORDING_COLUMNS", "evaluate_setting", "events_frame", "recordings_table"]

RECORDING_COLUMNS: tuple[str, ...] = RECORDINGS_AT.names[1:]
"""Columns of `recordings_table`, behind the index."""
EVENT_COLUMNS: tuple[str, ...] = EVENTS.names
"""Columns of ``SweepResult.events``."""


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
        One row per recording, indexed by ``recording_id``, with the columns `RECORDINGS_AT`.
    """
    table = pd.DataFrame(
        evaluated.counts[:, : len(COUNTED)],
        columns=[column.name for column in COUNTED],
        index=pd.Index(list(recording_ids), name="recording_id"),
    )
    own = problem.true_recording == np.arange(problem.n_recordings)[:, None]
    medians = km_quantiles(
        np.broadcast_to(evaluated.latency, own.shape), np.where(own, evaluated.state, ABSENT).astype(np.uint8), (0.5,)
    )
    table["latency_detected_ms_p50"] = medians[:, 0] * 1000 / problem.sample_rate
    for duration in RECORDINGS_AT.of(Duration):
        table[duration.name] = duration.of_samples(evaluated.records[duration.counted], problem.sample_rate)
    return table


def events_frame(evaluated: Iterable[tuple[str, InterruptionEvaluation]], sample_rate: int) -> pd.DataFrame:
    """Outcomes of every recording under one setting, as a table with the columns `EVENTS`.

    Parameters
    ----------
    evaluated
        Recording id and what became of it.
    sample_rate
        Hertz of the positions.
    """
    return EVENTS.frame(
        [
            _row(recording_id, sample_rate, outcome)
            for recording_id, evaluation in evaluated
            for outcome in evaluation.outcomes
        ]
    )


def _row(recording_id: str, sample_rate: int, outcome: Outcome) -> dict[str, Any]:
    def seconds(position: int | None) -> float:
        return float("nan") if position is None else position / sample_rate

    segment, turn, latency = outcome.segment, outcome.turn, outcome.latency
    return {
        "recording_id": recording_id,
        "response": outcome.response,
        "outcome": outcome.outcome,
        "kind": segment.kind if segment else None,
        "cause": outcome.cause,
        "segment_start_s": seconds(segment.interval.start if segment else None),
        "segment_end_s": seconds(segment.interval.end if segment else None),
        "onset_s": seconds(turn.onset if turn else None),
        "decided_s": seconds(outcome.acted_at),
        "chance_end_s": seconds(outcome.chance_end),
        "latency_ms": float("nan") if latency is None else 1000 * latency / sample_rate,
        "talk_over_s": seconds(outcome.talk_over),
        "resumed_s": seconds(outcome.resumed_at),
        "text": segment.text if segment else None,
    }
