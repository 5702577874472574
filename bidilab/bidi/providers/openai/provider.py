"""OpenAI Realtime as a provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bidilab.bidi.providers.openai import OpenAIRealtimeCodec, SemanticVad
from bidilab.bidi.providers.openai.connection import KEY_VARIABLE, RealtimeConnection
from bidilab.bidi.providers.openai.model import BidiOpenAIRealtimeModel
from bidilab.bidi.providers.provider import InterruptionFacts, Provider, missing_key
from bidilab.detect.turns import EXPORT_TARGETS, ServerVad, TurnParams

__all__ = ["OPENAI"]


def _meaning(given: Mapping[str, Any] | ServerVad | SemanticVad) -> TurnParams | None:
    if isinstance(given, SemanticVad) or (
        isinstance(given, Mapping) and given.get("type", "server_vad") != "server_vad"
    ):
        return None  # a model judges: there are no parameters to go by
    return (given if isinstance(given, ServerVad) else ServerVad.from_dict(given)).canonical()


OPENAI: Final = Provider(
    name="openai",
    title="OpenAI Realtime",
    model=BidiOpenAIRealtimeModel,
    params=ServerVad,
    meaning=_meaning,
    codec=OpenAIRealtimeCodec,
    connection=RealtimeConnection,
    interruption=InterruptionFacts(
        on_the_wire="`input_audio_buffer.speech_started`; of a response that is still being generated also "
        "`response.done` with status `cancelled`",
        comes_first="`input_audio_buffer.speech_started`, whether or not a response is being generated",
        to_be_cleared="all audio of the response that has not been played, and what of it still arrives",
        told_of_heard="`conversation.item.truncate` with `audio_end_ms`: the conversation keeps what was heard",
        messages=("input_audio_buffer.speech_started", "response.done"),
        documents=(
            "Realtime API reference and guide, GA protocol (2026)",
            "types of the `openai` package 3.54 (2026)",
        ),
    ),
    export=EXPORT_TARGETS["openai"],
    also_takes=(SemanticVad,),
    unusable=lambda: missing_key(KEY_VARIABLE),
)
