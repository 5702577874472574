"""A dataset's folder: names and paths that must not lead out of it, and putting it in place whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath, PureWindowsPath

from bidilab.core.errors import DatasetError

__all__ = ["DATASET_FILE", "PathGuard", "UnsafePathError", "check_id", "check_target", "put_in_place"]

_LONGEST_ID = 200


class UnsafePathError(ValueError):
    """A path that is absent, not a file, or leads out of its folder; says which."""


def check_id(value: str) -> str | None:
    """Why an id cannot be part of a file name, or ``None`` when it can.

    Examples
    --------
    >>> check_id("call-07")
    >>> check_id("../call")
    'must not hold a path separator'
    """
    if not value or value != value.strip():
        return "must not be empty nor begin or end with a blank"
    if "/" in value or "\\" in value:
        return "must not hold a path separator"
    if value in (".", "..") or not value.isprintable():
        return "must be a printable name"
    if len(value) > _LONGEST_ID:
        return f"must have at most {_LONGEST_ID} characters"
    return None


class PathGuard:
    """Turns the relative paths of one folder into files, and lets none lead out of it.

    Each directory is resolved once, so that a corpus of many thousand files costs one ``lstat`` a file.

    Parameters
    ----------
    root
        The folder.
    must_exist
        Whether the files must be there; those of a dataset elsewhere are not.
    """

    def __init__(self, root: Path, *, must_exist: bool = True) -> None:
        self._root = root
        self._must_exist = must_exist
        self._real_root = Path(os.path.realpath(root))
        self._inside: dict[Path, bool] = {}

    def file(self, relative: str) -> Path:
        """The file that a relative path names.

        Raises
        ------
        UnsafePathError
            If it is absolute, holds ``..``, leads out of the folder through a link, or is not a file and must be one.
        """
        if not relative or "\\" in relative or "\x00" in relative:
            raise UnsafePathError(f"{relative!r} is not a path with '/' between its parts")
        pure = PurePosixPath(relative)
        if pure.is_absolute() or PureWindowsPath(relative).drive or ".." in pure.parts:
            raise UnsafePathError(f"{relative!r} leaves the dataset's folder")
        path = self._root / pure
        if not self._directory_is_inside(path.parent):
            raise UnsafePathError(f"{relative!r} leaves the dataset's folder")
        if path.is_symlink() and not self._is_inside(path):
            raise UnsafePathError(f"{relative!r} is a link that leaves the dataset's folder")
        if self._must_exist and not path.is_file():
            raise UnsafePathError(f"{relative!r}: no such file")
        return path

    def _directory_is_inside(self, directory: Path) -> bool:
        if directory not in self._inside:
            self._inside[directory] = self._is_inside(directory)
        return self._inside[directory]

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._real_root)


DATASET_FILE = "dataset.json"


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
        raise DatasetError(f"{target}: exists and is not a dataset; it was not touched")
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
