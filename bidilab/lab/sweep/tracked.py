"""One recording with known speech probabilities: its turns and interruptions under any setting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import (
    AdaptiveInterruption,
    EndOfTurn,
    Guards,
    ScoreWanted,
    Turn,
    TurnParams,
    acted_at_reference,
    detect_turns,
)
from bidilab.detect.turns.detect import ScoredEnding
from bidilab.detect.turns.detector import AskedScore
from bidilab.detect.turns.guards import ScoredGuard
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.words import WordTimes
from bidilab.lab.metrics.evaluation import Evaluation, evaluate_recording
from bidilab.lab.metrics.members import MISSED, MemberSet
from bidilab.lab.metrics.stops import SimulatedCosts, response_plan
from bidilab.lab.sweep.engine import Cluster, setting_row, simulated_lengths
from bidilab.lab.sweep.evaluated import MISSED as NEVER
from bidilab.lab.sweep.evaluated import SimulatedLengths
from bidilab.lab.sweep.onesetting import evaluate_setting
from bidilab.lab.sweep.problem import SweepProblem
from bidilab.lab.sweep.scoring import ScoreAnswers, scored_ending, scored_guard

__all__ = ["EVALUATIONS", "SweepProtocol", "TrackedRecording"]

NO_GUARDS = Guards()

EVALUATIONS: tuple[str, ...] = ("recorded", "simulated")


class SweepProtocol(TypedDict):
    """How a sweep evaluates: the arguments of `sweep` of the same names."""

    min_overlap_ms: float
    tolerance_ms: float
    evaluation: Literal["recorded", "simulated"]
    response_delay_ms: float
    response_ms: float | Literal["recorded"]
    word_times: WordTimes
    cluster: Cluster


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackedRecording:
    """A recording as a sweep evaluates it.

    Parameters
    ----------
    labels
        In samples at the VAD's rate.
    probabilities
        ``(n_frames,) float32`` in [0, 1].
    frame_samples
        Samples per frame.
    lookahead_samples
        What the VAD hears beyond a frame's end: decisions are later by it.
    protocol
        How it is evaluated.
    word_ends
        Ends of the user's words, ``(n_words,) int64`` samples; ``None`` where no guard counts them.
    answers, interrupting
        What answers for turns that end, and for speech that interrupts, by a score; ``None`` where none do.
    """

    labels: MemberSet
    probabilities: npt.NDArray[np.float32]
    frame_samples: int
    lookahead_samples: int = 0
    protocol: SweepProtocol
    word_ends: npt.NDArray[np.int64] | None = None
    answers: ScoreAnswers | None = None
    interrupting: ScoreAnswers | None = None

    @property
    def sample_rate(self) -> int:
        """Hertz of all positions."""
        return self.labels.sample_rate

    @property
    def n_samples(self) -> int:
        """Length in whole frames, in samples."""
        return len(self.probabilities) * self.frame_samples

    def turns(self, params: TurnParams, end_of_turn: EndOfTurn | None = None) -> tuple[Turn, ...]:
        """Turns under a setting."""
        return self._detect(params, self._ending(end_of_turn))

    def asked(self, params: TurnParams, end_of_turn: EndOfTurn | None) -> tuple[AskedScore, ...]:
        """What the scorer is asked under a setting and what it answers, in order of time; nothing without a rule."""
        ending = self._ending(end_of_turn)
        if ending is None:
            return ()
        answer, asked = ending.scores, []

        def scores(question: ScoreWanted) -> float | None:
            asked.append(AskedScore(question, answer(question)))
            return asked[-1].score

        self._detect(params, ending._replace(scores=scores))
        return tuple(sorted(asked, key=lambda each: each.question.asked_at))

    def _detect(self, params: TurnParams, ending: ScoredEnding | None) -> tuple[Turn, ...]:
        return detect_turns(
            self.probabilities,
            params,
            frame_samples=self.frame_samples,
            sample_rate=self.sample_rate,
            lookahead_samples=self.lookahead_samples,
            **({} if ending is None else ending._asdict()),
        )

    def _ending(self, end_of_turn: EndOfTurn | None) -> ScoredEnding | None:
        if end_of_turn is None:
            return None
        if self.answers is None:
            raise InvalidParameterError("answers", "what answers for turns that end by a score", None)
        return scored_ending(end_of_turn, self.answers)

    def evaluate(
        self,
        params: TurnParams,
        guards: Guards = NO_GUARDS,
        end_of_turn: EndOfTurn | None = None,
        adaptive: AdaptiveInterruption | None = None,
    ) -> Evaluation:
        """What becomes of every event, turn and response under a setting.

        Raises
        ------
        InvalidParameterError
            If the guards count words, and none were given; or turns end or interrupt by a score, and nothing answers.
        """
        ends, ending = self._words(guards), self._ending(end_of_turn)
        scores = (end_of_turn, self.answers, adaptive, self.interrupting)
        verdicts = evaluate_setting(self._problem, params, None, guards, *scores).events
        plan = None
        if self.protocol["evaluation"] == "simulated":
            plan = response_plan(
                self.labels,
                response_delay_ms=self.protocol["response_delay_ms"],
                response_ms=self.protocol["response_ms"],
                guards=guards,
            )
        return evaluate_recording(
            self.labels,
            self.probabilities,
            params,
            frame_samples=self.frame_samples,
            lookahead_samples=self.lookahead_samples,
            guards=guards,
            plan=plan,
            word_ends=ends,
            delays=[MISSED if delay == NEVER else delay for delay in verdicts.delays.tolist()],
            ending=ending,
            scored=self._scored(adaptive),
        )

    def acted(
        self,
        params: TurnParams,
        guards: Guards = NO_GUARDS,
        end_of_turn: EndOfTurn | None = None,
        adaptive: AdaptiveInterruption | None = None,
    ) -> list[tuple[Turn, int]]:
        """The turns that are acted upon under a setting, each with where, in samples; see `evaluate`."""
        turns = self.turns(params, end_of_turn)
        acted = acted_at_reference(
            turns,
            guards,
            word_ends=self._words(guards),
            frame_samples=self.frame_samples,
            sample_rate=self.sample_rate,
            scored=self._scored(adaptive),
        )
        return [(turn, at) for turn, at in zip(turns, acted, strict=True) if at is not None]

    def _scored(self, adaptive: AdaptiveInterruption | None) -> ScoredGuard | None:
        if adaptive is None:
            return None
        if self.interrupting is None:
            raise InvalidParameterError("interrupting", "what answers for speech that interrupts by a score", None)
        return scored_guard(adaptive, self.interrupting)

    def _words(self, guards: Guards) -> list[int]:
        if not guards.needs_words:
            return []
        if self.word_ends is None:
            raise InvalidParameterError("word_ends", "the ends of the user's words, for guards that count them", None)
        return [int(end) for end in self.word_ends]

    def simulated_segments(self, evaluation: Evaluation) -> tuple[Segment, ...]:
        """What was audible of the simulated agent's responses, as ``response`` segments; none for a recorded agent."""
        if not isinstance(evaluation.costs, SimulatedCosts):
            return ()
        return tuple(
            Segment(
                start_s=heard.start / self.sample_rate,
                end_s=min(heard.end, self.n_samples) / self.sample_rate,
                channel="agent",
                kind="response",
            )
            for _, heard in evaluation.heard()
            if heard.start < min(heard.end, self.n_samples)
        )

    def unheard_s(self, evaluation: Evaluation) -> tuple[tuple[float, float], ...]:
        """Seconds from and to of what the agent would have gone on to say, had nothing stopped it."""
        spans = ((span.start, min(span.end, self.n_samples)) for span in evaluation.unheard())
        return tuple((start / self.sample_rate, end / self.sample_rate) for start, end in spans if start < end)

    def setting_row(
        self,
        params: TurnParams,
        guards: Guards = NO_GUARDS,
        end_of_turn: EndOfTurn | None = None,
        adaptive: AdaptiveInterruption | None = None,
    ) -> pd.Series[Any]:
        """The row of ``SweepResult.settings`` that a sweep of this recording alone has for a setting.

        Without the axes, and without intervals: those need several recordings, and this is one.
        """
        row = setting_row(
            self._problem, params, self._simulated, guards, end_of_turn, self.answers, adaptive, self.interrupting
        )
        return row.drop([name for name in row.index if name.endswith(("_lo", "_hi"))])

    @cached_property
    def _problem(self) -> SweepProblem:
        return SweepProblem.build(
            [self.labels],
            [self.probabilities],
            frame_samples=self.frame_samples,
            sample_rate=self.sample_rate,
            lookahead_samples=self.lookahead_samples,
            word_ends=None if self.word_ends is None else [self.word_ends],
        )

    @cached_property
    def _simulated(self) -> SimulatedLengths | None:
        return simulated_lengths([self.labels], self.protocol)
