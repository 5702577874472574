"""Reading a tree of settings so that each fault names its full key, and no key is ignored."""

from __future__ import annotations

import math
from typing import TypeGuard, TypeVar, overload

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.recording import TagValue

__all__ = ["Settings", "Span"]

Span = tuple[float, float]
"""Lowest and highest value, both allowed."""

Word = TypeVar("Word", bound=str)


class Settings:
    """One mapping of a YAML document. Ask for every key there may be, then :meth:`finish`.

    Parameters
    ----------
    given
        What the document holds there.
    where
        Path of keys that leads to it, ``""`` at the top.

    Raises
    ------
    InvalidParameterError
        If ``given`` is not a mapping with string keys.
    """

    def __init__(self, given: object, where: str) -> None:
        if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
            raise InvalidParameterError(where or "recipe", "a mapping of keys to values", given)
        self.given: dict[str, object] = given
        self.where = where
        self._asked: list[str] = []

    def _key(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        if key not in self._asked:
            self._asked.append(key)
        return key in self.given

    def _get(self, key: str, allowed: str) -> object:
        if not self.has(key):
            raise InvalidParameterError(self._key(key), f"given: {allowed}", None)
        return self.given[key]

    def finish(self) -> None:
        """Refuse keys that nobody asked for."""
        for key in self.given:
            if key not in self._asked:
                raise InvalidParameterError(self._key(key), f"a key that exists ({', '.join(self._asked)})", key)

    def mapping(self, key: str) -> dict[str, object]:
        """A mapping that is not empty, of any values."""
        value = self._get(key, "a mapping that is not empty")
        if not isinstance(value, dict) or not value or not all(isinstance(name, str) for name in value):
            raise InvalidParameterError(self._key(key), "a mapping of names that is not empty", value)
        return value

    def section(self, key: str, *, required: bool = True) -> Settings:
        """Settings below a key; none at all when it is absent and not required."""
        if not required and not self.has(key):
            return Settings({}, self._key(key))
        return Settings(self._get(key, "a mapping"), self._key(key))

    def sections(self, key: str) -> dict[str, Settings]:
        """Named settings below a key, at least one; an empty value stands for no settings."""
        return {
            name: Settings({} if value is None else value, f"{self._key(key)}.{name}")
            for name, value in self.mapping(key).items()
        }

    def items(self, key: str, *, required: bool = True) -> list[Settings]:
        """A list of settings, at least one when required."""
        if not required and not self.has(key):
            return []
        value = self._get(key, "a list that is not empty")
        if not isinstance(value, list) or (required and not value):
            raise InvalidParameterError(self._key(key), "a list that is not empty", value)
        return [Settings(item, f"{self._key(key)}[{index}]") for index, item in enumerate(value)]

    def scalars(self, key: str) -> dict[str, TagValue]:
        """An optional mapping of names to strings, numbers, truth values or null."""
        out: dict[str, TagValue] = {}
        if not self.has(key):
            return out
        for name, value in self.mapping(key).items():
            if value is not None and not isinstance(value, str | int | float | bool):
                raise InvalidParameterError(f"{self._key(key)}.{name}", "a string, number, truth value or null", value)
            out[name] = value
        return out

    @overload
    def text(self, key: str) -> str: ...
    @overload
    def text(self, key: str, *, default: str) -> str: ...
    @overload
    def text(self, key: str, *, default: None) -> str | None: ...
    def text(self, key: str, *, default: str | None = "") -> str | None:
        """A string that is not empty; with ``default`` it may be absent."""
        if default != "" and not self.has(key):
            return default
        value = self._get(key, "a string")
        if not isinstance(value, str) or not value.strip():
            raise InvalidParameterError(self._key(key), "a string that is not empty (quote numbers)", value)
        return value

    def choice(self, key: str, allowed: tuple[Word, ...]) -> Word:
        """One of some words."""
        words = f"one of {', '.join(allowed)}"
        value = self._get(key, words)
        for word in allowed:
            if word == value:
                return word
        raise InvalidParameterError(self._key(key), words, value)

    def choices(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """Some of some words; none when the key is absent."""
        if not self.has(key):
            return ()
        value = self.given[key]
        if not isinstance(value, list) or not value or any(item not in allowed for item in value):
            raise InvalidParameterError(self._key(key), f"a list out of {', '.join(allowed)}", value)
        return tuple(value)

    def flag(self, key: str) -> bool:
        """``true`` or ``false``; false when absent."""
        value = self.given[key] if self.has(key) else False
        if not isinstance(value, bool):
            raise InvalidParameterError(self._key(key), "true or false", value)
        return value

    def integer(self, key: str, *, low: int, high: int | None = None, default: int | None = None) -> int:
        """A whole number in ``[low, high]``."""
        words = f"a whole number >= {low}" if high is None else f"a whole number in [{low}, {high}]"
        if default is not None and not self.has(key):
            return default
        value = self._get(key, words)
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            raise InvalidParameterError(self._key(key), words, value)
        return value

    def number(self, key: str, *, low: float, high: float, default: float | None = None) -> float:
        """A number in ``[low, high]``."""
        words = f"a number in [{low:g}, {high:g}]"
        if default is not None and not self.has(key):
            return default
        value = self._get(key, words)
        if not _is_number(value) or not low <= float(value) <= high:
            raise InvalidParameterError(self._key(key), words, value)
        return float(value)

    def span(self, key: str, *, low: float, high: float, default: Span | None = None) -> Span:
        """A number, or two in order, in ``[low, high]``."""
        words = f"a number in [{low:g}, {high:g}], or [lowest, highest] of them"
        if default is not None and not self.has(key):
            return default
        value = self._get(key, words)
        ends = value if isinstance(value, list) else [value, value]
        numbers = [float(end) for end in ends if _is_number(end)]
        if len(ends) != 2 or len(numbers) != 2 or not low <= numbers[0] <= numbers[1] <= high:
            raise InvalidParameterError(self._key(key), words, value)
        return numbers[0], numbers[1]

    def optional_span(self, key: str, *, low: float, high: float) -> Span | None:
        """A span, or ``None`` when the key is absent."""
        return self.span(key, low=low, high=high) if self.has(key) else None

    def whole_span(self, key: str, *, low: float, high: float, default: Span) -> Span:
        """A span whose ends are whole numbers."""
        ends = self.span(key, low=low, high=high, default=default)
        if any(end != int(end) for end in ends):
            raise InvalidParameterError(self._key(key), "whole numbers", list(ends))
        return ends


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
