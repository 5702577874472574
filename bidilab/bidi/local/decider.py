"""The decisions of the local model: ear, guards and simulated agent together, and their rows in the log. Sans-I/O.

Everything follows from the user's samples alone. Decisions come in the order of their positions. A caller acts on each
before it asks for the next, because what it says of a response (`SimulatedAgent.reschedule`) is part of what is decided
then. Each decision has its row in the log, as `bidilab.bidi.log.fold` reads it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.local.streamtime import StreamTime
from bidilab.bidi.model import AppendRow
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.bidi.types.media import mono
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Guards, InterruptionDue, ServerVad, SpeechStarted, SpeechStopped, TurnParams
from bidilab.detect.turns.hearing import Ear, EarDecision, moved
from bidilab.detect.turns.simulation import (
    ResponsePlan,
    SimulatedAgent,
    SimulatedInterruption,
    SimulatedResponse,
    SimulatedResume,
)
from bidilab.detect.vad.base import VadBackend
from bidilab.detect.vad.known import KnownTrack
from bidilab.detect.vad.registry import detector_facts

__all__ = ["OPEN_SAMPLES", "Consequence", "Decider", "TurnDetection", "TurnEnded", "decided_by", "detection_detail"]
__all__ += ["log_decided", "log_detection"]

OPEN_SAMPLES = 1 << 40  # of a response whose length is not known yet: longer than any session


# ---- what is decided by ----------------------------------------------------------------------------------------------

TurnDetection = ServerVad | TurnParams | Mapping[str, Any]
"""`ServerVad`, its dict (``{"type": "server_vad", …}``), or `TurnParams`, which say nothing of responses."""


def decided_by(given: TurnDetection | None, plan: ResponsePlan) -> tuple[TurnParams, ResponsePlan]:
    """Parameters of the detector, and the plan with what they say of responses.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed, or ``idle_timeout_ms`` is set: the local model does not speak unasked.
    """
    if given is None or isinstance(given, TurnParams):
        return given or TurnParams(), plan
    server = given if isinstance(given, ServerVad) else ServerVad.from_dict(given)
    if server.idle_timeout_ms is not None:
        raise InvalidParameterError(
            "idle_timeout_ms", "None: this model does not speak unasked", server.idle_timeout_ms
        )
    changed = dataclasses.replace(
        plan, create_response=server.create_response, interrupt_response=server.interrupt_response
    )
    return server.canonical(), changed


def detection_detail(params: TurnParams, plan: ResponsePlan) -> dict[str, Any]:
    """All parameters of the decisions, for the log."""
    return {
        **dataclasses.asdict(params),
        "create_response": plan.create_response,
        "interrupt_response": plan.interrupt_response,
        "response_delay_ms": plan.response_delay_ms,
        **_guards_detail(plan.guards),
    }


def _guards_detail(guards: Guards) -> dict[str, Any]:
    if guards == Guards():
        return {}
    timeout = guards.false_interruption_timeout_ms if guards.resumes else None
    return {**dataclasses.asdict(guards), "false_interruption_timeout_ms": timeout}


def log_detection(
    log: AppendRow,
    kind: str,
    vad: VadBackend,
    params: TurnParams,
    plan: ResponsePlan,
    *,
    input_samples: int | None = None,
    **more: Any,
) -> None:
    """Add a row of what decides, ``turn_detection`` or ``turn_detection_updated``: detector, release and parameters."""
    known = isinstance(vad, KnownTrack)
    detail = {**detector_facts(vad), "probabilities_known": known, **detection_detail(params, plan), **more}
    log(kind, source="model", input_samples=input_samples, detail=detail)


# ---- what is decided -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """The end of a turn of the user.

    Parameters
    ----------
    item_id
        Its id in the log.
    started, stopped
        In samples of the ear.
    response
        The response that it makes; ``None`` for none. The caller says its length by `SimulatedAgent.reschedule`.
    """

    item_id: str
    started: SpeechStarted
    stopped: SpeechStopped
    response: SimulatedResponse | None


Consequence = SimulatedInterruption | SimulatedResume | TurnEnded


class Decider:
    """Feeds the ear and returns what follows from its decisions.

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
        """Take a chunk.

        Raises
        ------
        AudioError
            If it is not PCM, or comes at another rate than the chunk before it.
        """
        pcm = event.pcm if event.channels == 1 else mono(event.pcm)
        return self._decide(self._ear.feed(pcm, event.sample_rate))

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
        """Resume a paused response whose time has come by a position of the ear."""
        if (resume := self._agent.advance(position + self._time.offset)) is not None:
            yield resume

    def _speech_started(self, started: SpeechStarted) -> Iterator[Consequence]:
        self._n_turns += 1
        self._started = started
        self._log_decision(moved(started, self._time.offset - self._time.begins_at))
        yield from self._advance(started.decided_at - 1)
        self._agent.speech_started()

    def _act(self, due: InterruptionDue) -> Iterator[Consequence]:
        due = moved(due, self._time.offset)
        if self._agent.plan.guards != Guards():
            due_in_log = moved(due, -self._time.begins_at)
            log_due(self._log, due_in_log, item_id=self._item_id, sample_rate=self._ear.sample_rate)
        if (interruption := self._agent.act(due)) is not None:
            yield interruption

    def _speech_stopped(self, stopped: SpeechStopped) -> TurnEnded:
        self._log_decision(moved(stopped, self._time.offset - self._time.begins_at))
        started = self._started
        assert started is not None  # a turn that stops has started
        response = self._agent.speech_stopped(
            moved(stopped, self._time.offset),
            length_samples=OPEN_SAMPLES,
            n_words=self._ear.words_said(started.onset, stopped.decided_at),
        )
        return TurnEnded(item_id=self._item_id, started=started, stopped=stopped, response=response)

    def _log_decision(self, decision: SpeechStarted | SpeechStopped) -> None:
        """A row in positions from the first sample of audio, which lie on the log's clock whatever the ear missed."""
        log_decision(self._log, decision, item_id=self._item_id, sample_rate=self._ear.sample_rate)

    @property
    def _item_id(self) -> str:
        return f"turn_{self._n_turns}"


# ---- rows ------------------------------------------------------------------------------------------------------------


def log_decision(log: AppendRow, decision: SpeechStarted | SpeechStopped, *, item_id: str, sample_rate: int) -> None:
    """Add the row of a start or a stop."""
    detail: dict[str, Any]
    if isinstance(decision, SpeechStarted):
        kind, detail = "speech_started", {"onset_samples": decision.onset}
    else:
        kind, detail = "speech_stopped", {"offset_samples": decision.offset}
    detail["decided_at_samples"] = decision.decided_at
    if isinstance(decision, SpeechStarted):
        detail["audio_start_samples"] = decision.audio_start
    else:
        detail["flushed"] = decision.flushed
    detail["sample_rate"] = sample_rate
    log(kind, source="detector", item_id=item_id, input_samples=decision.decided_at, detail=detail)


def log_due(log: AppendRow, due: InterruptionDue, *, item_id: str, sample_rate: int) -> None:
    """Add the row of a turn that passed the guards: the decision that an interruption after it belongs to."""
    detail = {"onset_samples": due.onset, "decided_at_samples": due.acted_at, "sample_rate": sample_rate}
    log("interruption_due", source="detector", item_id=item_id, input_samples=due.acted_at, detail=detail)


def log_decided(log: AppendRow, due: InterruptionDue, *, response_id: str, sample_rate: int) -> None:
    """Add the row of a decision that interrupts a response. The application may be told after the next turn began."""
    detail = {"onset_samples": due.onset, "decided_at_samples": due.acted_at, "sample_rate": sample_rate}
    log(
        "interruption_decided",
        source="detector",
        response_id=response_id,
        input_samples=due.acted_at,
        detail=detail,
    )
