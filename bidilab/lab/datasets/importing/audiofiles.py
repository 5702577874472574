"""The audio files of a corpus, found by name; none that a link leads out of the corpus to."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from bidilab.core.audiofile import AV_SUFFIXES
from bidilab.lab.datasets.importing.sources import shown
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.datasets.safepaths import PathGuard, UnsafePathError

__all__ = ["AUDIO_SUFFIXES", "AudioFiles", "files_below", "name_unread", "without_audio_suffix"]

AUDIO_SUFFIXES = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".mp3", ".sph", ".ogg", ".oga", ".opus"),
    *(".aiff", ".aif", ".aifc", ".au", ".snd", ".caf"),
    *AV_SUFFIXES,
)
UNREAD_SUFFIXES = (
    *(".raw", ".pcm", ".ulaw", ".ul", ".alaw", ".al", ".sln", ".vox", ".gsm", ".g729", ".g722", ".spx"),
    *(".silk", ".dss", ".ds2", ".wv", ".ape"),
)
"""Audio that cannot be read: without a header nobody knows its rate, or of a coder that is not there."""
_SEPARATORS = "._- "


def files_below(root: Path, suffixes: tuple[str, ...], problems: list[Problem]) -> list[Path]:
    """Files anywhere below a folder whose names end so (in any case), sorted; hidden ones are passed over.

    A link that leads out of the folder is not followed, and a problem; so is a folder that cannot be read.
    """

    def cannot_read(error: OSError) -> None:
        folder = shown(Path(error.filename), root)
        problem = Problem(file=folder, line=None, message=f"this folder cannot be read: {error.strerror}")
        if problem not in problems:  # each sort of file is looked for in it
            problems.append(problem)

    guard = PathGuard(root)
    found = []
    for folder, folders, names in os.walk(root, onerror=cannot_read):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not name.lower().endswith(suffixes):
                continue
            path = Path(folder) / name
            try:
                guard.file(path.relative_to(root).as_posix())
            except UnsafePathError as error:
                problems.append(Problem(file=shown(path, root), line=None, message=_printable(str(error))))
            else:
                found.append(path)
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def name_unread(root: Path, problems: list[Problem]) -> None:
    """Add a problem for each file of audio that cannot be read."""
    for path in files_below(root, UNREAD_SUFFIXES, []):
        message = f"{path.suffix.lower()} files are not read; convert it to WAV (ffmpeg or sox) first"
        problems.append(Problem(file=shown(path, root), line=None, message=message))


def without_audio_suffix(name: str) -> str:
    """A recording's name without the suffixes of audio files: ``call1`` of ``call1.wav``."""
    while (stem := name[: name.rfind(".")]) and name.lower().endswith(AUDIO_SUFFIXES):
        name = stem
    return name


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _key(name: str) -> str:
    name = without_audio_suffix(name)
    return unicodedata.normalize("NFC", name)  # file systems disagree on accents, label files on neither


class AudioFiles:
    """Audio files below a folder, by their names without the suffix.

    Parameters
    ----------
    root
        The folder.
    problems
        Links that lead out of it are added here.
    """

    def __init__(self, root: Path, problems: list[Problem]) -> None:
        self.root = root
        self._by_stem: dict[str, list[Path]] = {}
        for path in files_below(root, AUDIO_SUFFIXES, problems):
            self._by_stem.setdefault(_key(path.name), []).append(path)

    def named(self, name: str) -> list[Path]:
        """Files of exactly this name, which may have a suffix."""
        return self._by_stem.get(_key(name), [])

    def of_speaker(self, name: str, speaker: str) -> list[Path]:
        """Files named for a recording and one of its speakers: ``NAME_SPEAKER``, or with a dot, dash or blank."""
        return [path for separator in _SEPARATORS for path in self.named(f"{name}{separator}{speaker}")]
