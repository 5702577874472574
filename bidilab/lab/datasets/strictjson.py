"""JSON read strictly: what a file says twice, or cannot say at all, is an error and not a guess."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

__all__ = ["NotJSONError", "key_faults", "parse_object"]


class NotJSONError(ValueError):
    """Not the JSON we accept; says why."""


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise NotJSONError(f"the key {key!r} is given twice")
        out[key] = value
    return out


def _refuse_constant(constant: str) -> float:
    raise NotJSONError(f"{constant} is not a number that JSON knows")


def parse_object(text: str) -> dict[str, Any]:
    """The object that a text holds, no key of it given twice, no NaN or infinity in it.

    Raises
    ------
    NotJSONError
        If it holds anything else; says why.
    """
    try:
        value = json.loads(text, object_pairs_hook=_refuse_repeated_keys, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise NotJSONError(f"not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise NotJSONError("not JSON we read: nested too deeply") from error
    if not isinstance(value, dict):
        raise NotJSONError(f"expected a JSON object, got {type(value).__name__}")
    return value


def key_faults(given: Iterable[str], required: Iterable[str], optional: Iterable[str] = ()) -> list[str]:
    """A sentence for each key that is missing, then for each that is unknown."""
    required, allowed = list(required), [*required, *optional]
    given = list(given)
    faults = [f"the key {key!r} is missing" for key in required if key not in given]
    unknown = [key for key in given if key not in allowed]
    return faults + [f"unknown key {key!r}; allowed: {', '.join(allowed)}" for key in unknown]
