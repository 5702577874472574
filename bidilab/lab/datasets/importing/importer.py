"""The import itself: one recording after the other, each whole or not at all, and the faults told at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bidilab.core.errors import AudioError, DatasetError, InvalidParameterError
from bidilab.core.units import samples_to_s
from bidilab.lab.datasets.dataset import Dataset
from bidilab.lab.datasets.importing.channels import AudioPlan, plan_audio, write_planned_audio
from bidilab.lab.datasets.importing.labelling import segments_of, whole_from
from bidilab.lab.datasets.importing.report import ImportResult
from bidilab.lab.datasets.importing.sources import ImportFaultError, SourceRecording, shown
from bidilab.lab.datasets.importing.staging import Entry, Staging, fingerprint_of
from bidilab.lab.datasets.manifest import DATASET_FILE, MANIFEST_FILE, DatasetInfo, Problem, manifest_line
from bidilab.lab.datasets.placing import check_target
from bidilab.lab.datasets.proposals import ProposalRule
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.safepaths import check_id
from bidilab.lab.datasets.validation import file_sha256, same_audio

__all__ = ["REPORT_FILE", "ImportJob", "check_places", "run_import"]

REPORT_FILE = "import.json"
_LONGEST_NAME_BYTES = 200
Scan = Callable[[Path, list[Problem]], list[SourceRecording]]
"""Finds the recordings of a corpus; faults that belong to no single recording are added to the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """What is imported, and how.

    Parameters
    ----------
    format
        Name of the format.
    scan
        Finds the recordings.
    rule
        How kinds are proposed.
    name, licence
        For ``dataset.json``.
    """

    format: str
    scan: Scan
    rule: ProposalRule
    name: str
    licence: str


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


def run_import(job: ImportJob, source: Path, dest: Path, *, force: bool, progress: bool) -> ImportResult:
    """Import a corpus.

    Parameters
    ----------
    job
        What and how.
    source
        The corpus: a folder, or a file of labels.
    dest
        The dataset's folder. It appears whole or not at all.
    force
        Replace an earlier dataset there.
    progress
        Show a progress bar.

    Raises
    ------
    InvalidParameterError
        If the source does not exist, or source and destination lie in one another.
    DatasetError
        If the destination is not to be replaced, or nothing could be imported; it then lists every problem.
    """
    from tqdm.auto import tqdm

    check_places(source, dest, force=force)
    dest.parent.mkdir(parents=True, exist_ok=True)
    problems: list[Problem] = []
    notes: list[Problem] = []
    found = _with_own_ids(job.scan(source, problems), problems)
    staging = Staging(dest)
    entries: list[Entry] = []
    n_taken_over = 0
    for recording in tqdm(found, desc=job.name, unit="rec", disable=not progress):
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
    notes += _repeated_audio(entries)
    _finish(job, source, staging, entries, problems, notes)
    return ImportResult(
        dataset=Dataset.load(dest), problems=tuple(problems), notes=tuple(notes), n_taken_over=n_taken_over
    )


def _repeated_audio(entries: list[Entry]) -> list[Problem]:
    """A note for each recording whose file has the digest of one before it."""
    notes = []
    first: dict[str, str] = {}
    for entry in entries:
        line = json.loads(entry.line)
        if (other := first.setdefault(line["sha256"], line["id"])) != line["id"]:
            notes.append(Problem(file=line["id"], line=None, message=same_audio(line["id"], other)))
    return notes


def _with_own_ids(found: list[SourceRecording], problems: list[Problem]) -> list[SourceRecording]:
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
    fingerprint = fingerprint_of(source, f"{job.format} {job.rule.name}")
    if (finished := staging.finished(fingerprint)) is not None:
        return finished, True
    _check_text(source)
    plan = plan_audio(source)
    begin = whole_from(source, sample_rate=plan.sample_rate, start=plan.start, n_samples=plan.n_samples, rule=job.rule)
    if begin > plan.start:  # a cut segment has no onset
        source = _begun_later(source, plan, begin)
        plan = plan_audio(source)
    segments = segments_of(
        source, sample_rate=plan.sample_rate, start=plan.start, n_samples=plan.n_samples, rule=job.rule
    )
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
                message = f"holds half a surrogate pair, which is no text: {text!r}"
                raise ImportFaultError(source.label_file, utterance.line, message)


def _finish(
    job: ImportJob,
    source: Path,
    staging: Staging,
    entries: list[Entry],
    problems: list[Problem],
    notes: list[Problem],
) -> None:
    root = staging.root
    staging.keep_only([entry.audio for entry in entries])
    how_made = f"bidilab datasets import {job.format}; kinds not given by the corpus are proposed by {job.rule.name}"
    info = DatasetInfo(
        name=job.name,
        version="1",
        licence=job.licence,
        source=f"{job.format}: {shown(Path(source.name))}",
        how_made=how_made,
    )
    (root / MANIFEST_FILE).write_text("".join(entry.line + "\n" for entry in entries), encoding="utf-8")
    (root / DATASET_FILE).write_text(info.to_json(), encoding="utf-8")
    said = {
        "format": job.format,
        "n_imported": len(entries),
        "problems": [_as_object(problem) for problem in problems],
        "notes": [_as_object(note) for note in notes],
    }
    (root / REPORT_FILE).write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    Dataset.load(root)  # what cannot be loaded is not put in place
    staging.put_in_place()


def _as_object(problem: Problem) -> dict[str, str | int | None]:
    return {"file": problem.file, "line": problem.line, "message": problem.message}
