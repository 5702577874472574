"""Settings of the server's side of one session."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bidilab.bidi.realtime.voice import babble
from bidilab.bidi.reply import (
    Delivery,
    TextToSpeech,
    Transcriber,
    Voice,
    as_text_to_speech,
    as_transcriber,
)
from bidilab.core.checks import check_bounds
from bidilab.core.errors import InvalidParameterError

__all__ = ["RealtimeSettings"]

_BOUNDS: dict[str, tuple[float, float]] = {
    "transcription_delay_ms": (0, 600_000),
    "semantic_wait_fraction": (0.01, 1.0),
    "max_session_s": (1, 86_400),
    "max_buffer_samples": (16 * 1024 * 1024, 2**31),
    "max_kept_audio_samples": (0, 2**31),
    "max_items": (1, 100_000),
    "max_message_bytes": (65_536, 16 * 1024 * 1024),
    "tokens_per_minute": (1, 10**12),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeSettings:
    """Settings of the server's side; the client sets the rest by ``session.update``.

    Parameters
    ----------
    session_name
        Letters and digits, 1 to 12; part of every id, so it should differ between sessions of one server.
    model
        Name of the model, from the URL; ``None`` takes the client's first ``session.update``'s.
    expires_at
        Unix time in seconds to show as the session's end, or ``None``. The session itself ends by ``max_session_s``.
    turn_detection
        The session's before the client's first ``session.update``, as the wire has it; what is left out is the
        API's default. ``None`` is off.
    voice
        Name of the session's voice before the client's first ``session.update``.
    delivery
        How responses are generated, unless a reply says otherwise.
    speak
        A `Voice`, or a function of text and voice name; `babble` when none is given.
    transcribe
        A function of `UserSpeech` (or of samples and rate) that returns the user's words; no coroutine. ``None`` labels
        speech by its length.
    transcription_delay_ms
        From the commit to the transcription's events, in milliseconds, [0, 600000].
    semantic_wait_fraction
        Silence that ends a turn in ``semantic_vad``, as a fraction of the longest wait of the ``eagerness``,
        [0.01, 1]. An assumption: see `turn_detection`.
    max_session_s
        Length of a session, in seconds, [1, 86400]; the API's is 60 minutes.
    max_buffer_samples
        Samples that the input buffer may hold, at least an append of 15 MiB of G.711, [2^24, 2^31].
    max_kept_audio_samples
        Samples kept for ``conversation.item.retrieve``, the newest, [0, 2^31].
    max_items
        Items that a client may put into the conversation, [1, 100000].
    max_message_bytes
        Bound of an outgoing message as JSON in ASCII; a request whose answer would be larger is refused.
    tokens_per_minute
        Limit that ``rate_limits.updated`` shows; it is never enforced.

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds, or ``speak`` or ``transcribe`` is no such thing.
    """

    session_name: str = "local"
    model: str | None = None
    expires_at: int | None = None
    turn_detection: Mapping[str, Any] | None = field(default_factory=lambda: {"type": "server_vad"})
    voice: str = "alloy"
    delivery: Delivery = field(default_factory=Delivery)
    speak: Voice | TextToSpeech = babble
    transcribe: Transcriber | None = None
    transcription_delay_ms: float = 0
    semantic_wait_fraction: float = 0.25
    max_session_s: float = 3_600
    max_buffer_samples: int = 32 * 1024 * 1024
    max_kept_audio_samples: int = 16 * 1024 * 1024
    max_items: int = 2_000
    max_message_bytes: int = 1_000_000
    tokens_per_minute: int = 40_000

    def __post_init__(self) -> None:
        as_text_to_speech(self.speak)
        if self.transcribe is not None:
            as_transcriber(self.transcribe)
        if not re.fullmatch(r"[A-Za-z0-9]{1,12}", self.session_name):
            raise InvalidParameterError("session_name", "1 to 12 letters and digits", self.session_name)
        check_bounds(self, _BOUNDS)
