"""What the compiled evaluation leaves of one setting: verdicts as arrays, and counts by recording.

A setting's numbers come from four parts, and settings that agree in what a part hangs on share it: the *labels*, the
same for all; the *events*, each judged for itself, which no prefix padding and, without a guard, no silence duration
moves; the *turns*, which no guard moves; and the *stops* of a whole conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from bidilab.lab.metrics.columns import COUNTED, Part, counted_in, counts_dtype

__all__ = [
    "COUNTS",
    "COUNTS_OF",
    "DECIDED",
    "MISSED",
    "NEVER_HEARD",
    "OPEN",
    "PARTS",
    "PREMATURE",
    "UNDEFINED",
    "EventVerdicts",
    "SimulatedLengths",
    "TurnVerdicts",
    "empty_counts",
    "recorded_counts",
]

PARTS: tuple[Part, ...] = get_args(Part)
COUNTS: tuple[str, ...] = tuple(column.name for column in COUNTED)
"""All that is counted on a recording, in the order of the tables."""
COUNTS_OF: Mapping[Part, np.dtype[np.void]] = MappingProxyType({part: counts_dtype(counted_in(part)) for part in PARTS})
"""What each part counts, by name: what its kernel counts in."""

MISSED = np.int32(np.iinfo(np.int32).max)
"""Delay of an event that never stops the agent."""
NEVER_HEARD = MISSED
"""Wait for the end of a turn of which nothing was heard."""
UNDEFINED = np.int32(np.iinfo(np.int32).min)
"""Onset of a turn of which nothing was heard."""
PREMATURE, DECIDED, OPEN = 1, 2, 4
"""Bits of a turn's state: cut into; its end decided at or after its true end; still open when the recording ends."""


class EventVerdicts(NamedTuple):
    """Every labelled event of a dataset, judged for itself.

    ``delays`` is ``(n_judged,) int32`` samples from each onset to the stop, `MISSED` for none. ``counts`` is
    ``(n_recordings, n_columns) int32``, those of ``COUNTS_OF["events"]``. Of several settings, both have a first axis
    more.
    """

    delays: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]


class TurnVerdicts(NamedTuple):
    """Every turn of a dataset's users.

    ``waits`` is ``(n_turns,) int32`` samples, ``states`` ``(n_turns,) uint8``; ``first_turn`` is ``(n_turns, 2)
    int32``: onset of the first turn of the detector that is each one's, and end of the audio of the turn before it,
    from which the onset clipped by any prefix padding follows. ``counts`` is ``(n_recordings, n_columns) int32``. Of
    several settings, each has a first axis more.
    """

    waits: npt.NDArray[np.int32]
    states: npt.NDArray[np.uint8]
    first_turn: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]

    @classmethod
    def empty(cls, n_settings: int, n_turns: int, n_recordings: int) -> TurnVerdicts:
        """Verdicts of several settings in which nothing is heard yet."""
        n_columns = COUNTS_OF["turns"].itemsize // 4
        return cls(
            waits=np.full((n_settings, n_turns), NEVER_HEARD, dtype=np.int32),
            states=np.zeros((n_settings, n_turns), dtype=np.uint8),
            first_turn=np.full((n_settings, n_turns, 2), UNDEFINED, dtype=np.int32),
            counts=np.zeros((n_settings, n_recordings, n_columns), dtype=np.int32),
        )

    def at(self, setting: int) -> TurnVerdicts:
        """Those of one of several settings: views."""
        return TurnVerdicts(*(part[setting] for part in self))


class SimulatedLengths(NamedTuple):
    """The simulated agent of every recording, in samples at the VAD's rate.

    ``delay`` is from the end of a turn to the first audible sample; ``lengths`` is ``(n_lengths,) int64`` and
    ``bounds`` ``(n_recordings + 1,) int64`` into it: the lengths of each recording's responses, in turn and from the
    start again.
    """

    delay: int
    lengths: npt.NDArray[np.int64]
    bounds: npt.NDArray[np.int64]


def empty_counts(part: Part, n_recordings: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.void]]:
    """Counts of a part in which nothing is counted yet: as integers, and as records that view the same memory."""
    dtype = COUNTS_OF[part]
    counts = np.zeros((n_recordings, dtype.itemsize // 4), dtype=np.int32)
    return counts, counts.view(dtype)[:, 0]


def recorded_counts(part: Part, counts: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """The columns of a part that tables show by recording, without those of samples; in 16 bits where they fit."""
    names = [column.name for column in counted_in(part)]
    kept = counts[..., : sum(name in COUNTS for name in names)]
    return kept.astype(np.int16) if not kept.size or kept.max() <= np.iinfo(np.int16).max else kept
