"""Verdicts of every setting on every event and turn: what a setting is chosen by, whatever its faults are to cost."""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from bidilab.core.errors import ResultError

__all__ = ["Rows", "SweptVerdicts"]


class Rows(Protocol):
    """A table of settings: an array, or one in files of which rows are read as they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its values."""
        ...

    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SweptVerdicts:
    """Verdicts as arrays; settings that agree in what a verdict hangs on share a row.

    Parameters
    ----------
    event_of, turn_of
        ``(n_settings,) int64``: the row of each setting among the events and among the turns.
    delays
        ``(n_event_rows, n_true) int32`` samples from the onset of each true interruption to the stop; the greatest
        number there is for one that is missed.
    false_hits
        ``(n_event_rows, n_recordings)`` integers: events in each recording that stop the agent and must not.
    waits, states
        ``(n_turn_rows, n_turns)`` ``int32`` samples and ``uint8``, as in `TurnVerdicts`.
    true_recording, turn_recording
        ``(n_true,)`` and ``(n_turns,) int32``: the recording of each.
    false_members
        ``(n_recordings,) int64``: events in each recording that must not stop the agent.
    clusters
        ``(n_recordings,) int64``: which recordings go together where intervals are made.
    sample_rate
        Hertz, as an array of no dimension.
    """

    event_of: npt.NDArray[np.int64]
    turn_of: npt.NDArray[np.int64]
    delays: Rows
    false_hits: npt.NDArray[np.integer]
    waits: Rows
    states: Rows
    true_recording: npt.NDArray[np.int32]
    turn_recording: npt.NDArray[np.int32]
    false_members: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int64]
    sample_rate: npt.NDArray[np.int64]

    def part(self, rows: slice) -> Self:
        """The verdicts of some settings; nothing but their indices is copied."""
        return replace(self, event_of=self.event_of[rows], turn_of=self.turn_of[rows])

    @classmethod
    def joined(cls, parts: list[SweptVerdicts]) -> SweptVerdicts:
        """Verdicts of settings under several conditions, one behind the other: the labels are the same."""
        first = parts[0]
        events = np.cumsum([0, *(len(part.delays) for part in parts[:-1])])
        turns = np.cumsum([0, *(len(part.waits) for part in parts[:-1])])
        return replace(
            first,
            event_of=np.concatenate([part.event_of + k for part, k in zip(parts, events, strict=True)]),
            turn_of=np.concatenate([part.turn_of + k for part, k in zip(parts, turns, strict=True)]),
            **{
                name: np.concatenate([getattr(part, name) for part in parts])
                for name in ("delays", "false_hits", "waits", "states")
            },
        )

    def write(self, path: Path) -> None:
        """Write them into a file, an ``.npz``; tables that are in files go there some rows at a time."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for field in fields(self):
                with archive.open(f"{field.name}.npy", "w", force_zip64=True) as file:
                    _write_rows(file, getattr(self, field.name))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `write` wrote.

        Raises
        ------
        ResultError
            If the file is not there, or not whole.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return cls(**{field.name: stored[field.name] for field in fields(cls)})
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise ResultError(f"{path}: the verdicts of this sweep cannot be read ({error})") from error


def _write_rows(file: IO[bytes], table: Rows) -> None:
    if isinstance(table, np.ndarray):
        np.lib.format.write_array(file, table, allow_pickle=False)
        return
    head = {"descr": table.dtype.str, "fortran_order": False, "shape": table.shape}
    np.lib.format.write_array_header_1_0(file, head)
    for row in range(len(table)):
        file.write(np.ascontiguousarray(table[row]).tobytes())
