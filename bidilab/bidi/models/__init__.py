"""Models of a session: who listens, decides and speaks. Loaded when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bidilab.bidi.models.base import BidiModel, PlaybackReport, SessionContext
    from bidilab.bidi.models.gemini_live import BidiGeminiLiveModel
    from bidilab.bidi.models.local import BidiLocalModel
    from bidilab.bidi.models.nova_sonic import BidiNovaSonicModel
    from bidilab.bidi.models.openai_realtime import BidiOpenAIRealtimeModel
    from bidilab.bidi.models.playout import PlayoutEstimate

__all__ = [
    "BidiGeminiLiveModel",
    "BidiLocalModel",
    "BidiModel",
    "BidiNovaSonicModel",
    "BidiOpenAIRealtimeModel",
    "PlaybackReport",
    "PlayoutEstimate",
    "SessionContext",
]

_HOME = {
    "BidiGeminiLiveModel": "gemini_live",
    "BidiLocalModel": "local",
    "BidiModel": "base",
    "BidiNovaSonicModel": "nova_sonic",
    "BidiOpenAIRealtimeModel": "openai_realtime",
    "PlaybackReport": "base",
    "PlayoutEstimate": "playout",
    "SessionContext": "base",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
