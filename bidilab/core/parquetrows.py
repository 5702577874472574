"""Rows of the Parquet files in a folder, one in memory at a time: shards that hold audio are larger than memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bidilab.core.errors import DatasetError

__all__ = ["parquet_rows"]


def parquet_rows(
    folder: str | os.PathLike[str], columns: Sequence[str], *, optional: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of the Parquet files in a folder at any depth, each with the name of its file.

    Parameters
    ----------
    folder
        The folder, or one file.
    columns
        Columns that every file must have; only these are read.
    optional
        Columns that are read where they are.

    Raises
    ------
    DatasetError
        If there is no such file, or one lacks a column or cannot be read.
    """
    import pyarrow
    import pyarrow.parquet

    root = Path(folder)
    files = [root] if root.is_file() else sorted(root.rglob("*.parquet"))
    if not files:
        raise DatasetError(f"{root}: holds no Parquet file")
    for path in files:
        name = path.name if path == root else path.relative_to(root).as_posix()
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                known = file.schema_arrow.names
                if missing := [column for column in columns if column not in known]:
                    raise DatasetError(f"{root}: cannot be read", [f"{name}: has no column {', '.join(missing)}"])
                wanted = [*columns, *(column for column in optional if column in known)]
                for batch in file.iter_batches(batch_size=1, columns=wanted):
                    yield from ((name, row) for row in batch.to_pylist())
        except pyarrow.ArrowInvalid as error:
            raise DatasetError(f"{root}: cannot be read", [f"{name}: not a Parquet file ({error})"]) from error
