"""CTM, time-marked words.

NIST SCTK, ``doc/infmts.htm``: ``file channel start duration word [confidence [type [speaker]]]``, the last two as in
the rich transcription evaluations; ``;;`` before a comment. Without a speaker the channel stands for one. Words are
what a recogniser or an aligner put out, so all labels made of them are proposals. Of alternatives
(``<ALT_BEGIN> … <ALT> … <ALT_END>``) the first is taken; sounds that are no words are passed over.
"""

from __future__ import annotations

from pathlib import Path

from bidilab.lab.datasets.importing.labelformat import LabelFormat, label_importer
from bidilab.lab.datasets.importing.sources import Utterance
from bidilab.lab.datasets.importing.textlines import LabelSheet, channel_number, numbered_lines, seconds

__all__ = ["FORMAT", "from_ctm"]

_NO_WORDS = ("non-lex", "noise", "misc")
_ALTERNATIVES = ("<ALT_BEGIN>", "<ALT>", "<ALT_END>")


def parse(path: Path, sheet: LabelSheet) -> None:
    """Read a CTM file."""
    taken = True  # outside of alternatives, or in the first of them
    for number, line in numbered_lines(path, sheet):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        if len(fields) == 5 and fields[4].upper() in _ALTERNATIVES and fields[2] == fields[3] == "*":
            taken = fields[4].upper() != "<ALT>"
            continue
        recording = fields[0] if len(fields) > 1 else None
        try:
            utterance = _word(fields, number)
        except ValueError as error:
            sheet.fault(str(error), line=number, recording=recording)
            continue
        sheet.mention(fields[0])
        if taken and utterance is not None:
            sheet.add(fields[0], utterance, is_word=True)


def _word(fields: list[str], number: int) -> Utterance | None:
    if not 5 <= len(fields) <= 8:
        raise ValueError(f"a CTM line has 5 to 8 fields, this has {len(fields)}")
    start = seconds(fields[2])
    end = seconds(f"{start + seconds(fields[3]):.9f}")
    if len(fields) > 6 and fields[6].lower() in _NO_WORDS:
        return None
    return Utterance(
        start_s=start,
        end_s=end,
        speaker=fields[7] if len(fields) > 7 else fields[1],
        text=fields[4],
        channel=channel_number(fields[1]),
        given=False,
        line=number,
    )


FORMAT = LabelFormat(name="ctm", summary="CTM time-marked words (NIST SCTK).", suffixes=(".ctm",), parse=parse)
from_ctm = label_importer(FORMAT, "A line: ``call1 A 12.34 0.31 yes 0.98`` (start, duration, word, confidence).")
