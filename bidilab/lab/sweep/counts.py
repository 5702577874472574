"""Counts of every setting on every recording: as a sweep leaves them in memory, or in the file of a saved one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.lab.sweep.evaluated import COUNTS, N_SAMPLE_COUNTS

__all__ = ["RECORDING_COUNTS", "RecordingCounts", "StoredCounts", "SweptCounts"]

RECORDING_COUNTS: tuple[str, ...] = COUNTS[:-N_SAMPLE_COUNTS]
"""Columns of ``SweepResult.recordings`` behind ``setting`` and ``recording_id``."""
_ROWS_AT_ONCE = 500_000


class RecordingCounts(Protocol):
    """Counts of some settings, numbered from 0, on every recording.

    Tables have the columns ``setting``, ``recording_id`` and `RECORDING_COUNTS`, one row per setting and recording.
    """

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the whole table in parts, in order."""

    def at(self, setting: int) -> pd.DataFrame:
        """Return the rows of one setting."""

    def part(self, rows: slice) -> Self:
        """Return the counts of the settings ``rows.start`` to ``rows.stop``; nothing is copied."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweptCounts:
    """Counts as arrays; settings that give the same turns share theirs.

    Parameters
    ----------
    counts
        ``(n_evaluations, n_recordings, len(RECORDING_COUNTS))`` integers.
    evaluation
        ``(n_settings,) int64`` into the first axis.
    recording_ids
        ``n_recordings`` ids.
    """

    counts: npt.NDArray[np.integer[Any]]
    evaluation: npt.NDArray[np.int64]
    recording_ids: tuple[str, ...]

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the table in parts of a bounded size."""
        step = max(1, _ROWS_AT_ONCE // len(self.recording_ids))
        for first in range(0, len(self.evaluation), step):
            yield self._frame(first, self.evaluation[first : first + step])

    def at(self, setting: int) -> pd.DataFrame:
        """Return the rows of one setting."""
        return self._frame(setting, self.evaluation[setting : setting + 1])

    def part(self, rows: slice) -> Self:
        """Return the counts of some settings."""
        return replace(self, evaluation=self.evaluation[rows])

    def _frame(self, first: int, evaluation: npt.NDArray[np.int64]) -> pd.DataFrame:
        n_recordings = len(self.recording_ids)
        block = self.counts[evaluation].reshape(len(evaluation) * n_recordings, -1)
        frame = pd.DataFrame(block, columns=list(RECORDING_COUNTS))
        codes = np.tile(np.arange(n_recordings, dtype=np.int32), len(evaluation))
        ids = pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(list(self.recording_ids)))
        frame.insert(0, "recording_id", pd.Series(ids))
        settings = np.arange(first, first + len(evaluation), dtype=np.int32)
        frame.insert(0, "setting", np.repeat(settings, n_recordings))
        return frame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredCounts:
    """Counts in the file that a saved sweep has for them.

    Parameters
    ----------
    path
        The file.
    first, n_settings
        The settings of the file that are meant.
    """

    path: Path
    first: int
    n_settings: int

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the whole table."""
        last = self.first + self.n_settings - 1
        yield self._numbered(
            pd.read_parquet(self.path, filters=[("setting", ">=", self.first), ("setting", "<=", last)])
        )

    def at(self, setting: int) -> pd.DataFrame:
        """Return the rows of one setting."""
        return self._numbered(pd.read_parquet(self.path, filters=[("setting", "==", self.first + setting)]))

    def part(self, rows: slice) -> Self:
        """Return the counts of some settings."""
        return replace(self, first=self.first + rows.start, n_settings=rows.stop - rows.start)

    def _numbered(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(setting=frame["setting"] - self.first) if self.first else frame
