"""A sweep in a folder: ``sweep.json``, ``settings.parquet``, ``recordings.parquet``.

Formats
    3
        The options of the evaluation are ``protocol``.
    2
        They were ``conditions``, and from before there were guards said nothing of the times of words.
    1
        Before a simulated agent heard speech that begins before the first audible sample of its response. The numbers
        of simulated sweeps are those of another rule: they are shown, and compared with nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from bidilab.core.errors import ResultError
from bidilab.lab.sweep.counts import StoredCounts
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.run import SweptData

__all__ = ["read_sweep", "write_sweep"]

FORMAT = 3


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


def read_sweep(directory: Path) -> SweptData:
    """Read a saved sweep of any format.

    Raises
    ------
    ResultError
        If the folder holds none, or one of a format that is not known.
    """
    path = directory / "sweep.json"
    if not path.is_file():
        raise ResultError(f"{directory}: no sweep.json here; is it a folder that SweepResult.save wrote to the end?")
    try:
        facts = json.loads(path.read_text("utf-8"))
        settings = pd.read_parquet(directory / "settings.parquet")
    except (ValueError, OSError) as error:
        raise ResultError(f"{directory}: the saved sweep cannot be read ({error})") from error
    written = facts.pop("format", None)
    if written not in range(1, FORMAT + 1):
        raise ResultError(f"{path}: written in format {written!r}, this bidilab reads 1 to {FORMAT}")
    grid = Grid.from_json(facts.pop("grid"))
    if len(settings) != len(grid):
        raise ResultError(f"{directory}: {len(settings)} settings, but the grid has {len(grid)}")
    settings.index = pd.RangeIndex(len(settings), name="setting")
    return {
        "settings": settings,
        "grid": grid,
        "meta": _as_now(facts, written),
        "counts": StoredCounts(path=directory / "recordings.parquet", first=0, n_settings=len(grid)),
        "sources": None,
    }


def _as_now(meta: dict[str, Any], written: int) -> dict[str, Any]:
    """The facts of a saved sweep in the words of today's format."""
    if written < 3:
        meta["protocol"] = {"word_times": "labelled", **meta.pop("conditions")}
    if written < 2 and meta["protocol"]["evaluation"] == "simulated":
        meta["outdated"] = (
            "Its numbers are those of an earlier rule, by which a simulated agent did not hear speech that begins "
            "before its response is audible. They cannot be compared with a sweep made now: sweep again."
        )
    return meta
