"""Where a command will write, checked before its work begins: what took minutes is not lost for want of a folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bidilab.core.errors import InvalidParameterError

__all__ = ["check_folder", "check_parent"]


def check_folder(option: str, folder: Path) -> None:
    """Make sure that a folder, which need not exist, can be made and written to; nothing is left there.

    Raises
    ------
    InvalidParameterError
        If it is a file, or the system refuses, with its reason.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidParameterError(option, "a folder", str(folder))
    standing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".bidilab-", dir=standing):
            pass
    except OSError as error:
        raise InvalidParameterError(
            option, f"a place that can be written to ({error.strerror})", str(folder)
        ) from error


def check_parent(option: str, file: Path) -> None:
    """Make sure that a file can be written: its folder exists and takes new files, and no folder has its name.

    Raises
    ------
    InvalidParameterError
        If not, with the reason.
    """
    if file.is_dir():
        raise InvalidParameterError(option, "a file, not a folder", str(file))
    if not file.absolute().parent.is_dir():
        raise InvalidParameterError(option, "a file in a folder that exists", str(file))
    check_folder(option, file.parent)
