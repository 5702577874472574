"""Which hook events a callback asks for, read off the annotation of its parameter."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from bidilab.bidi.hooks import events
from bidilab.bidi.hooks.events import BidiHookEvent
from bidilab.bidi.types.base import BidiEvent

__all__ = ["UnresolvedAnnotationError", "asked_for", "asks_for_session_event"]

_HOOK_EVENTS = {name: getattr(events, name) for name in events.__all__}


class UnresolvedAnnotationError(NameError):
    """An annotation in quotes names what its module does not have when it runs."""


def asked_for(callback: Callable[..., Any]) -> tuple[type[BidiHookEvent], ...]:
    """Hook events that ``callback`` is annotated with; empty when it takes none.

    Only the first parameter counts, and the others must have defaults. Annotations in quotes are looked up in the
    callback's module, then among the names of `bidilab.bidi.hooks.events` (which may have been imported for type
    checkers only, or inside a function).

    Raises
    ------
    UnresolvedAnnotationError
        If the annotation cannot be looked up.
    """
    annotation = _resolved(callback)
    return tuple(t for t in _members(annotation) if isinstance(t, type) and issubclass(t, BidiHookEvent))


def asks_for_session_event(callback: Callable[..., Any]) -> bool:
    """Whether it is annotated with an event of `bidilab.bidi.types.events`, which hooks are never given."""
    return any(isinstance(t, type) and issubclass(t, BidiEvent) for t in _members(_resolved(callback)))


def _members(annotation: object) -> tuple[object, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _resolved(callback: Callable[..., Any]) -> object:
    parameter = _event_parameter(callback)
    if parameter is None or parameter.annotation is inspect.Parameter.empty:
        return None
    # Only this one annotation is looked up: others of the same function may name what exists for type checkers only.
    only = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    function = inspect.unwrap(callback)
    namespace = {**_HOOK_EVENTS, **getattr(function, "__globals__", {})}
    try:
        return typing.get_type_hints(only, globalns=namespace)[parameter.name]
    except (NameError, AttributeError) as error:
        where = getattr(callback, "__qualname__", repr(callback))
        raise UnresolvedAnnotationError(f"{where}: {parameter.name}: {parameter.annotation}: {error}") from error


def _event_parameter(callback: Callable[..., Any]) -> inspect.Parameter | None:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = list(inspect.signature(callback).parameters.values())
    if not parameters or parameters[0].kind not in positional:
        return None
    if any(p.default is p.empty and p.kind not in variadic for p in parameters[1:]):
        return None
    return parameters[0]
