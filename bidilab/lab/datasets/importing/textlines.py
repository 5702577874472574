"""Reading label files: lines, times and what is wrong with them, with file and line."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bidilab.lab.datasets.importing.audiofiles import without_audio_suffix
from bidilab.lab.datasets.importing.marks import is_silent_speaker, is_silent_text, is_unscored, says_silence
from bidilab.lab.datasets.importing.sources import ImportFaultError, SourceRecording, Utterance
from bidilab.lab.datasets.manifest import Problem

__all__ = [
    "LONGEST_S",
    "LabelSheet",
    "channel_number",
    "clock_seconds",
    "numbered_lines",
    "read_text",
    "seconds",
    "span",
]

LONGEST_S = 1e6
"""No recording is eleven days long: a time beyond it is a fault of the file."""
_LONGEST_LINE_BYTES = 1 << 20
_LARGEST_TEXT_BYTES = 1 << 26  # of a file that must be read whole: 64 MB hold the labels of some 1000 h
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:\.\d{1,9})?)", re.ASCII)


def seconds(text: str) -> float:
    """A time in seconds.

    Raises
    ------
    ValueError
        If it is not a decimal number in [0, 1e6]; says which.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number of seconds")
    value = float(text)
    if not (math.isfinite(value) and 0 <= value <= LONGEST_S):
        raise ValueError(f"{text} s is not in [0, {LONGEST_S:g}]")
    return value


def clock_seconds(text: str) -> float:
    """A time in seconds, given so or as ``h:m:s`` or ``m:s``; otherwise as `seconds`."""
    if (match := _CLOCK.fullmatch(text)) is None:
        return seconds(text)
    hours, minutes, rest = match.groups()
    return seconds(f"{int(hours or 0) * 3600 + int(minutes) * 60 + float(rest):.9f}")


def span(start_s: float, end_s: float) -> tuple[float, float]:
    """A start and an end in order.

    Raises
    ------
    ValueError
        If the end lies before the start.
    """
    if end_s < start_s:
        raise ValueError(f"ends at {end_s:g} s, before it starts ({start_s:g} s)")
    return start_s, end_s


def channel_number(text: str) -> int | None:
    """A channel as a number or a letter (NIST's ``A`` is 1); ``None`` where it names none.

    Who counts channels from 0 is found out by a 0 (`roles`).
    """
    if text.isascii() and text.isdigit() and len(text) <= 2:
        return int(text)
    return ord(text.upper()) - ord("A") + 1 if len(text) == 1 and text.isascii() and text.isalpha() else None


def numbered_lines(path: Path, sheet: LabelSheet) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file, from 1, without their ends; a line that cannot be read spoils the file.

    LF, CR LF and CR alone end a line.
    """
    with path.open(
        encoding="latin-1", newline=None
    ) as file:  # a character for each byte: each line is decoded by itself
        number = 0
        while raw := file.readline(_LONGEST_LINE_BYTES).encode("latin-1"):
            number += 1
            if number == 1:
                if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                    sheet.fault("is in UTF-16; save it as UTF-8")
                    return
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if len(raw) >= _LONGEST_LINE_BYTES and not raw.endswith(b"\n"):
                sheet.fault(f"the line is longer than {_LONGEST_LINE_BYTES} bytes", line=number)
                return
            try:
                yield number, raw.decode("utf-8").rstrip("\n")
            except UnicodeDecodeError as error:
                sheet.fault(f"not UTF-8: byte {error.start} of the line", line=number)


def read_text(path: Path, file: str) -> str:
    """A whole text file, UTF-8 or UTF-16 with its mark, with LF as the end of each line.

    Raises
    ------
    ImportFaultError
        If it is neither, or larger than 64 MB.
    """
    if path.stat().st_size > _LARGEST_TEXT_BYTES:
        raise ImportFaultError(file, None, f"is larger than {_LARGEST_TEXT_BYTES >> 20} MB")
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ImportFaultError(
            file, line, f"not {encoding.upper().removesuffix('-SIG')}: byte {error.start}"
        ) from error


class LabelSheet:
    """What one label file says, by recording.

    A fault spoils the recording it is in: what remained would look like a recording in which less is said. A fault
    that belongs to no recording spoils all of the file. ``call1.wav`` and ``call1`` name the same recording.

    Parameters
    ----------
    file
        Its name, as shown to people.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._speaker_files: dict[str, dict[str, Path]] = {}
        self._utterances: dict[str, list[Utterance]] = {}
        self._passed_over: dict[str, Counter[str]] = {}
        self._marks: dict[str, Counter[str]] = {}
        self._n_empty: Counter[str] = Counter()
        self._excluded: dict[str, list[tuple[float, float]]] = {}
        self._spoiled: set[str] = set()
        self._all_spoiled = False

    def add(self, recording: str, utterance: Utterance, *, is_word: bool = False) -> None:
        """Take an utterance of a recording, or one of its words.

        What marks silence is no speech, and what says that it does not count is excluded.
        """
        self.mention(recording)
        speaker, text = utterance.speaker, utterance.text
        if is_unscored(speaker, text) and not (speaker is not None and is_silent_speaker(speaker)):
            self.exclude(recording, utterance.start_s, utterance.end_s)
            return
        if (speaker is not None and is_silent_speaker(speaker)) or (text is not None and is_silent_text(text)):
            return
        if text is not None and says_silence(text, is_word=is_word):
            self._marks.setdefault(without_audio_suffix(recording), Counter())[text.strip()] += 1
            return
        if utterance.end_s == utterance.start_s:
            self._n_empty[without_audio_suffix(recording)] += 1
            return
        self._of(recording).append(utterance)

    def told_of(self, name: str, recording: SourceRecording) -> SourceRecording:
        """A recording made of what the file says of ``name``, with what is excluded and what its reader may wish to
        know.
        """
        marks = sorted(self._marks.get(name, Counter()).items())
        notes = [f"{n} label{'s' if n != 1 else ''} {mark!r} taken as silence" for mark, n in marks]
        if n_empty := self._n_empty[name]:
            notes.append(f"{n_empty} label{'s' if n_empty != 1 else ''} of no length left out")
        excluded = tuple(self._excluded.get(name, ()))
        return replace(recording, name=name, excluded=excluded, notes=(*notes, *recording.notes))

    def mention(self, recording: str) -> None:
        """Take a recording in which perhaps nothing is said."""
        self._of(recording)

    def pass_over(self, recording: str, what: str) -> None:
        """Take a recording that holds a label which says nothing of who speaks when (``what``, in the plural)."""
        self.mention(recording)
        self._passed_over.setdefault(without_audio_suffix(recording), Counter())[what] += 1

    def close(self) -> None:
        """End the file; a recording of which every label was passed over is a fault."""
        for name, passed in self._passed_over.items():
            if not self._utterances[name]:
                labels = ", ".join(f"{n} {what}" for what, n in sorted(passed.items()))
                self.fault(f"no label of {name!r} says who speaks when: {labels}", recording=name)

    def _of(self, recording: str) -> list[Utterance]:
        return self._utterances.setdefault(without_audio_suffix(recording), [])

    def exclude(self, recording: str, start_s: float, end_s: float) -> None:
        """Take a stretch of a recording that does not count."""
        self.mention(recording)
        self._excluded.setdefault(without_audio_suffix(recording), []).append((start_s, end_s))

    def own_file(self, recording: str, speaker: str, path: Path) -> None:
        """Take the audio of one speaker alone."""
        self._speaker_files.setdefault(without_audio_suffix(recording), {})[speaker] = path

    def speaker_files(self, recording: str) -> dict[str, Path]:
        """Audio of single speakers of a recording, where the corpus names it."""
        return self._speaker_files.get(recording, {})

    def fault(self, message: str, *, line: int | None = None, recording: str | None = None) -> None:
        """Note a fault, of one recording or of the whole file."""
        self.problems.append(Problem(file=self.file, line=line, message=message))
        if recording is None:
            self._all_spoiled = True
        else:
            self._spoiled.add(without_audio_suffix(recording))

    @property
    def names(self) -> tuple[str, ...]:
        """The recordings that the file names, with or without a fault."""
        return tuple(self._utterances)

    @property
    def recordings(self) -> dict[str, tuple[Utterance, ...]]:
        """The recordings without a fault."""
        if self._all_spoiled:
            return {}
        return {name: tuple(items) for name, items in self._utterances.items() if name not in self._spoiled}
