"""Datasets that are not on this machine: a bucket, or any other place that fsspec reads (extra ``s3``).

The two files that describe the dataset are read when it is loaded. Audio is fetched by who works on it, some hours at a
time, checked by its digest as any other, and not kept. Keys and endpoints are those of the machine that reads
(``AWS_PROFILE``, ``FSSPEC_S3_ENDPOINT_URL``, a role); none of them is sent anywhere.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bidilab.core.errors import DatasetError, MissingExtraError, require_extra

__all__ = ["fetched_files", "is_remote", "read_files"]

_FEATURE = "a dataset in a bucket"


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether it is the address of a place, such as ``s3://bucket/calls``, and not a path."""
    return isinstance(path, str) and "://" in path


def _place(url: str) -> tuple[Any, str]:
    fsspec = require_extra("fsspec", feature=_FEATURE, extra="s3")
    try:
        files, root = fsspec.core.url_to_fs(url)
    except ValueError as error:  # a protocol that there is none of
        raise DatasetError(f"{url}: {error}") from error
    except ImportError as error:
        if url.startswith("s3:"):
            raise MissingExtraError(_FEATURE, "s3") from error
        raise DatasetError(f"{url}: {error}") from error
    return files, root.rstrip("/")


def read_files(url: str, names: Sequence[str], folder: Path) -> None:
    """Fetch some files of a place into a folder; one that is not there is left out.

    Raises
    ------
    DatasetError
        If the place cannot be read.
    MissingExtraError
        If ``fsspec``, or ``s3fs`` for a bucket of S3, is not installed.
    """
    files, root = _place(url)
    for name in names:
        try:
            (folder / name).write_bytes(files.cat_file(f"{root}/{name}"))
        except FileNotFoundError:
            continue
        except Exception as error:
            raise DatasetError(f"{url}/{name}: cannot be read: {error}") from error


@contextmanager
def fetched_files(url: str, names: Sequence[str]) -> Iterator[Path]:
    """Give a folder with some files of a place, which goes when the block ends.

    Raises
    ------
    DatasetError
        If one of them cannot be read.
    MissingExtraError
        As `read_files`.
    """
    files, root = _place(url)
    wanted = sorted(set(names))
    with tempfile.TemporaryDirectory(prefix="bidilab-fetched-") as folder:
        here = [Path(folder, name) for name in wanted]
        for path in here:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            files.get([f"{root}/{name}" for name in wanted], [str(path) for path in here])
        except Exception as error:
            some = f"{wanted[0]} and {len(wanted) - 1} more" if len(wanted) > 1 else wanted[0]
            raise DatasetError(f"{url}: audio cannot be fetched ({some}): {error}") from error
        yield Path(folder)
