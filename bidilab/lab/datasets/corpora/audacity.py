"""Audacity label tracks, one file a recording.

Audacity manual, "Importing and Exporting Labels": ``start<TAB>end<TAB>label`` in seconds; a line that begins with a
backslash gives the frequencies of the label before it. A label is a kind of segment (``backchannel``) or a speaker
(``amy``), and after a colon what is said (``amy: yes please``). Point labels mark no stretch and are passed over.
"""

from __future__ import annotations

from pathlib import Path

from bidilab.lab.datasets.importing.labelformat import LabelFormat, label_importer
from bidilab.lab.datasets.importing.sources import Utterance
from bidilab.lab.datasets.importing.textlines import LabelSheet, numbered_lines, seconds, span

__all__ = ["FORMAT", "from_audacity"]


def parse(path: Path, sheet: LabelSheet) -> None:
    """Read a label track."""
    sheet.mention(path.stem)
    for number, line in numbered_lines(path, sheet):
        if not line.strip() or line.startswith("\\"):
            continue
        try:
            start, end, label = _fields(line)
        except ValueError as error:
            sheet.fault(str(error), line=number, recording=path.stem)
            continue
        if start == end:
            sheet.pass_over(path.stem, "point labels")
            continue
        title, _, text = (part.strip() for part in label.partition(":"))
        sheet.add(
            path.stem,
            Utterance(start_s=start, end_s=end, speaker=title, text=text or None, line=number),
        )


def _fields(line: str) -> tuple[float, float, str]:
    fields = line.split("\t", 2)
    if len(fields) < 3 or not fields[2].strip():
        raise ValueError("a label is start, end and text, with tabs between")
    # Some versions write the decimal comma of the language they run in.
    return *span(*(seconds(field.strip().replace(",", ".", 1)) for field in fields[:2])), fields[2]


FORMAT = LabelFormat(
    name="audacity", summary="Audacity label tracks, one for each recording.", suffixes=(".txt",), parse=parse
)
from_audacity = label_importer(
    FORMAT, "A line, with tabs: ``12.34  13.84  amy: yes please``, or a kind of segment in place of the speaker."
)
