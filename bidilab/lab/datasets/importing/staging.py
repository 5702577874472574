"""The folder an import is made in: it goes on after any stop, and becomes the dataset only when it is whole.

``.NAME.import`` lies beside the folder to be made. Each finished recording is a file in ``audio/`` and then a line in
``import.jsonl``; a line that was cut short was never written. A recording is taken over from an earlier attempt when
its fingerprint, which covers the source files and all that went into the labels, and its audio's size are the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from bidilab.core.jsontext import JSONError, parse_json_object
from bidilab.lab.datasets.importing.sources import SourceRecording
from bidilab.lab.datasets.safepaths import put_in_place

__all__ = ["Entry", "Staging", "fingerprint_of"]

_JOURNAL = "import.jsonl"
_KEYS = ("fingerprint", "audio", "n_bytes", "line", "notes")


class Entry:
    """A finished recording: its line of the manifest, its audio file and what was done to it."""

    __slots__ = ("audio", "fingerprint", "line", "n_bytes", "notes")

    def __init__(self, *, fingerprint: str, audio: str, n_bytes: int, line: str, notes: list[str]) -> None:
        self.fingerprint = fingerprint
        self.audio = audio
        self.n_bytes = n_bytes
        self.line = line
        self.notes = notes


def fingerprint_of(source: SourceRecording, made_by: str) -> str:
    """Hex digest of all that decides how a recording is made; ``made_by`` names the format and the rules."""
    files = [(str(path), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in source.files]
    return hashlib.sha256(repr((made_by, files, source)).encode("utf-8", "backslashreplace")).hexdigest()


def _take(entries: dict[str, Entry], entry: Entry) -> None:
    """Add an entry in place of any whose audio file it has overwritten."""
    for fingerprint in [key for key, other in entries.items() if other.audio == entry.audio]:
        del entries[fingerprint]
    entries[entry.fingerprint] = entry


class Staging:
    """The folder beside ``target`` that an import is made in.

    Parameters
    ----------
    target
        The folder to be made.
    """

    def __init__(self, target: Path) -> None:
        self.root = target.parent / f".{target.name}.import"
        self._target = target
        (self.root / "audio").mkdir(parents=True, exist_ok=True)
        self._entries = self._read_journal()

    def _read_journal(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        path = self.root / _JOURNAL
        if not path.is_file():
            return entries
        whole, newline, torn = path.read_bytes().rpartition(b"\n")
        if torn:  # a line that a kill cut short is taken off, so that the next one starts on its own
            path.write_bytes(whole + newline)
        for raw in whole.splitlines():
            try:
                data = parse_json_object(raw)
                entry = Entry(**{key: data[key] for key in _KEYS})
            except (JSONError, KeyError):
                continue  # made again from its source: nothing is lost but time
            _take(entries, entry)
        return entries

    def finished(self, fingerprint: str) -> Entry | None:
        """A recording that an earlier attempt finished, ``None`` when it must be made."""
        entry = self._entries.get(fingerprint)
        if entry is None:
            return None
        audio = self.root / entry.audio
        return entry if audio.is_file() and audio.stat().st_size == entry.n_bytes else None

    def add(self, entry: Entry) -> None:
        """Note that a recording is finished, audio in place."""
        _take(self._entries, entry)
        with (self.root / _JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(json.dumps({key: getattr(entry, key) for key in _KEYS}, ensure_ascii=False) + "\n")

    def keep_only(self, files: Iterable[str]) -> None:
        """Remove whatever is not one of these files, given relative to the folder, or the journal."""
        kept = {self.root / name for name in (*files, _JOURNAL)}
        for path in sorted(self.root.rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in kept:
                path.unlink()

    def put_in_place(self) -> None:
        """Give the finished folder its name."""
        (self.root / _JOURNAL).unlink(missing_ok=True)
        put_in_place(self.root, self._target)

    def discard(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.root, ignore_errors=True)
