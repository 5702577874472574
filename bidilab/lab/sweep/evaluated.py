"""What an evaluation of one setting leaves: counts by recording, and latencies by segment, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.sweep.problem import SweepProblem

__all__ = ["ABSENT", "CENSORED", "COUNTS", "EVENT", "N_SAMPLE_COUNTS", "UNDEFINED", "Evaluated", "SimulatedLengths"]

ABSENT, EVENT, CENSORED = 0, 1, 2
"""State of a true opportunity's latency under one setting."""
UNDEFINED = np.int32(np.iinfo(np.int32).min)
"""Stands in the integer arrays for a quantity that does not exist."""

COUNTS: tuple[str, ...] = (
    "n_true_opportunities",
    "n_masked",
    "n_preempted",
    "n_detected",
    "n_missed",
    "n_false",
    *(f"n_false_{kind}" for kind in FALSE_KINDS),
    "n_false_premature_endpoint",
    "n_false_none",
    *(f"n_false_opportunities_{kind}" for kind in FALSE_KINDS),
    *(f"n_false_on_opportunity_{kind}" for kind in FALSE_KINDS),
    "n_terminal_overlap",
    "n_turns",
    "n_premature_endpoints",
    "n_endpoints",
    "n_onsets",
    "n_detector_turns",
    "n_flushed",
    "n_responses",
    "n_cancelled_unheard",
    "n_resumed",
    "n_resumed_true",
    "pause_samples",
    "agent_speech_samples",
    "talk_over_samples",
)
"""Columns of `Evaluated.counts`; the last `N_SAMPLE_COUNTS` count samples."""
N_SAMPLE_COUNTS = 3


class Evaluated(NamedTuple):
    """One setting's turns evaluated on every recording.

    ``counts`` is ``(n_recordings, len(COUNTS)) int32``. ``latency`` and ``state`` are ``(n_true_segments,)``
    ``int32`` samples and ``uint8`` (`ABSENT`, `EVENT`, `CENSORED`). ``endpoint_latency`` is ``(n_true_segments,)
    int32`` samples; ``first_turn`` is ``(n_true_segments, 2) int32``: onset of the first turn of each and end of the
    audio of the turn before it, from which the onset clipped by any prefix padding follows. `UNDEFINED` where there is
    none.
    """

    counts: npt.NDArray[np.int32]
    latency: npt.NDArray[np.int32]
    state: npt.NDArray[np.uint8]
    endpoint_latency: npt.NDArray[np.int32]
    first_turn: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, problem: SweepProblem) -> Evaluated:
        """Nothing counted yet."""
        n_true = len(problem.true_recording)
        return cls(
            counts=np.zeros((problem.n_recordings, len(COUNTS)), dtype=np.int32),
            latency=np.zeros(n_true, dtype=np.int32),
            state=np.zeros(n_true, dtype=np.uint8),
            endpoint_latency=np.full(n_true, UNDEFINED, dtype=np.int32),
            first_turn=np.full((n_true, 2), UNDEFINED, dtype=np.int32),
        )


class SimulatedLengths(NamedTuple):
    """The simulated agent of every recording, in samples at the VAD's rate.

    ``delay`` is from the end of a turn to the first audible sample; ``lengths`` is ``(n_lengths,) int64`` and
    ``bounds`` ``(n_recordings + 1,) int64`` into it: the lengths of each recording's responses, in turn and from the
    start again.
    """

    delay: int
    lengths: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.int64]
