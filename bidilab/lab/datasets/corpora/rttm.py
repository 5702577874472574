"""RTTM, and the UEM that says which parts of a recording are labelled.

NIST, "The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan", appendix A: ten fields, of which the
last may be left out, ``type file channel start duration orthography subtype speaker confidence lookahead``, and ``;;``
before a comment. Only ``SPEAKER`` lines say who speaks when, and ``NOSCORE`` lines what does not count; lines of the
other types are known and passed over.
The UEM is read by `regions`.
"""

from __future__ import annotations

from pathlib import Path

from bidilab.lab.datasets.importing.audiofiles import files_below
from bidilab.lab.datasets.importing.labelformat import LabelFormat, label_importer
from bidilab.lab.datasets.importing.regions import Regions, read_uems
from bidilab.lab.datasets.importing.sources import Utterance
from bidilab.lab.datasets.importing.textlines import LabelSheet, channel_number, numbered_lines, seconds
from bidilab.lab.datasets.manifest import Problem

__all__ = ["FORMAT", "from_rttm"]

_NO_LABELS = "NO_RT_METADATA"  # says that a recording has no labels
_NO_SCORE = "NOSCORE"
OTHER_TYPES = frozenset(
    (
        "SEGMENT",
        _NO_SCORE,
        _NO_LABELS,
        "LEXEME",
        "NON-LEX",
        "NON-SPEECH",
        "FILLER",
        "EDIT",
        "IP",
        "SU",
        "CB",
        "A/P",
        "SPKR-INFO",
    )
)
_FIELDS = (9, 10)


def parse(path: Path, sheet: LabelSheet) -> None:
    """Read an RTTM file."""
    for number, line in numbered_lines(path, sheet):
        fields = line.split()
        if not fields or line.lstrip().startswith(";"):
            continue
        recording = fields[1] if len(fields) > 1 else None
        if fields[0] == _NO_SCORE and len(fields) > 4:
            try:
                start = seconds(fields[3])
                sheet.exclude(fields[1], start, seconds(f"{start + seconds(fields[4]):.9f}"))
            except ValueError as error:
                sheet.fault(str(error), line=number, recording=recording)
            continue
        if fields[0] in OTHER_TYPES:
            if recording is not None and fields[0] == _NO_LABELS:
                sheet.mention(recording)
            elif recording is not None:
                sheet.pass_over(recording, f"{fields[0]} lines")
            continue
        try:
            utterance = _utterance(fields, number)
        except ValueError as error:
            sheet.fault(str(error), line=number, recording=recording if fields[0] == "SPEAKER" else None)
            continue
        sheet.add(fields[1], utterance)


def _utterance(fields: list[str], number: int) -> Utterance:
    if fields[0] != "SPEAKER":
        raise ValueError(f"{fields[0]!r} is not a type of RTTM line")
    if len(fields) not in _FIELDS:
        raise ValueError(f"a SPEAKER line has 9 or 10 fields, this has {len(fields)}")
    start = seconds(fields[3])
    if fields[7] == "<NA>":
        raise ValueError("the line names no speaker")
    return Utterance(
        start_s=start,
        end_s=seconds(f"{start + seconds(fields[4]):.9f}"),
        speaker=fields[7],
        text=None if fields[5] == "<NA>" else fields[5],
        channel=channel_number(fields[2]),
        line=number,
    )


def read_regions(source: Path, problems: list[Problem]) -> Regions | None:
    """Regions of every UEM beside an RTTM file, or below a folder; ``None`` when there is no UEM."""
    if source.is_file():
        files = [path] if (path := source.with_suffix(".uem")).is_file() else []
    else:
        files = files_below(source, (".uem",), problems)
    return read_uems(files, source if source.is_dir() else source.parent, problems) if files else None


FORMAT = LabelFormat(
    name="rttm",
    summary="RTTM speaker turns, with a UEM where there is one.",
    suffixes=(".rttm",),
    parse=parse,
    regions=read_regions,
)
from_rttm = label_importer(FORMAT, "A line: ``SPEAKER call1 1 12.34 1.50 <NA> <NA> amy <NA> <NA>`` (start, duration).")
