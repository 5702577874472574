"""What the local model decides, from the user's samples alone: ear, guards and simulated agent as one. Sans-I/O.

Decisions come in the order of their positions. A caller acts on each before it asks for the next, as what it says of a
response (`SimulatedAgent.reschedule`) is part of what is decided then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bidilab.bidi.local.listening import Ear, EarDecision, log_decision, log_due, moved
from bidilab.bidi.local.streamtime import StreamTime
from bidilab.bidi.model import AppendRow
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.detect.turns import Guards, InterruptionDue, SpeechStarted, SpeechStopped
from bidilab.detect.turns.simulation import SimulatedAgent, SimulatedInterruption, SimulatedResponse, SimulatedResume

__all__ = ["OPEN_SAMPLES", "Consequence", "Decider", "TurnEnded"]

OPEN_SAMPLES = 1 << 40  # of a response whose length is not known yet: longer than any session


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """A turn of the user is over.

    Parameters
    ----------
    item_id
        Its id in the log.
    started, stopped
        In samples of the ear.
    response
        What it makes; ``None`` for nothing. Its length is to be said by `SimulatedAgent.reschedule`.
    """

    item_id: str
    started: SpeechStarted
    stopped: SpeechStopped
    response: SimulatedResponse | None


Consequence = SimulatedInterruption | SimulatedResume | TurnEnded


class Decider:
    """Feeds the ear, and tells what follows.

    Parameters
    ----------
    ear, agent
        What listens, and what decides on responses.
    time
        Where the ear's samples lie in the session.
    log
        Takes a row for each decision of the ear.
    """

    def __init__(self, ear: Ear, agent: SimulatedAgent, time: StreamTime, log: AppendRow) -> None:
        self._ear = ear
        self._agent = agent
        self._time = time
        self._log = log
        self._started: SpeechStarted | None = None
        self._n_turns = 0

    def feed(self, event: BidiAudioInputEvent) -> Iterator[Consequence]:
        """Take a chunk."""
        return self._decide(self._ear.feed(event))

    def flush(self) -> Iterator[Consequence]:
        """End the stream."""
        return self._decide(self._ear.flush())

    def _decide(self, decisions: list[EarDecision]) -> Iterator[Consequence]:
        for decision in decisions:
            if isinstance(decision, SpeechStarted):
                yield from self._speech_started(decision)
            elif isinstance(decision, InterruptionDue):
                yield from self._act(decision)
            else:
                yield self._speech_stopped(decision)
        yield from self._advance(self._ear.decided_samples)

    def _advance(self, position: int) -> Iterator[Consequence]:
        """What was paused goes on, when its time has come by a position of the ear."""
        if (resume := self._agent.advance(position + self._time.offset)) is not None:
            yield resume

    def _speech_started(self, started: SpeechStarted) -> Iterator[Consequence]:
        self._n_turns += 1
        self._started = started
        self._log_decision(moved(started, self._time.offset))
        yield from self._advance(started.decided_at - 1)
        self._agent.speech_started()

    def _act(self, due: InterruptionDue) -> Iterator[Consequence]:
        due = moved(due, self._time.offset)
        if self._agent.plan.guards != Guards():
            log_due(self._log, due, item_id=self._item_id, sample_rate=self._ear.sample_rate)
        if (interruption := self._agent.act(due)) is not None:
            yield interruption

    def _speech_stopped(self, stopped: SpeechStopped) -> TurnEnded:
        self._log_decision(moved(stopped, self._time.offset))
        started = self._started
        assert started is not None  # a turn that stops has started
        response = self._agent.speech_stopped(
            moved(stopped, self._time.offset),
            length_samples=OPEN_SAMPLES,
            n_words=self._ear.words_said(started.onset, stopped.decided_at),
        )
        return TurnEnded(item_id=self._item_id, started=started, stopped=stopped, response=response)

    def _log_decision(self, decision: SpeechStarted | SpeechStopped) -> None:
        """A row in positions of the session, which lie on its clock whatever the ear has not heard."""
        log_decision(self._log, decision, item_id=self._item_id, sample_rate=self._ear.sample_rate)

    @property
    def _item_id(self) -> str:
        return f"turn_{self._n_turns}"
