"""Function tools: what a model may call, the schema of its arguments, and the calling of it.

`tool` has the forms of Strands' decorator (strands-agents 1.54): ``@tool``, ``@tool(name=…, description=…)``. A plain
function with type hints is taken as well. A tool that fails gives an error result, which the model is told; it never
ends the session.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import types
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict, overload

from bidilab.bidi.hooks.events import BidiAfterToolCallEvent, BidiBeforeToolCallEvent, BidiHookEvent
from bidilab.bidi.types.events import ToolResultEvent
from bidilab.bidi.types.tools import ToolResult, ToolUse
from bidilab.core.checks import check_several
from bidilab.core.clock import Clock
from bidilab.core.errors import InvalidParameterError
from bidilab.core.jsontext import JSONError, parse_json

__all__ = [
    "FunctionTool",
    "ToolCaller",
    "ToolInputError",
    "ToolRegistry",
    "describe",
    "input_schema",
    "parameter_notes",
    "tool",
    "tool_result",
    "type_schema",
]

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
    """Read what a docstring says about each parameter, in the style of Google (``Args:``) or of numpydoc."""
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


Function = Callable[..., Any]


class ToolInputError(InvalidParameterError):
    """The model called a tool with arguments that it does not take."""


class FunctionTool:
    """A function that a model may call; still callable as the function.

    Parameters
    ----------
    function
        Sync (run in a thread, so that it does not hold up the session) or async. All its parameters can be given by
        name; their hints become the schema.
    name, description
        What the model is told; by default the function's name and the first paragraph of its docstring.

    Raises
    ------
    InvalidParameterError
        If a parameter cannot be described to the model.
    """

    def __init__(self, function: Function, *, name: str | None = None, description: str | None = None) -> None:
        if not callable(function):
            raise InvalidParameterError("tool", "a function", function)
        self.function = function
        self.name = name if name is not None else getattr(function, "__name__", type(function).__name__)
        self.description = description if description is not None else describe(function)
        self.input_schema = input_schema(function)
        self.__name__ = self.name
        self.__doc__ = function.__doc__

    @property
    def spec(self) -> dict[str, Any]:
        """``name``, ``description`` and ``inputSchema``, as Strands' ``ToolSpec``."""
        return {"name": self.name, "description": self.description, "inputSchema": {"json": self.input_schema}}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the function itself."""
        return self.function(*arguments, **named)

    async def invoke(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function with arguments by name.

        Raises
        ------
        ToolInputError
            If one is missing or unknown.
        Exception
            Whatever the function raises.
        """
        self.check(arguments)
        if inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(type(self.function).__call__):
            return await self.function(**arguments)
        result = await asyncio.to_thread(self.function, **arguments)
        return await result if inspect.isawaitable(result) else result

    def check(self, arguments: object) -> None:
        """Raise `ToolInputError` unless the arguments are those of the function."""
        if not isinstance(arguments, Mapping):
            raise ToolInputError(f"input of {self.name}", "a JSON object", arguments)
        known = self.input_schema["properties"]
        if unknown := [name for name in arguments if name not in known]:
            raise ToolInputError(
                f"input of {self.name}", f"an object with no keys but {', '.join(known) or 'none'}", unknown
            )
        if missing := [name for name in self.input_schema["required"] if name not in arguments]:
            raise ToolInputError(f"input of {self.name}", f"complete: {', '.join(missing)} missing", dict(arguments))

    def __repr__(self) -> str:
        return f"FunctionTool({self.name!r}: {', '.join(self.input_schema['properties']) or 'no input'})"


@overload
def tool(function: Function) -> FunctionTool: ...
@overload
def tool(*, name: str | None = None, description: str | None = None) -> Callable[[Function], FunctionTool]: ...
def tool(
    function: Function | None = None, *, name: str | None = None, description: str | None = None
) -> FunctionTool | Callable[[Function], FunctionTool]:
    """Make a function a tool: ``@tool``, or ``@tool(name="…", description="…")``.

    Examples
    --------
    >>> @tool
    ... def add(a: int, b: int = 1) -> int:
    ...     '''Add two numbers.'''
    ...     return a + b
    >>> add.spec["inputSchema"]["json"]["required"]
    ['a']
    >>> add(2)
    3
    """
    if function is not None:
        return FunctionTool(function, name=name, description=description)
    return lambda decorated: FunctionTool(decorated, name=name, description=description)


class ToolRegistry:
    """Tools by name.

    Parameters
    ----------
    tools
        `FunctionTool` objects or plain functions; each name once.

    Raises
    ------
    InvalidParameterError
        If something is no tool, or two have one name.
    """

    def __init__(self, tools: Sequence[FunctionTool | Function] = ()) -> None:
        self._tools: dict[str, FunctionTool] = {}
        check_several("tools", tools, "several tools, such as [tool]")
        for given in tools:
            made = given if isinstance(given, FunctionTool) else FunctionTool(given)
            if made.name in self._tools:
                raise InvalidParameterError("tools", "given with different names", made.name)
            self._tools[made.name] = made

    def get(self, name: str) -> FunctionTool | None:
        """The tool of a name, if there is one."""
        return self._tools.get(name)

    @property
    def specs(self) -> list[dict[str, Any]]:
        """The specifications that models are given."""
        return [made.spec for made in self._tools.values()]

    def __iter__(self) -> Iterator[FunctionTool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)


def tool_result(tool_use_id: str, answer: Any) -> ToolResult:
    """Return a tool's answer in the form that the model is given.

    A dict with ``status`` and ``content`` is taken as it is; an exception becomes an error; text stays text; whatever
    JSON can say goes as JSON; anything else as its ``str``.
    """
    if isinstance(answer, BaseException):
        text = f"{type(answer).__name__}: {answer}"
        return {"toolUseId": tool_use_id, "status": "error", "content": [{"text": text}]}
    if isinstance(answer, Mapping) and answer.get("status") in ("success", "error") and "content" in answer:
        return {"toolUseId": tool_use_id, "status": answer["status"], "content": list(answer["content"])}
    if isinstance(answer, str):
        return {"toolUseId": tool_use_id, "status": "success", "content": [{"text": answer}]}
    try:
        json.dumps(answer, allow_nan=False)
    except (TypeError, ValueError):
        return {"toolUseId": tool_use_id, "status": "success", "content": [{"text": str(answer)}]}
    return {"toolUseId": tool_use_id, "status": "success", "content": [{"json": answer}]}


Tell = Callable[[BidiHookEvent], Awaitable[None]]


class ToolCaller:
    """Call the tools of a session.

    Parameters
    ----------
    agent
        For the hook events.
    tools
        The tools that can be called.
    clock
        The session's clock.
    tell
        Tells the hooks; does not raise.
    invocation_state
        Handed to the hooks.
    """

    def __init__(
        self, *, agent: Any, tools: ToolRegistry, clock: Clock, tell: Tell, invocation_state: Mapping[str, Any]
    ) -> None:
        self._agent = agent
        self._tools = tools
        self._clock = clock
        self._tell = tell
        self._state = invocation_state

    async def call(self, request: Mapping[str, Any]) -> ToolResultEvent:
        """Call the tool that the model asked for. Whatever fails in it becomes an error result."""
        use = ToolUse(toolUseId=request["toolUseId"], name=request["name"], input=request.get("input", {}))
        before = BidiBeforeToolCallEvent(
            agent=self._agent,
            selected_tool=self._tools.get(use["name"]),
            tool_use=use,
            invocation_state=self._state,
        )
        await self._tell(before)
        use = before.tool_use
        if before.cancel_tool:
            message = before.cancel_tool if isinstance(before.cancel_tool, str) else "the tool call was cancelled"
            result: ToolResult = {"toolUseId": use["toolUseId"], "status": "error", "content": [{"text": message}]}
            return await self._after(before, result, cancel_message=message)
        started_s = self._clock.now_s()
        error: Exception | None = None
        try:
            answer = await self._invoke(before.selected_tool, use)
        except Exception as raised:  # noqa: BLE001 - a user's code; the model is told, and the hooks get the exception
            answer = error = raised
        result = tool_result(use["toolUseId"], answer)
        return await self._after(before, result, exception=error, duration=self._clock.now_s() - started_s)

    async def _invoke(self, selected: Any, use: ToolUse) -> Any:
        if selected is None:
            known = ", ".join(made.name for made in self._tools) or "none"
            raise InvalidParameterError("tool", f"one of the tools ({known})", use["name"])
        arguments = use["input"]
        if isinstance(arguments, str):  # as providers stream it
            try:
                arguments = parse_json(arguments or "{}", unique_keys=False)
            except JSONError as error:
                raise ToolInputError(f"input of {use['name']}", f"JSON ({error})", arguments) from error
        return await selected.invoke(arguments)

    async def _after(
        self,
        before: BidiBeforeToolCallEvent,
        result: ToolResult,
        *,
        exception: Exception | None = None,
        cancel_message: str | None = None,
        duration: float | None = None,
    ) -> ToolResultEvent:
        after = BidiAfterToolCallEvent(
            agent=self._agent,
            selected_tool=before.selected_tool,
            tool_use=before.tool_use,
            invocation_state=self._state,
            result=result,
            exception=exception,
            cancel_message=cancel_message,
            duration=duration,
        )
        await self._tell(after)
        return ToolResultEvent(after.result, exception)
