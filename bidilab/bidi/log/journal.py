"""The journal: one JSON object per line, written as it happens, and read back as far as it is whole.

Each line goes out in one ``write`` on a descriptor opened for appending, and nothing is held back in the process, so
a process killed at any moment loses at most the line being written. (A machine that loses power may lose what its
system had not yet put on the disk.)

A line has the columns of `LogRow`; what is ``None`` is left out. Until the first sample of the user's audio comes,
nobody knows where ``t_s`` is 0: such a line has ``{"from_start": {"t_s": …, "at_s": …}}``, counted from the start of
the session, in the place of ``t_s`` and ``at_s``. The row `INPUT_STARTED` then says in its detail, ``from_start_s``,
where the first sample lies on that count, and `read_journal` moves the earlier rows to where they belong. A session
that hears no audio keeps counting from its start.

Older journals have no ``at_s`` (it is then ``t_s``) and no such row: they are read as they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bidilab.core.errors import InvalidParameterError, PlaceHeldError
from bidilab.core.files import telling_of_a_full_disk
from bidilab.core.jsontext import parse_json_object
from bidilab.core.places import lock_descriptor

__all__ = ["INPUT_STARTED", "SOURCES", "DroppedLine", "JournalWriter", "LogRow", "read_journal"]

SOURCES = ("input", "detector", "model", "agent", "playback", "hook", "user", "error")

INPUT_STARTED = "input_started"
"""Type of the row that says that the first sample of the user's audio came, and where on the session's clock."""


class LogRow(NamedTuple):
    """One event of a session (DESIGN §7). What does not apply is ``None``; ``detail`` is JSON text.

    ``t_s`` is when the row was written, ``at_s`` is when the event happened: see `bidilab.bidi.log.eventlog`.
    """

    session_id: str
    seq: int
    t_s: float
    at_s: float
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

    def said(self) -> dict[str, Any]:
        """The detail, decoded; empty where there is none."""
        detail: dict[str, Any] = {} if self.detail is None else json.loads(self.detail)
        return detail

    def counted_from(self, zero_s: float) -> LogRow:
        """The same row on the same clock, whose 0 now lies at ``zero_s``."""
        return self._replace(t_s=self.t_s - zero_s, at_s=self.at_s - zero_s)


class DroppedLine(NamedTuple):
    """A line of a journal that is not a whole row: its number from 1, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


_REQUIRED = ("session_id", "seq", "t_s", "wall_time", "source", "type")
_OPTIONAL = LogRow._fields[7:-1]
_TIMES = ("t_s", "at_s")
_INTEGERS = ("seq", "input_samples", "playback_samples")
_TEXTS = ("session_id", "source", "type", "response_id", "item_id", "reason", "stop_reason", "role", "text")
_INT64_MAX = 2**63 - 1
_YEARS = (1678, 2262)  # what datetime64[ns] holds
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def row_line(row: LogRow, *, from_start: bool = False) -> bytes:
    """The row as a line of the journal, newline included; what is ``None`` is left out.

    Parameters
    ----------
    row
        The row.
    from_start
        Whether its times still count from the start of the session.
    """
    times = {"t_s": row.t_s, "at_s": row.at_s}
    fields: dict[str, Any] = {
        "session_id": row.session_id,
        "seq": row.seq,
        **({"from_start": times} if from_start else times),
        "wall_time": row.wall_time.isoformat(),
        "source": row.source,
        "type": row.type,
    }
    fields |= {name: value for name, value in zip(_OPTIONAL, row[7:-1], strict=True) if value is not None}
    text = _encode(fields)
    if row.detail is not None:
        text = f'{text[:-1]},"detail":{row.detail}}}'  # it is JSON already
    return text.encode("utf-8") + b"\n"


class JournalWriter:
    """Appends rows to a file; a torn last line, of an earlier process or of a write that failed, is ended first.

    Parameters
    ----------
    path
        The file; it and its folder are made when absent.

    Raises
    ------
    PlaceHeldError
        If another process, or another log, appends to it.
    DiskFullError
        If the disk has no room for a line; the rows before it are there.
    OSError
        If it cannot be opened, or a line cannot be written whole.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._torn = False
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._descriptor: int | None = os.open(self.path, flags, 0o644)
        if lock_descriptor(self._descriptor) is False:
            os.close(self._descriptor)
            raise PlaceHeldError(self.path, {})
        self._size = os.fstat(self._descriptor).st_size
        if self._size:
            os.lseek(self._descriptor, self._size - 1, os.SEEK_SET)
            self._torn = os.read(self._descriptor, 1) != b"\n"

    def append(self, row: LogRow, *, from_start: bool = False) -> None:
        """Write one row, as `row_line`; when it returns, the system has it."""
        self._write(row_line(row, from_start=from_start))

    def _write(self, line: bytes) -> None:
        if self._descriptor is None:
            raise InvalidParameterError("journal", "open", "a closed one")
        whole = b"\n" + line if self._torn else line
        written = 0
        try:
            with telling_of_a_full_disk(self.path):
                while written < len(whole):  # a full disk or a signal; the error, if any, comes from the next write
                    written += os.write(self._descriptor, whole[written:])
        except BaseException:
            if written:
                self._take_back()
            raise
        self._size += written
        self._torn = False

    def _take_back(self) -> None:
        """Take off what was written of a row that is refused; where that cannot be, the next one ends its line."""
        assert self._descriptor is not None  # it was written to
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self._torn = True

    @property
    def closed(self) -> bool:
        """Whether it takes no more rows."""
        return self._descriptor is None

    def close(self) -> None:
        """Put all on the disk and close the file; twice is no error."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            try:
                with telling_of_a_full_disk(self.path):
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)


def read_journal(path: str | os.PathLike[str]) -> tuple[list[LogRow], list[DroppedLine]]:
    """Read all whole rows of a journal, on their session's clock, and the lines that are no rows.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    rows: list[LogRow] = []
    dropped: list[DroppedLine] = []
    from_start: dict[str, list[int]] = {}
    for number, line in _lines(Path(path)):
        try:
            fields = _fields(line)
            row, zero_s = _row(fields), _zero_s(fields)
        except ValueError as error:
            torn = "" if line.endswith(b"\n") else "torn: "
            dropped.append(DroppedLine(number, f"{torn}{error} ({len(line)} bytes)"))
            continue
        if "from_start" in fields:
            from_start.setdefault(row.session_id, []).append(len(rows))
        elif zero_s is not None:
            for place in from_start.pop(row.session_id, ()):
                rows[place] = rows[place].counted_from(zero_s)
        rows.append(row)
    return rows, dropped


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line != b"\n":
                yield number, line


def _fields(line: bytes) -> dict[str, Any]:
    """Return the fields of a line, with its times; raise `ValueError` that says what is wrong."""
    fields = parse_json_object(line)
    times = fields.get("from_start", fields)
    if not isinstance(times, dict):
        raise ValueError(f"from_start is {times!r}, not an object")  # noqa: TRY004
    if missing := [name for name in _REQUIRED if name not in (times if name == "t_s" else fields)]:
        raise ValueError(f"no {', '.join(missing)}")
    for name in _TIMES:
        time_s = times.get(name, times["t_s"])
        if isinstance(time_s, bool) or not isinstance(time_s, int | float):
            raise ValueError(f"{name} is {time_s!r}, not a number")  # noqa: TRY004
        fields[name] = float(time_s)
    return fields


def _row(fields: Mapping[str, Any]) -> LogRow:
    """Return the row that a line's fields describe; raise `ValueError` that says what is wrong."""
    columns = {name: value for name, value in fields.items() if name != "from_start"}
    if unknown := columns.keys() - set(LogRow._fields):
        raise ValueError(f"unknown columns {', '.join(sorted(unknown))}")
    for name in _INTEGERS:
        if name in columns and (type(columns[name]) is not int or abs(columns[name]) > _INT64_MAX):
            raise ValueError(f"{name} is {str(columns[name])[:40]}, not a whole number of 64 bits")
    for name in _TEXTS:
        if name in columns and not isinstance(columns[name], str):
            raise ValueError(f"{name} is {columns[name]!r}, not text")
    if columns["source"] not in SOURCES:
        raise ValueError(f"source is {columns['source']!r}, not one of {', '.join(SOURCES)}")
    columns["wall_time"] = _wall_time(columns["wall_time"])
    if "detail" in columns:
        if not isinstance(columns["detail"], dict):
            raise ValueError(f"detail is a JSON {type(columns['detail']).__name__}, not an object")
        columns["detail"] = _encode(columns["detail"])
    return LogRow(**columns)


def _zero_s(fields: Mapping[str, Any]) -> float | None:
    """Return where the session's zero lies, counted from its start, if this line says so."""
    zero_s = fields.get("detail", {}).get("from_start_s") if fields["type"] == INPUT_STARTED else None
    if zero_s is not None and (isinstance(zero_s, bool) or not isinstance(zero_s, int | float)):
        raise ValueError(f"from_start_s is {zero_s!r}, not a number")
    return zero_s


def _wall_time(text: object) -> datetime:
    wall_time = datetime.fromisoformat(text) if isinstance(text, str) else None
    if wall_time is None or wall_time.tzinfo is None or not _YEARS[0] < wall_time.year < _YEARS[1]:
        raise ValueError(f"wall_time is {text!r}, not an ISO 8601 date and time with a zone")
    return wall_time
