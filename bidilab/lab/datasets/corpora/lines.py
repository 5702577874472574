"""Label files of one label per line: Audacity's label tracks, NIST's STM and CTM, and plain transcripts.

Audacity manual, "Importing and Exporting Labels": ``start<TAB>end<TAB>label`` in seconds, one file per recording; a
line that begins with a backslash gives the frequencies of the label before it. A label is a kind of segment
(``backchannel``) or a speaker (``amy``), and after a colon what is said (``amy: yes please``). Point labels mark no
stretch and are passed over.

NIST SCTK, ``doc/infmts.htm``, segment time marks (STM): ``file channel speaker start end [<label>] transcript``, and
``;;`` before a comment. Lines of the speaker ``inter_segment_gap`` mark what is between segments and are passed over.
What a line of the speaker ``excluded_region``, or with the transcript ``IGNORE_TIME_SEGMENT_IN_SCORING``, covers does
not count: it is cut out.

The same, time-marked words (CTM): ``file channel start duration word [confidence [type [speaker]]]``, the last two as
in the rich transcription evaluations. Without a speaker the channel stands for one. Words are what a recogniser or an
aligner put out, so all labels made of them are proposals. Of alternatives (``<ALT_BEGIN> … <ALT> … <ALT_END>``) the
first is taken; sounds that are no words are passed over.

Plain transcripts, one file per recording, have the layout of the Fisher corpus (LDC2004T19), ``start end SPEAKER:
text``; ``#`` stands before a comment. Times are seconds or ``h:m:s``.
"""

from __future__ import annotations

import re
from pathlib import Path

from bidilab.lab.datasets.importing.labelformat import LabelFormat, label_importer
from bidilab.lab.datasets.importing.sources import Utterance
from bidilab.lab.datasets.importing.textlines import (
    LabelSheet,
    channel_number,
    clock_seconds,
    numbered_lines,
    seconds,
    span,
)

__all__ = [
    *("AUDACITY", "CTM", "STM", "TURNS"),
    *("from_audacity", "from_ctm", "from_stm", "from_turns"),
]


# ---- Audacity


def _read_audacity(path: Path, sheet: LabelSheet) -> None:
    """Read a label track."""
    sheet.mention(path.stem)
    for number, line in numbered_lines(path, sheet):
        if not line.strip() or line.startswith("\\"):
            continue
        try:
            start, end, label = _audacity_fields(line)
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


def _audacity_fields(line: str) -> tuple[float, float, str]:
    fields = line.split("\t", 2)
    if len(fields) < 3 or not fields[2].strip():
        raise ValueError("a label line is start, end and text, separated by tabs")
    # Some versions write the decimal comma of the language they run in.
    return *span(*(seconds(field.strip().replace(",", ".", 1)) for field in fields[:2])), fields[2]


AUDACITY = LabelFormat(
    name="audacity", summary="Audacity label tracks, one for each recording.", suffixes=(".txt",), parse=_read_audacity
)
from_audacity = label_importer(
    AUDACITY, "A line, with tabs: ``12.34  13.84  amy: yes please``, or a kind of segment in place of the speaker."
)


# ---- STM

_STM_LABEL = re.compile(r"<[^<>\s]*>")


def _read_stm(path: Path, sheet: LabelSheet) -> None:
    """Read an STM file."""
    for number, line in numbered_lines(path, sheet):
        fields = line.split(maxsplit=5)
        if not fields or line.startswith(";;"):
            continue
        try:
            start, end = _stm_times(fields)
        except ValueError as error:
            sheet.fault(str(error), line=number, recording=fields[0] if len(fields) > 1 else None)
            continue
        sheet.add(
            fields[0],
            Utterance(
                start_s=start,
                end_s=end,
                speaker=fields[2],
                text=_stm_text(fields[5] if len(fields) > 5 else ""),
                channel=channel_number(fields[1]),
                line=number,
            ),
        )


def _stm_times(fields: list[str]) -> tuple[float, float]:
    if len(fields) < 5:
        raise ValueError(f"an STM line has at least 5 fields, this has {len(fields)}")
    return span(seconds(fields[3]), seconds(fields[4]))


def _stm_text(rest: str) -> str | None:
    label = _STM_LABEL.match(rest)
    text = (rest[label.end() :] if label else rest).strip()
    return text or None


STM = LabelFormat(name="stm", summary="STM segment time marks (NIST SCTK).", suffixes=(".stm",), parse=_read_stm)
from_stm = label_importer(STM, "A line: ``call1 1 amy 12.34 13.84 <O,F0,F> yes please`` (start, end).")


# ---- CTM

_CTM_NO_WORDS = ("non-lex", "noise", "misc")
_CTM_ALTERNATIVES = ("<ALT_BEGIN>", "<ALT>", "<ALT_END>")


def _read_ctm(path: Path, sheet: LabelSheet) -> None:
    """Read a CTM file."""
    taken = True  # outside of alternatives, or in the first of them
    for number, line in numbered_lines(path, sheet):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        if len(fields) == 5 and fields[4].upper() in _CTM_ALTERNATIVES and fields[2] == fields[3] == "*":
            taken = fields[4].upper() != "<ALT>"
            continue
        recording = fields[0] if len(fields) > 1 else None
        try:
            utterance = _ctm_word(fields, number)
        except ValueError as error:
            sheet.fault(str(error), line=number, recording=recording)
            continue
        sheet.mention(fields[0])
        if taken and utterance is not None:
            sheet.add(fields[0], utterance, is_word=True)


def _ctm_word(fields: list[str], number: int) -> Utterance | None:
    if not 5 <= len(fields) <= 8:
        raise ValueError(f"a CTM line has 5 to 8 fields, this has {len(fields)}")
    start = seconds(fields[2])
    end = seconds(f"{start + seconds(fields[3]):.9f}")
    if len(fields) > 6 and fields[6].lower() in _CTM_NO_WORDS:
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


CTM = LabelFormat(name="ctm", summary="CTM time-marked words (NIST SCTK).", suffixes=(".ctm",), parse=_read_ctm)
from_ctm = label_importer(CTM, "A line: ``call1 A 12.34 0.31 yes 0.98`` (start, duration, word, confidence).")


# ---- plain transcripts

_TURN = re.compile(r"\s*(\S+)\s+(\S+)\s+([^:\s][^:]*?)\s*:(?:\s+(.*))?$")


def _read_turns(path: Path, sheet: LabelSheet) -> None:
    """Read a transcript."""
    sheet.mention(path.stem)
    for number, line in numbered_lines(path, sheet):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            utterance = _turn(line, number)
        except ValueError as error:
            sheet.fault(str(error), line=number, recording=path.stem)
            continue
        sheet.add(path.stem, utterance)


def _turn(line: str, number: int) -> Utterance:
    if (match := _TURN.match(line)) is None:
        raise ValueError("a line is 'start end SPEAKER: text'")
    start, end = span(clock_seconds(match[1]), clock_seconds(match[2]))
    return Utterance(start_s=start, end_s=end, speaker=match[3], text=(match[4] or "").strip() or None, line=number)


TURNS = LabelFormat(
    name="turns", summary="plain transcripts, 'start end SPEAKER: text'.", suffixes=(".txt",), parse=_read_turns
)
from_turns = label_importer(TURNS, "A line: ``12.34 13.84 A: yes please`` (start, end, speaker, text).")
