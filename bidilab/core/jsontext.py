"""JSON that comes from outside: one reader, strict and with limits, whose error says what is wrong and where.

Python's own reads ``NaN``, keys that come twice and numbers that no double holds, gives up on deep nesting with a
``RecursionError``, and on long integers with an error that is none of JSON's.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from typing import Any

__all__ = ["MAX_DEPTH", "MAX_INTEGER_DIGITS", "JSONError", "json_decoder", "parse_json", "parse_json_object"]

MAX_DEPTH = 64
"""Deepest nesting of arrays and objects; what walks over them recursively needs a few frames for each."""

MAX_INTEGER_DIGITS = 300
"""Digits of the longest integer: beyond these it is no ``float`` any more."""

_SHOWN = 40
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


class JSONError(ValueError):
    """Not the JSON we accept.

    Parameters
    ----------
    reason
        Why not.
    line
        Line of the text, from 1, where that is known.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        self.reason, self.line = reason, line
        super().__init__(reason if line is None or line == 1 else f"line {line}: {reason}")


def parse_json(
    data: str | bytes | bytearray | memoryview,
    *,
    max_characters: int | None = None,
    unique_keys: bool = True,
    finite: bool = True,
) -> Any:
    """The value that a text holds.

    Parameters
    ----------
    data
        Text, or bytes in UTF-8.
    max_characters
        Length of the longest text; any by default.
    unique_keys
        Refuse an object that gives a key twice. A peer on a network may: its last one holds.
    finite
        Refuse ``NaN``, ``Infinity`` and what no ``float`` holds. Our own earlier files may have them.

    Raises
    ------
    JSONError
        If it is not JSON, a key is given twice, a number is not finite or too long, or it is nested too deeply.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json('{"a": NaN}')
    Traceback (most recent call last):
    bidilab.core.jsontext.JSONError: NaN is not a number in JSON
    """
    text = data if isinstance(data, str) else _decoded(bytes(data))
    if max_characters is not None and len(text) > max_characters:
        raise JSONError(f"not JSON we read: {len(text)} characters, at most {max_characters} are allowed")
    _check_depth(text)
    try:
        return json_decoder(unique_keys=unique_keys, finite=finite).decode(text)
    except json.JSONDecodeError as error:
        raise JSONError(f"not JSON: {error.msg} at column {error.colno}", error.lineno) from error
    except RecursionError as error:  # the caller is deep already
        raise JSONError("not JSON we read: nested too deeply") from error


def parse_json_object(
    data: str | bytes | bytearray | memoryview,
    *,
    max_characters: int | None = None,
    unique_keys: bool = True,
    finite: bool = True,
) -> dict[str, Any]:
    """The object that a text holds; otherwise as `parse_json`.

    Raises
    ------
    JSONError
        If it holds anything else.
    """
    value = parse_json(data, max_characters=max_characters, unique_keys=unique_keys, finite=finite)
    if not isinstance(value, dict):
        raise JSONError(f"expected a JSON object, got {type(value).__name__}")
    return value


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JSONError(f"not utf-8: {error.reason} at byte {error.start}") from error


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for found in _STRUCTURE.finditer(text):
        if (sign := found.group()[0]) in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise JSONError(
                    f"not JSON we read: nested too deeply, beyond {MAX_DEPTH}, at character {found.start() + 1}"
                )
        elif sign in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JSONError(f"the key {key[:_SHOWN]!r} is given twice")
            seen.add(key)
    return out


def _constant(name: str) -> float:
    raise JSONError(f"{name} is not a number in JSON")


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise JSONError(f"not JSON we read: an integer of {len(digits)} digits, {digits[:_SHOWN]}…")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise JSONError(f"not JSON we read: the number {digits[:_SHOWN]} is too large")
    return value


@cache
def json_decoder(*, unique_keys: bool = True, finite: bool = True) -> json.JSONDecoder:
    """A decoder for values in a longer text (``raw_decode``); but for the depth it has the limits of `parse_json`."""
    strict: dict[str, Any] = {"parse_constant": _constant, "parse_float": _float} if finite else {}
    return json.JSONDecoder(object_pairs_hook=_object if unique_keys else None, parse_int=_integer, **strict)
