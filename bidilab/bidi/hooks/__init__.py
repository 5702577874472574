"""Hooks: code of the user that a session calls."""

from bidilab.bidi.hooks.events import (
    BidiAfterConnectionRestartEvent,
    BidiAfterInvocationEvent,
    BidiAfterToolCallEvent,
    BidiAgentInitializedEvent,
    BidiBeforeConnectionRestartEvent,
    BidiBeforeInvocationEvent,
    BidiBeforeToolCallEvent,
    BidiHookEvent,
    BidiInterruptionEvent,
    BidiMessageAddedEvent,
)
from bidilab.bidi.hooks.registry import HookFailure, HookProvider, HookRegistry

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
    "HookFailure",
    "HookProvider",
    "HookRegistry",
]
