"""eot-bench (LiveKit, github.com/livekit/eot-bench, 2026): end-of-turn models scored by its rules.

Task
    The user is silent: is the turn over? A silence inside a turn is a *hold* span, the one at its end an *eot* span. A
    policy decides on the scores that a model gave during the silence. What does it cost in cut-offs and in waiting?
Unit
    Seconds of silence, from where the span starts; rates in [0, 1].
Index
    `Span`, `Policy`, `Score`, `fired_at_s`, `score_policy`, `score_silence`, `policies`, `pareto_scores`, `Headline`,
    `headline_of`, `latency_by_identity`; `hold_durations_s`, `silence_through_engine`; `eot_bench`, `EotBench`

The rules are written from their description (read November 2026), without the benchmark's code: a second opinion. Its
scores by span and its audio are not here, so that no model's row can be made again. What can: the row of silence alone,
through the turn detection and the sweep of bidilab; identities; and headlines from published frontiers.
"""

from bidilab.lab.benchmarks.eotbench.engine import hold_durations_s, silence_through_engine
from bidilab.lab.benchmarks.eotbench.published import EotBench, eot_bench
from bidilab.lab.benchmarks.eotbench.scoring import (
    Headline,
    Policy,
    Score,
    Span,
    fired_at_s,
    headline_of,
    latency_by_identity,
    pareto_scores,
    policies,
    score_policy,
    score_silence,
)

__all__ = [
    "EotBench",
    "Headline",
    "Policy",
    "Score",
    "Span",
    "eot_bench",
    "fired_at_s",
    "headline_of",
    "hold_durations_s",
    "latency_by_identity",
    "pareto_scores",
    "policies",
    "score_policy",
    "score_silence",
    "silence_through_engine",
]
