"""Gemini's Live API from the client's side: a pure codec, and what a session is asked to be."""

from bidilab.bidi.providers.failures import Failure
from bidilab.bidi.providers.gemini.codec import HANDLERS, GeminiLiveCodec
from bidilab.bidi.providers.gemini.settings import (
    INPUT_RATE,
    OUTPUT_RATE,
    GeminiSettings,
    GeminiTurnDetection,
    turn_detection,
)

__all__ = [
    "HANDLERS",
    "INPUT_RATE",
    "OUTPUT_RATE",
    "Failure",
    "GeminiLiveCodec",
    "GeminiSettings",
    "GeminiTurnDetection",
    "turn_detection",
]
