"""Counts of every setting on every recording: as a sweep leaves them in memory, or in the file of a saved one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.core.errors import ResultError
from bidilab.lab.sweep.evaluated import COUNTS

__all__ = ["RECORDING_COUNTS", "CountsPart", "RecordingCounts", "StoredCounts", "SweptCounts"]

RECORDING_COUNTS: tuple[str, ...] = COUNTS
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
class CountsPart:
    """Counts of one part of the evaluation.

    Parameters
    ----------
    columns
        Their names.
    counts
        ``(n_evaluations, n_recordings, n_columns)`` integers.
    of
        ``(n_settings,) int64``: the evaluation of each setting.
    """

    columns: tuple[str, ...]
    counts: npt.NDArray[np.integer[Any]]
    of: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweptCounts:
    """Counts as arrays; settings that agree in what a part hangs on share it.

    Parameters
    ----------
    parts
        Of the evaluation; together they have every column of `RECORDING_COUNTS`.
    recording_ids
        ``n_recordings`` ids.
    """

    parts: tuple[CountsPart, ...]
    recording_ids: tuple[str, ...]

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the table in parts of a bounded size."""
        step = max(1, _ROWS_AT_ONCE // len(self.recording_ids))
        n = len(self.parts[0].of)
        for first in range(0, n, step):
            yield self._frame(first, min(first + step, n))

    def at(self, setting: int) -> pd.DataFrame:
        """Return the rows of one setting."""
        return self._frame(setting, setting + 1)

    def part(self, rows: slice) -> Self:
        """Return the counts of some settings."""
        return replace(self, parts=tuple(replace(part, of=part.of[rows]) for part in self.parts))

    def _frame(self, first: int, last: int) -> pd.DataFrame:
        n_recordings = len(self.recording_ids)
        columns: dict[str, npt.NDArray[np.integer[Any]]] = {}
        for part in self.parts:
            counts = part.counts[part.of[first:last]]
            for index, name in enumerate(part.columns):
                columns[name] = counts[:, :, index].ravel()
        frame = pd.DataFrame({name: columns[name] for name in RECORDING_COUNTS})
        codes = np.tile(np.arange(n_recordings, dtype=np.int32), last - first)
        ids = pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(list(self.recording_ids)))
        frame.insert(0, "recording_id", pd.Series(ids))
        settings = np.arange(first, last, dtype=np.int32)
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
    stamp
        By which a file is known that was not touched since.
    """

    path: Path
    first: int
    n_settings: int
    stamp: tuple[int, ...]

    @classmethod
    def of(cls, path: Path, n_settings: int) -> Self:
        """The counts in a file as it is now; one that is saved over is not read on from.

        Raises
        ------
        ResultError
            If there is none.
        """
        return cls(path=path, first=0, n_settings=n_settings, stamp=_stamp(path))

    def _read(self, filters: list[tuple[str, str, int]]) -> pd.DataFrame:
        if _stamp(self.path) != self.stamp:
            raise ResultError(f"{self.path}: was overwritten after it was loaded; load the result again")
        try:
            return pd.read_parquet(self.path, filters=filters)
        except (ValueError, OSError) as error:
            raise ResultError(f"{self.path}: the counts of this sweep cannot be read ({error})") from error

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the whole table."""
        last = self.first + self.n_settings - 1
        yield self._numbered(self._read([("setting", ">=", self.first), ("setting", "<=", last)]))

    def at(self, setting: int) -> pd.DataFrame:
        """Return the rows of one setting."""
        return self._numbered(self._read([("setting", "==", self.first + setting)]))

    def part(self, rows: slice) -> Self:
        """Return the counts of some settings."""
        return replace(self, first=self.first + rows.start, n_settings=rows.stop - rows.start)

    def _numbered(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(setting=frame["setting"] - self.first) if self.first else frame


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except FileNotFoundError as error:
        raise ResultError(f"{path}: is missing") from error
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
