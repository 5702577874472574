"""The root of the session's events, and the reading of an event as the dict it is on the wire.

Strands' events (``strands.experimental.bidi.types.events``, strands-agents 1.54) are dicts with properties. Ours are
frozen dataclasses that can be *read* as such a dict, so that both styles of program run: ``event.reason`` and
``event["reason"]``, ``event.get("type")``, ``dict(event)``. They cannot be written to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from bidilab.core.errors import EventError, InvalidParameterError

__all__ = ["BidiEvent", "check_count", "check_one_of", "check_text", "wire_table"]


def wire_table(*same: str, **renamed: str) -> Mapping[str, str]:
    """Wire key → attribute: ``same`` where both have one name, ``key="attribute"`` where they differ."""
    return MappingProxyType({**{name: name for name in same}, **renamed})


def check_text(name: str, value: object) -> None:
    """Raise `InvalidParameterError` unless ``value`` is a string."""
    if not isinstance(value, str):
        raise InvalidParameterError(name, "a string", value)


def check_one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise `InvalidParameterError` unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise InvalidParameterError(name, f"one of {', '.join(map(repr, allowed))}", value)


def check_count(name: str, value: object) -> None:
    """Raise `InvalidParameterError` unless ``value`` is an integer ``>= 0``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidParameterError(name, "a whole number >= 0", value)


class BidiEvent(Mapping[str, Any]):
    """Something that happened in a session. Every event of a session is one of these.

    A read-only mapping of its wire form: ``event["type"]`` is the wire name, the other keys are those of Strands'
    dicts, and ours that Strands has not, left out when they are ``None``.
    """

    __slots__ = ()

    type: ClassVar[str]
    """Wire name, ``"bidi_…"``."""

    wire: ClassVar[Mapping[str, str]]
    """Wire key → attribute, in the order of the wire."""

    wire_optional: ClassVar[frozenset[str]] = frozenset()
    """Wire keys that are left out when their value is ``None``."""

    def __getitem__(self, key: str) -> Any:
        if key == "type":
            return self.type
        if (attribute := self.wire.get(key)) is None:
            raise KeyError(key)
        value = getattr(self, attribute)
        if value is None and key in self.wire_optional:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        yield "type"
        for key, attribute in self.wire.items():
            if key not in self.wire_optional or getattr(self, attribute) is not None:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def as_dict(self) -> dict[str, Any]:
        """The event as a dict that ``json.dumps`` takes: audio and images as base64, errors as messages."""
        return dict(self)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Build the event from its dict; ``data["type"]`` is not looked at.

        Raises
        ------
        EventError
            If a key is missing or unknown, or a value is not allowed.
        """
        arguments = cls._arguments(data)
        try:
            return cls(**arguments)
        except (TypeError, InvalidParameterError) as error:
            raise EventError(f"{cls.type}: {error}") from error

    @classmethod
    def _arguments(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := data.keys() - cls.wire.keys() - {"type"}:
            known = ", ".join(cls.wire)
            raise EventError(f"{cls.type}: unknown keys {sorted(unknown)}; known are {known}")
        return {attribute: data[key] for key, attribute in cls.wire.items() if key in data}
