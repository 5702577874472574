"""eot-bench (LiveKit, github.com/livekit/eot-bench): a row of a Parquet file is one turn of a user.

Columns: ``id``, ``language``, ``audio`` (``{bytes, path}``), ``silence_spans`` (``[{start, end}]``, seconds, every
silence of at least 0.1 s); perhaps ``words`` (with ``end`` and a text) and ``messages``, which are passed over. The
last silence is the end of the turn, all others are pauses inside of it::

    audio     |■■■■■■■|........|■■■■■■■■■■■■|......|■■■■■|..........|
                        hold                   hold         eot
    segment   |------------------ turn -------------------|
    words     |-------|        |------------|      |-----|

The segment's words are the stretches of speech between the silences, with their words as text where the row has them:
so the pauses of a sweep are those of the benchmark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bidilab.core.parquetrows import parquet_rows
from bidilab.lab.datasets.importing.embedded import embedded_audio, written_audio
from bidilab.lab.datasets.importing.importer import ImportJob, ImportResult, check_places, run_import
from bidilab.lab.datasets.importing.options import Given, importer_of
from bidilab.lab.datasets.importing.sources import ChannelSource, ImportFaultError, SourceRecording, Utterance
from bidilab.lab.datasets.labels import Word
from bidilab.lab.datasets.manifest import Problem

__all__ = ["OPTIONS", "SUMMARY", "from_eotbench"]

SUMMARY = "eot-bench's Parquet files: a recording is one turn of a user, with its pauses."
OPTIONS: tuple[str, ...] = ("limit", "name", "licence")


def _import(source: Path, dest: Path, given: Given) -> ImportResult:
    check_places(source, dest, force=given.force)
    with embedded_audio(dest) as folder:
        job = ImportJob(format="eotbench", scan=partial(_scan, folder), given=given)
        return run_import(job, source, dest)


from_eotbench = importer_of(
    _import,
    name="eotbench",
    summary=SUMMARY,
    layout="The recordings have the tags ``language`` and ``turn`` (the row's id). The segment's words are the "
    "stretches of speech between the labelled silences.",
    options=OPTIONS,
    source="A folder with Parquet files at any depth, or one file.",
)


def _scan(folder: Path, root: Path, problems: list[Problem]) -> list[SourceRecording]:
    found = []
    for file, row in parquet_rows(root, ("id", "language", "audio", "silence_spans"), optional=("words",)):
        try:
            found.append(_recording(row, folder, file))
        except ImportFaultError as fault:
            problems.append(fault.problem)
    return found


def _recording(row: Mapping[str, Any], folder: Path, file: str) -> SourceRecording:
    name = str(row["id"])
    silences = _silences(row["silence_spans"], name, file)
    begin = silences[0][1] if silences[0][0] <= 0 else 0.0
    end = silences[-1][0]
    if end <= begin:
        raise ImportFaultError(file, None, f"{name}: nothing is said before the last silence")
    spoken = list(_between(silences, begin))
    return SourceRecording(
        id=name,
        user=ChannelSource(path=written_audio(row["audio"], folder, name, file)),
        utterances=(
            Utterance(
                start_s=begin,
                end_s=end,
                kind="turn",
                role="user",
                words=tuple(Word(*stretch, _text(row.get("words") or (), stretch)) for stretch in spoken),
            ),
        ),
        label_file=file,
        tags={"language": str(row["language"]), "turn": name},
    )


def _silences(given: Any, name: str, file: str) -> list[tuple[float, float]]:
    try:
        spans = [(float(span["start"]), float(span["end"])) for span in given]
    except (KeyError, TypeError, ValueError) as error:
        raise ImportFaultError(file, None, f"{name}: silence_spans are not [{{start, end}}]") from error
    if not spans:
        raise ImportFaultError(file, None, f"{name}: has no silence, so its turn does not end")
    before = 0.0
    for start, end in spans:
        if not (math.isfinite(end) and before <= start < end):
            raise ImportFaultError(file, None, f"{name}: silence_spans are not in order ({start} to {end} s)")
        before = end
    return spans


def _between(silences: Sequence[tuple[float, float]], begin: float) -> Iterator[tuple[float, float]]:
    """The stretches of speech before the last silence."""
    at = begin
    for start, end in silences:
        if start > at:
            yield at, start
        at = max(at, end)


def _text(words: Sequence[Mapping[str, Any]], stretch: tuple[float, float]) -> str:
    """Words that end in a stretch, or in the silence behind it up to the next; where they have no end, none."""
    start, end = stretch
    said = [
        str(word.get("word", word.get("text", ""))).strip()
        for word in words
        if word.get("end") is not None and start < float(word["end"]) <= end + _LATE_S
    ]
    return " ".join(part for part in said if part)


_LATE_S = 0.05
"""How much later than the sound a recogniser may put a word's end."""
