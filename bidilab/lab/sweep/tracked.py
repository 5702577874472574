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
    Guards,
    Turn,
    TurnParams,
    acted_at_reference,
    detect_turns,
    resumed_at_reference,
    words_said,
)
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.words import WordTimes
from bidilab.lab.metrics.interruption import InterruptionEvaluation, evaluate_interruptions
from bidilab.lab.metrics.opportunities import RecordingLabels
from bidilab.lab.metrics.simulated import SimulatedEvaluation, evaluate_simulated, response_plan
from bidilab.lab.sweep.engine import setting_row, simulated_lengths
from bidilab.lab.sweep.evaluated import SimulatedLengths
from bidilab.lab.sweep.problem import SweepProblem

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
    protocol
        How it is evaluated.
    word_ends
        Ends of the user's words, ``(n_words,) int64`` samples; ``None`` where no guard counts them.
    """

    labels: RecordingLabels
    probabilities: npt.NDArray[np.float32]
    frame_samples: int
    protocol: SweepProtocol
    word_ends: npt.NDArray[np.int64] | None = None

    @property
    def sample_rate(self) -> int:
        """Hertz of all positions."""
        return self.labels.sample_rate

    @property
    def n_samples(self) -> int:
        """Length in whole frames, in samples."""
        return len(self.probabilities) * self.frame_samples

    def turns(self, params: TurnParams) -> tuple[Turn, ...]:
        """Turns under a setting."""
        return detect_turns(self.probabilities, params, frame_samples=self.frame_samples, sample_rate=self.sample_rate)

    def evaluate(self, params: TurnParams, guards: Guards = NO_GUARDS) -> InterruptionEvaluation:
        """Outcomes under a setting, by the readable evaluation; a `SimulatedEvaluation` where that is asked for.

        Raises
        ------
        InvalidParameterError
            If the guards count words, and none were given.
        """
        turns = self.turns(params)
        ends = self._words(guards)
        grain = {"frame_samples": self.frame_samples, "sample_rate": self.sample_rate}
        acted_at = acted_at_reference(turns, guards, word_ends=ends, **grain)
        n_words = [words_said(ends, turn.onset, turn.stopped_at) for turn in turns]
        if self.protocol["evaluation"] == "recorded":
            resumed_at = resumed_at_reference(
                turns, guards, n_words=n_words, n_samples=self.n_samples, sample_rate=self.sample_rate
            )
            return evaluate_interruptions(self.labels, turns, acted_at=acted_at, resumed_at=resumed_at)
        plan = response_plan(
            self.labels,
            response_delay_ms=self.protocol["response_delay_ms"],
            response_ms=self.protocol["response_ms"],
            guards=guards,
        )
        return evaluate_simulated(
            self.labels, turns, plan, n_samples=self.n_samples, acted_at=acted_at, n_words=n_words
        )

    def _words(self, guards: Guards) -> list[int]:
        if not guards.needs_words:
            return []
        if self.word_ends is None:
            raise InvalidParameterError("word_ends", "the ends of the user's words, for guards that count them", None)
        return [int(end) for end in self.word_ends]

    def simulated_segments(self, evaluation: InterruptionEvaluation) -> tuple[Segment, ...]:
        """What was audible of the simulated agent's responses, as ``response`` segments; none for a recorded agent."""
        if not isinstance(evaluation, SimulatedEvaluation):
            return ()
        heard = [
            (response.audible_at, min(response.ends_at, self.n_samples, cut.decided_at if cut else self.n_samples))
            for response, cut, _ in evaluation.stretches
        ]
        return tuple(
            Segment(start_s=start / self.sample_rate, end_s=end / self.sample_rate, channel="agent", kind="response")
            for start, end in heard
            if end > start
        )

    def setting_row(self, params: TurnParams, guards: Guards = NO_GUARDS) -> pd.Series[Any]:
        """The row of ``SweepResult.settings`` that a sweep of this recording alone has for a setting.

        Without the axes, and without the intervals of latency: those come from resampling recordings, and this is one.
        """
        row = setting_row(self._problem, params, self._simulated, guards)
        return row.drop([name for name in row.index if "latency" in name and name.endswith(("_lo", "_hi"))])

    @cached_property
    def _problem(self) -> SweepProblem:
        return SweepProblem.build(
            [self.labels],
            [self.probabilities],
            frame_samples=self.frame_samples,
            sample_rate=self.sample_rate,
            word_ends=None if self.word_ends is None else [self.word_ends],
        )

    @cached_property
    def _simulated(self) -> SimulatedLengths | None:
        if self.protocol["evaluation"] == "recorded":
            return None
        return simulated_lengths(
            [self.labels],
            response_delay_ms=self.protocol["response_delay_ms"],
            response_ms=self.protocol["response_ms"],
        )
