"""LiveKit Agents' Silero VAD."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from bidilab.core.checks import check_duration_s, check_probability
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.params import DEACTIVATION_FLOOR, TurnParams, default_deactivation_threshold
from bidilab.detect.turns.providers.base import SweptParams, from_known_keys

__all__ = ["LiveKitVad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKitVad(SweptParams):
    """The VAD of LiveKit Agents: ``livekit.plugins.silero.VAD.load(…)``.

    Names, defaults and meaning: ``livekit/plugins/silero/vad.py`` of livekit-plugins-silero 1.8.9 (2026). Durations are
    seconds. The parameters of ``load`` that move no decision (``max_buffered_speech``, ``sample_rate``, ``force_cpu``,
    ``onnx_file_path``) are left out.

    LiveKit differs from the canonical detector in ways that `canonical` cannot express:

    - it smooths the probabilities, ``0.35 · last + 0.65 · new``, before it compares them;
    - a frame between the two thresholds cancels a silence, whereas the canonical detector lets it continue;
    - its padding may reach back into the turn before.

    An ``AgentSession`` adds conditions of its own. By default an interruption needs 0.5 s of speech
    (``interruption.min_duration``), the agent goes on 2 s after an interruption without words
    (``interruption.resume_false_interruption``, ``false_interruption_timeout``), nothing interrupts in the first 3 s
    that it speaks (``aec_warmup_duration``), and a turn ends no sooner than 0.5 s after speech
    (``endpointing.min_delay``). An export turns all of them off.

    Parameters
    ----------
    min_speech_duration
        Seconds of speech before a start, ``>= 0``.
    min_silence_duration
        Seconds of silence before an end, ``>= 0``.
    prefix_padding_duration
        Seconds of audio kept from before the onset, ``>= 0``.
    activation_threshold
        In [0, 1].
    deactivation_threshold
        In (0, 1] and not above the activation threshold; ``None`` for ``max(activation_threshold - 0.15, 0.01)``.

    Raises
    ------
    InvalidParameterError
        If a value is out of bounds.

    Examples
    --------
    >>> LiveKitVad(min_silence_duration=0.3).canonical().silence_duration_ms
    300.0
    """

    provider: ClassVar[str] = "livekit"
    INEXPRESSIBLE: ClassVar[Mapping[str, str]] = {
        "deactivation_threshold": "LiveKit's deactivation threshold must be greater than 0"
    }

    min_speech_duration: float = 0.05
    min_silence_duration: float = 0.55
    prefix_padding_duration: float = 0.5
    activation_threshold: float = 0.5
    deactivation_threshold: float | None = None

    def __post_init__(self) -> None:
        for name in ("min_speech_duration", "min_silence_duration", "prefix_padding_duration"):
            check_duration_s(name, getattr(self, name))
        check_probability("activation_threshold", self.activation_threshold)
        if (given := self.deactivation_threshold) is not None:
            check_probability("deactivation_threshold", given)
            if given == 0:
                raise InvalidParameterError("deactivation_threshold", "greater than 0", given)
            if given > self.activation_threshold and given != default_deactivation_threshold(self.activation_threshold):
                allowed = f"not above activation_threshold ({self.activation_threshold})"
                raise InvalidParameterError("deactivation_threshold", allowed, given)

    def canonical(self) -> TurnParams:
        """The canonical parameters that behave like these, except for the differences named above."""
        threshold = self.activation_threshold
        given = self.deactivation_threshold
        return TurnParams(
            threshold=threshold,
            deactivation_threshold=default_deactivation_threshold(threshold) if given is None else given,
            min_speech_ms=_ms(self.min_speech_duration),
            prefix_padding_ms=_ms(self.prefix_padding_duration),
            silence_duration_ms=_ms(self.min_silence_duration),
        )

    def to_dict(self) -> dict[str, Any]:
        """Keyword arguments of ``VAD.load``; a deactivation threshold that was not given is left out."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read keyword arguments of ``VAD.load``; an unknown key raises `InvalidParameterError`."""
        return from_known_keys(cls, values, "VAD.load")

    @classmethod
    def nearest(cls, params: TurnParams) -> Self:
        """All five as they are; a deactivation threshold of 0 becomes 0.01."""
        derived = params.deactivation_threshold == default_deactivation_threshold(params.threshold)
        return cls(
            min_speech_duration=params.min_speech_ms / 1000,
            min_silence_duration=params.silence_duration_ms / 1000,
            prefix_padding_duration=params.prefix_padding_ms / 1000,
            activation_threshold=params.threshold,
            deactivation_threshold=None
            if derived
            else min(max(params.deactivation_threshold, DEACTIVATION_FLOOR), 1.0),
        )

    @classmethod
    def sweep_params(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> TurnParams:
        """Canonical parameters of one point of a sweep, with LiveKit's own 50 ms of speech required."""
        return cls(
            activation_threshold=threshold,
            prefix_padding_duration=prefix_padding_ms / 1000,
            min_silence_duration=silence_duration_ms / 1000,
        ).canonical()


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 6)  # 0.55 s is 550 ms, not 550.0000000000001
