"""One setting of a sweep looked at closely: counts of each recording, and a row per event of the user."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, Guards, TurnParams
from bidilab.lab.metrics.columns import EVENTS, RECORDINGS_AT, Duration, Part, counted_in
from bidilab.lab.metrics.evaluation import Evaluation, Event
from bidilab.lab.metrics.members import MISSED as NEVER
from bidilab.lab.metrics.statistics import quantile
from bidilab.lab.sweep.evaluated import COUNTS, MISSED, PARTS, EventVerdicts, SimulatedLengths, TurnVerdicts
from bidilab.lab.sweep.kernels.evaluation import count_stops, judge_turns
from bidilab.lab.sweep.problem import SweepProblem
from bidilab.lab.sweep.scoring import ScoreAnswers, detector_setting, find_scores, guard_rule

__all__ = [
    "EVENT_COLUMNS",
    "RECORDING_COLUMNS",
    "SettingVerdicts",
    "evaluate_setting",
    "events_frame",
    "recordings_table",
]

RECORDING_COLUMNS: tuple[str, ...] = RECORDINGS_AT.names[1:]
"""Columns of `recordings_table`, behind the index."""
EVENT_COLUMNS: tuple[str, ...] = EVENTS.names
"""Columns of ``SweepResult.events``."""


class SettingVerdicts(NamedTuple):
    """One setting on every recording: the parts of its evaluation."""

    events: EventVerdicts
    turns: TurnVerdicts
    stops: npt.NDArray[np.int32]

    def counted(self, part: Part, problem: SweepProblem) -> npt.NDArray[np.int32]:
        """Counts of one part by recording, ``(n_recordings, n_columns)``."""
        counts = {"labels": problem.label_counts, "events": self.events.counts, "turns": self.turns.counts}
        return counts.get(part, self.stops)


def evaluate_setting(
    problem: SweepProblem,
    params: TurnParams,
    simulated: SimulatedLengths | None,
    guards: Guards,
    end_of_turn: EndOfTurn | None = None,
    answers: ScoreAnswers | None = None,
    adaptive: AdaptiveInterruption | None = None,
    interrupting: ScoreAnswers | None = None,
) -> SettingVerdicts:
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
    end_of_turn, answers
        How turns end by a score, and what answers.
    adaptive, interrupting
        How speech interrupts by a score, and what answers.
    """
    setting = detector_setting(params, end_of_turn, **problem.guard_grain, answers=answers)
    guard = guard_rule(guards, adaptive, **problem.guard_grain, interrupting=interrupting)
    scores = find_scores(problem, [setting], [guard], answers, interrupting, simulated=simulated is not None)
    table, causes = scores.turns(problem, setting)
    (events,) = scores.judge(problem, setting, (guard,))
    stops = count_stops(problem, table, simulated, guard, scores.interrupting)
    return SettingVerdicts(events, judge_turns(problem, table, causes), stops)


def recordings_table(problem: SweepProblem, verdicts: SettingVerdicts, recording_ids: Sequence[str]) -> pd.DataFrame:
    """Counts, latency and times of every recording under one setting.

    Returns
    -------
    DataFrame
        One row per recording, indexed by ``recording_id``, with the columns `RECORDINGS_AT`.
    """
    columns: dict[str, npt.NDArray[Any]] = {}
    for part in PARTS:
        counts = verdicts.counted(part, problem)
        for index, column in enumerate(counted_in(part)):
            columns[column.counted if isinstance(column, Duration) else column.name] = counts[:, index]
    table = pd.DataFrame({name: columns[name] for name in COUNTS}, index=pd.Index(recording_ids, name="recording_id"))
    is_true = problem.judged.is_true
    delays = np.where(verdicts.events.delays == MISSED, np.inf, verdicts.events.delays)[is_true]
    owner = problem.judged.recording[is_true]
    table["latency_detected_ms_p50"] = [
        quantile(delays[owner == k], 0.5) * 1000 / problem.sample_rate for k in range(problem.n_recordings)
    ]
    for duration in RECORDINGS_AT.of(Duration):
        table[duration.name] = duration.of_samples(columns[duration.counted], problem.sample_rate)
    return table


def events_frame(evaluated: Iterable[tuple[str, Evaluation]], sample_rate: int) -> pd.DataFrame:
    """Events of every recording under one setting, as a table with the columns `EVENTS`.

    Parameters
    ----------
    evaluated
        Recording id and what became of it.
    sample_rate
        Hertz of the positions.
    """
    return EVENTS.frame(
        [
            {"recording_id": recording_id, **_row(sample_rate, event)}
            for recording_id, evaluation in evaluated
            for event in evaluation.events
        ]
    )


def _row(sample_rate: int, event: Event) -> dict[str, Any]:
    def seconds(samples: int | None) -> float:
        return math.nan if samples is None else samples / sample_rate

    segment, stop, delay = event.segment, event.stop, event.delay
    spoken = None
    if segment is not None and segment.is_true and delay is not None:
        spoken = min(max(delay, 0), segment.interval.duration)
    return {
        "response": event.response,
        "outcome": event.outcome,
        "in_session": event.in_session,
        "kind": segment.kind if segment else None,
        "cause": stop.cause if stop is not None and stop.is_false else None,
        "segment_start_s": seconds(segment.interval.start if segment else None),
        "segment_end_s": seconds(segment.interval.end if segment else None),
        "latency_ms": math.nan if delay is None else math.inf if delay == NEVER else 1000 * delay / sample_rate,
        "talk_over_s": seconds(spoken),
        "onset_s": seconds(stop.turn.onset if stop else None),
        "decided_s": seconds(stop.acted_at if stop else None),
        "lost_s": seconds(stop.lost if stop is not None and stop.is_false else None),
        "resumed_s": seconds(stop.resumed_at if stop else None),
        "text": segment.text if segment else None,
    }
