"""What a client asks a Nova Sonic session to be.

Source: Amazon Nova 2 user guide, "Handling input events with the bidirectional API" and "Turn-taking controllability"
(read 2026-11); names of the keys: ``strands.experimental.bidi.models.nova_sonic`` (strands-agents 1.54).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from bidilab.bidi.providers.config import ProviderConfig, audio_config, check_keys
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.providers import NovaTurnDetection

__all__ = ["NOVA_SONIC_V1", "NOVA_SONIC_V2", "NovaSettings", "check_turn_detection"]

NOVA_SONIC_V1 = "amazon.nova-sonic-v1:0"
NOVA_SONIC_V2 = "amazon.nova-2-sonic-v1:0"

SAMPLE_RATES = (8000, 16_000, 24_000)
_AUDIO_KEYS = ("input_rate", "output_rate", "voice")
_FIXED_AUDIO = {"channels": 1, "format": "pcm"}
_INFERENCE_KEYS = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP"}
_LONGEST_PAUSE_MS = max(NovaTurnDetection.PAUSES_MS.values())


def check_turn_detection(value: object, model_id: str) -> NovaTurnDetection | None:
    """What ``provider_config["turn_detection"]`` says; nothing, ``None`` or ``{}``, leaves it to the service.

    Raises
    ------
    InvalidParameterError
        If a key or value is not allowed, or anything is asked of v1, which takes no turn detection.
    """
    if value is None or value == {}:
        return None
    if model_id == NOVA_SONIC_V1:
        raise InvalidParameterError("turn_detection", f"left out: {NOVA_SONIC_V1} has none, {NOVA_SONIC_V2} has", value)
    if isinstance(value, NovaTurnDetection):
        return value
    if not isinstance(value, Mapping):
        raise InvalidParameterError(
            "turn_detection", "NovaTurnDetection or an object with endpointingSensitivity", value
        )
    return NovaTurnDetection.from_dict(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaSettings:
    """What a client asks of Nova Sonic.

    Parameters
    ----------
    model_id
        Such as ``"amazon.nova-2-sonic-v1:0"``.
    turn_detection
        Its one knob; ``None`` leaves it to the service.
    input_rate, output_rate
        Hertz of the user's audio and of the agent's: 8000, 16,000 or 24,000.
    voice
        ``voiceId``.
    inference
        ``max_tokens``, ``temperature``, ``top_p``; what is not set is left to the service.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    model_id: str = NOVA_SONIC_V2
    turn_detection: NovaTurnDetection | None = None
    input_rate: int = 16_000
    output_rate: int = 16_000
    voice: str = "matthew"
    inference: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.model_id, str) or not self.model_id:
            raise InvalidParameterError("model_id", "the name of a model", self.model_id)
        for name in ("input_rate", "output_rate"):
            if getattr(self, name) not in SAMPLE_RATES:
                raise InvalidParameterError(name, "8000, 16000 or 24000 Hz", getattr(self, name))
        if not isinstance(self.voice, str) or not self.voice:
            raise InvalidParameterError("voice", "the name of a voice", self.voice)
        self._check_inference()
        check_turn_detection(self.turn_detection, self.model_id)

    def _check_inference(self) -> None:
        given = check_keys("provider_config['inference']", self.inference, tuple(_INFERENCE_KEYS))
        tokens = given.get("max_tokens", 1)
        if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 1:
            raise InvalidParameterError("max_tokens", "a whole number >= 1", tokens)
        for name in ("temperature", "top_p"):
            value = given.get(name, 0.0)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise InvalidParameterError(name, "a number in [0, 1]", value)

    @classmethod
    def from_config(cls, model_id: str, provider_config: Mapping[str, Any] | None) -> Self:
        """Read a model's ``provider_config``: ``audio``, ``inference`` and ``turn_detection``.

        Raises
        ------
        InvalidParameterError
            If a key is unknown or a value not allowed; nothing is ignored.
        """
        config = ProviderConfig.read(
            provider_config,
            audio=_AUDIO_KEYS,
            inference=tuple(_INFERENCE_KEYS),
            fixed=_FIXED_AUDIO,
            service="Nova Sonic",
        )
        read: dict[str, Any] = {
            key: check_turn_detection(value, model_id) for key, value in config.turn_detection.items()
        }
        return cls(model_id=model_id, inference=config.inference, **config.audio, **read)

    @property
    def inference_configuration(self) -> dict[str, Any]:
        """``inferenceConfiguration`` of ``sessionStart``."""
        return {_INFERENCE_KEYS[key]: value for key, value in self.inference.items()}

    @property
    def turn_detection_configuration(self) -> dict[str, Any] | None:
        """``turnDetectionConfiguration`` of ``sessionStart``; ``None`` when nothing is asked for."""
        return None if self.turn_detection is None else self.turn_detection.to_dict()

    @property
    def pause_ms(self) -> int:
        """Milliseconds of silence after which a turn is over; the longest there is when the service chooses."""
        if self.turn_detection is None:
            return _LONGEST_PAUSE_MS
        return int(self.turn_detection.canonical().silence_duration_ms)

    def audio_config(self) -> dict[str, Any]:
        """``model.config["audio"]``: what inputs and outputs go by."""
        return audio_config(input_rate=self.input_rate, output_rate=self.output_rate, voice=self.voice)
