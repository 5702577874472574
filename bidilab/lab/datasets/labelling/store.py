"""Labels of a dataset folder that are being changed: journal first, then the manifest, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from bidilab.core.clock import RealClock
from bidilab.core.errors import DatasetError
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.labelling.edits import Edit, Journal, edit_of
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.manifest import MANIFEST_FILE, manifest_line
from bidilab.lab.datasets.recording import Recording

__all__ = ["LabelStore", "now_text"]


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
        If the folder is no dataset, or its journal is spoilt.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._journal = Journal(root)
        self._read()
        self.replayed = self._catch_up()

    @property
    def dataset(self) -> Dataset:
        """As it is on the disk now; read again only when the manifest was written by somebody else."""
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

    def history(self, recording_id: str | None = None) -> list[Edit]:
        """Every change ever made here, oldest first; of one recording, or of all."""
        return [edit for edit in self._journal.read() if recording_id in (None, edit.recording)]

    def change(self, recording: Recording, segments: Iterable[Segment], *, by: str, what: str) -> Recording:
        """Put labels in the place of those that a recording has.

        Parameters
        ----------
        recording
            As it was when the change was thought of.
        segments
            All of its labels from now on.
        by, what
            Who, and what it was in words.

        Returns
        -------
        Recording
            With its new labels.

        Raises
        ------
        DatasetError
            If its labels were changed by somebody else since; nothing is changed then.
        """
        there = _by_id(self.dataset)[recording.id]
        if set(there.segments) != set(recording.segments):
            raise DatasetError(f"{recording.id}: its labels were changed elsewhere meanwhile; load it again")
        changed = replace(there, segments=tuple(segments))
        edit = edit_of(recording.id, there.segments, changed.segments, at=now_text(), by=by, what=what)
        self._journal.append(edit)
        self.write({recording.id: changed})
        return changed

    def note(self, before: Recording, after: Recording, *, at: str, by: str, what: str) -> None:
        """Write a change to the journal alone; `write`, or opening the store again, brings it into the manifest."""
        self._journal.append(edit_of(before.id, before.segments, after.segments, at=at, by=by, what=what))

    def write(self, changed: Mapping[str, Recording]) -> None:
        """Put recordings into the manifest, in the place of those with their ids; the file changes at once."""
        dataset = self.dataset
        lines = self._lines | {key: self._line(recording) for key, recording in changed.items()}
        target = self.root / MANIFEST_FILE
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with partial.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(lines.values())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        self._lines, self._stamp = lines, self._stamp_now()
        self._dataset = replace(dataset, recordings=tuple(changed.get(r.id, r) for r in dataset))

    def _catch_up(self) -> int:
        recordings = _by_id(self.dataset)
        pending = self._journal.pending({key: recording.segments for key, recording in recordings.items()})
        changed = {}
        for key, edits in pending.items():
            segments = recordings[key].segments
            for edit in edits:
                segments = tuple(edit.applied_to(segments))
            changed[key] = replace(recordings[key], segments=segments)
        if changed:
            self.write(changed)
        return sum(len(edits) for edits in pending.values())


def _by_id(dataset: Dataset) -> dict[str, Recording]:
    return {recording.id: recording for recording in dataset}
