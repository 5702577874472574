"""Plain transcripts with times, ``start end SPEAKER: text``, one file a recording.

The layout of the Fisher corpus (LDC2004T19); ``#`` stands before a comment. Times are seconds or ``h:m:s``.
"""

from __future__ import annotations

import re
from pathlib import Path

from bidilab.lab.datasets.importing.labelformat import LabelFormat, label_importer
from bidilab.lab.datasets.importing.sources import Utterance
from bidilab.lab.datasets.importing.textlines import LabelSheet, clock_seconds, numbered_lines, span

__all__ = ["FORMAT", "from_turns"]

_LINE = re.compile(r"\s*(\S+)\s+(\S+)\s+([^:\s][^:]*?)\s*:(?:\s+(.*))?$")


def parse(path: Path, sheet: LabelSheet) -> None:
    """Read a transcript."""
    sheet.mention(path.stem)
    for number, line in numbered_lines(path, sheet):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            utterance = _utterance(line, number)
        except ValueError as error:
            sheet.fault(str(error), line=number, recording=path.stem)
            continue
        sheet.add(path.stem, utterance)


def _utterance(line: str, number: int) -> Utterance:
    if (match := _LINE.match(line)) is None:
        raise ValueError("a line is 'start end SPEAKER: text'")
    start, end = span(clock_seconds(match[1]), clock_seconds(match[2]))
    return Utterance(start_s=start, end_s=end, speaker=match[3], text=(match[4] or "").strip() or None, line=number)


FORMAT = LabelFormat(
    name="turns", summary="plain transcripts, 'start end SPEAKER: text'.", suffixes=(".txt",), parse=parse
)
from_turns = label_importer(FORMAT, "A line: ``12.34 13.84 A: yes please`` (start, end, speaker, text).")
