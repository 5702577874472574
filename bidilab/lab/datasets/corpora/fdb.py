"""Full-Duplex-Bench v1.0 and v1.5: one folder a sample, the task told by the JSON in it.

Layout (github.com/DanielLin94144/Full-Duplex-Bench, ``v1_v1.5/dataset/README.md``): each sample has ``input.wav``, the
user, and

- ``interrupt.json`` (v1.0): ``[{"context", "interrupt", "timestamp": [start, end]}]``, a user interruption;
- ``pause.json`` (v1.0): pauses inside one turn of the user's; ``turn_taking.json`` (v1.0): the first ``timestamp[0]``
  is the end of the user's turn;
- ``metadata.json`` (v1.5): ``{"context_text", "current_turn_text", "timestamps": [start, end]}``, an event of the kind
  that the folder above is named for (``user_interruption``, ``user_backchannel``, ``talking_to_other``,
  ``background_speech``), and ``clean_input.wav``, the same without the event;
- none of these but ``transcription.json`` in ``icc_backchannel``.

``transcription.json`` or ``input.json`` holds the words of the input, ``output.json`` those of ``output.wav``, the
recorded answer of a model on the same clock: ``{"text", "chunks": [{"text", "timestamp": [start, end]}]}``. A
recogniser wrote them, so all labels made of them are proposals; an ``output.wav`` without its words is an agent
without labels.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bidilab.lab.datasets.importing.audiofiles import files_below
from bidilab.lab.datasets.importing.importer import ImportJob, run_import
from bidilab.lab.datasets.importing.report import ImportResult
from bidilab.lab.datasets.importing.sources import (
    ChannelSource,
    ImportFaultError,
    Role,
    SourceRecording,
    Utterance,
    shown,
)
from bidilab.lab.datasets.importing.textlines import read_text, seconds, span
from bidilab.lab.datasets.labels import Kind
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.datasets.proposals import ProposalRule
from bidilab.lab.datasets.safepaths import PathGuard, UnsafePathError

__all__ = ["OPTIONS", "SUMMARY", "from_fdb"]

SUMMARY = "Full-Duplex-Bench v1.0 and v1.5 folders, with or without a model's output."
OPTIONS: tuple[str, ...] = ()
_EVENTS: dict[str, Kind] = {
    "user_interruption": "interruption",
    "user_backchannel": "backchannel",
    "talking_to_other": "side_speech",
    "background_speech": "side_speech",
}
_WORDS_FILES = ("transcription.json", "input.json")


def from_fdb(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    rule: ProposalRule | None = None,
    name: str | None = None,
    licence: str = "CC-BY-NC-4.0",
    force: bool = False,
    progress: bool = True,
) -> ImportResult:
    """Import Full-Duplex-Bench samples.

    Parameters
    ----------
    source
        A folder with samples at any depth.
    dest
        The dataset's folder. It appears whole or not at all; an import that was stopped goes on where it was.
    rule
        How kinds are proposed; the defaults of `ProposalRule` when ``None``.
    name, licence
        For ``dataset.json``; the name is that of ``dest`` when ``None``.
    force
        Replace an earlier dataset.
    progress
        Show a progress bar.

    Returns
    -------
    ImportResult
        The dataset, tags ``task``, ``sample``, ``fdb`` (version) and ``clean``; a problem for each faulty sample.

    Raises
    ------
    InvalidParameterError
        If an argument is not allowed.
    DatasetError
        If ``dest`` exists and is not to be replaced, or nothing could be imported; it lists every problem.
    """
    target = Path(dest)
    job = ImportJob(
        format="fdb",
        scan=lambda root, problems: list(_scan(root, problems)),
        rule=rule or ProposalRule(),
        name=name or target.name,
        licence=licence,
    )
    return run_import(job, Path(source), target, force=force, progress=progress)


def _scan(root: Path, problems: list[Problem]) -> Iterator[SourceRecording]:
    inputs = [path for path in files_below(root, ("input.wav",), problems) if path.name == "input.wav"]
    if not inputs:
        problems.append(Problem(file=shown(root), line=None, message="no sample in it: no input.wav"))
    for path in inputs:
        try:
            yield from _Sample(path.parent, root).recordings()
        except ImportFaultError as fault:
            problems.append(fault.problem)


class _Sample:
    """One folder."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root
        self._file = shown(folder, root)
        self._guard = PathGuard(root)

    def recordings(self) -> Iterator[SourceRecording]:
        """The sample, and its clean pair where there is one."""
        task, version, events = self._task()
        yield self._recording("", task, version, events)
        if self._path("clean_input.wav") is not None:
            yield self._recording("clean_", task, version, ())

    def _recording(self, prefix: str, task: str, version: str, events: tuple[Utterance, ...]) -> SourceRecording:
        parts = self._folder.relative_to(self._root).parts or (self._folder.name,)
        output = self._path(f"{prefix}output.wav")
        words = [] if prefix else self._words(_WORDS_FILES, "user")
        words += self._words(("clean_input.json",), "user") if prefix else []
        agent_words = self._words((f"{prefix}output.json",), "agent") if output is not None else []
        return SourceRecording(
            id="-".join((*parts, "clean") if prefix else parts),
            user=ChannelSource(path=self._folder / f"{prefix}input.wav"),
            agent=ChannelSource(path=output) if output is not None else None,
            utterances=(*self._of_user(task, words, events), *agent_words),
            label_file=self._file,
            tags={"task": task, "fdb": version, "sample": "-".join(parts), "clean": bool(prefix)},
        )

    def _task(self) -> tuple[str, str, tuple[Utterance, ...]]:
        """Task, version of the benchmark, and the events that it labels."""
        if (data := self._json("interrupt.json")) is not None:
            items = data if isinstance(data, list) else [data]
            return (
                "user_interruption",
                "1.0",
                tuple(self._event(i, "timestamp", "interrupt", "interruption") for i in items),
            )
        if (data := self._json("turn_taking.json")) is not None:
            items = data if isinstance(data, list) else [data]
            if not items:
                raise self._fault("turn_taking.json holds nothing")
            end = self._pair(items[0], "timestamp")[0]
            return "turn_taking", "1.0", (Utterance(start_s=0.0, end_s=self._second(end), kind="turn", given=False),)
        if self._json("pause.json") is not None:
            return "pause_handling", "1.0", ()
        if (data := self._json("metadata.json")) is not None:
            task = self._folder.parent.name
            if task not in _EVENTS:
                raise self._fault(f"metadata.json is in no folder named {', '.join(_EVENTS)}, but in {task!r}")
            return task, "1.5", (self._event(data, "timestamps", "current_turn_text", _EVENTS[task]),)
        if self._folder.parent.name.startswith("icc_backchannel"):
            return "backchannel", "1.0", ()
        raise self._fault("no JSON that tells the task (interrupt, pause, turn_taking or metadata)")

    def _of_user(self, task: str, words: list[Utterance], events: tuple[Utterance, ...]) -> tuple[Utterance, ...]:
        if task in ("turn_taking", "pause_handling"):
            # One turn, however long its pauses: that is what the task is about. Its start is the first word's.
            if not words:
                return ()
            end = events[0].end_s if events else max(word.end_s for word in words)
            start = min(word.start_s for word in words)
            text = " ".join(word.text for word in words if word.text) or None
            if end <= start:
                raise self._fault("the turn ends before its first word")
            return (Utterance(start_s=start, end_s=end, text=text, kind="turn", role="user", given=False),)
        outside = [w for w in words if not any(w.start_s < e.end_s and e.start_s < w.end_s for e in events)]
        return (*events, *outside)

    def _event(self, item: Any, times: str, text: str, kind: Kind) -> Utterance:
        start, end = (self._second(value) for value in self._pair(item, times))
        try:
            span(start, end)
        except ValueError as error:
            raise self._fault(str(error)) from error
        said = item.get(text)
        return Utterance(
            start_s=start, end_s=end, kind=kind, role="user", text=said if isinstance(said, str) and said else None
        )

    def _words(self, names: tuple[str, ...], role: Role) -> list[Utterance]:
        data = next((data for name in names if (data := self._json(name)) is not None), None)
        if data is None:
            return []
        chunks = data.get("chunks") if isinstance(data, dict) else data
        if not isinstance(chunks, list):
            raise self._fault(f"{names[0]} has no list of chunks")
        words = []
        for chunk in chunks:
            start, end = self._pair(chunk, "timestamp")
            if start is None or end is None:
                continue  # the recogniser could not place the word
            start, end = self._second(start), self._second(end)
            text = chunk.get("text")
            if end > start:
                said = text.strip() or None if isinstance(text, str) else None
                words.append(Utterance(start_s=start, end_s=end, text=said, role=role, speaker=role, given=False))
        return words

    def _pair(self, item: Any, key: str) -> tuple[Any, Any]:
        value = item.get(key) if isinstance(item, dict) else None
        if not isinstance(value, list) or len(value) != 2:
            raise self._fault(f"{key} is not [start, end]: {value!r:.60}")
        return value[0], value[1]

    def _second(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fault(f"a time is not a number: {value!r:.60}")
        try:
            return seconds(repr(value)[:60])
        except ValueError as error:
            raise self._fault(str(error)) from error

    def _path(self, name: str) -> Path | None:
        """A file of the sample, ``None`` when there is none; a link that leads out of the corpus is a fault."""
        path = self._folder / name
        if not path.exists():
            return None
        try:
            return self._guard.file(path.relative_to(self._root).as_posix())
        except UnsafePathError as error:
            raise self._fault(str(error)) from error

    def _json(self, name: str) -> Any:
        path = self._path(name)
        if path is None:
            return None
        file = shown(path, self._root)
        try:
            return json.loads(read_text(path, file))
        except json.JSONDecodeError as error:
            raise ImportFaultError(file, error.lineno, f"not JSON: {error.msg} at column {error.colno}") from error
        except (RecursionError, ValueError) as error:
            if isinstance(error, ImportFaultError):
                raise
            raise ImportFaultError(file, None, f"not JSON we read: {type(error).__name__}") from error

    def _fault(self, message: str) -> ImportFaultError:
        return ImportFaultError(self._file, None, message)
