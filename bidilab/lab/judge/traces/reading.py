"""Bytes of a trace file to JSON objects, with where each stood: what is broken is named, and the rest goes on."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bidilab.core.jsontext import JSONError, parse_json_object
from bidilab.lab.judge.traces.trace import TraceError

__all__ = ["MAX_FILE_BYTES", "Fields", "Problems", "json_document", "json_lines", "unix_s"]

MAX_FILE_BYTES = 1 << 30
"""A longer file is refused: no call's trace has a gigabyte, audio inside included."""
MAX_LINE_BYTES = 1 << 24
MAX_PROBLEMS = 1000


@dataclass(slots=True)
class Problems:
    """What was passed over, up to so many; the rest is counted."""

    said: list[str] = field(default_factory=list)
    n_more: int = 0

    def add(self, where: str, what: str) -> None:
        """Note a problem."""
        if len(self.said) < MAX_PROBLEMS:
            self.said.append(f"{where}: {what}")
        else:
            self.n_more += 1

    def all(self) -> tuple[str, ...]:
        """Every problem, and how many more there were."""
        return (*self.said, *([f"and {self.n_more:,} more"] if self.n_more else []))


class Fields:
    """A JSON object of a trace, asked for its fields by type; a required one that is missing names where.

    Parameters
    ----------
    body
        The object.
    where
        File and line, for errors.
    """

    __slots__ = ("body", "where")

    def __init__(self, body: Mapping[str, Any], where: str) -> None:
        self.body = body
        self.where = where

    def get(self, name: str) -> Any:
        """A field, or ``None``."""
        return self.body.get(name)

    def text(self, name: str) -> str:
        """A required string.

        Raises
        ------
        TraceError
            If it is missing or no string.
        """
        value = self.body.get(name)
        if not isinstance(value, str):
            raise TraceError(f"{self.where}: needs {name!r}, a string; it has {_shown(value)}")
        return value

    def number(self, name: str) -> float:
        """A required finite number.

        Raises
        ------
        TraceError
            If it is missing or none.
        """
        value = self.body.get(name)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                value = None
        if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
            raise TraceError(f"{self.where}: needs {name!r}, a number; it has {_shown(self.body.get(name))}")
        return float(value)

    def optional_number(self, name: str) -> float | None:
        """A finite number, or ``None`` where it is absent or null."""
        return None if self.body.get(name) is None else self.number(name)

    def object(self, name: str) -> Fields:
        """A required object.

        Raises
        ------
        TraceError
            If it is missing or none.
        """
        value = self.body.get(name)
        if not isinstance(value, Mapping):
            raise TraceError(f"{self.where}: needs {name!r}, an object; it has {_shown(value)}")
        return Fields(value, f"{self.where}, {name}")

    def optional_object(self, name: str) -> Fields:
        """An object; an empty one where it is absent or of another type."""
        value = self.body.get(name)
        return Fields(value if isinstance(value, Mapping) else {}, f"{self.where}, {name}")

    def objects(self, name: str) -> list[Fields]:
        """The objects of a list; nothing where it is absent."""
        value = self.body.get(name)
        found = value if isinstance(value, list) else []
        return [Fields(one, f"{self.where}, {name}[{k}]") for k, one in enumerate(found) if isinstance(one, Mapping)]


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of a thousand digits
        return False


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def json_document(path: Path) -> Fields:
    """Read a file that is one JSON object.

    Raises
    ------
    TraceError
        If it is too large, no JSON, nested too deeply, or no object.
    """
    data = _bytes(path)
    try:
        return Fields(parse_json_object(data.removeprefix(codecs.BOM_UTF8)), path.name)
    except JSONError as error:
        raise TraceError(f"{path.name}: {error}") from error


def json_lines(path: Path, problems: Problems) -> Iterator[Fields]:
    """Read a file of one JSON object per line; lines that are none are noted and passed over.

    Raises
    ------
    TraceError
        If the file is too large.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise TraceError(f"{path.name}: {path.stat().st_size:,} bytes, at most {MAX_FILE_BYTES:,} are read")
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            where = f"{path.name}, line {number}"
            if len(line) > MAX_LINE_BYTES:
                problems.add(where, f"longer than {MAX_LINE_BYTES:,} bytes")
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE_BYTES)
                continue
            if not line.strip():
                continue
            try:
                yield Fields(parse_json_object(line.removeprefix(codecs.BOM_UTF8)), where)
            except JSONError as error:
                problems.add(where, error.reason)


def _bytes(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise TraceError(f"{path.name}: {size:,} bytes, at most {MAX_FILE_BYTES:,} are read")
    return path.read_bytes()


def unix_s(text: str, where: str) -> float:
    """Seconds since 1970 of an ISO time; one without a zone is taken for UTC.

    Raises
    ------
    TraceError
        If it is no time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TraceError(f"{where}: needs an ISO time, it has {_shown(text)}") from error
    if moment.tzinfo is None:
        moment = datetime.fromisoformat(f"{text}+00:00")
    return moment.timestamp()
