"""Interruption: which opportunities interrupted the agent, which were missed, and what interrupted it falsely.

Task
    Recorded evaluation of one recording under one setting (DESIGN §2, §8, §9). `evaluate_response` also judges the
    responses of a simulated agent (`bidilab.lab.metrics.simulated`) and of a session (`bidilab.lab.sessions.verdicts`).
Unit
    Integer samples at the VAD's rate.
Index
    `evaluate_interruptions`, `Outcome`, `OUTCOMES`, `CAUSES`

The rules, response by response. A response is active from where it was created; a recorded one is taken to be created
where it is first heard, as nothing else is known:

1. The *interruption* of a response ``[start, end)`` is the first turn with ``start <= started_at`` and ``acted_at <
   end``, where ``acted_at`` is ``started_at``, or where the guards let the turn act (`bidilab.detect.turns.guards`),
   if they do. A stopped agent cannot be stopped again, so evaluation of the response ends there (else with the
   response); also where the guards would have resumed it, as what the user would have done then is not recorded.
2. A turn that started before the response and still lasts when an opportunity begins *masks* that opportunity: the
   recorded agent would not have spoken then. It enters no rate, and neither does the agent's speech under the mask.
3. An interruption may belong to a segment when its onset lies in [segment onset - tolerance, segment offset]. It is
   taken by, in this order: an opportunity that ought to interrupt (the earliest: *detected*); a true segment that is
   masked, terminal, or was over before the response was heard (*masked*, and *terminal_overlap* for the other two: no
   rate); a true segment that starts before the response was created (*false*, cause ``premature_endpoint``: the agent
   had cut in); a segment that must not interrupt (that with the nearest onset: *false*, its cause is the kind); nothing
   (*false*, cause ``none``).
4. A true opportunity that begins before the evaluation ends and was not detected is *missed* when its chance (its
   offset or the end of the response) came to an end; when another interruption stopped the agent before that, it is
   *preempted*: its time is censored there and it enters no rate. One that must not interrupt is *ignored*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from bidilab.core.timeline import Interval
from bidilab.detect.turns import Turn
from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.metrics.matching import match
from bidilab.lab.metrics.opportunities import LabelledSegment, RecordingLabels

__all__ = [
    "CAUSES",
    "OUTCOMES",
    "Interrupting",
    "InterruptionEvaluation",
    "Outcome",
    "evaluate_interruptions",
    "evaluate_response",
]

OutcomeName = Literal["detected", "missed", "preempted", "masked", "false", "ignored", "terminal_overlap"]
OUTCOMES: tuple[OutcomeName, ...] = (
    "detected",
    "missed",
    "preempted",
    "masked",
    "false",
    "ignored",
    "terminal_overlap",
)
CAUSES: tuple[str, ...] = (*FALSE_KINDS, "premature_endpoint", "none")
"""What a false interruption can be put down to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one opportunity, or what one interruption was.

    Parameters
    ----------
    response
        Index of the response.
    outcome
        One of `OUTCOMES`.
    segment
        The segment concerned; ``None`` for an interruption that hit none.
    turn, acted_at
        The turn that interrupted, and where it was acted upon; ``None`` where none did.
    resumed_at
        Where the guards took the interruption back; ``None`` for one that stands.
    cause
        One of `CAUSES` for a false interruption, else ``None``.
    chance_end
        Sample at which the opportunity's chance ended: where its latency is censored when it was not detected.
    talk_over
        Samples of a true opportunity spoken while the agent was audible, from its first audible sample on.
    on_opportunity
        Whether a false interruption hit an opportunity (and so counts in the false-interruption rate).
    """

    response: int
    outcome: OutcomeName
    segment: LabelledSegment | None = None
    turn: Turn | None = None
    acted_at: int | None = None
    resumed_at: int | None = None
    cause: str | None = None
    chance_end: int | None = None
    talk_over: int = 0
    on_opportunity: bool = False

    @property
    def latency(self) -> int | None:
        """Samples from the true onset to the decision acted upon, for a detected opportunity; may be negative."""
        if self.outcome != "detected" or self.segment is None or self.acted_at is None:
            return None
        return self.acted_at - self.segment.interval.start


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionEvaluation:
    """All outcomes of a recording, in time order, and the samples of agent speech that were evaluated."""

    outcomes: tuple[Outcome, ...]
    agent_speech: int

    def count(self, outcome: OutcomeName, *, cause: str | None = None) -> int:
        """How many outcomes of this name (and cause) there are."""
        return sum(o.outcome == outcome and (cause is None or o.cause == cause) for o in self.outcomes)

    @property
    def pause(self) -> int:
        """Samples for which false interruptions that were taken back had the agent pause."""
        cuts = (o for o in self.outcomes if o.outcome == "false" and o.resumed_at is not None)
        return sum(o.resumed_at - o.acted_at for o in cuts if o.resumed_at is not None and o.acted_at is not None)


class Interrupting(NamedTuple):
    """A turn that interrupts: where it is acted upon, and where that is taken back (``None`` for never)."""

    turn: Turn
    acted_at: int
    resumed_at: int | None = None


def evaluate_interruptions(
    labels: RecordingLabels,
    turns: Sequence[Turn],
    *,
    acted_at: Sequence[int | None] | None = None,
    resumed_at: Sequence[int | None] | None = None,
) -> InterruptionEvaluation:
    """Evaluate one recording under one setting, by the rules of this module.

    Parameters
    ----------
    labels
        The recording's labels at the VAD's rate.
    turns
        What the detector decided on the user channel, in time order.
    acted_at
        Where each turn is acted upon, ``None`` for never; where it starts when not given.
    resumed_at
        Where what each turn interrupts is resumed, ``None`` for never; never when not given.
    """
    acted = [t.started_at for t in turns] if acted_at is None else acted_at
    resumed = [None] * len(turns) if resumed_at is None else resumed_at
    acting = [Interrupting(t, a, r) for t, a, r in zip(turns, acted, resumed, strict=True) if a is not None]
    outcomes: list[Outcome] = []
    agent_speech = 0
    for index, response in enumerate(labels.responses):
        interruption = next(
            (i for i in acting if response.start <= i.turn.started_at and i.acted_at < response.end), None
        )
        masked_until = max(
            (t.stopped_at for t in turns if t.started_at < response.start < t.stopped_at), default=response.start
        )
        end = interruption.acted_at if interruption else response.end
        agent_speech += max(0, end - masked_until)
        outcomes += evaluate_response(labels, index, interruption, masked_until)
    return InterruptionEvaluation(outcomes=tuple(outcomes), agent_speech=agent_speech)


def evaluate_response(
    labels: RecordingLabels, index: int, interruption: Interrupting | None, masked_until: int, *, reach: int = 0
) -> list[Outcome]:
    """Evaluate one response: rules 2 to 4.

    Parameters
    ----------
    labels
        The recording's labels.
    index
        Which response.
    interruption
        The turn that interrupts it, if any.
    masked_until
        Sample before which its opportunities are masked; where the response was created, or before, for none.
    reach
        Samples after a segment's offset at which the onset of the turn may still belong to it: for turns of which only
        a later time is known.
    """
    response = labels.responses[index]
    end = interruption.acted_at if interruption else response.end
    here = [s for s in labels.segments if s.response == index]
    masked = [s for s in here if s.place == "opportunity" and s.interval.start < masked_until]
    open_ = [s for s in here if s.place == "opportunity" and s.interval.start >= masked_until]
    hit = None
    if interruption is not None:
        hit = _classify(labels, index, interruption.turn, open_, masked, reach)
        hit = replace(hit, response=index, **interruption._asdict())
    outcomes = [Outcome(response=index, outcome="masked", segment=s) for s in masked if not hit or s is not hit.segment]
    for segment in open_:
        if hit is not None and segment is hit.segment:
            continue
        if segment.interval.start < end:
            outcomes.append(_unanswered(segment, index, response, end, interrupted=hit is not None))
    if hit is not None:
        if hit.segment is not None and hit.outcome == "detected":
            hit = replace(hit, talk_over=_talk_over(hit.segment, response, end), chance_end=end)
        outcomes.append(hit)
    return sorted(outcomes, key=_position)


def _classify(
    labels: RecordingLabels,
    index: int,
    turn: Turn,
    open_: Sequence[LabelledSegment],
    masked: Sequence[LabelledSegment],
    reach: int,
) -> Outcome:
    """Rule 3. The response and the turn are filled in by the caller."""
    tolerance = labels.tolerance_samples
    wanted = [s for s in open_ if s.is_true]
    windows = [Interval(s.interval.start, s.interval.end + reach) for s in wanted]
    (taken,) = match([turn.onset], windows, [True] * len(wanted), tolerance_samples=tolerance)
    if taken is not None:
        return Outcome(response=-1, outcome="detected", segment=wanted[taken])
    # Segments that start after the response are not heard under it.
    near = [
        s
        for s in labels.segments
        if s.interval.start - tolerance <= turn.onset <= s.interval.end + reach
        and s.interval.start < labels.responses[index].end
    ]
    for segment in near:
        if segment.is_true and segment in masked:
            return Outcome(response=-1, outcome="masked", segment=segment)
        if segment.is_true and segment.place in ("terminal", "unheard") and segment.response == index:
            return Outcome(response=-1, outcome="terminal_overlap", segment=segment)
    for segment in near:
        if segment.is_true:
            return Outcome(response=-1, outcome="false", segment=segment, cause="premature_endpoint")
    if near:
        nearest = min(near, key=lambda s: (abs(turn.onset - s.interval.start), -near.index(s)))
        if nearest in masked:
            return Outcome(response=-1, outcome="masked", segment=nearest)
        return Outcome(
            response=-1, outcome="false", segment=nearest, cause=nearest.kind, on_opportunity=nearest in open_
        )
    return Outcome(response=-1, outcome="false", cause="none")


def _unanswered(segment: LabelledSegment, index: int, response: Interval, end: int, *, interrupted: bool) -> Outcome:
    """Rule 4."""
    if not segment.is_true:
        return Outcome(response=index, outcome="ignored", segment=segment)
    chance_end = min(segment.interval.end, response.end)
    preempted = interrupted and chance_end > end
    return Outcome(
        response=index,
        outcome="preempted" if preempted else "missed",
        segment=segment,
        chance_end=min(chance_end, end),
        talk_over=_talk_over(segment, response, end),
    )


def _talk_over(segment: LabelledSegment, response: Interval, end: int) -> int:
    return max(0, min(segment.interval.end, end) - max(segment.interval.start, response.start))


def _position(outcome: Outcome) -> tuple[int, int]:
    if outcome.segment is not None:
        return outcome.segment.interval
    return (outcome.turn.onset, outcome.turn.started_at) if outcome.turn else (0, 0)
