"""The OpenAI Realtime API from the client's side: a pure codec, and what a session is asked to be."""

from bidilab.bidi.log.eventlog import LogEntry
from bidilab.bidi.providers.openai.codec import HANDLERS, OpenAIRealtimeCodec
from bidilab.bidi.providers.openai.settings import (
    SAMPLE_RATE,
    SemanticVad,
    SessionSettings,
    TurnDetection,
    differences,
    longest_wait_ms,
    turn_detection,
)

__all__ = [
    "HANDLERS",
    "SAMPLE_RATE",
    "LogEntry",
    "OpenAIRealtimeCodec",
    "SemanticVad",
    "SessionSettings",
    "TurnDetection",
    "differences",
    "longest_wait_ms",
    "turn_detection",
]
