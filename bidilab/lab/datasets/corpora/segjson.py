"""SegLST and its relatives: JSON lists of segments, one file for any number of recordings.

SegLST (chime-utils, MeetEval): ``{"session_id", "speaker", "start_time", "end_time", "words"}``, times in seconds, as
numbers or strings. CHiME-5/6 and DiPCo write ``h:m:s``, by device in an object of which ``original`` or ``close-talk``
is taken; DiPCo and NOTSOFAR say ``speaker_id``, NOTSOFAR ``text`` and, in ``ct_wav_file_name``, the speaker's own
recording. CHiME's ``[redacted]`` does not count, and needs no speaker. Without a ``session_id`` the recording is named
as the file, or as its folder when the file is ``gt_transcription.json``. A file of one object a line is read too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bidilab.core.jsontext import JSONError, json_decoder
from bidilab.lab.datasets.importing.labelformat import LabelFormat, label_importer
from bidilab.lab.datasets.importing.marks import is_unscored
from bidilab.lab.datasets.importing.sources import ImportFaultError, Utterance
from bidilab.lab.datasets.importing.textlines import LabelSheet, clock_seconds, read_text, span
from bidilab.lab.datasets.safepaths import PathGuard, UnsafePathError

__all__ = ["FORMAT", "from_segjson", "json_items"]

_SPEAKER, _TEXT = ("speaker", "speaker_id"), ("words", "text")
_CLOCKS = ("original", "close-talk")
_NAMED_BY_FOLDER = "gt_transcription"
_BLANK = " \t\r\n,"


def json_items(content: str, file: str) -> Iterator[tuple[int, Any]]:
    """The items of a JSON list, or of a file of one value a line, each with the line it begins on.

    Raises
    ------
    ImportFaultError
        If it is not JSON from there on.
    """
    decoder = json_decoder()
    position = _after_blanks(content, 0)
    in_list = content[position : position + 1] == "["
    position += in_list
    line, counted = 1, 0
    while True:
        position = _after_blanks(content, position)
        line, counted = line + content.count("\n", counted, position), position
        if position >= len(content):
            if in_list:
                raise ImportFaultError(file, line, "not JSON: the list is never closed")
            return
        if in_list and content[position] == "]":
            return
        try:
            item, position = decoder.raw_decode(content, position)
        except json.JSONDecodeError as error:
            raise ImportFaultError(file, error.lineno, f"not JSON: {error.msg} at column {error.colno}") from error
        except JSONError as error:
            raise ImportFaultError(file, line, error.reason) from error
        except RecursionError as error:
            raise ImportFaultError(file, line, "not JSON we read: nested too deeply") from error
        yield line, item


def _after_blanks(content: str, position: int) -> int:
    while position < len(content) and content[position] in _BLANK:
        position += 1
    return position


def parse(path: Path, sheet: LabelSheet) -> None:
    """Read a file of segments."""
    default = path.parent.name if path.stem == _NAMED_BY_FOLDER else path.stem
    guard = PathGuard(path.parent)
    for line, item in json_items(read_text(path, sheet.file), sheet.file):
        if not isinstance(item, dict):
            sheet.fault(f"a segment is an object, not {type(item).__name__}", line=line)
            continue
        recording = item.get("session_id", default)
        if not isinstance(recording, str) or not recording:
            sheet.fault("session_id is not a name", line=line)
            continue
        try:
            utterance = _utterance(item, line)
            own_file = _first(item, ("ct_wav_file_name",))
            if own_file is not None and utterance.speaker is not None:
                sheet.own_file(recording, utterance.speaker, guard.file(own_file))
        except (ValueError, UnsafePathError) as error:
            sheet.fault(str(error), line=line, recording=recording)
            continue
        sheet.add(recording, utterance)


def _utterance(item: dict[str, Any], line: int) -> Utterance:
    speaker = _first(item, _SPEAKER)
    text = _first(item, _TEXT)
    if speaker is None and not is_unscored(None, text):
        raise ValueError("names no speaker ('speaker' or 'speaker_id')")
    start, end = span(_time(item, "start_time"), _time(item, "end_time"))
    return Utterance(start_s=start, end_s=end, speaker=speaker, text=(text or "").strip() or None, line=line)


def _first(item: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        value = item.get(key)
        if value is not None:
            if not isinstance(value, str):
                raise ValueError(f"{key} is not a text: {value!r:.60}")
            return value
    return None


def _time(item: dict[str, Any], key: str) -> float:
    value = item.get(key)
    if isinstance(value, dict):
        value = next((value[clock] for clock in _CLOCKS if clock in value), None)
        if value is None:
            raise ValueError(f"{key} has no time by {' or '.join(_CLOCKS)}")
    try:
        return clock_seconds(value if isinstance(value, str) else repr(value)[:60])
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


FORMAT = LabelFormat(
    name="segjson",
    summary="segments in JSON (SegLST, CHiME, DiPCo, NOTSOFAR).",
    suffixes=(".json", ".jsonl"),
    parse=parse,
)
from_segjson = label_importer(
    FORMAT,
    'An item: ``{"session_id": "S1", "speaker": "P1", "start_time": "12.3", "end_time": "13.8", "words": "yes"}``.',
)
