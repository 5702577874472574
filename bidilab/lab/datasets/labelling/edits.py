"""Changes of a recording's labels, and the journal that keeps every one of them.

``labels.jsonl`` lies beside the manifest. Each change is one line, on the disk before the manifest is touched::

    {"recording": "a", "at": "2026-11-22T21:05:00+00:00", "by": "mia", "what": "kind backchannel → noise",
     "removed": [segment, …], "added": [segment, …], "before": "8f14e45fceea167a", "after": "c9f0f895fb98ab91"}

``before`` and ``after`` are digests of the recording's labels. By them it is known which changes a manifest holds:
those up to the last line whose ``after`` is the digest of what it has. A process that was killed between journal and
manifest leaves lines behind, and `Journal.pending` finds them. Lines are only ever added.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.manifest import Problem, segment_object
from bidilab.lab.datasets.strictjson import NotJSONError, key_faults, parse_object

__all__ = ["JOURNAL_FILE", "Edit", "Journal", "digest_of", "edit_of"]

JOURNAL_FILE = "labels.jsonl"
_KEYS = ("recording", "at", "by", "what", "removed", "added", "before", "after")


def digest_of(segments: Iterable[Segment]) -> str:
    """Sixteen hexadecimal digits that change with any of the labels, and not with their order."""
    lines = sorted(json.dumps(segment_object(segment), ensure_ascii=False, sort_keys=True) for segment in segments)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of one recording's labels.

    Parameters
    ----------
    recording
        Its id.
    at, by
        When (ISO 8601 with an offset from UTC), and who: a person, or the labeller with its numbers.
    what
        The change in words.
    removed, added
        Labels taken away and put in.
    before, after
        `digest_of` all labels of the recording.
    """

    recording: str
    at: str
    by: str
    what: str
    removed: tuple[Segment, ...]
    added: tuple[Segment, ...]
    before: str
    after: str

    def applied_to(self, segments: Iterable[Segment]) -> tuple[Segment, ...]:
        """The labels after the change.

        Raises
        ------
        InvalidParameterError
            If they are not those that the change was made to.
        """
        now = list(segments)
        if digest_of(now) != self.before:
            raise InvalidParameterError("segments", f"those that the change was made to ({self.before})", now)
        for segment in self.removed:
            now.remove(segment)
        return (*now, *self.added)

    def line(self) -> str:
        """The change as a line of the journal, without its end."""
        data: dict[str, Any] = {name: getattr(self, name) for name in _KEYS}
        for name in ("removed", "added"):
            data[name] = [segment_object(segment) for segment in data[name]]
        return json.dumps(data, ensure_ascii=False, allow_nan=False)


def edit_of(
    recording: str, before: Iterable[Segment], after: Iterable[Segment], *, at: str, by: str, what: str
) -> Edit:
    """The change from some labels to others."""
    old, new = list(before), list(after)
    removed = [segment for segment in old if segment not in new]
    added = [segment for segment in new if segment not in old]
    return Edit(
        recording=recording,
        at=at,
        by=by,
        what=what,
        removed=tuple(removed),
        added=tuple(added),
        before=digest_of(old),
        after=digest_of(new),
    )


class Journal:
    """The journal of one dataset folder.

    Parameters
    ----------
    root
        The folder. The file is made with the first change.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / JOURNAL_FILE

    def append(self, edit: Edit) -> None:
        """Put a change on the disk: when this returns, it is there whatever happens to the process or the machine.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.path, flags, 0o644)
        try:
            data = edit.line().encode("utf-8") + b"\n"
            size = os.fstat(descriptor).st_size
            if size:
                os.lseek(descriptor, size - 1, os.SEEK_SET)
                if os.read(descriptor, 1) != b"\n":  # a line that a kill cut short is ended, not gone on with
                    data = b"\n" + data
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self) -> list[Edit]:
        """All changes, in order; a last line that was cut short was never made.

        Raises
        ------
        DatasetError
            If another line is not a change; it names each.
        """
        if not self.path.is_file():
            return []
        edits: list[Edit] = []
        problems: list[Problem] = []
        lines = self.path.read_bytes().split(b"\n")
        for number, raw in enumerate(lines, start=1):
            if not raw:
                continue
            try:
                edits.append(_edit(parse_object(raw.decode("utf-8"))))
            except (NotJSONError, UnicodeDecodeError, InvalidParameterError, TypeError) as error:
                whole = raw.endswith(b"}") and raw.startswith(b"{")
                if whole:
                    problems.append(Problem(file=JOURNAL_FILE, line=number, message=str(error)))
        if problems:
            raise DatasetError(f"{self.path}: not a journal of labels", problems)
        return edits

    def pending(self, segments: Mapping[str, Iterable[Segment]]) -> dict[str, list[Edit]]:
        """For each recording the changes that its labels do not hold yet.

        Parameters
        ----------
        segments
            Labels of each recording as the manifest has them.

        Returns
        -------
        dict
            Only recordings that lack any. A change made to labels that the manifest never had, or no longer has,
            because it was written by other means since, is not among them: it stays in the journal.
        """
        by_recording: dict[str, list[Edit]] = {}
        for edit in self.read():
            by_recording.setdefault(edit.recording, []).append(edit)
        out = {}
        for recording, edits in by_recording.items():
            if recording not in segments:
                continue
            now = digest_of(segments[recording])
            if now == edits[-1].after:
                continue
            begin = next((k for k in range(len(edits) - 1, -1, -1) if edits[k].before == now), None)
            if begin is not None and _chained(edits[begin:]):
                out[recording] = edits[begin:]
        return out


def _chained(edits: list[Edit]) -> bool:
    return all(first.after == second.before for first, second in pairwise(edits))


def _edit(data: Mapping[str, Any]) -> Edit:
    if faults := key_faults(data, _KEYS):
        raise NotJSONError("; ".join(faults))
    for name in _KEYS:
        wanted = list if name in ("removed", "added") else str
        if not isinstance(data[name], wanted):
            raise NotJSONError(f"{name} must be a {wanted.__name__}, got {data[name]!r}")
    words = {name: str(data[name]) for name in _KEYS if name not in ("removed", "added")}
    removed, added = (tuple(Segment(**item) for item in data[name]) for name in ("removed", "added"))
    return Edit(removed=removed, added=added, **words)
