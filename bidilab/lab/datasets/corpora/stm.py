"""STM, segment time marks.

NIST SCTK, ``doc/infmts.htm``: ``file channel speaker start end [<label>] transcript``, and ``;;`` before a comment.
Lines of the speaker ``inter_segment_gap`` mark what is between segments and are passed over. What a line of the speaker
``excluded_region``, or with the transcript ``IGNORE_TIME_SEGMENT_IN_SCORING``, covers does not count: it is cut out.
"""

from __future__ import annotations

import re
from pathlib import Path

from bidilab.lab.datasets.importing.labelformat import LabelFormat, label_importer
from bidilab.lab.datasets.importing.sources import Utterance
from bidilab.lab.datasets.importing.textlines import LabelSheet, channel_number, numbered_lines, seconds, span

__all__ = ["FORMAT", "from_stm"]

_LABEL = re.compile(r"<[^<>\s]*>")


def parse(path: Path, sheet: LabelSheet) -> None:
    """Read an STM file."""
    for number, line in numbered_lines(path, sheet):
        fields = line.split(maxsplit=5)
        if not fields or line.startswith(";;"):
            continue
        try:
            start, end = _times(fields)
        except ValueError as error:
            sheet.fault(str(error), line=number, recording=fields[0] if len(fields) > 1 else None)
            continue
        sheet.add(
            fields[0],
            Utterance(
                start_s=start,
                end_s=end,
                speaker=fields[2],
                text=_text(fields[5] if len(fields) > 5 else ""),
                channel=channel_number(fields[1]),
                line=number,
            ),
        )


def _times(fields: list[str]) -> tuple[float, float]:
    if len(fields) < 5:
        raise ValueError(f"an STM line has at least 5 fields, this has {len(fields)}")
    return span(seconds(fields[3]), seconds(fields[4]))


def _text(rest: str) -> str | None:
    label = _LABEL.match(rest)
    text = (rest[label.end() :] if label else rest).strip()
    return text or None


FORMAT = LabelFormat(name="stm", summary="STM segment time marks (NIST SCTK).", suffixes=(".stm",), parse=parse)
from_stm = label_importer(FORMAT, "A line: ``call1 1 amy 12.34 13.84 <O,F0,F> yes please`` (start, end).")
