"""A dataset's folder: names and paths that must not lead out of it, and putting it in place whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from bidilab.core.errors import DatasetError, DiskFullError
from bidilab.core.files import telling_of_a_full_disk
from bidilab.core.places import held

__all__ = ["DATASET_FILE", "PathGuard", "UnsafePathError", "check_id", "check_target", "made_whole", "put_in_place"]

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


@contextmanager
def made_whole(target: Path, *, force: bool) -> Iterator[Path]:
    """Give an empty folder beside ``target``; it takes its place when the block ends without an error.

    Parameters
    ----------
    target
        The folder to be made; nobody else makes it meanwhile.
    force
        An earlier dataset there may be replaced.

    Raises
    ------
    DatasetError
        If the folder exists and is not to be replaced.
    DiskFullError
        If the disk has no room for it.
    PlaceHeldError
        If another process makes it.
    """
    check_target(target, force=force)
    with held(target):
        check_target(target, force=force)  # another may have made it meanwhile
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with telling_of_a_full_disk(target):  # who looks at the disk later finds room: what was made is removed
                partial.mkdir(parents=True)
                yield partial
                put_in_place(partial, target)
        except DiskFullError as error:
            if not error.path.is_relative_to(partial):
                raise
            path = target / error.path.relative_to(partial)  # the name that it would have had
            raise DiskFullError(path, error.disk, error.free_bytes, errno_=error.errno) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
