"""`evaluate`: the turns of one detector setting, evaluated under one guard or several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bidilab.detect.turns.guard_kernels import acted_in_frames, turns_with_words
from bidilab.detect.turns.guards import GuardRule
from bidilab.detect.turns.kernels import TurnTable
from bidilab.lab.sweep.evaluated import Evaluated, SimulatedLengths
from bidilab.lab.sweep.kernels.endpoints import evaluate_endpoints_of_all
from bidilab.lab.sweep.kernels.responses import evaluate_recorded, simulate_and_evaluate
from bidilab.lab.sweep.problem import SweepProblem

__all__ = ["NO_GUARD", "evaluate"]

NO_GUARD = GuardRule(min_frames=0, min_words=0, timeout_samples=-1)
_NO_STANDS = np.zeros(0, dtype=np.bool_)


def evaluate(
    problem: SweepProblem,
    table: TurnTable,
    simulated: SimulatedLengths | None = None,
    guards: Sequence[GuardRule] = (NO_GUARD,),
) -> list[Evaluated]:
    """Evaluate the turns of one detector setting on every recording of a problem.

    Parameters
    ----------
    problem
        Labels, words and tracks.
    table
        The turns of the setting.
    simulated
        The simulated agent for closed-loop evaluation; the recorded agent when not given.
    guards
        Of the interruptions; what does not depend on them is computed once.

    Returns
    -------
    list of Evaluated
        One for each guard. Those arrays that guards do not move are the same objects.
    """
    shared = Evaluated.empty(problem)
    evaluate_endpoints_of_all(
        table.turns,
        table.bounds,
        problem.frame_samples,
        problem.segments,
        problem.segment_bounds,
        shared.records,
        shared.endpoint_latency,
        shared.first_turn,
    )
    return [_under_guard(problem, table, simulated, rule, shared) for rule in guards]


def _under_guard(
    problem: SweepProblem, table: TurnTable, simulated: SimulatedLengths | None, rule: GuardRule, shared: Evaluated
) -> Evaluated:
    result = shared._replace(
        counts=shared.counts.copy(), latency=np.zeros_like(shared.latency), state=np.zeros_like(shared.state)
    )
    words = {
        "frame_samples": problem.frame_samples,
        "word_ends": problem.word_ends,
        "word_bounds": problem.word_bounds,
    }
    acted = acted_in_frames(table, rule, **words)  # type: ignore[arg-type]  # a dict of two types
    stands = _NO_STANDS
    if rule.timeout_samples >= 0:
        stands = turns_with_words(table, max(1, rule.min_words), **words)  # type: ignore[arg-type]  # as above
    turns = (*table, acted, stands, rule.timeout_samples, problem.frame_samples, problem.frame_bounds)
    labels = (problem.segments, problem.segment_bounds)
    limits = (problem.tolerance, problem.min_overlap)
    found = (result.records, result.latency, result.state)
    if simulated is not None:
        simulate_and_evaluate(*turns, *simulated, *labels, *limits, *found)
    else:
        recorded = (problem.responses, problem.response_bounds)
        evaluate_recorded(*turns, *recorded, *labels, problem.response_segments, *limits, *found)
    return result
