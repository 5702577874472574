"""A function's parameters as JSON schema: from its type hints, defaults and docstring. Pure."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from bidilab.core.errors import InvalidParameterError

__all__ = ["describe", "input_schema", "parameter_notes", "type_schema"]

_SIMPLE: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dict: {"type": "object"},
    list: {"type": "array"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    Any: {},
    inspect.Parameter.empty: {},
}


def type_schema(hint: Any) -> dict[str, Any]:
    """JSON schema of a type hint.

    Known are ``str``, ``int``, ``float``, ``bool``, ``None``, ``Any``, ``list[T]``, ``Sequence[T]``, ``dict[str, T]``,
    ``Literal``, ``Enum``, ``TypedDict``, ``T | U`` and ``Optional[T]``.

    Raises
    ------
    InvalidParameterError
        If the hint is none of these.
    """
    try:
        if hint in _SIMPLE:
            return dict(_SIMPLE[hint])
    except TypeError:  # a hint that cannot be hashed is none of the simple ones
        pass
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (list, Sequence, tuple, set, frozenset) or hint in (tuple, set):
        items = [a for a in arguments if a is not Ellipsis]
        return {"type": "array", **({"items": type_schema(items[0])} if items else {})}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": type_schema(arguments[1])}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [type_schema(argument) for argument in arguments]}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if is_typeddict(hint):
        return _object({name: type_schema(kind) for name, kind in get_type_hints(hint).items()}, hint.__required_keys__)
    allowed = "str, int, float, bool, None, Any, list, dict, Literal, Enum, TypedDict or a union of them"
    raise InvalidParameterError("type hint of a tool's parameter", allowed, hint)


def _object(properties: Mapping[str, Any], required: Sequence[str] | frozenset[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name in required],
        "additionalProperties": False,
    }


def input_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """JSON schema of a function's arguments, as one object.

    Raises
    ------
    InvalidParameterError
        If a parameter is positional-only, or variable, or has a hint that JSON schema cannot say.
    """
    hints = get_type_hints(function)
    notes = parameter_notes(function.__doc__ or "")
    properties: dict[str, Any] = {}
    required = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InvalidParameterError("tool", "a function whose parameters can all be given by name", function)
        schema = type_schema(hints.get(parameter.name, parameter.annotation))
        if parameter.name in notes:
            schema["description"] = notes[parameter.name]
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif parameter.default is None or isinstance(parameter.default, str | int | float | bool):
            schema["default"] = parameter.default
        properties[parameter.name] = schema
    return _object(properties, required)


def describe(function: Callable[..., Any]) -> str:
    """The first paragraph of the docstring, on one line; the function's name when it has none."""
    doc = inspect.cleandoc(function.__doc__ or "")
    first = doc.split("\n\n", 1)[0]
    return " ".join(first.split()) or function.__name__


_GOOGLE = re.compile(r"^(Args|Arguments|Parameters):\s*$")
_GOOGLE_ITEM = re.compile(r"^\s+(\w+)\s*(?:\([^)]*\))?:\s*(.+)$")
_NUMPY_ITEM = re.compile(r"^(\w+)\s*(?::.*)?$")


def parameter_notes(doc: str) -> dict[str, str]:
    """What a docstring says of each parameter; the styles of Google (``Args:``) and numpydoc are read."""
    lines = inspect.cleandoc(doc).splitlines()
    for i, line in enumerate(lines):
        if _GOOGLE.match(line):
            return _google_notes(lines[i + 1 :])
        if line.strip() == "Parameters" and lines[i + 1 : i + 2] and set(lines[i + 1].strip()) == {"-"}:
            return _numpy_notes(lines[i + 2 :])
    return {}


def _google_notes(lines: Sequence[str]) -> dict[str, str]:
    notes: dict[str, str] = {}
    current = None
    for line in lines:
        if line and not line[0].isspace():
            break
        if found := _GOOGLE_ITEM.match(line):
            current = found[1]
            notes[current] = found[2].strip()
        elif current is not None and line.strip():
            notes[current] += " " + line.strip()
    return notes


def _numpy_notes(lines: Sequence[str]) -> dict[str, str]:
    notes: dict[str, str] = {}
    current = None
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if following.strip() and set(following.strip()) == {"-"}:
            break
        if found := _NUMPY_ITEM.match(line):
            current = found[1]
        elif current is not None and line.strip():
            notes[current] = f"{notes[current]} {line.strip()}" if current in notes else line.strip()
    return notes
