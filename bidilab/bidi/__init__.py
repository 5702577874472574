"""The agent runtime: sessions that can be interrupted. The only zone that runs asyncio tasks.

Names and paths are those of ``strands.experimental.bidi`` (strands-agents 1.54), so that a program written for it runs
with only the import root changed. Loaded when asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bidilab.bidi.agent import BidiAgent
    from bidilab.bidi.io import BidiAudioIO, BidiTextIO, WavInput, WavOutput
    from bidilab.bidi.local.model import BidiLocalModel
    from bidilab.bidi.providers.gemini.model import BidiGeminiLiveModel
    from bidilab.bidi.providers.nova.model import BidiNovaSonicModel
    from bidilab.bidi.providers.openai.model import BidiOpenAIRealtimeModel
    from bidilab.bidi.tools import FunctionTool, tool
    from bidilab.bidi.types.events import (
        BidiAudioInputEvent,
        BidiAudioStreamEvent,
        BidiConnectionCloseEvent,
        BidiConnectionRestartEvent,
        BidiConnectionStartEvent,
        BidiErrorEvent,
        BidiEvent,
        BidiImageInputEvent,
        BidiInputEvent,
        BidiInterruptionEvent,
        BidiOutputEvent,
        BidiResponseCompleteEvent,
        BidiResponseStartEvent,
        BidiTextInputEvent,
        BidiTranscriptStreamEvent,
        BidiUsageEvent,
        ModalityUsage,
        ToolResultEvent,
        ToolStreamEvent,
        ToolUseStreamEvent,
    )

__all__ = [
    "BidiAgent",
    "BidiAudioIO",
    "BidiAudioInputEvent",
    "BidiAudioStreamEvent",
    "BidiConnectionCloseEvent",
    "BidiConnectionRestartEvent",
    "BidiConnectionStartEvent",
    "BidiErrorEvent",
    "BidiEvent",
    "BidiGeminiLiveModel",
    "BidiImageInputEvent",
    "BidiInputEvent",
    "BidiInterruptionEvent",
    "BidiLocalModel",
    "BidiNovaSonicModel",
    "BidiOpenAIRealtimeModel",
    "BidiOutputEvent",
    "BidiResponseCompleteEvent",
    "BidiResponseStartEvent",
    "BidiTextIO",
    "BidiTextInputEvent",
    "BidiTranscriptStreamEvent",
    "BidiUsageEvent",
    "FunctionTool",
    "ModalityUsage",
    "ToolResultEvent",
    "ToolStreamEvent",
    "ToolUseStreamEvent",
    "WavInput",
    "WavOutput",
    "tool",
]

_HOME = {
    "BidiAgent": "agent",
    "BidiAudioIO": "io",
    "BidiGeminiLiveModel": "providers.gemini.model",
    "BidiLocalModel": "local.model",
    "BidiNovaSonicModel": "providers.nova.model",
    "BidiOpenAIRealtimeModel": "providers.openai.model",
    "BidiTextIO": "io",
    "FunctionTool": "tools",
    "WavInput": "io",
    "WavOutput": "io",
    "tool": "tools",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'types.events')}"), name)


def __dir__() -> list[str]:
    return __all__
