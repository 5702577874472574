"""A sweep in a folder: ``sweep.json``, ``settings.parquet``, ``recordings.parquet``, ``verdicts.npz``.

Formats
    4
        Events are judged for themselves, each setting on the same ones; the verdicts are kept.
    3
        The options of the evaluation are ``protocol``.
    2
        They were ``conditions``, and from before there were guards said nothing of the times of words.
    1
        Before a simulated agent heard speech that begins before the first audible sample of its response.

The numbers of formats 1 to 3 are those of other rules: they are shown, and compared with nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from bidilab.core.errors import ResultError
from bidilab.core.files import check_together, settle, written_together
from bidilab.core.jsontext import parse_json_object
from bidilab.lab.sweep.counts import StoredCounts
from bidilab.lab.sweep.grid import Grid
from bidilab.lab.sweep.run import SweptData
from bidilab.lab.sweep.verdicts import SweptVerdicts

__all__ = ["read_sweep", "write_sweep"]

FORMAT = 4
FILES = ("sweep.json", "settings.parquet", "recordings.parquet", "verdicts.npz")


def write_sweep(
    directory: Path,
    facts: dict[str, Any],
    settings: pd.DataFrame,
    recordings: Iterator[pd.DataFrame],
    verdicts: SweptVerdicts | None,
) -> None:
    """Write the files, all of them or none; those of an earlier sweep go in the same step."""
    with written_together(directory) as stage:
        settings.to_parquet(stage / "settings.parquet")
        writer = None
        try:
            for frame in recordings:
                table = pyarrow.Table.from_pandas(frame, preserve_index=False)
                writer = writer or pyarrow.parquet.ParquetWriter(
                    stage / "recordings.parquet", table.schema, compression="zstd"
                )
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
        if verdicts is not None:  # else it is a sweep of an earlier rule
            verdicts.write(stage / "verdicts.npz")
        said = json.dumps({"format": FORMAT, **facts}, indent=2, ensure_ascii=False)
        (stage / "sweep.json").write_text(said + "\n", "utf-8")


def read_sweep(directory: Path) -> SweptData:
    """Read a saved sweep of any format.

    Raises
    ------
    ResultError
        If the folder holds none, or one of a format that is not known.
    """
    settle(directory)
    path = directory / "sweep.json"
    if not path.is_file():
        raise ResultError(f"{directory}: no sweep.json here; is it a folder that SweepResult.save wrote to the end?")
    check_together(directory, *(name for name in FILES if (directory / name).is_file() or name in FILES[:3]))
    try:
        facts = parse_json_object(path.read_bytes(), finite=False)
        settings = pd.read_parquet(directory / "settings.parquet")
    except (ValueError, OSError) as error:
        raise ResultError(f"{directory}: the saved sweep cannot be read ({error})") from error
    written = facts.pop("format", None)
    if type(written) is not int or not 1 <= written <= FORMAT:
        raise ResultError(f"{path}: written in format {written!r}, this bidilab reads 1 to {FORMAT}")
    try:
        grid, facts = Grid.from_json(facts.pop("grid")), _as_now(facts, written)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ResultError(f"{path}: not what SweepResult.save writes ({error!r})") from error
    if len(settings) != len(grid):
        raise ResultError(f"{directory}: {len(settings)} settings, but the grid has {len(grid)}")
    settings.index = pd.RangeIndex(len(settings), name="setting")
    return {
        "settings": settings,
        "grid": grid,
        "meta": facts,
        "counts": StoredCounts.of(directory / "recordings.parquet", len(grid)),
        "verdicts": None if "outdated" in facts else SweptVerdicts.read(directory / "verdicts.npz"),
        "sources": None,
    }


def _as_now(meta: dict[str, Any], written: int) -> dict[str, Any]:
    """The facts of a saved sweep in the words of today's format."""
    if written < 3:
        meta["protocol"] = {"word_times": "labelled", **meta.pop("conditions")}
    if written < 4:
        meta["protocol"].setdefault("cluster", "recording")
        meta["outdated"] = (
            "Its rates are those of an earlier rule, by which each setting was judged on other events than the next. "
            "They cannot be compared with a sweep made now: sweep again."
        )
    return meta
