"""How each provider tells an interruption, and what it must be told: the part of a provider that is no parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["INTERRUPTIONS", "InterruptionFacts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptionFacts:
    """An interruption as a provider's wire has it.

    Parameters
    ----------
    title
        The provider's name for itself.
    on_the_wire
        What the service sends.
    comes_first
        Which message a client can act on first.
    to_be_cleared
        What the client must throw away.
    told_of_heard
        What the service is told about the audio that was heard.
    messages
        The service's messages named here, as its codec knows them.
    documents
        Where it is written, with the date.
    """

    title: str
    on_the_wire: str
    comes_first: str
    to_be_cleared: str
    told_of_heard: str
    messages: tuple[str, ...]
    documents: tuple[str, ...]


INTERRUPTIONS: Final[Mapping[str, InterruptionFacts]] = MappingProxyType(
    {
        "openai": InterruptionFacts(
            title="OpenAI Realtime",
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
        "gemini": InterruptionFacts(
            title="Gemini Live",
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
        "nova": InterruptionFacts(
            title="Amazon Nova Sonic",
            on_the_wire='`textOutput` with `{ "interrupted" : true }`, and `contentEnd` with the stop reason '
            "`INTERRUPTED`",
            comes_first="whichever of the two comes first; the start of speech is not told",
            to_be_cleared="all audio of the response that has not been played",
            told_of_heard="nothing: there is no event for it",
            messages=("textOutput", "contentEnd"),
            documents=(
                "Amazon Nova 2 user guide, output events and turn-taking (2026)",
                "Amazon Bedrock API reference, `InvokeModelWithBidirectionalStream` (2026)",
            ),
        ),
    }
)
"""By the provider's name, as in `bidilab.detect.turns.providers.PROVIDERS`."""
