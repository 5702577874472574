"""What one response holds, and how fast it is generated."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bidilab.bidi.realtime.voice import BABBLE_S_PER_CHARACTER
from bidilab.core.audio import Audio
from bidilab.core.errors import InvalidParameterError

__all__ = ["Delivery", "FunctionCall", "Reply", "ReplyLike", "Speech", "as_reply"]

MAX_REPLY_CHARACTERS = 32_768
"""Of all outputs of a reply: its ``response.done`` then stays under 1 MiB however the JSON is escaped."""

MAX_CHUNK_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a response is generated.

    Parameters
    ----------
    first_output_delay_ms
        From ``response.created`` to the first output, in milliseconds, ``>= 0``.
    chunk_ms
        Audio in one delta, in milliseconds, in [1, 5000].
    pace
        Speed of generation: 1 is real time, ``math.inf`` all at once; ``> 0``. Chunk ``k`` is sent
        ``k chunk_ms / pace`` after the first, and the response is done when its last chunk would have been generated.

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds.
    """

    first_output_delay_ms: float = 300
    chunk_ms: float = 100
    pace: float = 4.0

    def __post_init__(self) -> None:
        if not 0 <= self.first_output_delay_ms <= 600_000:
            raise InvalidParameterError("first_output_delay_ms", "in [0, 600000]", self.first_output_delay_ms)
        if not 1 <= self.chunk_ms <= MAX_CHUNK_MS:
            raise InvalidParameterError("chunk_ms", f"in [1, {MAX_CHUNK_MS}]", self.chunk_ms)
        if math.isnan(self.pace) or self.pace <= 0:
            raise InvalidParameterError("pace", "a number > 0, or math.inf", self.pace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Something said, or written when the client asked for text.

    Parameters
    ----------
    text
        The words.
    audio
        How they sound; ``None`` leaves it to the server's text-to-speech.
    """

    text: str
    audio: Audio | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """A call of one of the client's tools.

    Parameters
    ----------
    name
        A tool of the session or of the request.
    arguments
        A JSON object, or what becomes one.
    """

    name: str
    arguments: str | Mapping[str, Any] = "{}"

    @property
    def arguments_json(self) -> str:
        """The arguments as the wire carries them."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(dict(self.arguments))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """All that one response holds.

    Parameters
    ----------
    outputs
        In order; empty when the agent has nothing to say.
    delivery
        How it is generated; ``None`` is the server's.

    Raises
    ------
    InvalidParameterError
        If an output is of another type, or the texts are longer than 32,768 characters together.
    """

    outputs: tuple[Speech | FunctionCall, ...] = ()
    delivery: Delivery | None = None

    def __post_init__(self) -> None:
        n_characters = 0
        for output in self.outputs:
            if not isinstance(output, Speech | FunctionCall):
                raise InvalidParameterError("outputs", "Speech or FunctionCall", output)
            n_characters += len(output.text if isinstance(output, Speech) else output.arguments_json)
        if n_characters > MAX_REPLY_CHARACTERS:
            raise InvalidParameterError("outputs", f"at most {MAX_REPLY_CHARACTERS} characters", n_characters)


ReplyLike = (
    str | float | Audio | Speech | FunctionCall | Reply | Sequence["str | float | Audio | Speech | FunctionCall"]
)


def _output(value: object) -> Speech | FunctionCall:
    if isinstance(value, Speech | FunctionCall):
        return value
    if isinstance(value, str):
        return Speech(text=value)
    if isinstance(value, Audio):
        return Speech(text=f"[recording {value.duration_s:.2f} s]", audio=value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 600:
        return Speech(text=_filler(value))
    raise InvalidParameterError("reply", "text, seconds in (0, 600], Audio, Speech, FunctionCall or Reply", value)


def _filler(seconds: float) -> str:
    """Nonsense whose babble lasts ``seconds``, to the nearest character (65 ms)."""
    n_characters = max(1, round(seconds / BABBLE_S_PER_CHARACTER))
    return ("lorem ipsum dolor sit amet " * (n_characters // 27 + 1))[: n_characters - 1] + "."


def as_reply(value: ReplyLike) -> Reply:
    """A `Reply` of anything that can be one.

    Raises
    ------
    InvalidParameterError
        If it cannot.

    Examples
    --------
    >>> as_reply("Good morning.").outputs[0].text
    'Good morning.'
    """
    if isinstance(value, Reply):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return Reply(outputs=tuple(map(_output, value)))
    return Reply(outputs=(_output(value),))
