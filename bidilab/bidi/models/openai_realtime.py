"""`BidiOpenAIRealtimeModel`, at its module path in Strands (``strands.experimental.bidi.models.openai_realtime``)."""

from bidilab.bidi.providers.openai.model import BidiOpenAIRealtimeModel

__all__ = ["BidiOpenAIRealtimeModel"]
