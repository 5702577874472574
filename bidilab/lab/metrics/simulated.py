"""Simulated evaluation: the agent answers what the detector hears, and is interrupted by it (closed loop, DESIGN §8).

Task
    One recording under one setting. The user's channel is what it was; the agent's responses are those of
    `bidilab.detect.turns.simulation.SimulatedAgent`, the class that the local model runs in a session.
Unit
    Integer samples at the VAD's rate.
Index
    `evaluate_simulated`, `SimulatedEvaluation`, `response_plan`

Each response is evaluated by the rules of `metrics.interruption`, from its first audible sample to its end, the end of
the recording or its interruption; a user who begins between its creation and its first audible sample, and goes on
beyond that, is heard under it (`metrics.opportunities`). One cut before it was heard is *cancelled unheard*: counted,
but no interruption to the ear, and nothing of it enters a rate. Nothing is masked: a turn from before the response
would have cancelled it. Where the guards resume a response, what is heard of it after the pause is evaluated likewise,
as a stretch of its own, active from where it was resumed; a segment that began in the pause is from before that
stretch: the agent went on into it.

What begins before the response is heard is put to the test only where it was not detected by then. The rates are over
what the audible agent met, as one would count them in a session; of these early segments they are rates of those that
were still undetected, fewer where a setting is quicker, and the latency of one, from its true onset, is at least the
rest of the silence before the response. `n_cancelled_unheard` says how many responses were cut before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from bidilab.core.timeline import Interval
from bidilab.core.units import samples_to_ms
from bidilab.detect.turns import Guards, Turn
from bidilab.detect.turns.simulation import ResponsePlan, SimulatedInterruption, SimulatedResponse, simulate
from bidilab.lab.metrics.interruption import Interrupting, InterruptionEvaluation, Outcome, evaluate_response
from bidilab.lab.metrics.opportunities import RecordingLabels

__all__ = ["DEFAULT_RESPONSE_MS", "SimulatedEvaluation", "evaluate_simulated", "response_plan"]

DEFAULT_RESPONSE_MS = 4000.0
"""Length of a response in recordings that have none of their own."""


class Stretch(NamedTuple):
    """A response as it was to be heard, what stopped it, and from where it was active: created, or resumed."""

    response: SimulatedResponse
    cut: SimulatedInterruption | None
    active_from: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedEvaluation(InterruptionEvaluation):
    """`InterruptionEvaluation` of the simulated responses, which ``Outcome.response`` counts, and what made them.

    Parameters
    ----------
    responses
        All responses made.
    interruptions
        All of them that were cut, heard or not.
    """

    responses: tuple[SimulatedResponse, ...]
    interruptions: tuple[SimulatedInterruption, ...]

    @property
    def n_cancelled_unheard(self) -> int:
        """Responses cut before their first audible sample, for good."""
        return sum(interruption.unheard and interruption.resumed_at is None for interruption in self.interruptions)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """Every stretch in which a response was to be heard, in time order."""
        return tuple(
            stretch
            for response in self.responses
            for stretch in _stretches(response, [i for i in self.interruptions if i.response.index == response.index])
        )


def _stretches(response: SimulatedResponse, cuts: Sequence[SimulatedInterruption]) -> Iterator[Stretch]:
    active_from = response.created_at
    for cut in cuts:
        yield Stretch(cut.response, cut, active_from)
        if cut.resumed_at is None:
            return
        response, active_from = cut.rest(cut.resumed_at), cut.resumed_at
    yield Stretch(response, None, active_from)


def response_plan(
    labels: RecordingLabels,
    *,
    response_delay_ms: float,
    response_ms: float | Literal["recorded"],
    guards: Guards | None = None,
) -> ResponsePlan:
    """When the agent answers in one recording, and for how long it speaks.

    Parameters
    ----------
    labels
        The recording's labels.
    response_delay_ms
        From the decision that a turn is over to the first audible sample, ``>= 0``.
    response_ms
        Length of each response, ``> 0``; ``"recorded"`` takes those of the recording's own responses, in turn and from
        the start again (`DEFAULT_RESPONSE_MS` where it has none).
    guards
        Of the interruptions; none when not given.
    """
    own: tuple[float, ...] = ()
    if response_ms == "recorded":
        own = tuple(samples_to_ms(response.duration, labels.sample_rate) for response in labels.responses)
        response_ms = DEFAULT_RESPONSE_MS
    return ResponsePlan(response_delay_ms=response_delay_ms, response_ms=own or response_ms, guards=guards or Guards())


def evaluate_simulated(
    labels: RecordingLabels,
    turns: Sequence[Turn],
    plan: ResponsePlan,
    *,
    n_samples: int,
    acted_at: Sequence[int | None] | None = None,
    n_words: Sequence[int] | None = None,
) -> SimulatedEvaluation:
    """Evaluate one recording under one setting with a simulated agent.

    Parameters
    ----------
    labels
        The recording's labels; its responses count only where ``plan`` took their lengths.
    turns
        What the detector decided on the user channel, in time order.
    plan
        When the agent answers and for how long.
    n_samples
        Length of the recording in whole VAD frames, in samples: nothing is known of what would come after it.
    acted_at, n_words
        Of each turn, as in `simulate`; the guards themselves are the plan's.
    """
    responses, interruptions = simulate(
        turns, plan, sample_rate=labels.sample_rate, acted_at=acted_at, n_words=n_words, n_samples=n_samples
    )
    evaluation = SimulatedEvaluation(outcomes=(), agent_speech=0, responses=responses, interruptions=interruptions)
    by_onset = {turn.onset: turn for turn in turns}
    outcomes: list[Outcome] = []
    agent_speech = 0
    for response, cut, active_from in evaluation.stretches:
        audible = Interval(response.audible_at, min(response.ends_at, n_samples))
        if audible.start >= n_samples or (cut is not None and cut.unheard):
            continue
        interruption = Interrupting(by_onset[cut.onset], cut.decided_at, cut.resumed_at) if cut else None
        agent_speech += (interruption.acted_at if interruption else audible.end) - audible.start
        under = labels.under(audible, active_from=active_from)
        found = evaluate_response(under, 0, interruption, active_from)
        outcomes += [replace(outcome, response=response.index) for outcome in found]
    return replace(evaluation, outcomes=tuple(outcomes), agent_speech=agent_speech)
