"""`BidiGeminiLiveModel`, at its module path in Strands (``strands.experimental.bidi.models.gemini_live``)."""

from bidilab.bidi.providers.gemini.model import BidiGeminiLiveModel

__all__ = ["BidiGeminiLiveModel"]
