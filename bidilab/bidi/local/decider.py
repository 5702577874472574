"""The decisions of the local model: ear, guards and simulated agent together, and their rows in the log. Sans-I/O.

Everything follows from the user's samples alone. Decisions come in the order of their positions. A caller acts on each
before it asks for the next, because what it says of a response (`SimulatedAgent.reschedule`) is part of what is decided
then. Each decision has its row in the log, as `bidilab.bidi.log.fold` reads it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.model import AppendRow
from bidilab.bidi.types.base import mono
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.clock import Clock
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate, s_to_samples
from bidilab.detect.scorers.asking import Scorer
from bidilab.detect.scorers.base import ScoreTrack, Task
from bidilab.detect.scorers.registry import scorer_distribution, scorer_name
from bidilab.detect.turns import (
    AdaptiveInterruption,
    EndOfTurn,
    Guards,
    InterruptionDue,
    ServerVad,
    SpeechStarted,
    SpeechStopped,
    TurnParams,
)
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

__all__ = [
    "MAX_GAP_S",
    "OPEN_SAMPLES",
    "Consequence",
    "Decider",
    "Scoring",
    "StreamTime",
    "TurnDetection",
    "TurnEnded",
    "decided_by",
    "detection_detail",
]

MAX_GAP_S = 1.0
"""A microphone silent for longer has been closed: positions then go on where the clock is."""

_LEAST_STEP_S = 0.001  # dates are rounded: less is no drift


class StreamTime:
    """Ties positions, counted from the first input of the user, to the clock.

    As long as audio flows they are counts of samples, whenever the chunks arrive; only where it begins after text, and
    after a gap of more than `MAX_GAP_S`, positions jump to where the clock is. A microphone that dates its audio
    and whose own clock leaves the session's, by drift or because its device stood still, takes the positions with it:
    what is to be heard some time after a sample is heard that time after it, however long the session.

    Parameters
    ----------
    clock
        The session's clock.
    sample_rate
        Hertz of the positions.
    """

    def __init__(self, clock: Clock, *, sample_rate: int) -> None:
        self._clock = clock
        self._rate = check_sample_rate(sample_rate)
        self._zero_s: float | None = None
        self._begun = False
        self.offset = 0
        """Position of the audio's sample 0."""
        self.begins_at = 0
        """Position of the first sample of audio that came: 0 unless the user typed before. The log counts from it."""

    def keep(self, event: BidiAudioInputEvent, received_samples: int) -> int:
        """Count a chunk, captured until now unless it is dated; return how many samples are missing before it.

        Parameters
        ----------
        event
            The chunk to count.
        received_samples
            Samples that came before it.
        """
        starts_s = self._starts_s(event)
        begun, self._begun = self._begun, True
        if self._zero_s is None:
            self._zero_s = starts_s
            return 0
        behind_s = starts_s - self.of(self.offset + received_samples)
        if begun and behind_s <= MAX_GAP_S:
            if event.captured_s is not None and abs(behind_s) > _LEAST_STEP_S:
                self._zero_s += behind_s
            return 0
        gap = max(0, s_to_samples(behind_s, self._rate))
        self.offset += gap
        if not begun:
            self.begins_at = gap
            return 0  # nothing of the audio is missing: it begins here
        return gap

    def _starts_s(self, event: BidiAudioInputEvent) -> float:
        length_s = len(event.data) / (2 * event.channels) / event.sample_rate
        return self._clock.now_s() - length_s if event.captured_s is None else event.captured_s

    def jumps_at(self, event: BidiAudioInputEvent, received_samples: int) -> bool:
        """Whether `keep` of a chunk would find samples missing before it: positions jump there."""
        return self._begun and self._starts_s(event) - self.of(self.offset + received_samples) > MAX_GAP_S

    def of(self, position: int) -> float:
        """Seconds on the clock of a position."""
        assert self._zero_s is not None  # positions exist from the first input on
        return self._zero_s + position / self._rate

    def position_now(self) -> int:
        """Position at the present time."""
        now_s = self._clock.now_s()
        if self._zero_s is None:
            self._zero_s = now_s
        return s_to_samples(now_s - self._zero_s, self._rate)


__all__ += ["log_decided", "log_detection", "log_scorer_late"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """A rule that decides by a score, and what scores: how turns end, or whether they interrupt.

    Parameters
    ----------
    policy
        The rule.
    scorer
        A scorer, or scores computed elsewhere.
    """

    policy: EndOfTurn | AdaptiveInterruption
    scorer: Scorer | ScoreTrack

    def detail(self) -> dict[str, Any]:
        """Scorer, release and policy, for the log."""
        known = isinstance(self.scorer, ScoreTrack)
        name = self.scorer.detector if isinstance(self.scorer, ScoreTrack) else self.scorer.name
        task: Task = "eot" if isinstance(self.policy, EndOfTurn) else "interruption"
        said, of_policy = ("", "eot_") if task == "eot" else ("interrupt_", "interrupt_")
        latency_ms = self.policy.latency_ms
        if latency_ms is None:
            latency_ms = 0.0 if isinstance(self.scorer, ScoreTrack) else self.scorer.latency_ms
        policy = {
            f"{of_policy}{field}": None if value == math.inf else value
            for field, value in dataclasses.asdict(self.policy).items()
        }
        return {
            f"{said}scorer": scorer_name(name, self.scorer.version),
            f"{said}scorer_version": self.scorer.version,
            f"{said}scorer_distribution": ""
            if isinstance(self.scorer, ScoreTrack)
            else scorer_distribution(self.scorer, task),
            f"{said}scores_known": known,
            **policy,
            f"{of_policy}latency_ms": latency_ms,
        }


def detection_detail(params: TurnParams, plan: ResponsePlan, scorings: Sequence[Scoring] = ()) -> dict[str, Any]:
    """All parameters of the decisions, for the log."""
    return {
        **dataclasses.asdict(params),
        "create_response": plan.create_response,
        "interrupt_response": plan.interrupt_response,
        "response_delay_ms": plan.response_delay_ms,
        **_guards_detail(plan.guards),
        **{name: value for scoring in scorings for name, value in scoring.detail().items()},
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
    scorings: Sequence[Scoring] = (),
    *,
    input_samples: int | None = None,
    **more: Any,
) -> None:
    """Add a row of what decides, ``turn_detection`` or ``turn_detection_updated``: detector, release and parameters.

    With scorers also each scorer, its version and the policy, as ``eot_…`` and ``interrupt_…``.
    """
    known = isinstance(vad, KnownTrack)
    detail = {**detector_facts(vad), "probabilities_known": known, **detection_detail(params, plan, scorings), **more}
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
        The ear that detects turns, and the simulated agent that decides on responses.
    time
        Where the ear's samples lie on the session's clock.
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

    def answer(self, score: float) -> Iterator[Consequence]:
        """Take the answer to the question at which the ear has stopped (`Ear.question`)."""
        return self._decide(self._ear.answer(score))

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
        if self._agent.plan.guards != Guards() or self._ear.interruption is not None:
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
        """Log a decision at positions counted from the first sample of audio, whatever the ear missed."""
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
        detail |= {"flushed": decision.flushed, "cause": decision.cause}
        if decision.score is not None:
            detail["score"] = decision.score
    detail["sample_rate"] = sample_rate
    log(kind, source="detector", item_id=item_id, input_samples=decision.decided_at, detail=detail)


def log_due(log: AppendRow, due: InterruptionDue, *, item_id: str, sample_rate: int) -> None:
    """Add the row of a turn that passed the guards: the decision that an interruption after it belongs to."""
    detail = {"onset_samples": due.onset, "decided_at_samples": due.acted_at, "sample_rate": sample_rate}
    log("interruption_due", source="detector", item_id=item_id, input_samples=due.acted_at, detail=detail)


def log_scorer_late(
    log: AppendRow, *, task: Task, asked_at: int, took_ms: float, latency_ms: float, sample_rate: int, scorer: str
) -> None:
    """Add the row of an answer that took longer than is charged. It moved no decision; only its arrival was late.

    Parameters
    ----------
    log
        Takes the row.
    task
        What was asked.
    asked_at
        Position of the question.
    took_ms, latency_ms
        From asking to knowing, and what is charged for it.
    sample_rate
        Hertz of the position.
    scorer
        Its name.
    """
    detail = {
        "scorer": scorer,
        "task": task,
        "asked_at_samples": asked_at,
        "sample_rate": sample_rate,
        "took_ms": took_ms,
        "latency_ms": latency_ms,
        "late_ms": took_ms - latency_ms,
    }
    log("scorer_late", source="detector", input_samples=asked_at, detail=detail)


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
