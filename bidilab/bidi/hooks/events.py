"""What a session tells its hooks, under the names of ``strands.experimental.hooks.events``.

Matched to strands-agents 1.54: class names, attributes, which attributes a hook may write, and which events go to
the hooks in reverse order. `BidiInterruptionEvent` also says how much of the response was heard.

::

    BidiHookEvent                       agent
    ├── BidiAgentInitializedEvent
    ├── BidiBeforeInvocationEvent       ── BidiAfterInvocationEvent (reversed)
    ├── BidiMessageAddedEvent           message
    ├── BidiBeforeToolCallEvent         selected_tool*, tool_use*, invocation_state, cancel_tool*
    ├── BidiAfterToolCallEvent          … result*, exception, cancel_message, duration (reversed)
    ├── BidiInterruptionEvent           reason, interrupted_response_id, heard, generated
    ├── BidiBeforeConnectionRestartEvent  timeout_error
    └── BidiAfterConnectionRestartEvent   exception
    (* may be written by a hook)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, ClassVar

from bidilab.bidi.types.outputs import INTERRUPTION_REASONS, CutAudio, InterruptionReason, check_heard
from bidilab.bidi.types.tools import ToolResult, ToolUse
from bidilab.core.checks import check_one_of

__all__ = [
    "BidiAfterConnectionRestartEvent",
    "BidiAfterInvocationEvent",
    "BidiAfterToolCallEvent",
    "BidiAgentInitializedEvent",
    "BidiBeforeConnectionRestartEvent",
    "BidiBeforeInvocationEvent",
    "BidiBeforeToolCallEvent",
    "BidiHookEvent",
    "BidiInterruptionEvent",
    "BidiMessageAddedEvent",
]


@dataclass(slots=True, kw_only=True, eq=False)
class BidiHookEvent:
    """Root of what hooks are told.

    Parameters
    ----------
    agent
        The ``BidiAgent`` of the session.

    Raises
    ------
    FrozenInstanceError
        When a hook writes to an attribute that is not in `writable`.
    """

    writable: ClassVar[frozenset[str]] = frozenset()
    """Attributes by which a hook may act on the session."""

    should_reverse_callbacks: ClassVar[bool] = False
    """Whether hooks are called in reverse order, last added first, as when leaving."""

    agent: Any

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self.writable and hasattr(self, name):
            raise FrozenInstanceError(f"{type(self).__name__}.{name} is read-only")
        object.__setattr__(self, name, value)


@dataclass(slots=True, kw_only=True, eq=False)
class BidiAgentInitializedEvent(BidiHookEvent):
    """The agent was built. Its callbacks are called without an event loop, so they cannot be async."""


@dataclass(slots=True, kw_only=True, eq=False)
class BidiBeforeInvocationEvent(BidiHookEvent):
    """A session begins: ``agent.start`` was called, nothing is connected yet."""


@dataclass(slots=True, kw_only=True, eq=False)
class BidiAfterInvocationEvent(BidiHookEvent):
    """A session ended, well or not: the end of ``agent.stop``."""

    should_reverse_callbacks: ClassVar[bool] = True


@dataclass(slots=True, kw_only=True, eq=False)
class BidiMessageAddedEvent(BidiHookEvent):
    """A message was added to the conversation.

    Parameters
    ----------
    message
        ``{"role": …, "content": [{"text": …}]}``.
    """

    message: Mapping[str, Any]


@dataclass(slots=True, kw_only=True, eq=False)
class BidiBeforeToolCallEvent(BidiHookEvent):
    """A tool is about to be called.

    Parameters
    ----------
    selected_tool
        The tool, ``None`` when there is none of that name. A hook may put another in its place.
    tool_use
        The request. A hook may change it.
    invocation_state
        What else is passed to the tool.
    cancel_tool
        Set by a hook to a message, or ``True``, to have the call refused with it.
    """

    writable: ClassVar[frozenset[str]] = frozenset({"selected_tool", "tool_use", "cancel_tool"})

    selected_tool: Any
    tool_use: ToolUse
    invocation_state: Mapping[str, Any]
    cancel_tool: bool | str = False


@dataclass(slots=True, kw_only=True, eq=False)
class BidiAfterToolCallEvent(BidiHookEvent):
    """A tool was called, or its call was cancelled.

    Parameters
    ----------
    selected_tool, tool_use, invocation_state
        As in `BidiBeforeToolCallEvent`.
    result
        What the model is told. A hook may change it.
    exception
        What the tool raised, if it failed.
    cancel_message
        Why the call was cancelled, if it was.
    duration
        Seconds (Strands' name) that the tool took, by the session's clock; ``None`` when it was cancelled.
    """

    writable: ClassVar[frozenset[str]] = frozenset({"result"})
    should_reverse_callbacks: ClassVar[bool] = True

    selected_tool: Any
    tool_use: ToolUse
    invocation_state: Mapping[str, Any]
    result: ToolResult
    exception: Exception | None = None
    cancel_message: str | None = None
    duration: float | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class BidiInterruptionEvent(CutAudio, BidiHookEvent):
    """The agent was interrupted.

    This is not the session event of the same name in `bidilab.bidi.types.events`, as in Strands.

    Parameters
    ----------
    reason
        ``"user_speech"`` or ``"error"``.
    interrupted_response_id
        The response that was cut.
    heard_samples, generated_samples, sample_rate
        How much of it was audible and how much was there, at ``sample_rate`` Hz; together or not at all.
    """

    reason: InterruptionReason
    interrupted_response_id: str | None = None
    heard_samples: int | None = None
    generated_samples: int | None = None
    sample_rate: int | None = None

    def __post_init__(self) -> None:
        check_one_of("reason", self.reason, INTERRUPTION_REASONS)
        check_heard(self.heard_samples, self.generated_samples, self.sample_rate)

    @property
    def response_id(self) -> str | None:
        """`interrupted_response_id`."""
        return self.interrupted_response_id


@dataclass(slots=True, kw_only=True, eq=False)
class BidiBeforeConnectionRestartEvent(BidiHookEvent):
    """The connection was lost, and reconnecting is about to begin.

    Parameters
    ----------
    timeout_error
        The error that ended the connection.
    """

    timeout_error: Exception


@dataclass(slots=True, kw_only=True, eq=False)
class BidiAfterConnectionRestartEvent(BidiHookEvent):
    """Reconnecting has succeeded or failed.

    Parameters
    ----------
    exception
        Why it could not; ``None`` when it was.
    """

    exception: Exception | None = None
