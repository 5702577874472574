"""Labelled sounds as clips for `datasets build`: what must not interrupt, to be mixed in by a recipe.

ESC-50 (Piczak 2015): ``meta/esc50.csv`` with the columns ``filename`` and ``category``, the sounds in ``audio/``; each
category becomes a folder. TEN-VAD's test set: beside each ``NAME.wav`` a ``NAME.scv`` of one line,
``NAME,start,end,label,start,end,label,…`` in seconds, label 1 for speech and 0 for none; each stretch becomes a file in
``speech`` or ``nonspeech``.
"""

from __future__ import annotations

import csv
import html
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bidilab.core.errors import AudioError, DatasetError
from bidilab.core.files import telling_of_a_full_disk
from bidilab.core.places import held
from bidilab.lab.datasets.importing.audiofiles import AUDIO_SUFFIXES, files_below
from bidilab.lab.datasets.importing.channels import at_full_scale, plan_audio, write_planned_audio
from bidilab.lab.datasets.importing.importer import check_places
from bidilab.lab.datasets.importing.options import Given, importer_of
from bidilab.lab.datasets.importing.sources import ChannelSource, ImportFaultError, SourceRecording, shown
from bidilab.lab.datasets.importing.staging import Entry, Staging, fingerprint_of
from bidilab.lab.datasets.importing.textlines import LabelSheet, numbered_lines, seconds, span
from bidilab.lab.datasets.manifest import Problem
from bidilab.lab.datasets.safepaths import PathGuard, UnsafePathError, check_id

__all__ = ["OPTIONS", "SUMMARY", "ClipsResult", "from_clips"]

SUMMARY = "labelled sounds (ESC-50, TEN-VAD) as clips for `datasets build`."
OPTIONS: tuple[str, ...] = ("full_scale", "limit", "licence")
CLIPS_FILE = "clips.json"
_ESC50 = "esc50.csv"
_FOLDERS = {"0": "nonspeech", "1": "speech"}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClipsResult:
    """A folder of clips, and everything that could not be imported.

    Parameters
    ----------
    root
        The folder: what a recipe's folders are relative to.
    clips
        Number of clips in each of its folders.
    problems
        One for each fault found, with file and line.
    """

    root: Path
    clips: dict[str, int]
    problems: tuple[Problem, ...]

    def __repr__(self) -> str:
        folders = ", ".join(f"{folder} ({n})" for folder, n in self.clips.items())
        lines = [f"{sum(self.clips.values())} clips in {len(self.clips)} folders: {folders}"]
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems)])

    def _repr_html_(self) -> str:
        return "<br>".join(html.escape(line) for line in repr(self).splitlines())


def _import(root: Path, target: Path, given: Given) -> ClipsResult:
    check_places(root, target, force=given.force, vouched_by=CLIPS_FILE)
    with held(target), telling_of_a_full_disk(target):
        return _import_held(root, target, given)


def _import_held(root: Path, target: Path, given: Given) -> ClipsResult:
    from tqdm import tqdm

    check_places(root, target, force=given.force, vouched_by=CLIPS_FILE)  # another may have made it meanwhile
    problems: list[Problem] = []
    found = [*_esc50(root, problems), *_ten_vad(root, problems)][: given.limit]
    staging = Staging(target)
    entries: dict[str, Entry] = {}
    for clip in tqdm(found, desc=target.name, unit="clip", disable=not given.progress):
        try:
            entry = _import_one(clip, staging, given)
        except AudioError as error:
            message = str(error).removeprefix(f"{clip.user.path}: ")
            problems.append(Problem(file=shown(clip.user.path, root), line=None, message=message))
            continue
        entries[entry.audio] = entry
    if not entries:
        staging.discard()
        raise DatasetError(f"{shown(root)}: nothing in it could be imported as clips", problems)
    staging.keep_only(entries)
    said = {
        "source": f"clips: {root.name}",
        "licence": given.licence,
        "problems": [{"file": p.file, "line": p.line, "message": p.message} for p in problems],
    }
    (staging.root / CLIPS_FILE).write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    staging.put_in_place()
    counts = Counter(name.partition("/")[0] for name in entries)
    return ClipsResult(root=target, clips=dict(sorted(counts.items())), problems=tuple(problems))


from_clips = importer_of(
    _import,
    name="clips",
    summary=SUMMARY,
    layout="The folder that is made holds ``CATEGORY/NAME.wav``, and is what ``datasets build`` takes as ``--clips``; "
    "a recipe names the categories as its folders. The licence is noted in ``clips.json``.",
    options=OPTIONS,
    source="A folder with ESC-50, with TEN-VAD's test set, or with both, at any depth.",
    result="ClipsResult",
    returns="The folder, and a problem for each fault; a clip with a fault is left out.",
)


def _import_one(clip: SourceRecording, staging: Staging, given: Given) -> Entry:
    fingerprint = fingerprint_of(clip, f"clips {given.full_scale}")
    if (finished := staging.finished(fingerprint)) is not None:
        return finished
    if given.full_scale is not None:
        clip = at_full_scale(clip, given.full_scale)
    plan = plan_audio(clip)
    name = f"{clip.id}{plan.suffix}"
    path = staging.root / name
    path.parent.mkdir(exist_ok=True)
    write_planned_audio(clip, plan, path)
    entry = Entry(fingerprint=fingerprint, audio=name, n_bytes=path.stat().st_size, line="", notes=[])
    staging.add(entry)
    return entry


def _esc50(root: Path, problems: list[Problem]) -> Iterator[SourceRecording]:
    for table in files_below(root, (_ESC50,), problems):
        sheet = LabelSheet(shown(table, root))
        guard = PathGuard(table.parent.parent)
        rows = csv.DictReader(line for _, line in numbered_lines(table, sheet))
        try:
            if rows.fieldnames is None or not {"filename", "category"} <= set(rows.fieldnames):
                sheet.fault("has no columns 'filename' and 'category'", line=1)
            else:
                yield from _esc50_rows(rows, guard, sheet)
        except csv.Error as error:
            sheet.fault(f"not CSV: {error}", line=rows.line_num)
        problems += sheet.problems


def _esc50_rows(rows: csv.DictReader[str], guard: PathGuard, sheet: LabelSheet) -> Iterator[SourceRecording]:
    for row in rows:
        name, category = row["filename"] or "", row["category"] or ""
        stem = Path(name).stem
        fault = check_id(category) or check_id(stem)
        if fault is None and not name.lower().endswith(AUDIO_SUFFIXES):
            fault = "must be that of an audio file"
        if fault is not None:
            sheet.fault(f"a name {fault}: {category!r}, {name!r}", line=rows.line_num)
            continue
        try:
            path = guard.file(f"audio/{name}")
        except UnsafePathError as error:
            sheet.fault(str(error), line=rows.line_num)
            continue
        yield SourceRecording(id=f"{category}/{stem}", user=ChannelSource(path=path))


def _ten_vad(root: Path, problems: list[Problem]) -> Iterator[SourceRecording]:
    guard = PathGuard(root)
    for labels in files_below(root, (".scv",), problems):
        file = shown(labels, root)
        try:
            audio = guard.file(labels.with_suffix(".wav").relative_to(root).as_posix())
        except UnsafePathError as error:
            problems.append(Problem(file=file, line=None, message=f"the audio beside it: {error}"))
            continue
        sheet = LabelSheet(file)
        lines = [line for _, line in numbered_lines(labels, sheet)]
        problems += sheet.problems
        try:
            stretches = [] if sheet.problems else list(_stretches(lines, file))
        except ImportFaultError as fault:
            problems.append(fault.problem)
            continue
        numbers: Counter[str] = Counter()
        for start, end, folder in stretches:
            numbers[folder] += 1
            name = f"{folder}/{labels.stem}-{numbers[folder]:03d}"
            yield SourceRecording(id=name, user=ChannelSource(path=audio), region_s=(start, end))


def _stretches(lines: list[str], file: str) -> Iterator[tuple[float, float, str]]:
    fields = [field.strip() for field in lines[0].split(",")][1:] if lines else []
    while fields and not fields[-1]:
        fields.pop()
    if not fields or len(fields) % 3:
        raise ImportFaultError(file, 1, "must be a name, and then start, end and label of each stretch")
    for index in range(0, len(fields), 3):
        try:
            start, end = span(seconds(fields[index]), seconds(fields[index + 1]))
        except ValueError as error:
            raise ImportFaultError(file, 1, f"stretch {index // 3 + 1}: {error}") from error
        if fields[index + 2] not in _FOLDERS:
            raise ImportFaultError(file, 1, f"stretch {index // 3 + 1}: the label is 0 or 1, not {fields[index + 2]!r}")
        if end > start:
            yield start, end, _FOLDERS[fields[index + 2]]
