"""Stops: what a whole conversation costs. Here the first interruption ends a response, as in a session.

Task
    Say of each stop of the agent whose it was, and what it cost. Never a rate per event: how often an event meets a
    speaking agent depends on how many events a response holds and on the setting (`bidilab.lab.metrics.members` judges
    events for themselves).
Unit
    Integer samples at the VAD's rate.
Index
    `Stop`, `SessionCosts`, `SimulatedCosts`, `Owners`, `recorded_costs`, `simulated_costs`, `response_plan`

A stop is put down to the *owner* of its turn's onset ``x``. That is a partition of time which no setting moves:

1. the foreground segment over ``x``: a true one first, then the one that begins last;
2. else the one that ended last within 200 ms before ``x``;
3. else the next that begins within 200 ms;
4. else an echo with 200 ms on either side; else none.

It is ``true`` when the owner ought to stop the agent and begins in the response (of a simulated agent: after it was
created); ``continued`` when it begins before: the agent began in the user's turn, which counts against the end of turn
and is no false stop; else false, by the owner's kind or ``none``. Of an unsure owner it is ``unsure``, neither true nor
false. In a recording without any label a stop is
``unlabelled``, neither true nor false, and what the agent says there is no exposure.

*Recorded*: the first turn that starts in a response and is acted upon before its end stops it. Until a turn from
before the response is over, the agent would not have spoken: that time is ``masked`` and no exposure. *Simulated*:
responses are those of `bidilab.detect.turns.simulation.SimulatedAgent`. One cut before its first audible sample is
unheard, and no stop to the ear. A response begun inside a true segment and audible before its end is a cut-in that the
user hears.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bidilab.core.timeline import Interval
from bidilab.core.units import samples_to_ms
from bidilab.detect.turns import Guards, Turn
from bidilab.detect.turns.simulation import ResponsePlan, SimulatedInterruption, SimulatedResponse, simulate
from bidilab.lab.datasets.labels import FALSE_KINDS, TRUE_KINDS, Kind
from bidilab.lab.metrics.members import MemberSet

__all__ = [
    "CAUSES",
    "DEFAULT_RESPONSE_MS",
    "Owners",
    "SessionCosts",
    "SimulatedCosts",
    "Stop",
    "Stretch",
    "cause_of",
    "recorded_costs",
    "response_plan",
    "simulated_costs",
]

CAUSES: tuple[str, ...] = (*FALSE_KINDS, "none")
"""What a false stop can be put down to."""
DEFAULT_RESPONSE_MS = 4000.0
"""Length of a simulated response in recordings that have none of their own."""


class _Labelled(NamedTuple):
    start: int
    end: int
    kind: Kind


class Owners:
    """Who owns an onset, of one recording.

    Parameters
    ----------
    segments
        User segments: interval in samples and kind.
    tolerance
        200 ms in samples.
    is_labelled
        Whether anything of the recording is labelled.
    unsure
        Indices of the segments that are marked so.
    """

    def __init__(
        self,
        segments: Iterable[tuple[Interval, Kind]],
        *,
        tolerance: int,
        is_labelled: bool = True,
        unsure: Iterable[int] = (),
    ) -> None:
        self._tolerance = tolerance
        self.is_labelled = is_labelled
        self.unsure = frozenset(unsure)
        listed = [_Labelled(*interval, kind) for interval, kind in segments]
        self.segments: tuple[tuple[Interval, Kind], ...] = tuple((Interval(s.start, s.end), s.kind) for s in listed)
        self._foreground = [(i, s) for i, s in enumerate(listed) if s.kind != "echo"]
        self._echoes = [(i, s) for i, s in enumerate(listed) if s.kind == "echo"]

    @classmethod
    def from_labels(cls, labels: MemberSet) -> Owners:
        """Of a recording's labels: indices are those of ``labels.segments``."""
        return cls(
            ((s.interval, s.kind) for s in labels.segments),
            tolerance=labels.tolerance_samples,
            is_labelled=labels.is_labelled,
            unsure=(index for index, s in enumerate(labels.segments) if s.is_unsure),
        )

    def of(self, onset: int) -> int:
        """Index of the segment that owns an onset; -1 for none."""
        over = [(s.kind in TRUE_KINDS, s.start, i) for i, s in self._foreground if s.start <= onset < s.end]
        if over:
            return max(over)[2]
        ended = [(s.end, i) for i, s in self._foreground if s.end <= onset <= s.end + self._tolerance]
        if ended:
            return max(ended)[1]
        coming = [(s.start, i) for i, s in self._foreground if onset < s.start <= onset + self._tolerance]
        if coming:
            return min(coming)[1]
        for i, s in self._echoes:
            if s.start - self._tolerance <= onset <= s.end + self._tolerance:
                return i
        return -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One stop of the agent.

    Parameters
    ----------
    response
        Index of the response.
    turn
        The turn that stopped it.
    acted_at
        Where, in samples.
    resumed_at
        Where it was taken back; ``None`` for one that stands.
    owner
        Index of the segment that it is put down to, -1 for none.
    cause
        ``"true"``, ``"continued"``, a kind that must not stop the agent, ``"none"``, ``"unsure"`` or ``"unlabelled"``.
    lost
        Samples of the response that were planned after it, for a stop that stands; 0 for one that was taken back.
    """

    response: int
    turn: Turn
    acted_at: int
    resumed_at: int | None
    owner: int
    cause: str
    lost: int

    @property
    def is_false(self) -> bool:
        """Whether the agent ought to have gone on."""
        return self.cause not in ("true", "continued", "unsure", "unlabelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCosts:
    """What a recording costs under one setting.

    Parameters
    ----------
    stops
        In time order.
    n_responses
        Responses of the agent; of a simulated one those made.
    planned
        Samples of agent speech planned: heard or not.
    exposure
        Samples of agent speech that could be stopped: to the stop or the end, less what is masked.
    masked
        Samples in which a recorded agent would not have spoken.
    n_cancelled_unheard
        Responses cut before their first audible sample.
    n_cut_ins_heard
        Responses begun inside a true segment and audible before its end.
    cut_in_talk
        Samples for which those were audible over the unfinished segment.
    """

    stops: tuple[Stop, ...]
    n_responses: int
    planned: int
    exposure: int
    masked: int = 0
    n_cancelled_unheard: int = 0
    n_cut_ins_heard: int = 0
    cut_in_talk: int = 0

    @property
    def n_responses_stopped_falsely(self) -> int:
        """Responses with a false stop: one that was resumed may have several."""
        return len({stop.response for stop in self.stops if stop.is_false})

    def count(self, cause: str) -> int:
        """How many stops have a cause."""
        return sum(stop.cause == cause for stop in self.stops)

    @property
    def n_false(self) -> int:
        """False stops."""
        return sum(stop.is_false for stop in self.stops)

    @property
    def lost(self) -> int:
        """Samples of agent speech lost to false stops."""
        return sum(stop.lost for stop in self.stops if stop.is_false)

    @property
    def pause(self) -> int:
        """Samples for which false stops that were taken back had the agent pause."""
        return sum(s.resumed_at - s.acted_at for s in self.stops if s.is_false and s.resumed_at is not None)


class Stretch(NamedTuple):
    """A response as it was to be heard, what stopped it, and from where it was active: created, or resumed."""

    response: SimulatedResponse
    cut: SimulatedInterruption | None
    active_from: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCosts(SessionCosts):
    """`SessionCosts` of the simulated responses, which ``Stop.response`` counts, and what made them.

    Parameters
    ----------
    responses
        All responses made.
    interruptions
        All cuts of them, heard or not.
    """

    responses: tuple[SimulatedResponse, ...]
    interruptions: tuple[SimulatedInterruption, ...]

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """Every stretch in which a response was to be heard, in time order."""
        return tuple(
            stretch
            for response in self.responses
            for stretch in _stretches(response, [i for i in self.interruptions if i.response.index == response.index])
        )


def response_plan(
    labels: MemberSet,
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


def cause_of(owners: Owners, owner: int, active_from: int) -> str:
    """What a stop is put down to, for ``Stop.cause``: the owner of its onset, and where the response was created."""
    if not owners.is_labelled:
        return "unlabelled"
    if owner < 0:
        return "none"
    interval, kind = owners.segments[owner]
    if owner in owners.unsure:
        return "unsure"
    if kind not in TRUE_KINDS:
        return kind
    return "true" if interval.start >= active_from else "continued"


def recorded_costs(
    owners: Owners,
    responses: Sequence[Interval],
    turns: Sequence[Turn],
    *,
    acted_at: Sequence[int | None] | None = None,
    resumed_at: Sequence[int | None] | None = None,
) -> SessionCosts:
    """Costs with the agent's channel as it was recorded.

    Parameters
    ----------
    owners
        Of the recording.
    responses
        In time order.
    turns
        What the detector decided on the whole of the user's channel, in time order.
    acted_at
        Where each turn is acted upon, ``None`` for never; where it starts when not given.
    resumed_at
        Where what each turn stops is resumed, ``None`` for never; never when not given.
    """
    acted = [t.started_at for t in turns] if acted_at is None else acted_at
    resumed = [None] * len(turns) if resumed_at is None else resumed_at
    stops: list[Stop] = []
    exposure = masked = 0
    for index, response in enumerate(responses):
        open_until = max((t.stopped_at for t in turns if t.started_at < response.start < t.stopped_at), default=0)
        free_from = max(response.start, min(open_until, response.end))
        acting = (
            (t, at, back)
            for t, at, back in zip(turns, acted, resumed, strict=True)
            if at is not None and response.start <= t.started_at and at < response.end
        )
        masked += free_from - response.start
        stop = next(acting, None)
        if stop is None:
            exposure += response.end - free_from
            continue
        turn, at, back = stop
        owner = owners.of(turn.onset)
        exposure += max(0, at - free_from)
        stops.append(
            Stop(
                response=index,
                turn=turn,
                acted_at=at,
                resumed_at=back,
                owner=owner,
                cause=cause_of(owners, owner, response.start),
                lost=response.end - at if back is None else 0,
            )
        )
    return SessionCosts(
        stops=tuple(stops),
        n_responses=len(responses),
        planned=sum(r.duration for r in responses),
        exposure=exposure,
        masked=masked,
    )


def _stretches(response: SimulatedResponse, cuts: Sequence[SimulatedInterruption]) -> list[Stretch]:
    found: list[Stretch] = []
    active_from = response.created_at
    for cut in cuts:
        found.append(Stretch(cut.response, cut, active_from))
        if cut.resumed_at is None:
            return found
        response, active_from = cut.rest(cut.resumed_at), cut.resumed_at
    return [*found, Stretch(response, None, active_from)]


def simulated_costs(
    owners: Owners,
    turns: Sequence[Turn],
    plan: ResponsePlan,
    *,
    sample_rate: int,
    n_samples: int,
    acted_at: Sequence[int | None] | None = None,
    n_words: Sequence[int] | None = None,
) -> SimulatedCosts:
    """Costs with a simulated agent that answers what the detector hears.

    Parameters
    ----------
    owners
        Of the recording.
    turns
        What the detector decided, in time order.
    plan
        When the agent answers, for how long, and its guards.
    sample_rate
        Hertz.
    n_samples
        Length of the recording in whole frames, in samples: nothing is known of what would come after it.
    acted_at, n_words
        Of each turn, as in `simulate`.
    """
    responses, interruptions = simulate(
        turns, plan, sample_rate=sample_rate, acted_at=acted_at, n_words=n_words, n_samples=n_samples
    )
    by_onset = {turn.onset: turn for turn in turns}
    stops: list[Stop] = []
    exposure = planned = n_unheard = n_cut_ins = cut_in_talk = 0
    for response in responses:
        own = [cut for cut in interruptions if cut.response.index == response.index]
        if owners.is_labelled:
            planned += max(0, min(response.ends_at, n_samples) - min(response.audible_at, n_samples))
        n_unheard += sum(cut.unheard and cut.resumed_at is None for cut in own)
        talked = 0
        for stretch, cut, active_from in _stretches(response, own):
            end = min(stretch.ends_at, n_samples)
            if stretch.audible_at >= n_samples or (cut is not None and cut.unheard):
                continue
            heard_until = end if cut is None else cut.decided_at
            exposure += heard_until - stretch.audible_at if owners.is_labelled else 0
            talked += _over_unfinished(owners, response.created_at, Interval(stretch.audible_at, heard_until))
            if cut is None:
                continue
            owner = owners.of(cut.onset)
            stops.append(
                Stop(
                    response=response.index,
                    turn=by_onset[cut.onset],
                    acted_at=cut.decided_at,
                    resumed_at=cut.resumed_at,
                    owner=owner,
                    cause=cause_of(owners, owner, active_from),
                    lost=end - cut.decided_at if cut.resumed_at is None else 0,
                )
            )
        n_cut_ins += talked > 0
        cut_in_talk += talked
    return SimulatedCosts(
        stops=tuple(stops),
        n_responses=len(responses),
        planned=planned,
        exposure=exposure,
        n_cancelled_unheard=n_unheard,
        n_cut_ins_heard=n_cut_ins,
        cut_in_talk=cut_in_talk,
        responses=responses,
        interruptions=interruptions,
    )


def _over_unfinished(owners: Owners, created_at: int, heard: Interval) -> int:
    """Samples heard over the true segment inside which the response was created; an unsure one is none."""
    inside = [
        i
        for index, (i, kind) in enumerate(owners.segments)
        if kind in TRUE_KINDS and index not in owners.unsure and i.start < created_at < i.end
    ]
    return max((heard.overlap(i) for i in inside), default=0)
