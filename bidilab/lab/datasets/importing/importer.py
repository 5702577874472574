"""The import itself: one recording after the other, each whole or not at all, and the faults told at the end."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bidilab.core.errors import AudioError, DatasetError, InvalidParameterError
from bidilab.core.files import telling_of_a_full_disk
from bidilab.core.places import held
from bidilab.core.units import samples_to_s
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.importing.channels import AudioPlan, at_full_scale, plan_audio, write_planned_audio
from bidilab.lab.datasets.importing.labelling import segments_of, whole_from
from bidilab.lab.datasets.importing.options import Given
from bidilab.lab.datasets.importing.regions import Regions, parts_that_count, read_uems
from bidilab.lab.datasets.importing.sources import ImportFaultError, SourceRecording, shown
from bidilab.lab.datasets.importing.staging import Entry, Staging, fingerprint_of
from bidilab.lab.datasets.manifest import (
    DATASET_FILE,
    IMPORTED,
    MANIFEST_FILE,
    REGIONS_CHECKED,
    DatasetInfo,
    Problem,
    manifest_line,
)
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.safepaths import check_id, check_target
from bidilab.lab.datasets.sameaudio import tied_audio
from bidilab.lab.datasets.validation import file_sha256

__all__ = ["REPORT_FILE", "ImportJob", "ImportResult", "check_places", "run_import"]

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ImportResult:
    """A corpus as a dataset, and everything that could not be imported.

    Parameters
    ----------
    dataset
        What was imported.
    problems
        One for each fault found in the corpus, with file and line. A recording with a fault is left out.
    notes
        What was changed in imported recordings: silence added, an agent resampled.
    n_taken_over
        Recordings that an earlier, stopped attempt had finished.
    copies
        Recordings with the same samples as an earlier one, in another container; both are kept, on one side of any
        split.
    """

    dataset: Dataset
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]
    n_taken_over: int
    copies: tuple[Problem, ...] = ()

    def lines(self) -> list[str]:
        """The result in words, a line each."""
        n = len(self.dataset)
        lines = [f"imported {n} recording{'s' if n != 1 else ''} ({self.dataset.duration_s / 60:.1f} min)"]
        if self.n_taken_over:
            lines[0] += f", {self.n_taken_over} of them finished before"
        segments = [segment for recording in self.dataset for segment in recording.segments]
        n_proposed = sum(segment.origin == "proposed" for segment in segments)
        lines.append(f"{len(segments)} labels, {n_proposed} of them proposed by rule and confirmed by nobody")
        without = sum(not recording.segments for recording in self.dataset)
        if without:
            lines.append(f"{without} recording{'s' if without != 1 else ''} without labels")
        for (one, several), items in (
            (("problem", "problems"), self.problems),
            (("note", "notes"), self.notes),
            (("copy", "copies"), self.copies),
        ):
            if items:
                lines.append(f"{len(items)} {one if len(items) == 1 else several}:")
                lines += [f"  {item}" for item in items[:_SHOWN]]
                if len(items) > _SHOWN:
                    lines.append(f"  and {len(items) - _SHOWN} more, in import.json")
        return lines

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return "<br>".join(html.escape(line).replace("  ", "&emsp;", 1) for line in self.lines())


REPORT_FILE = "import.json"
_LONGEST_NAME_BYTES = 200
Scan = Callable[[Path, list[Problem]], list[SourceRecording]]
"""Finds the recordings of a corpus; faults that belong to no single recording are added to the list."""
ReadRegions = Callable[[Path, list[Problem]], Regions | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """What is imported, and how.

    Parameters
    ----------
    format
        Name of the format.
    scan
        Finds the recordings.
    given
        The options.
    regions
        Reads which parts count, where the caller names no UEM; ``None`` from it: all of everything does.
    """

    format: str
    scan: Scan
    given: Given
    regions: ReadRegions | None = None


def check_places(source: Path, dest: Path, *, force: bool, vouched_by: str = DATASET_FILE) -> None:
    """Refuse a source that is not there and a destination that must not be written.

    Raises
    ------
    InvalidParameterError
        If the source does not exist, or one lies inside the other.
    DatasetError
        If the destination exists and is not to be replaced.
    """
    if not source.exists():
        raise InvalidParameterError("SRC", "a file or folder that exists", str(source))
    real_source, real_dest = source.resolve(), dest.resolve()
    if real_dest.is_relative_to(real_source) or real_source.is_relative_to(real_dest):
        raise InvalidParameterError("DEST", "a folder outside the source, which is only read", str(dest))
    check_target(dest, force=force, vouched_by=vouched_by)


def run_import(job: ImportJob, source: Path, dest: Path) -> ImportResult:
    """Import a corpus.

    Parameters
    ----------
    job
        What and how.
    source
        The corpus: a folder, or a file of labels.
    dest
        The dataset's folder. It appears whole or not at all.

    Raises
    ------
    InvalidParameterError
        If the source does not exist, or source and destination lie in one another.
    DatasetError
        If the destination is not to be replaced, or nothing could be imported; it then lists every problem.
    """
    check_places(source, dest, force=job.given.force)
    with held(dest), telling_of_a_full_disk(dest):
        return _import_held(job, source, dest)


def _import_held(job: ImportJob, source: Path, dest: Path) -> ImportResult:
    from tqdm import tqdm

    given = job.given
    check_places(source, dest, force=given.force)  # once more: another may have made it meanwhile
    problems: list[Problem] = []
    notes: list[Problem] = []
    regions = _regions(job, source, problems)
    found = _with_own_ids(parts_that_count(job.scan(source, problems), regions, problems), problems)
    if given.limit is not None and len(found) > given.limit:
        message = f"limit: only the first {given.limit} of {len(found)} recordings were imported"
        notes.append(Problem(file=shown(Path(source.name)), line=None, message=message))
        found = found[: given.limit]
    staging = Staging(dest)
    entries: list[Entry] = []
    n_taken_over = 0
    for recording in tqdm(found, desc=given.name or dest.name, unit="rec", disable=not given.progress):
        try:
            entry, was_there = _import_one(recording, job, staging)
        except ImportFaultError as fault:
            problems.append(fault.problem)
            continue
        except AudioError as error:
            problems.append(_audio_problem(error, recording, source))
            continue
        entries.append(entry)
        n_taken_over += was_there
        notes += [Problem(file=recording.id, line=None, message=note) for note in entry.notes]
    if not entries:
        staging.discard()
        raise DatasetError(f"{shown(source)}: nothing in it could be imported as {job.format}", problems)
    copies = _finish(job, source, dest.name, staging, entries, problems, notes)
    return ImportResult(
        dataset=Dataset.load(dest),
        problems=tuple(problems),
        notes=tuple(notes),
        n_taken_over=n_taken_over,
        copies=tuple(copies),
    )


def _regions(job: ImportJob, source: Path, problems: list[Problem]) -> Regions | None:
    if job.given.regions is not None:
        return read_uems([job.given.regions], job.given.regions.parent, problems)
    return job.regions(source, problems) if job.regions is not None else None


def _with_own_ids(found: Iterable[SourceRecording], problems: list[Problem]) -> list[SourceRecording]:
    """Those whose id can name a file, and was not taken before."""
    kept: dict[str, SourceRecording] = {}
    for recording in found:
        file = shown(recording.user.path)
        fault = check_id(recording.id)
        if fault is None and len(recording.id.encode()) > _LONGEST_NAME_BYTES:
            fault = f"must have at most {_LONGEST_NAME_BYTES} bytes"
        if fault is not None:
            problems.append(Problem(file=file, line=None, message=f"its name {fault}, got {recording.id!r}"))
        elif recording.id in kept:
            other = shown(kept[recording.id].user.path)
            problems.append(
                Problem(file=file, line=None, message=f"the id {recording.id!r} is already that of {other}")
            )
        else:
            kept[recording.id] = recording
    return list(kept.values())


def _audio_problem(error: AudioError, recording: SourceRecording, source: Path) -> Problem:
    """An error about a source file, with the file's name once and in its own place."""
    message = str(error)
    for path in recording.files:
        if message.startswith(f"{path}: "):
            return Problem(file=shown(path, source), line=None, message=message.removeprefix(f"{path}: "))
    return Problem(file=shown(recording.user.path, source), line=None, message=message)


def _import_one(source: SourceRecording, job: ImportJob, staging: Staging) -> tuple[Entry, bool]:
    rule = job.given.rule
    fingerprint = fingerprint_of(source, f"{job.format} {rule.name} {job.given.full_scale}")
    if (finished := staging.finished(fingerprint)) is not None:
        return finished, True
    _check_text(source)
    if job.given.full_scale is not None:
        source = at_full_scale(source, job.given.full_scale)
    plan = plan_audio(source)
    begin = whole_from(source, sample_rate=plan.sample_rate, start=plan.start, n_samples=plan.n_samples, rule=rule)
    if begin > plan.start:  # a cut segment has no onset
        source = _begun_later(source, plan, begin)
        plan = plan_audio(source)
    segments = segments_of(source, sample_rate=plan.sample_rate, start=plan.start, n_samples=plan.n_samples, rule=rule)
    name = f"audio/{source.id}{plan.suffix}"
    path = staging.root / name
    write_planned_audio(source, plan, path)
    recording = Recording(
        id=source.id,
        path=path,
        sample_rate=plan.sample_rate,
        channels=plan.channels,
        duration_s=samples_to_s(plan.n_samples, plan.sample_rate),
        sha256=file_sha256(path),
        segments=segments,
        tags=source.tags,
    )
    entry = Entry(
        fingerprint=fingerprint,
        audio=name,
        n_bytes=path.stat().st_size,
        line=manifest_line(recording, name),
        notes=[*source.notes, *plan.notes],
    )
    staging.add(entry)
    return entry, False


def _begun_later(source: SourceRecording, plan: AudioPlan, begin: int) -> SourceRecording:
    """The recording from ``begin`` on, where no segment of the user is cut at its start."""
    start_s, end_s = (samples_to_s(sample, plan.sample_rate) for sample in (begin, plan.start + plan.n_samples))
    region = f"the region {samples_to_s(plan.start, plan.sample_rate):g} to {end_s:g} s"
    if start_s >= end_s:
        raise ImportFaultError(source.label_file, None, f"{region} of {source.id!r} lies inside the user's speech")
    note = f"{region} begins inside the user's speech, of which no latency can be told: it is taken from {start_s:g} s"
    return replace(source, region_s=(start_s, end_s), notes=(*source.notes, note))


def _check_text(source: SourceRecording) -> None:
    """JSON can hold half a surrogate pair, which no UTF-8 file can."""
    for utterance in source.utterances:
        for text in (utterance.text, utterance.speaker):
            if text is not None and any("\ud800" <= character <= "\udfff" for character in text):
                message = f"holds half a surrogate pair, which is not text: {text!r}"
                raise ImportFaultError(source.label_file, utterance.line, message)


def _finish(
    job: ImportJob,
    source: Path,
    target: str,
    staging: Staging,
    entries: list[Entry],
    problems: list[Problem],
    notes: list[Problem],
) -> list[Problem]:
    """Write the dataset's files and put them in place; return copies, add notes on other audio that is there twice."""
    root = staging.root
    staging.keep_only([entry.audio for entry in entries])
    how = f"{IMPORTED}{job.format}, {REGIONS_CHECKED}"
    how_made = f"{how}; kinds not given by the corpus are proposed by {job.given.rule.name}"
    info = DatasetInfo(
        name=job.given.name or target,
        version="1",
        licence=job.given.licence,
        source=f"{job.format}: {shown(Path(source.name))}",
        how_made=how_made,
    )
    (root / MANIFEST_FILE).write_text("".join(entry.line + "\n" for entry in entries), encoding="utf-8")
    (root / DATASET_FILE).write_text(info.to_json(), encoding="utf-8")
    recordings = Dataset.load(root).recordings  # what cannot be loaded is not put in place
    copies: list[Problem] = []
    for tie in tied_audio(recordings):
        if tie.message:
            told = Problem(file=recordings[tie.second].id, line=None, message=tie.message)
            (copies if tie.how == "samples" else notes).append(told)
    said = {
        "format": job.format,
        "n_imported": len(entries),
        "problems": [_as_object(problem) for problem in problems],
        "notes": [_as_object(note) for note in notes],
        "copies": [_as_object(copy) for copy in copies],
    }
    (root / REPORT_FILE).write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    staging.put_in_place()
    return copies


def _as_object(problem: Problem) -> dict[str, str | int | None]:
    return {"file": problem.file, "line": problem.line, "message": problem.message}
