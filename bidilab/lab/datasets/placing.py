"""Putting a finished folder in its place: whole or not at all, and never over what is not a dataset."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bidilab.core.errors import DatasetError
from bidilab.lab.datasets.manifest import DATASET_FILE

__all__ = ["check_target", "put_in_place"]


def check_target(target: Path, *, force: bool, vouched_by: str = DATASET_FILE) -> None:
    """Refuse a folder that holds anything but what may be replaced.

    Parameters
    ----------
    target
        The folder to be made.
    force
        An earlier one may be replaced.
    vouched_by
        The file by which an earlier one is known.

    Raises
    ------
    DatasetError
        If the folder exists and is not to be replaced.
    """
    if not target.exists():
        return
    if not target.is_dir() or (any(target.iterdir()) and not (target / vouched_by).is_file()):
        raise DatasetError(f"{target}: exists and is not a dataset; it is left alone")
    if not force and any(target.iterdir()):
        raise DatasetError(f"{target}: exists; --force (force=True) replaces it")


def put_in_place(partial: Path, target: Path) -> None:
    """Rename a finished folder to its name, in place of an earlier one."""
    if not target.exists():
        partial.rename(target)
        return
    old = target.parent / f".{target.name}.{os.getpid()}.old"
    target.rename(old)
    partial.rename(target)
    shutil.rmtree(old)
