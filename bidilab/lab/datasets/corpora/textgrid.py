"""Praat TextGrids, in the long and the short text form, one file a recording.

Praat manual, "TextGrid file formats": a reader takes the free-standing numbers, the texts in double quotes (a quote
in them is doubled) and the flags in angle brackets, in order, and passes over everything else, so that both forms are
one. ``!`` begins a comment. Interval tiers are speakers, or kinds of segment when they bear the name of one; intervals
with a text are speech, but for marks of silence (`marks`). Point tiers and tiers of phones are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bidilab.lab.datasets.importing.labelformat import LabelFormat, label_importer
from bidilab.lab.datasets.importing.sources import ImportFaultError, Utterance
from bidilab.lab.datasets.importing.textlines import LabelSheet, read_text, seconds, span

__all__ = ["FORMAT", "from_textgrid"]

_TOKEN = re.compile(r'"(?P<text>[^"]*(?:""[^"]*)*)"|(?P<comment>![^\r\n]*)|(?P<word>[^\s"]+)|(?P<open>")')
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?%?", re.ASCII)
_SOUNDING = "sounding"  # Praat's word for where somebody speaks, when it segments a channel
_FILE_TYPES = ("ooTextFile", "ooTextFile short")  # the second is what an older Praat calls the short form
_WORDS_TIER = " - words"  # of the Montreal Forced Aligner, beside "NAME - phones"
_WORD_TIERS = ("words", "word")
_PHONE_TIERS = ("phones", "phone")


class _Token(NamedTuple):
    """A text, number or flag, and its line."""

    kind: str
    value: str
    line: int


def _tokens(content: str, file: str) -> Iterator[_Token]:
    line, counted = 1, 0
    for match in _TOKEN.finditer(content):
        line, counted = line + content.count("\n", counted, match.start()), match.start()
        if match["open"]:
            raise ImportFaultError(file, line, "a text that is opened with a quote is never closed")
        if match["text"] is not None:
            yield _Token("text", match["text"].replace('""', '"'), line)
        elif match["word"] and _NUMBER.fullmatch(match["word"]):
            yield _Token("number", match["word"], line)
        elif match["word"] in ("<exists>", "<absent>"):
            yield _Token("flag", match["word"], line)


class _Reader:
    """Takes tokens of the kind that must come next."""

    def __init__(self, content: str, file: str) -> None:
        self._tokens = _tokens(content, file)
        self._file = file
        self.line = 1

    def fault(self, message: str) -> ImportFaultError:
        return ImportFaultError(self._file, self.line, message)

    def take(self, kind: str, what: str) -> str:
        token = next(self._tokens, None)
        if token is None:
            raise self.fault(f"the file ends where {what} should stand")
        self.line = token.line
        if token.kind != kind:
            raise self.fault(f"{what} should stand here, not {token.value[:40]!r}")
        return token.value

    def time(self, what: str) -> float:
        try:
            return seconds(self.take("number", what))
        except ImportFaultError:
            raise
        except ValueError as error:
            raise self.fault(f"{what}: {error}") from error

    def count(self, what: str) -> int:
        value = self.take("number", what)
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise self.fault(f"{what} should be a count, not {value}")
        return int(value)


def parse(path: Path, sheet: LabelSheet) -> None:
    """Read a TextGrid."""
    reader = _Reader(read_text(path, sheet.file), sheet.file)
    for what, allowed in (("the file type", _FILE_TYPES), ("the class", ("TextGrid",))):
        if (value := reader.take("text", what)) not in allowed:
            raise reader.fault(f"not a TextGrid in text form: {what} is {value[:40]!r}, not {' or '.join(allowed)}")
    span(reader.time("the start"), reader.time("the end"))
    if reader.take("flag", "<exists>") != "<exists>":
        return
    sheet.mention(path.stem)
    for _ in range(reader.count("the number of tiers")):
        _read_tier(reader, sheet, path.stem)


def _read_tier(reader: _Reader, sheet: LabelSheet, recording: str) -> None:
    tier_class = reader.take("text", "the class of a tier")
    if tier_class not in ("IntervalTier", "TextTier"):
        raise reader.fault(f"a tier is an IntervalTier or a TextTier, not {tier_class!r}")
    name = reader.take("text", "the name of a tier").strip()
    reader.time("the start of a tier"), reader.time("the end of a tier")
    speaker = name.removesuffix(_WORDS_TIER).strip()
    of_words = name.lower().endswith(_WORD_TIERS)
    is_speech = not name.lower().endswith(_PHONE_TIERS)
    for _ in range(reader.count("the number of intervals")):
        start = reader.time("a time")
        if tier_class == "TextTier":
            reader.take("text", "the text of a point")
            sheet.pass_over(recording, "points")
            continue
        end = reader.time("the end of an interval")
        line = reader.line
        text = reader.take("text", "the text of an interval").strip()
        if end < start:
            raise reader.fault(f"an interval ends at {end:g} s, before it starts ({start:g} s)")
        if not is_speech:
            sheet.pass_over(recording, "intervals of phones")
        elif end > start and text:
            said = None if text.lower() == _SOUNDING and not of_words else text
            utterance = Utterance(start_s=start, end_s=end, speaker=speaker, text=said, line=line)
            sheet.add(recording, utterance, is_word=of_words)


FORMAT = LabelFormat(
    name="textgrid",
    summary="Praat TextGrids (long and short form), one for each recording.",
    suffixes=(".textgrid",),
    parse=parse,
)
from_textgrid = label_importer(FORMAT, "An interval tier for each speaker, or for each kind of segment.")
