"""Gemini Live as a provider."""

from __future__ import annotations

from typing import Any, Final

from bidilab.bidi.providers.gemini import GeminiLiveCodec, GeminiTurnDetection, turn_detection
from bidilab.bidi.providers.gemini.connection import KEY_VARIABLES, GeminiConnection
from bidilab.bidi.providers.gemini.model import BidiGeminiLiveModel
from bidilab.bidi.providers.provider import InterruptionFacts, Provider, missing_extra, missing_key
from bidilab.detect.turns import EXPORT_TARGETS, GeminiActivityDetection, TurnParams

__all__ = ["GEMINI"]


def _meaning(given: Any) -> TurnParams | None:
    read = turn_detection(given)
    return None if read.manual else read.detection.canonical()


GEMINI: Final = Provider(
    name="gemini",
    title="Gemini Live",
    model=BidiGeminiLiveModel,
    params=GeminiActivityDetection,
    meaning=_meaning,
    codec=GeminiLiveCodec,
    connection=GeminiConnection,
    interruption=InterruptionFacts(
        on_the_wire="`serverContent` with `interrupted`, then one with `turnComplete`, and no "
        "`generationComplete`; `toolCallCancellation` for calls whose results are not wanted any more",
        comes_first="`interrupted`. The start of speech is told only where the service sends `voiceActivity`; "
        "nothing is told when the model's turn was over and its audio still plays",
        to_be_cleared="all audio of the turn that has not been played; what arrives before `turnComplete` belongs "
        "to it",
        told_of_heard="nothing: there is no message for it",
        messages=("serverContent", "toolCallCancellation", "voiceActivity"),
        documents=(
            "Live API WebSocket reference and capabilities guide (2026)",
            "types of the `google-genai` package 3.4 (2026)",
        ),
    ),
    export=EXPORT_TARGETS["gemini"],
    also_takes=(GeminiTurnDetection,),
    unusable=lambda: missing_extra("gemini", "google.genai") or missing_key(*KEY_VARIABLES),
)
