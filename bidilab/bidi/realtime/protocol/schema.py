"""Checks of JSON values, put together into the shape of a message.

A `Check` takes a value and the path where it stands (``session.audio.input``), returns the value, and raises
`RequestError` with OpenAI's code, sentence and ``param``. Nothing is coerced and nothing unknown passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bidilab.bidi.realtime.protocol.errors import RequestError, quoted

__all__ = ["Check", "any_object", "array", "boolean", "choice", "integer", "join", "nullable", "number", "one_of"]
__all__ += ["record", "string", "tagged"]

Check = Callable[[Any, str], Any]

_JSON_NAMES = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string", list: "an array"}


def join(path: str, key: str) -> str:
    """``path.key``, or ``key`` at the top."""
    return f"{path}.{key}" if path else key


def _described(value: object) -> str:
    if value is None:
        return "null"
    return _JSON_NAMES.get(type(value), "an object")


def _wrong_type(path: str, expected: str, value: object) -> RequestError:
    message = f"Invalid type for {quoted(path)}: expected {expected}, but got {_described(value)} instead."
    return RequestError("invalid_type", message, path)


def _out_of_bounds(path: str, kind: str, side: str, bound: float, value: object) -> RequestError:
    relation = ">=" if side == "minimum" else "<="
    code = f"{'integer' if kind == 'integer' else 'decimal'}_{'below_min' if side == 'minimum' else 'above_max'}_value"
    direction = "below" if side == "minimum" else "above"
    got = quoted(str(value)) if not isinstance(value, int) or abs(value) < 10**30 else "a far larger number"
    message = (
        f"Invalid {quoted(path)}: {kind} {direction} {side} value. "
        f"Expected a value {relation} {bound:g}, but got {got} instead."
    )
    return RequestError(code, message, path)


def _bounded(value: Any, path: str, kind: str, low: float | None, high: float | None) -> Any:
    if low is not None and value < low:
        raise _out_of_bounds(path, kind, "minimum", low, value)
    if high is not None and value > high:
        raise _out_of_bounds(path, kind, "maximum", high, value)
    return value


def integer(low: int | None = None, high: int | None = None) -> Check:
    """A whole number in [low, high]."""

    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(path, "an integer", value)
        return _bounded(value, path, "integer", low, high)

    return check


def number(low: float, high: float) -> Check:
    """A finite number in [low, high]."""

    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not (-math.inf < value < math.inf):
            raise _wrong_type(path, "a decimal", value)
        return _bounded(value, path, "decimal", low, high)

    return check


def boolean(value: Any, path: str) -> Any:
    """True or false."""
    if not isinstance(value, bool):
        raise _wrong_type(path, "a boolean", value)
    return value


def string(max_length: int | None = None, *, min_length: int = 0) -> Check:
    """A string of bounded length."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str):
            raise _wrong_type(path, "a string", value)
        for code, bad, bound in (
            ("string_above_max_length", max_length is not None and len(value) > max_length, max_length),
            ("string_below_min_length", len(value) < min_length, min_length),
        ):
            if bad:
                side, size = ("long", "maximum") if "above" in code else ("short", "minimum")
                message = (
                    f"Invalid {quoted(path)}: string too {side}. Expected a string with {size} length {bound}, "
                    f"but got a string with length {len(value)} instead."
                )
                raise RequestError(code, message, path)
        return value

    return check


def choice(*allowed: str) -> Check:
    """One of a few strings."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str):
            raise _wrong_type(path, "a string", value)
        if value not in allowed:
            raise _not_supported(path, value, allowed)
        return value

    return check


def _not_supported(path: str, value: str, allowed: Sequence[str]) -> RequestError:
    supported = ", ".join(f"'{name}'" for name in allowed)
    message = f"Invalid value: {quoted(value)}. Supported values are: {supported}."
    return RequestError("invalid_value", message, path)


def nullable(check: Check) -> Check:
    """Null, or what ``check`` allows."""
    return lambda value, path: None if value is None else check(value, path)


def array(of: Check, *, max_length: int, min_length: int = 0) -> Check:
    """An array of bounded length whose values all pass ``of``."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, list):
            raise _wrong_type(path, "an array", value)
        if len(value) > max_length or len(value) < min_length:
            long = len(value) > max_length
            message = (
                f"Invalid {quoted(path)}: array too {'long' if long else 'short'}. Expected an array with "
                f"{'maximum' if long else 'minimum'} length {max_length if long else min_length}, "
                f"but got an array with length {len(value)} instead."
            )
            raise RequestError(f"array_{'above_max' if long else 'below_min'}_length", message, path)
        return [of(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return check


def any_object(value: Any, path: str) -> Any:
    """Any object, e.g. a JSON schema."""
    if not isinstance(value, dict):
        raise _wrong_type(path, "an object", value)
    return value


def record(fields: Mapping[str, Check], *, required: Sequence[str] = ()) -> Check:
    """An object with these fields and no other."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong_type(path or "message", "an object", value)
        for key in value:
            if key not in fields:
                where = join(path, key)
                raise RequestError("unknown_parameter", f"Unknown parameter: {quoted(where)}.", where)
        for key in required:
            if key not in value:
                where = join(path, key)
                raise RequestError("missing_required_parameter", f"Missing required parameter: '{where}'.", where)
        return {key: fields[key](item, join(path, key)) for key, item in value.items()}

    return check


def tagged(key: str, variants: Mapping[str, Check]) -> Check:
    """An object whose ``key`` says which of the variants it is."""
    tag = choice(*variants)

    def check(value: Any, path: str) -> Any:
        any_object(value, path or "message")
        where = join(path, key)
        if key not in value:
            raise RequestError("missing_required_parameter", f"Missing required parameter: '{where}'.", where)
        return variants[tag(value[key], where)](value, path)

    return check


def one_of(*checks: tuple[type, Check]) -> Check:
    """The check for the value's JSON type: ``one_of((str, choice("auto")), (dict, record(...)))``."""

    def check(value: Any, path: str) -> Any:
        for kind, inner in checks:
            if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
                return inner(value, path)
        names = " or ".join(_JSON_NAMES.get(kind, "an object") for kind, _ in checks)
        raise _wrong_type(path, names, value)

    return check
