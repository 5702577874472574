"""One setting of a sweep looked at closely: counts of each recording, and a row per opportunity and interruption."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from bidilab.detect.turns import Guards, TurnParams
from bidilab.detect.turns.kernels import turns_in_frames
from bidilab.lab.metrics.interruption import CAUSES, OUTCOMES, InterruptionEvaluation, Outcome
from bidilab.lab.metrics.latency import km_quantiles
from bidilab.lab.sweep.counts import RECORDING_COUNTS
from bidilab.lab.sweep.evaluated import ABSENT, COUNTS, Evaluated, SimulatedLengths
from bidilab.lab.sweep.kernels import evaluate
from bidilab.lab.sweep.problem import SweepProblem

__all__ = ["EVENT_COLUMNS", "RECORDING_COLUMNS", "evaluate_setting", "events_frame", "recordings_table"]

RECORDING_COLUMNS: tuple[str, ...] = (
    *RECORDING_COUNTS,
    "latency_detected_ms_p50",
    "agent_speech_min",
    "talk_over_s",
)
"""Columns of `recordings_table`."""
EVENT_COLUMNS: tuple[str, ...] = (
    "recording_id",
    "response",
    "outcome",
    "kind",
    "cause",
    "segment_start_s",
    "segment_end_s",
    "onset_s",
    "decided_s",
    "chance_end_s",
    "latency_ms",
    "talk_over_s",
    "resumed_s",
    "text",
)
"""Columns of ``SweepResult.events``: times in seconds of the recording, NaN where there is none. ``decided_s`` is where
the interruption was acted upon, past the guards; ``resumed_s`` where it was taken back."""


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


def events_frame(evaluated: Iterable[tuple[str, InterruptionEvaluation]], sample_rate: int) -> pd.DataFrame:
    """Outcomes of every recording under one setting, as a table with the columns `EVENT_COLUMNS`.

    Parameters
    ----------
    evaluated
        Recording id and what became of it.
    sample_rate
        Hertz of the positions.
    """
    rows = [
        _row(recording_id, sample_rate, outcome)
        for recording_id, evaluation in evaluated
        for outcome in evaluation.outcomes
    ]
    frame = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    frame["outcome"] = pd.Categorical(frame["outcome"], categories=list(OUTCOMES))
    frame["cause"] = pd.Categorical(frame["cause"], categories=list(CAUSES))
    return frame


def _row(recording_id: str, sample_rate: int, outcome: Outcome) -> tuple[object, ...]:
    segment, turn = outcome.segment, outcome.turn
    latency = outcome.latency
    return (
        recording_id,
        outcome.response,
        outcome.outcome,
        segment.kind if segment else None,
        outcome.cause,
        segment.interval.start / sample_rate if segment else float("nan"),
        segment.interval.end / sample_rate if segment else float("nan"),
        turn.onset / sample_rate if turn else float("nan"),
        outcome.acted_at / sample_rate if outcome.acted_at is not None else float("nan"),
        outcome.chance_end / sample_rate if outcome.chance_end is not None else float("nan"),
        1000 * latency / sample_rate if latency is not None else float("nan"),
        outcome.talk_over / sample_rate,
        outcome.resumed_at / sample_rate if outcome.resumed_at is not None else float("nan"),
        segment.text if segment else None,
    )
