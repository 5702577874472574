"""Reading the fields of a server's message: of the type they must have, or an `EventError` that names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bidilab.core.errors import EventError

__all__ = ["Message", "count_field", "object_field", "optional_text", "text_field"]

Message = Mapping[str, Any]


def _wrong(message: Message, key: str, expected: str) -> EventError:
    return EventError(f"{message.get('type')}: {key} must be {expected}, got {type(message.get(key)).__name__}")


def text_field(message: Message, key: str) -> str:
    """A string.

    Raises
    ------
    EventError
        If it is missing or something else.
    """
    if not isinstance(value := message.get(key), str):
        raise _wrong(message, key, "a string")
    return value


def optional_text(message: Message, key: str) -> str | None:
    """A string, or ``None`` when it is missing or null; `EventError` for anything else."""
    return None if message.get(key) is None else text_field(message, key)


def count_field(message: Message, key: str, default: int | None = None) -> int:
    """A whole number ``>= 0``; ``default``, if there is one, when it is missing or null.

    Raises
    ------
    EventError
        If it is missing without a default, or something else.
    """
    value = message.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(message, key, "a whole number >= 0")
    return value


def object_field(message: Message, key: str) -> Message:
    """An object; `EventError` when it is missing or something else."""
    if not isinstance(value := message.get(key), Mapping):
        raise _wrong(message, key, "an object")
    return value
