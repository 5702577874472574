"""Callbacks, by the hook event that calls them.

`HookRegistry` has the methods of ``strands.hooks.HookRegistry`` (strands-agents 1.54) that a hook provider uses:
``add_callback(event_type, callback, order=…)`` and ``add_hook(provider)``. A plain object may be added as a hook too:
each public method whose parameter is annotated with a hook event becomes its callback. A callback that raises does
not stop the session nor the callbacks after it: the failure is returned, to be logged.
"""

from __future__ import annotations

import inspect
import types
import typing
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable

from bidilab.bidi.hooks import events
from bidilab.bidi.hooks.events import BidiAgentInitializedEvent, BidiHookEvent
from bidilab.bidi.types.base import BidiEvent
from bidilab.core.errors import InvalidParameterError

__all__ = ["HookCallback", "HookFailure", "HookProvider", "HookRegistry"]

HookCallback = Callable[[Any], Awaitable[None] | None]
"""Takes a hook event; sync or async."""


@runtime_checkable
class HookProvider(Protocol):
    """An object that registers its callbacks itself."""

    def register_hooks(self, registry: HookRegistry) -> None:
        """Call ``registry.add_callback`` for each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFailure:
    """A callback raised.

    Parameters
    ----------
    callback
        Its qualified name.
    event
        The event that the callback was given.
    error
        The exception that it raised.
    """

    callback: str
    event: BidiHookEvent
    error: Exception

    def __str__(self) -> str:
        return f"hook {self.callback} failed on {type(self.event).__name__}: {self.error!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    callback: HookCallback
    order: float
    added: int


class HookRegistry:
    """Callbacks by hook event. A callback for a base class is told of all its subclasses."""

    def __init__(self) -> None:
        self._entries: dict[type[BidiHookEvent], list[_Entry]] = {}
        self._n_added = 0

    def add_callback(
        self,
        event_type: type[BidiHookEvent] | Sequence[type[BidiHookEvent]] | None,
        callback: HookCallback,
        *,
        order: float = 0,
    ) -> None:
        """Register a callback for an event.

        Parameters
        ----------
        event_type
            The event, several, or ``None`` to read them off the callback's annotation.
        callback
            Takes the event; sync or async.
        order
            Lower is called first; equal orders in the order of adding.

        Raises
        ------
        InvalidParameterError
            If ``event_type`` is no hook event, none can be read off, or an async callback is to hear of
            `BidiAgentInitializedEvent`, which comes before there is a loop.
        """
        for kind in self._event_types(event_type, callback):
            if issubclass(kind, BidiAgentInitializedEvent) and inspect.iscoroutinefunction(callback):
                raise InvalidParameterError("callback", "a plain function for BidiAgentInitializedEvent", callback)
            entry = _Entry(callback=callback, order=order, added=self._n_added)
            self._entries.setdefault(kind, []).append(entry)
        self._n_added += 1

    def _event_types(
        self, event_type: type[BidiHookEvent] | Sequence[type[BidiHookEvent]] | None, callback: HookCallback
    ) -> tuple[type[BidiHookEvent], ...]:
        if not callable(callback):
            raise InvalidParameterError("callback", "callable", callback)
        if event_type is None:
            found = _asked_for(callback)
            if not found:
                allowed = "given, or the callback's parameter annotated with a hook event"
                raise InvalidParameterError("event_type", allowed, callback)
            return found
        given = (event_type,) if isinstance(event_type, type) else tuple(event_type)
        if not given or not all(isinstance(kind, type) and issubclass(kind, BidiHookEvent) for kind in given):
            raise InvalidParameterError("event_type", "classes of bidilab.bidi.hooks.events", event_type)
        return tuple(dict.fromkeys(given))

    def add_hook(self, hook: object) -> None:
        """Add a hook provider, a function annotated with a hook event, or a plain object with such methods.

        Raises
        ------
        InvalidParameterError
            If nothing in it takes a hook event.

        Warns
        -----
        UserWarning
            When a method of a plain object is passed over because its annotation cannot be looked up.
        """
        if isinstance(hook, HookProvider) and not isinstance(hook, type):
            hook.register_hooks(self)
        elif inspect.isroutine(hook):
            self.add_callback(None, hook)
        else:
            self._add_plain_object(hook)

    def _add_plain_object(self, hook: object) -> None:
        found, hints = 0, []
        for method in _public_methods(hook):
            try:
                kinds = _asked_for(method)
            except UnresolvedAnnotationError as error:
                hints.append(str(error))
                continue
            if kinds:
                self.add_callback(kinds, method)
                found += 1
            elif _asks_for_session_event(method):
                hints.append(f"{method.__qualname__} takes an event of bidi.types.events; hooks get bidi.hooks.events")
        if not found:
            allowed = "an object with register_hooks, or with a method annotated with a hook event"
            raise InvalidParameterError("hook", "; ".join([allowed, *hints]), hook)
        for hint in hints:
            warnings.warn(f"not called as a hook: {hint}", UserWarning, stacklevel=4)

    def has_callbacks(self) -> bool:
        """Whether there is any callback."""
        return bool(self._entries)

    def get_callbacks_for(self, event: BidiHookEvent) -> Iterator[HookCallback]:
        """Callbacks of the event and of its base classes, in the order they are called."""
        entries = [entry for kind in type(event).__mro__ for entry in self._entries.get(kind, ())]
        sign = -1 if event.should_reverse_callbacks else 1
        entries.sort(key=lambda entry: (entry.order, sign * entry.added))
        return (entry.callback for entry in entries)

    async def invoke_callbacks_async(self, event: BidiHookEvent) -> tuple[HookFailure, ...]:
        """Call all callbacks, sync and async, one after the other; return what failed."""
        failures = []
        for callback in self.get_callbacks_for(event):
            try:
                result = callback(event)
                if inspect.isawaitable(result):
                    await result
            except Exception as error:  # noqa: BLE001 - a user's code; it is returned to be logged
                failures.append(HookFailure(callback=_name(callback), event=event, error=error))
        return tuple(failures)

    def invoke_callbacks(self, event: BidiHookEvent) -> tuple[HookFailure, ...]:
        """Call all callbacks from outside a loop; return what failed.

        Raises
        ------
        InvalidParameterError
            If one of them is async; then none is told.
        """
        callbacks = list(self.get_callbacks_for(event))
        for callback in callbacks:
            if inspect.iscoroutinefunction(callback):
                raise InvalidParameterError("callback", f"not async for {type(event).__name__}", callback)
        failures = []
        for callback in callbacks:
            try:
                callback(event)
            except Exception as error:  # noqa: BLE001 - a user's code; it is returned to be logged
                failures.append(HookFailure(callback=_name(callback), event=event, error=error))
        return tuple(failures)


def _public_methods(hook: object) -> Iterator[Callable[..., Any]]:
    for name in dir(hook):
        if name.startswith("_"):
            continue
        static = inspect.getattr_static(hook, name)  # so that no property of the user's object is run
        if isinstance(static, staticmethod | classmethod) or inspect.isfunction(static):
            yield getattr(hook, name)


def _name(callback: HookCallback) -> str:
    return str(getattr(callback, "__qualname__", None) or repr(callback))


# ---- which hook events a callback asks for ------------------------------------------------------------------------

_HOOK_EVENTS = {name: getattr(events, name) for name in events.__all__}


class UnresolvedAnnotationError(NameError):
    """An annotation in quotes names what its module does not have when it runs."""


def _asked_for(callback: Callable[..., Any]) -> tuple[type[BidiHookEvent], ...]:
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


def _asks_for_session_event(callback: Callable[..., Any]) -> bool:
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
