"""One setting looked at closely: a row for each opportunity and each interruption, with what, when and why."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from bidilab.lab.metrics.interruption import CAUSES, OUTCOMES, InterruptionEvaluation, Outcome

__all__ = ["EVENT_COLUMNS", "events_frame"]

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
