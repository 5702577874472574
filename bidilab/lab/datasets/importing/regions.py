"""Which parts of a recording count: what a UEM scores, less what the labels exclude from scoring.

A UEM (NIST RT-09 evaluation plan, appendix A) has four fields, ``file channel start end``, and ``;;`` before a comment;
what it does not name on every channel does not count. Each part that counts becomes a recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

from bidilab.core.audiofile import audio_info
from bidilab.core.errors import AudioError
from bidilab.core.timeline import Interval, intersect, normalize, subtract, total
from bidilab.lab.datasets.importing.audiofiles import without_audio_suffix
from bidilab.lab.datasets.importing.labelling import check_end
from bidilab.lab.datasets.importing.sources import ImportFaultError, SourceRecording, Span, shown
from bidilab.lab.datasets.importing.textlines import LONGEST_S, LabelSheet, numbered_lines, seconds, span
from bidilab.lab.datasets.manifest import Problem

__all__ = ["Regions", "parts_that_count", "read_uems", "scored_regions"]

Regions = dict[str, dict[str, list[Span]]]
"""What a UEM scores, in seconds, by recording and by the UEM's own name of the channel."""

_PER_S = 1_000_000


def _timeline(spans: Iterable[Span]) -> tuple[Interval, ...]:
    return normalize(Interval(round(start * _PER_S), round(end * _PER_S)) for start, end in spans)


def scored_regions(
    uem: Mapping[str, Sequence[Span]] | None, excluded: Sequence[Span], duration_s: float
) -> tuple[list[Span], tuple[str, ...]]:
    """The parts of a recording that count, in order and disjoint, and notes on how they came about.

    Parameters
    ----------
    uem
        What counts on each channel; ``None`` when there is no UEM. What does not count on every channel that the UEM
        names does not count.
    excluded
        What the labels exclude.
    duration_s
        Length of the recording, seconds.
    """
    notes: list[str] = []
    whole = _timeline([(0.0, duration_s)])
    counted = whole
    if uem is not None:
        counted = reduce(intersect, map(_timeline, uem.values()), _timeline([(0.0, LONGEST_S)]))
        n_lines = sum(map(len, uem.values()))
        if n_lines > len(counted):
            regions = f"{len(counted)} region{'s' if len(counted) != 1 else ''}"
            notes.append(f"the UEM's {n_lines} lines are {regions} that count on every channel")
    if excluded:
        before = intersect(counted, whole)
        counted = subtract(before, _timeline(excluded))
        left_out_s = (total(before) - total(counted)) / _PER_S
        notes.append(f"left out {left_out_s:.3f} s that the labels exclude from scoring")
    return [(interval.start / _PER_S, interval.end / _PER_S) for interval in counted], tuple(notes)


def read_uems(files: Iterable[Path], root: Path, problems: list[Problem]) -> Regions:
    """The regions of all UEM files together; none when one of them has a fault, as it then vouches for nothing.

    Parameters
    ----------
    files
        The files.
    root
        What their names are shown relative to.
    problems
        Faults are added here.
    """
    regions: Regions = {}
    for path in files:
        sheet = LabelSheet(shown(path, root))
        for number, line in numbered_lines(path, sheet):
            fields = line.split()
            if not fields or line.lstrip().startswith(";"):
                continue
            try:
                recording, region = _region(fields)
            except ValueError as error:
                sheet.fault(str(error), line=number)
                continue
            regions.setdefault(recording, {}).setdefault(fields[1], []).append(region)
        problems += sheet.problems
        if sheet.problems:
            return {}
    return regions


def _region(fields: list[str]) -> tuple[str, Span]:
    if len(fields) != 4:
        raise ValueError(f"a UEM line has 4 fields, this has {len(fields)}")
    start, end = span(seconds(fields[2]), seconds(fields[3]))
    if start == end:
        raise ValueError("the region is empty")
    return without_audio_suffix(fields[0]), (start, end)


def parts_that_count(
    found: Iterable[SourceRecording], regions: Regions | None, problems: list[Problem]
) -> Iterator[SourceRecording]:
    """The recordings, each part of them that counts as one of its own; what does not count at all is a problem."""
    told: set[tuple[str, str]] = set()
    for recording in found:
        uem = None if regions is None else regions.get(recording.known_as, {})
        if uem is None and not recording.excluded:
            yield recording
            continue
        try:
            yield from _cut(recording, uem)
        except ImportFaultError as fault:  # told once of a recording that is several, one for each of its users
            if (recording.known_as, fault.problem.message) not in told:
                problems.append(fault.problem)
            told.add((recording.known_as, fault.problem.message))


def _cut(recording: SourceRecording, uem: Mapping[str, Sequence[Span]] | None) -> Iterator[SourceRecording]:
    file = recording.label_file or shown(recording.user.path)
    if uem == {}:
        message = f"{recording.known_as!r} is not in the UEM: no part of it counts as labelled"
        raise ImportFaultError(file, None, message)
    path = recording.user.path
    try:
        info = audio_info(path)
    except AudioError as error:
        raise ImportFaultError(shown(path), None, str(error).removeprefix(f"{path}: ")) from error
    duration_s = info.frames / info.samplerate
    regions, notes = scored_regions(uem, recording.excluded, duration_s)
    for utterance in recording.utterances if uem is None else ():
        check_end(recording, utterance, duration_s)
    if not regions:
        raise ImportFaultError(file, None, f"no part of {recording.known_as!r} counts: {'; '.join(notes)}")
    for number, region in enumerate(regions, start=1):
        name = recording.id if len(regions) == 1 else f"{recording.id}-{number}"
        yield replace(recording, id=name, region_s=region, notes=(*recording.notes, *notes))
