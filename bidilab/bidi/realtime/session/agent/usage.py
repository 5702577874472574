"""Token counts and rate limits.

There is no tokenizer here. Audio is counted as OpenAI states it ("Managing Realtime costs", 2025): one token each
100 ms of the user's audio and each 50 ms of the agent's. Text is counted at four characters a token, an assumption.
Nothing is cached.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bidilab.bidi.realtime.session.items import Item

__all__ = ["RateLimits", "audio_tokens", "input_usage", "output_usage", "text_tokens"]

_USER_TOKENS_PER_S = 10
_AGENT_TOKENS_PER_S = 20
_CHARACTERS_PER_TOKEN = 4


def text_tokens(n_characters: int) -> int:
    """Tokens of a text, rounded up."""
    return -(-n_characters // _CHARACTERS_PER_TOKEN)


def audio_tokens(n_samples: int, sample_rate: int, *, agent: bool) -> int:
    """Tokens of audio, rounded up."""
    per_s = _AGENT_TOKENS_PER_S if agent else _USER_TOKENS_PER_S
    return -(-n_samples * per_s // sample_rate)


def input_usage(items: Iterable[Item], instructions: str) -> dict[str, int]:
    """Tokens of a response's input: ``text``, ``audio`` and ``image``."""
    text, audio = text_tokens(len(instructions)), 0
    for item in items:
        is_audio = [part for part in item.content if part.audio_format is not None]
        audio += sum(
            audio_tokens(part.n_samples, part.audio_format.sample_rate, agent=item.role == "assistant")
            for part in is_audio
            if part.audio_format is not None
        )
        if not is_audio:
            text += text_tokens(len(item.text))
    return {"text": text, "audio": audio}


def output_usage(inputs: dict[str, int], *, text: int, audio: int) -> dict[str, Any]:
    """The ``usage`` of ``response.done``."""
    n_input, n_output = inputs["text"] + inputs["audio"], text + audio
    return {
        "total_tokens": n_input + n_output,
        "input_tokens": n_input,
        "output_tokens": n_output,
        "input_token_details": {
            "text_tokens": inputs["text"],
            "audio_tokens": inputs["audio"],
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": text, "audio_tokens": audio},
    }


class RateLimits:
    """A bucket of tokens that empties evenly, shown to the client and never enforced.

    Parameters
    ----------
    tokens_per_minute
        Its size, and how much leaves it in a minute.
    """

    def __init__(self, tokens_per_minute: int) -> None:
        self._limit = tokens_per_minute
        self._used = 0.0
        self._at_s = 0.0

    def use(self, tokens: int, now_s: float) -> None:
        """Count tokens."""
        self._used = self._used_at(now_s) + tokens
        self._at_s = now_s

    def _used_at(self, now_s: float) -> float:
        return max(0.0, self._used - self._limit * (now_s - self._at_s) / 60)

    def to_list(self, now_s: float) -> list[dict[str, Any]]:
        """The ``rate_limits`` of the event."""
        used = self._used_at(now_s)
        remaining = max(0, self._limit - round(used))
        reset_s = round(60 * used / self._limit, 3)
        return [{"name": "tokens", "limit": self._limit, "remaining": remaining, "reset_seconds": reset_s}]
