"""Events of tool use, and the dicts they carry (those of Strands and of Bedrock's Converse API).

Constructors take their arguments by position too, in Strands' order (strands-agents 1.54, ``strands.types._events``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypedDict

from bidilab.bidi.types.base import BidiEvent, wire_table
from bidilab.core.checks import check_one_of
from bidilab.core.errors import EventError, InvalidParameterError

__all__ = ["ToolResult", "ToolResultEvent", "ToolStreamEvent", "ToolUse", "ToolUseStreamEvent"]


class ToolUse(TypedDict):
    """A request of the model to use a tool."""

    toolUseId: str
    name: str
    input: Any


class ToolResult(TypedDict):
    """What a tool answered."""

    toolUseId: str
    status: Literal["success", "error"]
    content: list[dict[str, Any]]


def _check_keys(name: str, value: object, keys: tuple[str, ...]) -> None:
    if not isinstance(value, Mapping) or any(key not in value for key in keys):
        raise InvalidParameterError(name, f"a dict with {', '.join(keys)}", value)


@dataclass(frozen=True, slots=True)
class ToolUseStreamEvent(BidiEvent):
    """The model asks for a tool.

    Parameters
    ----------
    delta
        The change as a content block, ``{"toolUse": {"input": …}}``.
    current_tool_use
        The request so far: ``toolUseId``, ``name`` and ``input``.
    """

    type: ClassVar[str] = "tool_use_stream"
    wire = wire_table("delta", "current_tool_use")

    delta: Mapping[str, Any]
    current_tool_use: Mapping[str, Any]

    def __post_init__(self) -> None:
        _check_keys("current_tool_use", self.current_tool_use, ("toolUseId", "name"))


@dataclass(frozen=True, slots=True)
class ToolResultEvent(BidiEvent):
    """A tool is done.

    Parameters
    ----------
    tool_result
        ``toolUseId``, ``status`` (``"success"`` or ``"error"``) and ``content``.
    exception
        What the tool raised, if it failed; not in the dict.
    """

    type: ClassVar[str] = "tool_result"
    wire = wire_table("tool_result")

    tool_result: ToolResult
    exception: Exception | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_keys("tool_result", self.tool_result, ("toolUseId", "status", "content"))
        check_one_of("status", self.tool_result["status"], ("success", "error"))

    @property
    def tool_use_id(self) -> str:
        """The ``toolUseId`` of the request that it answers."""
        return self.tool_result["toolUseId"]


@dataclass(frozen=True, slots=True)
class ToolStreamEvent(BidiEvent):
    """A tool tells something before it is done.

    Parameters
    ----------
    tool_use
        The request: ``toolUseId``, ``name`` and ``input``.
    tool_stream_data
        Data that the tool sent.
    """

    type: ClassVar[str] = "tool_stream"
    wire = wire_table("tool_stream_event")

    tool_use: ToolUse
    tool_stream_data: Any

    def __post_init__(self) -> None:
        _check_keys("tool_use", self.tool_use, ("toolUseId", "name"))

    @property
    def tool_use_id(self) -> str:
        """The ``toolUseId`` of the request."""
        return self.tool_use["toolUseId"]

    @property
    def tool_stream_event(self) -> dict[str, Any]:
        """Both as the one dict of the wire: ``{"tool_use": …, "data": …}``."""
        return {"tool_use": self.tool_use, "data": self.tool_stream_data}

    @classmethod
    def _arguments(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        inner = data.get("tool_stream_event")
        if not isinstance(inner, Mapping) or inner.keys() != {"tool_use", "data"}:
            raise EventError(f"{cls.type}: tool_stream_event must be a dict with tool_use and data, got {inner!r}")
        return {"tool_use": inner["tool_use"], "tool_stream_data": inner["data"]}
