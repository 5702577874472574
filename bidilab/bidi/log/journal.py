"""The journal: one JSON object a line, written as it happens, and read back as far as it is whole.

Each line goes out in one ``write`` on a descriptor opened for appending, and nothing is held back in the process, so
a process killed at any moment loses at most the line being written. (A machine that loses power may lose what its
system had not yet put on the disk.)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bidilab.core.errors import InvalidParameterError

__all__ = ["SOURCES", "DroppedLine", "JournalWriter", "LogRow", "read_journal"]

SOURCES = ("input", "detector", "model", "agent", "playback", "hook", "user", "error")


class LogRow(NamedTuple):
    """One event of a session (DESIGN §7). What does not apply is ``None``; ``detail`` is JSON text."""

    session_id: str
    seq: int
    t_s: float
    wall_time: datetime
    source: str
    type: str
    response_id: str | None = None
    item_id: str | None = None
    input_samples: int | None = None
    playback_samples: int | None = None
    reason: str | None = None
    stop_reason: str | None = None
    role: str | None = None
    text: str | None = None
    detail: str | None = None


class DroppedLine(NamedTuple):
    """A line of a journal that is not a whole row: its number from 1, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


_OPTIONAL = LogRow._fields[6:-1]
_INTEGERS = ("seq", "input_samples", "playback_samples")
_TEXTS = ("session_id", "source", "type", "response_id", "item_id", "reason", "stop_reason", "role", "text")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def row_line(row: LogRow) -> bytes:
    """The row as a line of the journal, newline included; what is ``None`` is left out."""
    fields: dict[str, Any] = {
        "session_id": row.session_id,
        "seq": row.seq,
        "t_s": row.t_s,
        "wall_time": row.wall_time.isoformat(),
        "source": row.source,
        "type": row.type,
    }
    fields |= {name: value for name, value in zip(_OPTIONAL, row[6:-1], strict=True) if value is not None}
    text = _encode(fields)
    if row.detail is not None:
        text = f'{text[:-1]},"detail":{row.detail}}}'  # it is JSON already
    return text.encode("utf-8") + b"\n"


class JournalWriter:
    """Appends rows to a file; a torn last line of an earlier process is ended first.

    Parameters
    ----------
    path
        The file; it and its folder are made when absent.

    Raises
    ------
    OSError
        If it cannot be opened, or a line cannot be written whole.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._descriptor: int | None = os.open(self.path, flags, 0o644)
        size = os.fstat(self._descriptor).st_size
        if size:
            os.lseek(self._descriptor, size - 1, os.SEEK_SET)
            if os.read(self._descriptor, 1) != b"\n":
                self._write(b"\n")

    def append(self, row: LogRow) -> None:
        """Write one row; when it returns, the system has it."""
        self._write(row_line(row))

    def _write(self, line: bytes) -> None:
        if self._descriptor is None:
            raise InvalidParameterError("journal", "open", "a closed one")
        written = os.write(self._descriptor, line)
        while written < len(line):  # a full disk or a signal; the error, if any, comes from the next write
            written += os.write(self._descriptor, line[written:])

    @property
    def closed(self) -> bool:
        """Whether it takes no more rows."""
        return self._descriptor is None

    def close(self) -> None:
        """Put all on the disk and close the file; twice is no error."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def read_journal(path: str | os.PathLike[str]) -> tuple[list[LogRow], list[DroppedLine]]:
    """All whole rows of a journal, and the lines that are none.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    rows: list[LogRow] = []
    dropped: list[DroppedLine] = []
    for number, line in _lines(Path(path)):
        try:
            rows.append(_row(line))
        except ValueError as error:
            torn = "" if line.endswith(b"\n") else "torn: "
            dropped.append(DroppedLine(number, f"{torn}{error} ({len(line)} bytes)"))
    return rows, dropped


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line != b"\n":
                yield number, line


def _row(line: bytes) -> LogRow:
    """The row of a line; `ValueError` says what is wrong with it."""
    fields = json.loads(line.decode("utf-8"))
    if not isinstance(fields, dict):
        raise ValueError(f"a JSON {type(fields).__name__}, not an object")  # noqa: TRY004 - one kind for a bad line
    if missing := [name for name in LogRow._fields[:6] if name not in fields]:
        raise ValueError(f"no {', '.join(missing)}")
    if unknown := fields.keys() - set(LogRow._fields):
        raise ValueError(f"unknown columns {', '.join(sorted(unknown))}")
    for name in _INTEGERS:
        if name in fields and type(fields[name]) is not int:
            raise ValueError(f"{name} is {fields[name]!r}, not a whole number")
    for name in _TEXTS:
        if name in fields and not isinstance(fields[name], str):
            raise ValueError(f"{name} is {fields[name]!r}, not text")
    if fields["source"] not in SOURCES:
        raise ValueError(f"source is {fields['source']!r}, not one of {', '.join(SOURCES)}")
    if isinstance(fields["t_s"], bool) or not isinstance(fields["t_s"], int | float):
        raise ValueError(f"t_s is {fields['t_s']!r}, not a number")  # noqa: TRY004
    fields["t_s"] = float(fields["t_s"])
    fields["wall_time"] = _wall_time(fields["wall_time"])
    if "detail" in fields:
        fields["detail"] = _encode(fields["detail"])
    return LogRow(**fields)


def _wall_time(text: object) -> datetime:
    wall_time = datetime.fromisoformat(text) if isinstance(text, str) else None
    if wall_time is None or wall_time.tzinfo is None:
        raise ValueError(f"wall_time is {text!r}, not an ISO 8601 date and time with a zone")
    return wall_time
