"""One recording whose speech probabilities are known: its turns, and what they did to the agent, under any setting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.detect.turns import Turn, TurnParams, detect_turns
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.metrics.interruption import InterruptionEvaluation, evaluate_interruptions
from bidilab.lab.metrics.opportunities import RecordingLabels
from bidilab.lab.metrics.simulated import SimulatedEvaluation, evaluate_simulated, response_plan
from bidilab.lab.sweep.engine import setting_row, simulated_lengths
from bidilab.lab.sweep.evaluated import SimulatedLengths
from bidilab.lab.sweep.problem import SweepProblem

__all__ = ["EVALUATIONS", "SweepConditions", "TrackedRecording"]

EVALUATIONS: tuple[str, ...] = ("recorded", "simulated")


class SweepConditions(TypedDict):
    """How a sweep evaluates: the arguments of `sweep` of the same names."""

    min_overlap_ms: float
    tolerance_ms: float
    evaluation: Literal["recorded", "simulated"]
    response_delay_ms: float
    response_ms: float | Literal["recorded"]


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
        Samples a frame.
    conditions
        How it is evaluated.
    """

    labels: RecordingLabels
    probabilities: npt.NDArray[np.float32]
    frame_samples: int
    conditions: SweepConditions

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

    def evaluate(self, params: TurnParams) -> InterruptionEvaluation:
        """Outcomes under a setting, by the readable evaluation; a `SimulatedEvaluation` where that is asked for."""
        turns = self.turns(params)
        if self.conditions["evaluation"] == "recorded":
            return evaluate_interruptions(self.labels, turns)
        plan = response_plan(
            self.labels,
            response_delay_ms=self.conditions["response_delay_ms"],
            response_ms=self.conditions["response_ms"],
        )
        return evaluate_simulated(self.labels, turns, plan, n_samples=self.n_samples)

    def simulated_segments(self, evaluation: InterruptionEvaluation) -> tuple[Segment, ...]:
        """What was audible of the simulated agent's responses, as ``response`` segments; none for a recorded agent."""
        if not isinstance(evaluation, SimulatedEvaluation):
            return ()
        cut = {i.response.index: i.decided_at for i in evaluation.interruptions}
        heard = [
            (r.audible_at, min(r.ends_at, cut.get(r.index, r.ends_at), self.n_samples)) for r in evaluation.responses
        ]
        return tuple(
            Segment(start_s=start / self.sample_rate, end_s=end / self.sample_rate, channel="agent", kind="response")
            for start, end in heard
            if end > start
        )

    def setting_row(self, params: TurnParams) -> pd.Series[Any]:
        """The row of ``SweepResult.settings`` that a sweep of this recording alone has for a setting.

        Without the axes, and without the intervals of latency: those come from resampling recordings, and this is one.
        """
        row = setting_row(self._problem, params, self._simulated)
        return row.drop([name for name in row.index if "latency" in name and name.endswith(("_lo", "_hi"))])

    @cached_property
    def _problem(self) -> SweepProblem:
        return SweepProblem.build(
            [self.labels], [self.probabilities], frame_samples=self.frame_samples, sample_rate=self.sample_rate
        )

    @cached_property
    def _simulated(self) -> SimulatedLengths | None:
        if self.conditions["evaluation"] == "recorded":
            return None
        return simulated_lengths(
            [self.labels],
            response_delay_ms=self.conditions["response_delay_ms"],
            response_ms=self.conditions["response_ms"],
        )
