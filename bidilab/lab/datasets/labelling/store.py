"""Changes of the labels of a dataset folder: first the journal, which keeps every one, then the manifest.

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
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from bidilab.core.bundled import bundled_dataset, bundled_name
from bidilab.core.clock import RealClock
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.core.files import telling_of_a_full_disk, written_whole
from bidilab.core.jsontext import JSONError, parse_json_object
from bidilab.core.places import held
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.manifest import (
    MANIFEST_FILE,
    Problem,
    key_faults,
    manifest_line,
    segment_object,
)
from bidilab.lab.datasets.recording import Recording

__all__ = ["JOURNAL_FILE", "Edit", "Journal", "LabelStore", "digest_of", "edit_of", "now_text"]

JOURNAL_FILE = "labels.jsonl"
LOCK_LIMIT_S = 10.0
"""How long one who changes a label waits for others who do."""

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
        The change, in words.
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
        self.damaged: tuple[Problem, ...] = ()
        """Lines that the last `read` could not take; one that a kill cut short is not among them."""

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
            with telling_of_a_full_disk(self.path):
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self) -> list[Edit]:
        """All changes, in order; lines that are none are named in `damaged`, and the rest is read all the same."""
        self.damaged = ()
        if not self.path.is_file():
            return []
        edits: list[Edit] = []
        problems: list[Problem] = []
        lines = self.path.read_bytes().split(b"\n")
        for number, raw in enumerate(lines, start=1):
            if not raw:
                continue
            try:
                edits.append(_edit(parse_json_object(raw)))
            except (JSONError, InvalidParameterError, TypeError) as error:
                cut_short = raw.startswith(b"{") and not raw.endswith(b"}")  # by a kill: it was never acknowledged
                if not cut_short:
                    problems.append(Problem(file=JOURNAL_FILE, line=number, message=str(error)))
        self.damaged = tuple(problems)
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
        raise JSONError("; ".join(faults))
    for name in _KEYS:
        wanted = list if name in ("removed", "added") else str
        if not isinstance(data[name], wanted):
            raise JSONError(f"{name} must be a {wanted.__name__}, got {data[name]!r}")
    words = {name: str(data[name]) for name in _KEYS if name not in ("removed", "added")}
    removed, added = (tuple(Segment(**item) for item in data[name]) for name in ("removed", "added"))
    return Edit(removed=removed, added=added, **words)


def now_text() -> str:
    """The time in UTC, to the second, as labels carry it."""
    return RealClock().wall_time().isoformat(timespec="seconds")


class LabelStore:
    """The labels of a dataset folder, to be read and changed.

    Opening it brings changes into the manifest that an earlier process wrote to the journal and could not bring there.

    Parameters
    ----------
    root
        The dataset's folder.

    Raises
    ------
    DatasetError
        If the folder is no dataset, or one that comes with bidilab.
    """

    def __init__(self, root: Path) -> None:
        if name := bundled_name(bundled_dataset(root)):
            raise DatasetError(
                f"{name} comes with bidilab, and its labels cannot be changed; "
                f"copy it, and change the labels of the copy: bidilab datasets copy {name} my-{name}"
            )
        self.root = root
        self._journal = Journal(root)
        self._read()
        self.replayed = self._catch_up()

    @property
    def dataset(self) -> Dataset:
        """The dataset as it is on disk; it is read again only when something else wrote the manifest."""
        if self._stamp != self._stamp_now():
            self._read()
        return self._dataset

    def _read(self) -> None:
        self._stamp = self._stamp_now()
        self._dataset = Dataset.load(self.root)
        self._lines = {recording.id: self._line(recording) for recording in self._dataset}

    def _stamp_now(self) -> tuple[int, ...]:
        path = self.root / MANIFEST_FILE
        if not path.is_file():  # `Dataset.load` says it better
            return ()
        stat = path.stat()
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def _line(self, recording: Recording) -> str:
        return manifest_line(recording, recording.path.relative_to(self.root).as_posix()) + "\n"

    @property
    def damaged(self) -> tuple[Problem, ...]:
        """Lines of the journal that are no changes, as it was read last; the others hold."""
        return self._journal.damaged

    def history(self, recording_id: str | None = None) -> list[Edit]:
        """Every change ever made here, oldest first; of one recording, or of all."""
        return [edit for edit in self._journal.read() if recording_id in (None, edit.recording)]

    def change(self, recording: Recording, segments: Iterable[Segment], *, by: str, what: str) -> Recording:
        """Put labels in the place of those that a recording has.

        Where somebody else has changed other labels of it meanwhile, both changes hold.

        Parameters
        ----------
        recording
            The recording as it was before the change.
        segments
            All of its labels from now on.
        by, what
            Name of the person, and the change in words.

        Returns
        -------
        Recording
            With its new labels.

        Raises
        ------
        DatasetError
            If the same labels were changed elsewhere since; nothing is changed then.
        PlaceHeldError
            If another process does not let go of the dataset.
        """
        with held(self.root, wait_s=LOCK_LIMIT_S):
            there = _by_id(self.dataset).get(recording.id)
            if there is None:
                raise DatasetError(f"{recording.id}: it is no longer in the dataset")
            wanted = _merged(recording, tuple(segments), there)
            changed = replace(there, segments=wanted)
            edit = edit_of(recording.id, there.segments, changed.segments, at=now_text(), by=by, what=what)
            self._journal.append(edit)
            self._write({recording.id: changed})
            return changed

    def note(self, before: Recording, after: Recording, *, at: str, by: str, what: str) -> None:
        """Write a change to the journal alone; `write`, or opening the store again, brings it into the manifest."""
        with held(self.root, wait_s=LOCK_LIMIT_S):
            self._journal.append(edit_of(before.id, before.segments, after.segments, at=at, by=by, what=what))

    def write(self, changed: Mapping[str, Recording]) -> None:
        """Put recordings into the manifest, in the place of those with their ids; the file changes at once.

        Raises
        ------
        PlaceHeldError
            If another process does not let go of the dataset.
        """
        with held(self.root, wait_s=LOCK_LIMIT_S):
            self._write(changed)

    def _write(self, changed: Mapping[str, Recording]) -> None:
        dataset = self.dataset
        lines = self._lines | {key: self._line(recording) for key, recording in changed.items()}
        target = self.root / MANIFEST_FILE
        with written_whole(target) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines.values())
            file.flush()
            os.fsync(file.fileno())
        self._lines, self._stamp = lines, self._stamp_now()
        self._dataset = replace(dataset, recordings=tuple(changed.get(r.id, r) for r in dataset))

    def _pending(self) -> dict[str, list[Edit]]:
        return self._journal.pending({recording.id: recording.segments for recording in self.dataset})

    def _catch_up(self) -> int:
        if not self._pending():
            return 0
        with held(self.root, wait_s=LOCK_LIMIT_S):  # another may be between journal and manifest: look again then
            return self._bring_in(self._pending())

    def _bring_in(self, pending: Mapping[str, list[Edit]]) -> int:
        recordings = _by_id(self.dataset)
        changed = {}
        for key, edits in pending.items():
            segments = recordings[key].segments
            for edit in edits:
                segments = tuple(edit.applied_to(segments))
            changed[key] = replace(recordings[key], segments=segments)
        if changed:
            self._write(changed)
        return sum(len(edits) for edits in pending.values())


def _merged(before: Recording, wanted: tuple[Segment, ...], there: Recording) -> tuple[Segment, ...]:
    """What is wanted of a recording, brought into the labels that are there; raise where both changed the same."""
    if set(there.segments) == set(before.segments):
        return wanted
    added = [segment for segment in wanted if segment not in before.segments]
    removed = [segment for segment in before.segments if segment not in wanted]
    kept = [segment for segment in there.segments if segment not in removed]
    clash = any(_same_place(one, other) for one in added for other in kept)
    if clash or any(segment not in there.segments for segment in removed):
        raise DatasetError(f"{before.id}: its labels were changed elsewhere in the meantime; load it again")
    return (*kept, *added)


def _same_place(one: Segment, other: Segment) -> bool:
    same = (one.channel, one.kind) == (other.channel, other.kind)
    return same and one.start_s < other.end_s and other.start_s < one.end_s


def _by_id(dataset: Dataset) -> dict[str, Recording]:
    return {recording.id: recording for recording in dataset}
