"""One call of a tool: request in, result out, with its hooks. A failing tool is an error result, never a crash."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bidilab.bidi.hooks.events import BidiAfterToolCallEvent, BidiBeforeToolCallEvent, BidiHookEvent
from bidilab.bidi.tools import ToolInputError, ToolRegistry, tool_result
from bidilab.bidi.types.events import ToolResultEvent
from bidilab.bidi.types.tools import ToolResult, ToolUse
from bidilab.core.clock import Clock
from bidilab.core.errors import InvalidParameterError

__all__ = ["ToolCaller"]

Tell = Callable[[BidiHookEvent], Awaitable[None]]


class ToolCaller:
    """Call the tools of a session.

    Parameters
    ----------
    agent
        For the hook events.
    tools
        What there is.
    clock
        The session's.
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
            raise InvalidParameterError("tool", f"one of the tools there are ({known})", use["name"])
        arguments = use["input"]
        if isinstance(arguments, str):  # as providers stream it
            try:
                arguments = json.loads(arguments or "{}")
            except json.JSONDecodeError as error:
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
