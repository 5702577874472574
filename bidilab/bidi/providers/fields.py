"""Read the fields of a service's message; a field of the wrong type raises an `EventError` that names it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bidilab.core.errors import EventError

__all__ = ["Fields"]


@dataclass(frozen=True, slots=True)
class Fields:
    """A message, or an object within it.

    Parameters
    ----------
    name
        Name of the message in errors.
    body
        The fields, unread.

    Examples
    --------
    >>> message = Fields("response.done", {"response": {"id": "r1", "usage": None}})
    >>> message.object("response").text("id")
    'r1'
    >>> message.text("event_id")
    Traceback (most recent call last):
    bidilab.core.errors.EventError: response.done: event_id must be a string, got NoneType
    """

    name: str
    body: Mapping[str, Any]

    def wrong(self, key: str, expected: str) -> EventError:
        """Return the error that says what a field must be."""
        return EventError(f"{self.name}: {key} must be {expected}, got {type(self.body.get(key)).__name__}")

    def get(self, key: str) -> Any:
        """Return the value as it came; ``None`` when it is missing."""
        return self.body.get(key)

    def text(self, key: str) -> str:
        """Return a string; raise `EventError` when it is missing or something else."""
        if not isinstance(value := self.body.get(key), str):
            raise self.wrong(key, "a string")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a string, or ``None`` when it is missing or null; raise `EventError` for anything else."""
        return None if self.body.get(key) is None else self.text(key)

    def count(self, key: str, default: int | None = None) -> int:
        """Return a whole number ``>= 0``, or ``default`` when it is missing or null; raise `EventError` otherwise."""
        value = self.body.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.wrong(key, "a whole number >= 0")
        return value

    def object(self, key: str, *, optional: bool = False) -> Self:
        """Return an object; an empty one when it is ``optional`` and missing or null; raise `EventError` otherwise."""
        value = self.body.get(key)
        if value is None and optional:
            value = {}
        if not isinstance(value, Mapping):
            raise self.wrong(key, "an object")
        return type(self)(f"{self.name}.{key}", value)

    def objects(self, key: str) -> list[Self]:
        """Return the objects of a list, none when it is missing or null; raise `EventError` for anything else."""
        value = self.body.get(key)
        if value is not None and (not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value)):
            raise self.wrong(key, "a list of objects")
        return [type(self)(f"{self.name}.{key}", one) for one in value or ()]

    def base64(self, key: str) -> bytes:
        """Return the bytes of a base64 string; raise `EventError` when it is missing or something else."""
        text = self.text(key)
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise EventError(f"{self.name}: {key} is not base64 ({error})") from error
