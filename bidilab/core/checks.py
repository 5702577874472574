"""Checks of parameters. Each raises an `InvalidParameterError`: the name, what is allowed, and what came."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from types import UnionType
from typing import TypeGuard

from bidilab.core.errors import InvalidParameterError

__all__ = [
    "check_at_least",
    "check_bounds",
    "check_duration_ms",
    "check_duration_s",
    "check_flag",
    "check_is",
    "check_number",
    "check_one_of",
    "check_probability",
    "check_several",
    "check_text",
    "check_whole",
    "is_number",
    "is_whole",
]


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number, NumPy's included. True, false and text are not; NaN is."""
    return isinstance(value, int | float | Real) and not isinstance(value, bool)  # the two first are fast


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number, such as 2 or 2.0, NumPy's included; `int` of it is an integer."""
    return is_number(value) and math.isfinite(value) and value == int(value)


def check_is(name: str, value: object, kinds: type | UnionType, allowed: str) -> None:
    """Raise unless ``value`` is of one of ``kinds``, which ``allowed`` says in words."""
    if not isinstance(value, kinds):
        raise InvalidParameterError(name, allowed, value)


def check_several(name: str, value: object, allowed: str) -> None:
    """Raise unless ``value`` is several values, such as a list; text counts as one, and so does a mapping."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidParameterError(name, allowed, value)


def check_text(name: str, value: object) -> None:
    """Raise unless ``value`` is a string."""
    if not isinstance(value, str):
        raise InvalidParameterError(name, "a string", value)


def check_one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """Raise unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise InvalidParameterError(name, f"one of {', '.join(map(repr, allowed))}", value)


def check_flag(name: str, value: object) -> None:
    """Raise unless ``value`` is true or false."""
    if not isinstance(value, bool):
        raise InvalidParameterError(name, "true or false", value)


def check_whole(name: str, value: object, at_least: int = 0, *, optional: bool = False) -> None:
    """Raise unless ``value`` is an integer ``>= at_least``, or ``None`` where it is ``optional``."""
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise InvalidParameterError(name, f"a whole number >= {at_least}" + (", or None" if optional else ""), value)


def check_number(name: str, value: object, low: float, high: float) -> None:
    """Raise unless ``value`` is an integer or float in ``[low, high]``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidParameterError(name, f"a number in [{low:g}, {high:g}]", value)


def check_at_least(name: str, value: object, at_least: float, *, below: float = math.inf) -> None:
    """Raise unless ``value`` is an integer or float in ``[at_least, below)``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not at_least <= value < below:
        raise InvalidParameterError(
            name, f"a number >= {at_least:g}" + (f" and < {below:g}" if below < math.inf else ""), value
        )


def check_bounds(parameters: object, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Raise unless each attribute that ``bounds`` names is a number in its ``(low, high)``."""
    for name, (low, high) in bounds.items():
        check_number(name, getattr(parameters, name), low, high)


def check_probability(name: str, value: float) -> float:
    """Return ``value`` as a float when it is a number in [0, 1], of NumPy too; raise otherwise."""
    return _float(name, value, 1.0, "a number in [0, 1]")


def check_duration_ms(name: str, value: float, *, at_most: float = 600_000) -> float:
    """Return ``value`` when it is a finite number of milliseconds in [0, at_most]; raise otherwise."""
    _float(name, value, at_most, f"a number of milliseconds in [0, {at_most:g}]")
    return value


def check_duration_s(name: str, value: float, *, at_most: float = 600.0) -> float:
    """Return ``value`` as a float when it is a finite number of seconds in [0, at_most]; raise otherwise."""
    return _float(name, value, at_most, f"a number of seconds in [0, {at_most:g}]")


def _float(name: str, value: float, at_most: float, allowed: str) -> float:
    if not (is_number(value) and 0.0 <= value <= at_most):
        raise InvalidParameterError(name, allowed, value)
    return float(value)
