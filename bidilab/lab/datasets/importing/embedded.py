"""Audio that lies inside of tables: each file is written beside the dataset to be made while an import runs.

``.NAME.audio`` is removed when the import ends. After a kill it stays, and the next attempt takes the files over: they
have the same names, sizes and times, so that finished recordings are known again.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bidilab.lab.datasets.importing.sources import ImportFaultError

__all__ = ["embedded_audio", "written_audio"]

_SUFFIXES = {b"fLaC": ".flac", b"RIFF": ".wav", b"OggS": ".ogg", b"ID3": ".mp3"}
_UNSAFE = re.compile(r"[^\w.-]")


@contextmanager
def embedded_audio(dest: Path) -> Iterator[Path]:
    """The folder for the audio of an import into ``dest``."""
    folder = dest.parent / f".{dest.name}.audio"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def written_audio(audio: object, folder: Path, name: str, file: str) -> Path:
    """Write audio as a table holds it, ``{bytes, path}``, to a file.

    Parameters
    ----------
    audio
        The cell.
    folder, name
        Where to, and under which name; what no file name can hold is replaced.
    file
        The table's name, for messages.

    Raises
    ------
    ImportFaultError
        If the cell holds no audio file.
    """
    content: Any = audio.get("bytes") if isinstance(audio, Mapping) else None
    if not isinstance(content, bytes) or not content:
        raise ImportFaultError(file, None, f"{name}: has no audio in the table")
    suffix = next((suffix for magic, suffix in _SUFFIXES.items() if content.startswith(magic)), ".mp3")
    path = folder / (_UNSAFE.sub("_", name)[:180] + suffix)
    if not path.is_file() or path.stat().st_size != len(content):
        path.write_bytes(content)
    os.utime(path, (0, 0))
    return path
