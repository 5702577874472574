"""Events of Nova Sonic as they come: ``{"event": {name: {…}}}``, read field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bidilab.core.errors import EventError

__all__ = ["NovaEvent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaEvent:
    """One event of the service, its body unread.

    Parameters
    ----------
    name
        ``completionStart``, ``contentStart``, ``textOutput``, …
    body
        Its fields.
    """

    name: str
    body: Mapping[str, Any]

    @classmethod
    def parse(cls, message: Mapping[str, Any]) -> Self:
        """Read the envelope.

        Raises
        ------
        EventError
            If it does not hold one event.
        """
        event = message.get("event")
        if not isinstance(event, Mapping) or len(event) != 1:
            raise EventError(f"an event of Nova Sonic is an object with one key under 'event', got {_shown(message)}")
        name, body = next(iter(event.items()))
        if not isinstance(body, Mapping):
            raise EventError(f"{name} must be an object, got {type(body).__name__}")
        return cls(name=name, body=body)

    def _wrong(self, key: str, expected: str) -> EventError:
        return EventError(f"{self.name}: {key} must be {expected}, got {type(self.body.get(key)).__name__}")

    def text(self, key: str) -> str:
        """A string; `EventError` when it is missing or something else."""
        if not isinstance(value := self.body.get(key), str):
            raise self._wrong(key, "a string")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string, or ``None`` when it is missing or null; `EventError` for anything else."""
        return None if self.body.get(key) is None else self.text(key)

    def count(self, key: str, default: int | None = None) -> int:
        """A whole number ``>= 0``; ``default``, if there is one, when it is missing; `EventError` otherwise."""
        value = self.body.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._wrong(key, "a whole number >= 0")
        return value

    def inner(self, key: str) -> Self:
        """An object within, read the same way; `EventError` when it is missing or something else."""
        if not isinstance(value := self.body.get(key), Mapping):
            raise self._wrong(key, "an object")
        return type(self)(name=f"{self.name}.{key}", body=value)

    def json_object(self, key: str) -> Mapping[str, Any]:
        """An object written as JSON in a string, empty when it is missing; `EventError` when it is something else."""
        text = self.optional_text(key)
        if text is None or not text.strip():
            return {}
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise EventError(f"{self.name}: {key} is not JSON ({error})") from error
        if not isinstance(value, Mapping):
            raise self._wrong(key, "a JSON object")
        return value


def _shown(message: Mapping[str, Any]) -> str:
    keys = sorted(map(str, message))
    return f"the keys {', '.join(keys)}" if keys else "an empty object"
