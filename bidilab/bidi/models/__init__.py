"""Models of a session, under the names and module paths of Strands. Loaded when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bidilab.bidi.local.model import BidiLocalModel
    from bidilab.bidi.model import BidiModel, PlaybackReport, SessionContext
    from bidilab.bidi.providers.gemini.model import BidiGeminiLiveModel
    from bidilab.bidi.providers.nova.model import BidiNovaSonicModel
    from bidilab.bidi.providers.openai.model import BidiOpenAIRealtimeModel
    from bidilab.bidi.providers.strands.model import StrandsAgentModel
    from bidilab.bidi.session.ledger import PlayoutEstimate

__all__ = [
    "BidiGeminiLiveModel",
    "BidiLocalModel",
    "BidiModel",
    "BidiNovaSonicModel",
    "BidiOpenAIRealtimeModel",
    "PlaybackReport",
    "PlayoutEstimate",
    "SessionContext",
    "StrandsAgentModel",
]

_HOME = {
    "BidiGeminiLiveModel": "providers.gemini.model",
    "BidiLocalModel": "local.model",
    "BidiModel": "model",
    "BidiNovaSonicModel": "providers.nova.model",
    "BidiOpenAIRealtimeModel": "providers.openai.model",
    "PlaybackReport": "model",
    "PlayoutEstimate": "session.ledger",
    "SessionContext": "model",
    "StrandsAgentModel": "providers.strands.model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"bidilab.bidi.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
