"""Function tools: what a model may call, and the calling of it.

`tool` has the forms of Strands' decorator (strands-agents 1.54): ``@tool``, ``@tool(name=…, description=…)``. A plain
function with type hints is taken as well. A tool that fails gives an error result, which the model is told; it never
ends the session.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, overload

from bidilab.bidi.toolschema import describe, input_schema
from bidilab.bidi.types.tools import ToolResult
from bidilab.core.errors import InvalidParameterError

__all__ = ["FunctionTool", "ToolInputError", "ToolRegistry", "tool", "tool_result"]

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
            raise ToolInputError(f"input of {self.name}", f"named {', '.join(known) or 'nothing'}", unknown)
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
        for given in tools:
            made = given if isinstance(given, FunctionTool) else FunctionTool(given)
            if made.name in self._tools:
                raise InvalidParameterError("tools", "named differently", made.name)
            self._tools[made.name] = made

    def get(self, name: str) -> FunctionTool | None:
        """The tool of a name, if there is one."""
        return self._tools.get(name)

    @property
    def specs(self) -> list[dict[str, Any]]:
        """What models are told of them."""
        return [made.spec for made in self._tools.values()]

    def __iter__(self) -> Iterator[FunctionTool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)


def tool_result(tool_use_id: str, answer: Any) -> ToolResult:
    """What a tool returned, as the model is told it.

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
