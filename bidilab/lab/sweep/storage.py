"""A sweep's tables and facts in a folder: ``sweep.json``, ``settings.parquet``, ``recordings.parquet``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow
import pyarrow.parquet

from bidilab.core.errors import ResultError
from bidilab.lab.sweep.evaluated import COUNTS, N_SAMPLE_COUNTS

__all__ = ["RECORDING_COUNTS", "read_sweep", "recordings_frames", "write_sweep"]

FORMAT = 2
_RECORDED_ALIKE = 1
"""Format before users were heard who begin before the first audible sample of a simulated response."""
RECORDING_COUNTS: tuple[str, ...] = COUNTS[:-N_SAMPLE_COUNTS]
"""Columns of ``SweepResult.recordings`` behind ``setting`` and ``recording_id``."""
_ROWS_AT_ONCE = 500_000


def recordings_frames(
    counts: npt.NDArray[np.integer[Any]], evaluation: npt.NDArray[np.int64], recording_ids: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """The counts of every setting and recording, a bounded number of settings at a time."""
    n_recordings = len(recording_ids)
    categories = pd.CategoricalDtype(list(recording_ids))
    codes = np.arange(n_recordings, dtype=np.int32)
    step = max(1, _ROWS_AT_ONCE // n_recordings)
    for first in range(0, len(evaluation), step):
        rows = evaluation[first : first + step]
        block = counts[rows].reshape(len(rows) * n_recordings, -1)
        frame = pd.DataFrame(block, columns=list(RECORDING_COUNTS))
        ids = pd.Categorical.from_codes(np.tile(codes, len(rows)), dtype=categories)
        frame.insert(0, "recording_id", pd.Series(ids))
        frame.insert(0, "setting", np.repeat(np.arange(first, first + len(rows), dtype=np.int32), n_recordings))
        yield frame


def write_sweep(
    directory: Path, facts: dict[str, Any], settings: pd.DataFrame, recordings: Iterator[pd.DataFrame]
) -> None:
    """Write the three files, each whole or not at all; ``sweep.json`` last, so that it vouches for the others."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "sweep.json").unlink(missing_ok=True)
    with _whole(directory / "settings.parquet") as partial:
        settings.to_parquet(partial)
    with _whole(directory / "recordings.parquet") as partial:
        writer = None
        try:
            for frame in recordings:
                table = pyarrow.Table.from_pandas(frame, preserve_index=False)
                writer = writer or pyarrow.parquet.ParquetWriter(partial, table.schema, compression="zstd")
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
    with _whole(directory / "sweep.json") as partial:
        partial.write_text(json.dumps({"format": FORMAT, **facts}, indent=2, ensure_ascii=False) + "\n", "utf-8")


class _whole:  # noqa: N801  # reads as a verb where it is used
    """A path to write to, which takes the final name only when the block ends without an error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.part")

    def __enter__(self) -> Path:
        return self._partial

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)


def read_sweep(directory: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Facts and settings of a saved sweep.

    Raises
    ------
    ResultError
        If the folder holds none, or one that another version wrote in another form.
    """
    path = directory / "sweep.json"
    if not path.is_file():
        raise ResultError(f"{directory}: no sweep.json here; is it a folder that SweepResult.save wrote to the end?")
    try:
        facts = json.loads(path.read_text("utf-8"))
        settings = pd.read_parquet(directory / "settings.parquet")
    except (ValueError, OSError) as error:
        raise ResultError(f"{directory}: the saved sweep cannot be read ({error})") from error
    written = facts.get("format")
    if written == _RECORDED_ALIKE:
        if facts["conditions"]["evaluation"] != "recorded":
            raise ResultError(
                f"{path}: a simulated sweep in format {written}, which judged speech that begins before a response is "
                "heard by another rule; sweep again"
            )
    elif written != FORMAT:
        raise ResultError(f"{path}: written in format {written!r}, this bidilab reads {FORMAT}")
    settings.index = pd.RangeIndex(len(settings), name="setting")
    return facts, settings
