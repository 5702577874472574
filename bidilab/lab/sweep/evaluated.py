"""The result of evaluating one setting: counts per recording and latencies per segment, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bidilab.lab.metrics.columns import COUNTED, TIMED, counted_names, counts_dtype
from bidilab.lab.sweep.problem import SweepProblem

__all__ = [
    "ABSENT",
    "CENSORED",
    "COUNTS",
    "COUNTS_RECORD",
    "EVENT",
    "N_SAMPLE_COUNTS",
    "UNDEFINED",
    "Evaluated",
    "SimulatedLengths",
]

ABSENT, EVENT, CENSORED = 0, 1, 2
"""State of a true opportunity's latency under one setting."""
UNDEFINED = np.int32(np.iinfo(np.int32).min)
"""Value in the integer arrays of a quantity that does not exist."""

COUNTS: tuple[str, ...] = counted_names()
"""Columns of `Evaluated.counts`; the last `N_SAMPLE_COUNTS` count samples."""
N_SAMPLE_COUNTS = len(TIMED)
COUNTS_RECORD = counts_dtype((*COUNTED, *TIMED))
"""The same columns by name: what the kernels count in."""


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

    @property
    def records(self) -> npt.NDArray[np.void]:
        """The counts by name, ``(n_recordings,)`` records of `COUNTS_RECORD`: a view."""
        return self.counts.view(COUNTS_RECORD)[:, 0]

    @classmethod
    def empty(cls, problem: SweepProblem) -> Evaluated:
        """Return arrays in which nothing is counted yet."""
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
