"""The simulated agent: what a response and an interruption are, decided from turns alone. Sans-I/O.

One object, three uses: the closed-loop evaluation of a sweep (its readable form runs this very class, its compiled form
is held equal to it), the local model of a session, and the prediction a session is compared with. All positions are
samples of the input stream, so that nothing depends on when a chunk arrived.

States of the agent (DESIGN §5, §8). A turn is *due* where the guards let it interrupt
(`bidilab.detect.turns.guards`); without guards that is where it starts.

=========  ==================================================  ==========  =========================================
state      what happens                                        next        result
=========  ==================================================  ==========  =========================================
IDLE       a turn ends (not flushed), ``create_response``      ACTIVE      `SimulatedResponse`
IDLE       a turn is due                                       IDLE        a turn, not an interruption
ACTIVE     a turn is due, ``interrupt_response``               IDLE        `SimulatedInterruption`
ACTIVE     the same, and the guards resume                     PAUSED      `SimulatedInterruption`
ACTIVE     a turn is due, without ``interrupt_response``       ACTIVE
ACTIVE     a turn ends (it did not interrupt)                  ACTIVE      no second response
ACTIVE     the response has been played to its end             IDLE
PAUSED     a turn ends with words                              ACTIVE      `SimulatedResponse`: the old one is over
PAUSED     a turn ends without words                           PAUSED      resumes after the timeout
PAUSED     a turn starts before the timeout is over, or at it  PAUSED      waits for its end
PAUSED     the timeout is over                                 ACTIVE      `SimulatedResume`
=========  ==================================================  ==========  =========================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from bidilab.core.checks import is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate, ms_to_samples
from bidilab.detect.turns import Guards, InterruptionDue, SpeechStopped, Turn

__all__ = [
    "ResponsePlan",
    "SimulatedAgent",
    "SimulatedInterruption",
    "SimulatedResponse",
    "SimulatedResume",
    "simulate",
]

_ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsePlan:
    """When the agent answers, and for how long it speaks.

    Parameters
    ----------
    response_delay_ms
        From the decision that a turn is over to the first audible sample, ``>= 0``.
    response_ms
        Lengths of the responses, each ``> 0``, in turn and from the start again; one number stands for all.
    create_response
        Whether the end of a turn makes the agent respond.
    interrupt_response
        Whether speech interrupts a response.
    guards
        Guards of the interruptions. `SimulatedAgent` reads whether a response is resumed.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    response_delay_ms: float = 300.0
    response_ms: float | Sequence[float] = 4000.0
    create_response: bool = True
    interrupt_response: bool = True
    guards: Guards = field(default_factory=Guards)

    def __post_init__(self) -> None:
        if not (is_number(self.response_delay_ms) and 0 <= self.response_delay_ms < float("inf")):
            raise InvalidParameterError("response_delay_ms", "a number of milliseconds >= 0", self.response_delay_ms)
        given = self.response_ms
        lengths = tuple(given) if isinstance(given, Iterable) else (given,)
        if not lengths or not all(is_number(x) and 0 < x < float("inf") for x in lengths):
            raise InvalidParameterError("response_ms", "one or more numbers of milliseconds > 0", self.response_ms)
        object.__setattr__(self, "response_ms", lengths)

    @property
    def lengths_ms(self) -> tuple[float, ...]:
        """The lengths, as a tuple."""
        return self.response_ms  # type: ignore[return-value]  # made one at construction


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedResponse:
    """One response, in samples of the input stream.

    Parameters
    ----------
    index
        Count from 0.
    created_at
        The decision that the turn before it was over; it is active from here.
    audible_at, ends_at
        Its sound is ``[audible_at, ends_at)`` unless it is interrupted; it is active until ``ends_at``.
    """

    index: int
    created_at: int
    audible_at: int
    ends_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedInterruption:
    """A response that was stopped.

    Parameters
    ----------
    response
        The response, as it was to be heard then.
    onset
        Onset of the speech that stopped it.
    decided_at
        Where the speech was acted upon, after the guards.
    resumed_at
        Where the interruption was taken back and the response went on; ``None`` for one that stands.
    """

    response: SimulatedResponse
    onset: int
    decided_at: int
    resumed_at: int | None = None

    @property
    def heard_samples(self) -> int:
        """Samples of the response that were audible, at the rate of the input stream."""
        return max(0, self.decided_at - self.response.audible_at)

    @property
    def unheard(self) -> bool:
        """Whether it was cut before its first audible sample."""
        return self.decided_at <= self.response.audible_at

    def rest(self, resumed_at: int) -> SimulatedResponse:
        """The response when it goes on at ``resumed_at``: everything later by the length of the pause."""
        ends_at = self.response.ends_at + resumed_at - self.decided_at
        return replace(
            self.response, audible_at=resumed_at + max(0, self.response.audible_at - self.decided_at), ends_at=ends_at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedResume:
    """A response that goes on after a false interruption.

    Parameters
    ----------
    interruption
        The interruption that is taken back, with its ``resumed_at``.
    response
        The response as it is heard now: from ``audible_at`` on, the part that was not heard before.
    """

    interruption: SimulatedInterruption
    response: SimulatedResponse


class SimulatedAgent:
    """Answers turns and is interrupted by speech.

    Parameters
    ----------
    plan
        When it answers and for how long.
    sample_rate
        Hertz of the input stream.

    Attributes
    ----------
    delay_samples : int
        The plan's response delay.
    lengths_samples : list of int
        The plan's lengths, each at least one sample.
    """

    def __init__(self, plan: ResponsePlan, *, sample_rate: int) -> None:
        self._sample_rate = check_sample_rate(sample_rate)
        self.update(plan)
        self._count = 0
        self._response: SimulatedResponse | None = None
        self._paused: SimulatedInterruption | None = None
        self._resume_at: int | None = None

    def update(self, plan: ResponsePlan) -> None:
        """Follow another plan from now on; a response under way stays as it is."""
        self.plan = plan
        self.delay_samples = ms_to_samples(plan.response_delay_ms, self._sample_rate)
        self.lengths_samples = [max(1, ms_to_samples(length, self._sample_rate)) for length in plan.lengths_ms]

    @property
    def paused(self) -> bool:
        """Whether a response is stopped that may yet be resumed."""
        return self._paused is not None

    def active(self, position: int) -> SimulatedResponse | None:
        """The response that is active at a position, if any; not one that is paused."""
        response = self._response
        return response if response is not None and response.created_at <= position < response.ends_at else None

    def advance(self, position: int) -> SimulatedResume | None:
        """Advance the stream to a position; return the response that goes on by then, if any.

        Every turn that starts up to the position must have been told. So advance to ``n - 1`` before you tell of a turn
        that starts at ``n``.
        """
        paused = self._paused
        if paused is None or self._resume_at is None or self._resume_at > position:
            return None
        interruption = replace(paused, resumed_at=self._resume_at)
        self._response = paused.rest(self._resume_at)
        self._paused = self._resume_at = None
        return SimulatedResume(interruption=interruption, response=self._response)

    def speech_started(self) -> None:
        """Take the start of a turn: a paused response stays paused until the turn ends."""
        self._resume_at = None

    def act(self, due: InterruptionDue) -> SimulatedInterruption | None:
        """Take a turn that is due; return the interruption that it makes, if any."""
        response = self.active(due.acted_at)
        if response is None or not self.plan.interrupt_response:
            return None
        self._response = None
        interruption = SimulatedInterruption(response=response, onset=due.onset, decided_at=due.acted_at)
        if self.plan.guards.resumes:
            self._paused = interruption
        return interruption

    def speech_stopped(
        self, stopped: SpeechStopped, *, length_samples: int | None = None, n_words: int = 0
    ) -> SimulatedResponse | None:
        """Take the end of a turn; return the response it makes.

        Parameters
        ----------
        stopped
            The detector's event.
        length_samples
            Length of the response at the rate of the input stream, ``> 0``; the plan's when not given.
        n_words
            Words that ended in the turn; looked at while a response is paused.
        """
        if stopped.flushed:
            return None
        if self._paused is not None:
            guards = self.plan.guards
            if n_words < guards.words_to_stand and guards.resumes:
                self._resume_at = stopped.decided_at + ms_to_samples(
                    guards.false_interruption_timeout_ms, self._sample_rate
                )
                return None
            self._paused = None
        if not self.plan.create_response or self.active(stopped.decided_at) is not None:
            return None
        if length_samples is None:
            length_samples = self.lengths_samples[self._count % len(self.lengths_samples)]
        return self.respond(stopped.decided_at, length_samples=length_samples)

    def respond(self, created_at: int, *, length_samples: int) -> SimulatedResponse:
        """Make a response, asked for or not; the one before it is over, paused or not.

        Parameters
        ----------
        created_at
            Position in the input stream.
        length_samples
            As in `speech_stopped`.
        """
        audible_at = created_at + self.delay_samples
        self._paused = self._resume_at = None
        self._response = SimulatedResponse(
            index=self._count,
            created_at=created_at,
            audible_at=audible_at,
            ends_at=audible_at + length_samples,
        )
        self._count += 1
        return self._response

    def reschedule(self, response: SimulatedResponse, *, audible_at: int, ends_at: int) -> SimulatedResponse:
        """Set when a response is heard, where that was not known when it was made; return the changed response.

        A response that has been interrupted or replaced by then changes no later decision.
        """
        changed = replace(response, audible_at=audible_at, ends_at=ends_at)
        if self._response is not None and self._response.index == response.index:
            self._response = changed
        return changed


def simulate(
    turns: Sequence[Turn],
    plan: ResponsePlan,
    *,
    sample_rate: int,
    acted_at: Sequence[int | None] | None = None,
    n_words: Sequence[int] | None = None,
    n_samples: int | None = None,
) -> tuple[tuple[SimulatedResponse, ...], tuple[SimulatedInterruption, ...]]:
    """Responses and interruptions of a whole recording, in time order.

    Parameters
    ----------
    turns
        Turns as detected, in time order.
    plan, sample_rate
        As in `SimulatedAgent`.
    acted_at
        Where each turn is acted upon, ``None`` for never (`bidilab.detect.turns.acted_at_reference`); where it starts
        when not given.
    n_words
        Words that end in each turn; none when not given.
    n_samples
        Length of the recording: what would be resumed after it is not. Endless when not given.
    """
    agent = SimulatedAgent(plan, sample_rate=sample_rate)
    responses: list[SimulatedResponse] = []
    interruptions: list[SimulatedInterruption] = []

    def advance(position: int) -> None:
        if (resume := agent.advance(position)) is not None:
            interruptions[-1] = resume.interruption

    for k, turn in enumerate(turns):
        advance(turn.started_at - 1)
        agent.speech_started()
        acted = turn.started_at if acted_at is None else acted_at[k]
        if acted is not None:
            interruption = agent.act(InterruptionDue(onset=turn.onset, acted_at=acted))
            interruptions += [interruption] if interruption is not None else []
        stopped = SpeechStopped(
            offset=turn.offset, decided_at=turn.stopped_at, audio_end=turn.audio_end, flushed=turn.flushed
        )
        response = agent.speech_stopped(stopped, n_words=0 if n_words is None else n_words[k])
        responses += [response] if response is not None else []
    advance(_ENDLESS if n_samples is None else n_samples)
    return tuple(responses), tuple(interruptions)
