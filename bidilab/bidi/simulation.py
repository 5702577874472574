"""The simulated agent: what a response and an interruption are, decided from turns alone. Sans-I/O.

One object, three uses: the closed-loop evaluation of a sweep (its readable form runs this very class, its compiled form
is held equal to it), the local model of a session, and the prediction a session is compared with. All positions are
samples of the input stream, so that nothing depends on when a chunk arrived.

States of the agent (DESIGN §5, §8):

=========  ==================================================  ==========  =========================================
state      what happens                                        next        result
=========  ==================================================  ==========  =========================================
IDLE       a turn ends (not flushed), ``create_response``      ACTIVE      `SimulatedResponse`
IDLE       speech starts                                       IDLE        a turn, not an interruption
ACTIVE     speech starts, ``interrupt_response``               IDLE        `SimulatedInterruption`
ACTIVE     speech starts, without ``interrupt_response``       ACTIVE
ACTIVE     a turn ends (its start did not interrupt)           ACTIVE      no second response
ACTIVE     the response has been played to its end             IDLE
=========  ==================================================  ==========  =========================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate, ms_to_samples
from bidilab.detect.turns import SpeechStarted, SpeechStopped, Turn

__all__ = ["ResponsePlan", "SimulatedAgent", "SimulatedInterruption", "SimulatedResponse", "simulate"]


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
        Whether the start of speech interrupts a response.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    response_delay_ms: float = 300.0
    response_ms: float | Sequence[float] = 4000.0
    create_response: bool = True
    interrupt_response: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.response_delay_ms < float("inf"):
            raise InvalidParameterError("response_delay_ms", "a number of milliseconds >= 0", self.response_delay_ms)
        lengths = (self.response_ms,) if isinstance(self.response_ms, int | float) else tuple(self.response_ms)
        if not lengths or not all(0 < length < float("inf") for length in lengths):
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
    """A response that was cut.

    Parameters
    ----------
    response
        Which.
    onset, decided_at
        Of the speech that cut it.
    """

    response: SimulatedResponse
    onset: int
    decided_at: int

    @property
    def heard_samples(self) -> int:
        """Samples of the response that were audible, at the rate of the input stream."""
        return max(0, self.decided_at - self.response.audible_at)

    @property
    def unheard(self) -> bool:
        """Whether it was cut before its first audible sample."""
        return self.decided_at <= self.response.audible_at


class SimulatedAgent:
    """Answers turns and is interrupted by speech.

    Parameters
    ----------
    plan
        When it answers and for how long.
    sample_rate
        Hertz of the input stream.
    """

    def __init__(self, plan: ResponsePlan, *, sample_rate: int) -> None:
        self._sample_rate = check_sample_rate(sample_rate)
        self.update(plan)
        self._count = 0
        self._response: SimulatedResponse | None = None

    def update(self, plan: ResponsePlan) -> None:
        """Go by another plan from now on; the response that there is stays as it is."""
        self.plan = plan
        self._delay = ms_to_samples(plan.response_delay_ms, self._sample_rate)
        self._lengths = [max(1, ms_to_samples(length, self._sample_rate)) for length in plan.lengths_ms]

    def active(self, position: int) -> SimulatedResponse | None:
        """The response that is active at a position, if any."""
        response = self._response
        return response if response is not None and response.created_at <= position < response.ends_at else None

    def speech_started(self, started: SpeechStarted) -> SimulatedInterruption | None:
        """Take the start of a turn; return what it interrupts."""
        response = self.active(started.decided_at)
        if response is None or not self.plan.interrupt_response:
            return None
        self._response = None
        return SimulatedInterruption(response=response, onset=started.onset, decided_at=started.decided_at)

    def speech_stopped(self, stopped: SpeechStopped, *, length_samples: int | None = None) -> SimulatedResponse | None:
        """Take the end of a turn; return the response it makes.

        Parameters
        ----------
        stopped
            The detector's event.
        length_samples
            Length of the response at the rate of the input stream, ``> 0``; the plan's when not given.
        """
        if stopped.flushed or not self.plan.create_response or self.active(stopped.decided_at) is not None:
            return None
        if length_samples is None:
            length_samples = self._lengths[self._count % len(self._lengths)]
        return self.respond(stopped.decided_at, length_samples=length_samples)

    def respond(self, created_at: int, *, length_samples: int) -> SimulatedResponse:
        """Make a response, asked for or not; the one before it is over.

        Parameters
        ----------
        created_at
            Where in the input stream.
        length_samples
            As in `speech_stopped`.
        """
        audible_at = created_at + self._delay
        self._response = SimulatedResponse(
            index=self._count,
            created_at=created_at,
            audible_at=audible_at,
            ends_at=audible_at + length_samples,
        )
        self._count += 1
        return self._response

    def reschedule(self, response: SimulatedResponse, *, audible_at: int, ends_at: int) -> SimulatedResponse:
        """Say when a response is heard, where that was not known when it was made; return it as it now is.

        Of a response that was interrupted meanwhile, or replaced, it changes nothing that is decided later.
        """
        changed = replace(response, audible_at=audible_at, ends_at=ends_at)
        if self._response is not None and self._response.index == response.index:
            self._response = changed
        return changed


def simulate(
    turns: Iterable[Turn], plan: ResponsePlan, *, sample_rate: int
) -> tuple[tuple[SimulatedResponse, ...], tuple[SimulatedInterruption, ...]]:
    """Responses and interruptions of a whole recording, in time order.

    Parameters
    ----------
    turns
        As detected, in time order.
    plan, sample_rate
        As in `SimulatedAgent`.
    """
    agent = SimulatedAgent(plan, sample_rate=sample_rate)
    responses: list[SimulatedResponse] = []
    interruptions: list[SimulatedInterruption] = []
    for turn in turns:
        started = SpeechStarted(onset=turn.onset, decided_at=turn.started_at, audio_start=turn.audio_start)
        if (interruption := agent.speech_started(started)) is not None:
            interruptions.append(interruption)
        stopped = SpeechStopped(
            offset=turn.offset, decided_at=turn.stopped_at, audio_end=turn.audio_end, flushed=turn.flushed
        )
        if (response := agent.speech_stopped(stopped)) is not None:
            responses.append(response)
    return tuple(responses), tuple(interruptions)
