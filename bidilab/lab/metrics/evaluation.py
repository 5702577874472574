"""Evaluation: one recording under one setting, written to be read. The compiled form is `bidilab.lab.sweep.kernels`.

Task
    Put together what the three questions say of a recording: each labelled event judged for itself
    (`bidilab.lab.metrics.members`), the ends of the user's turns (`bidilab.lab.metrics.endpoint`) with the pauses in
    them (`bidilab.lab.metrics.pauses`), and what a whole conversation costs (`bidilab.lab.metrics.stops`).
Unit
    Integer samples at the VAD's rate.
Index
    `Evaluation`, `evaluate_recording`, `OUTCOMES`, `IN_SESSION`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.core.timeline import Interval
from bidilab.detect.turns import (
    Guards,
    Turn,
    TurnParams,
    acted_at_reference,
    detect_turns,
    resumed_at_reference,
    words_said,
)
from bidilab.detect.turns.detect import ScoredEnding
from bidilab.detect.turns.guards import ScoredGuard
from bidilab.detect.turns.simulation import ResponsePlan
from bidilab.lab.metrics.endpoint import Endpoint, evaluate_endpoints
from bidilab.lab.metrics.members import MISSED, PLACES, Member, MemberSet, delay_reference
from bidilab.lab.metrics.pauses import cut_offs
from bidilab.lab.metrics.stops import Owners, SessionCosts, SimulatedCosts, Stop, recorded_costs, simulated_costs

__all__ = ["IN_SESSION", "OUTCOMES", "Evaluation", "Event", "evaluate_recording"]

OUTCOMES: tuple[str, ...] = ("detected", "missed", "false", "ignored", *PLACES[1:], "again", "unlabelled")
"""What becomes of an event judged for itself; why it is not judged; a further stop by an event that has its row
already; or a stop with nothing labelled near."""
IN_SESSION: tuple[str, ...] = (
    "stopped",
    "stopped_falsely",
    "stopped_unlabelled",
    "stopped_unsure",
    "continued",
    "unheard",
    "masked",
    "silent",
    "spoke_on",
)
"""What the agent of the conversation does at an event: it stops for it, rightly or falsely, in a recording without
labels, or for one that is unsure; it stops as the user goes on with a turn that it had cut into; its response is cut
before it is heard; it would not have spoken, as the detector was still in a turn; it is silent, having stopped or said
all; it speaks on."""
_BY_CAUSE = {
    "true": "stopped",
    "continued": "continued",
    "unlabelled": "stopped_unlabelled",
    "unsure": "stopped_unsure",
}


class Event(NamedTuple):
    """A labelled event, or another stop of the session: the verdict on it alone, and what the session did.

    ``outcome`` is one of `OUTCOMES`, ``in_session`` of `IN_SESSION`. ``delay`` is from its onset to where a speaking
    agent stops, `MISSED` for never and ``None`` where it is not judged. ``stop`` is the stop put down to it; each
    further one is an event of its own, ``again``.
    """

    response: int
    outcome: str
    in_session: str
    segment: Member | None
    delay: int | None
    stop: Stop | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A recording under a setting.

    Parameters
    ----------
    labels
        Of the recording.
    turns
        What the detector decided on the whole of the user's channel.
    delays
        Of each of ``labels.members``: from its onset to where a speaking agent stops, `MISSED` for never.
    unprompted
        Of each of ``labels.unprompted``: whether a speaking agent would stop in it.
    endpoints
        Of each of ``labels.turns``.
    cut_offs
        Of each of ``labels.pauses``: whether the detector takes it for the end of the turn.
    costs
        Of the whole conversation; `SimulatedCosts` of a simulated agent.
    """

    labels: MemberSet
    turns: tuple[Turn, ...]
    delays: tuple[int, ...]
    unprompted: tuple[bool, ...]
    endpoints: tuple[Endpoint, ...]
    cut_offs: tuple[bool, ...]
    costs: SessionCosts

    @property
    def events(self) -> tuple[Event, ...]:
        """Every labelled event of the user's channel and every other stop of the session, in time order."""
        delays = iter(self.delays)
        stops: dict[int, Stop] = {}
        others = []
        for stop in self.costs.stops:
            if stop.owner < 0:
                others.append(Event(stop.response, "unlabelled", _stopped(stop), None, None, stop))
            elif stop.owner in stops:
                others.append(
                    Event(stop.response, "again", _stopped(stop), self.labels.segments[stop.owner], None, stop)
                )
            else:
                stops[stop.owner] = stop
        found = [
            _event(segment, next(delays) if segment.is_member else None, stops.get(index), self)
            for index, segment in enumerate(self.labels.segments)
        ]
        found += others
        return tuple(sorted(found, key=_position))

    def heard(self) -> Iterator[tuple[int, Interval]]:
        """Stretches in which the agent is heard until its stop, with the number of their response."""
        if isinstance(self.costs, SimulatedCosts):
            for response, cut, _ in self.costs.stretches:
                end = response.ends_at if cut is None else min(response.ends_at, cut.decided_at)
                if end > response.audible_at:
                    yield response.index, Interval(response.audible_at, end)
            return
        stopped = {stop.response: stop.acted_at for stop in self.costs.stops}
        for index, (start, end) in enumerate(self.labels.responses):
            yield index, Interval(start, stopped.get(index, end))

    def unheard(self) -> Iterator[Interval]:
        """What the agent would have gone on to say: from each stop that was not taken back to the response's end."""
        if isinstance(self.costs, SimulatedCosts):
            for response, cut, _ in self.costs.stretches:
                if cut is not None and cut.resumed_at is None and cut.decided_at < response.ends_at:
                    yield Interval(max(cut.decided_at, response.audible_at), response.ends_at)
            return
        for stop in self.costs.stops:
            if stop.resumed_at is None:
                yield Interval(stop.acted_at, self.labels.responses[stop.response].end)


def _event(segment: Member, delay: int | None, stop: Stop | None, evaluation: Evaluation) -> Event:
    if delay is None:
        outcome = segment.place
    elif segment.is_true:
        outcome = "missed" if delay == MISSED else "detected"  # type: ignore[assignment]
    else:
        outcome = "ignored" if delay == MISSED else "false"  # type: ignore[assignment]
    if stop is not None:
        return Event(stop.response, outcome, _stopped(stop), segment, delay, stop)
    response, in_session = _without_stop(segment.interval, evaluation)
    return Event(response, outcome, in_session, segment, delay, None)


def _stopped(stop: Stop) -> str:
    return _BY_CAUSE.get(stop.cause, "stopped_falsely")


def _without_stop(interval: Interval, evaluation: Evaluation) -> tuple[int, str]:
    """What the agent does at an event that it does not stop for, and in which response."""
    onset = interval.start
    response = next((j for j, r in enumerate(evaluation.labels.responses) if r.holds(onset)), -1)
    costs = evaluation.costs
    if isinstance(costs, SimulatedCosts):
        for made in costs.responses:
            if made.created_at <= onset < made.audible_at and any(
                cut.unheard and cut.response.index == made.index and cut.onset <= interval.end
                for cut in costs.interruptions
            ):
                return made.index, "unheard"
        response = next((j for j, heard in evaluation.heard() if heard.holds(onset)), -1)
        return response, "spoke_on" if response >= 0 else "silent"
    if response < 0:
        return response, "silent"
    start = evaluation.labels.responses[response].start
    if any(t.started_at < start and t.stopped_at > onset for t in evaluation.turns):
        return response, "masked"
    heard = dict(evaluation.heard())[response]
    return response, "spoke_on" if heard.holds(onset) else "silent"


def _position(event: Event) -> tuple[int, int]:
    if event.segment is not None:
        return event.segment.interval
    assert event.stop is not None
    return event.stop.turn.onset, event.stop.turn.started_at


def evaluate_recording(
    labels: MemberSet,
    probabilities: npt.NDArray[np.float32],
    params: TurnParams,
    *,
    frame_samples: int,
    lookahead_samples: int = 0,
    guards: Guards | None = None,
    plan: ResponsePlan | None = None,
    word_ends: Sequence[int] = (),
    delays: Sequence[int] | None = None,
    ending: ScoredEnding | None = None,
    scored: ScoredGuard | None = None,
) -> Evaluation:
    """Evaluate one recording under one setting.

    Parameters
    ----------
    labels
        At the VAD's rate.
    probabilities
        ``(n_frames,) float32`` of the user's channel.
    params, guards
        The setting.
    frame_samples, lookahead_samples
        Samples per frame, and what the VAD hears beyond a frame's end: decisions are later by it.
    plan
        When a simulated agent answers, and for how long; ``None`` for the agent that was recorded.
    word_ends
        Where the user's words end, rising, for guards that count words.
    delays
        Of the members and then of the unprompted stretches, where the compiled form has found them already.
    ending
        How turns end by a score; ``None``: by silence.
    scored
        How speech interrupts by a score; ``None`` for no scorer.
    """
    guards = guards or Guards()
    rate, n_samples = labels.sample_rate, len(probabilities) * frame_samples
    grain = {"frame_samples": frame_samples, "sample_rate": rate}
    turns = detect_turns(
        probabilities,
        params,
        frame_samples=frame_samples,
        sample_rate=rate,
        lookahead_samples=lookahead_samples,
        **({} if ending is None else ending._asdict()),
    )
    acted_at = acted_at_reference(
        turns, guards, word_ends=word_ends, frame_samples=frame_samples, sample_rate=rate, scored=scored
    )
    n_words = [words_said(word_ends, turn.onset, turn.stopped_at) for turn in turns]
    owners = Owners.from_labels(labels)
    costs: SessionCosts
    if plan is None:
        resumed_at = resumed_at_reference(turns, guards, n_words=n_words, n_samples=n_samples, sample_rate=rate)
        costs = recorded_costs(owners, labels.responses, turns, acted_at=acted_at, resumed_at=resumed_at)
    else:
        costs = simulated_costs(
            owners, turns, plan, sample_rate=rate, n_samples=n_samples, acted_at=acted_at, n_words=n_words
        )

    if delays is None:
        delays = [
            delay_reference(
                one.windows,
                one.interval.start,
                probabilities,
                params,
                guards,
                word_ends=one.word_ends,
                lookahead_samples=lookahead_samples,
                ending=ending,
                scored=scored,
                **grain,
            )
            for one in labels.judged
        ]
    n = len(labels.members)
    return Evaluation(
        labels=labels,
        turns=turns,
        delays=tuple(delays[:n]),
        unprompted=tuple(delay != MISSED for delay in delays[n:]),
        endpoints=evaluate_endpoints(labels, turns),
        cut_offs=cut_offs(labels.pauses, turns),
        costs=costs,
    )
