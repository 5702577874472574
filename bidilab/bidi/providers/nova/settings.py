"""What a client asks a Nova Sonic session to be.

Source: Amazon Nova 2 user guide, "Handling input events with the bidirectional API" and "Turn-taking controllability"
(read 2026-11); names of the keys: ``strands.experimental.bidi.models.nova_sonic`` (strands-agents 1.54).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bidilab.bidi.providers.config import ProviderSettings, check_keys
from bidilab.core.checks import check_number, check_whole
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.providers import NovaTurnDetection

__all__ = ["NOVA_SONIC_V1", "NOVA_SONIC_V2", "NovaSettings", "check_turn_detection"]

NOVA_SONIC_V1 = "amazon.nova-sonic-v1:0"
NOVA_SONIC_V2 = "amazon.nova-2-sonic-v1:0"

SAMPLE_RATES = (8000, 16_000, 24_000)
_INFERENCE_KEYS = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP"}
_LONGEST_PAUSE_MS = max(NovaTurnDetection.PAUSES_MS.values())


def check_turn_detection(value: object, model_id: str) -> NovaTurnDetection | None:
    """Read ``provider_config["turn_detection"]``; ``None`` or ``{}`` leaves turn detection to the service.

    Raises
    ------
    InvalidParameterError
        If a key or value is not allowed, or anything is asked of v1, which takes no turn detection.
    """
    if value is None or value == {}:
        return None
    if model_id == NOVA_SONIC_V1:
        raise InvalidParameterError(
            "turn_detection", f"left out: {NOVA_SONIC_V1} has no turn detection, {NOVA_SONIC_V2} has", value
        )
    if isinstance(value, NovaTurnDetection):
        return value
    if not isinstance(value, Mapping):
        raise InvalidParameterError(
            "turn_detection", "NovaTurnDetection or an object with endpointingSensitivity", value
        )
    return NovaTurnDetection.from_dict(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaSettings(ProviderSettings):
    """Settings of a session with Nova Sonic.

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

    AUDIO: ClassVar[tuple[str, ...]] = ("input_rate", "output_rate", "voice")
    FIXED_AUDIO: ClassVar[Mapping[str, Any]] = {"channels": 1, "format": "pcm"}
    INFERENCE: ClassVar[Mapping[str, str]] = {name: name for name in _INFERENCE_KEYS}
    SERVICE: ClassVar[str] = "Nova Sonic"

    model_id: str = NOVA_SONIC_V2
    turn_detection: NovaTurnDetection | None = None
    input_rate: int = 16_000
    output_rate: int = 16_000
    voice: str = "matthew"

    def _check(self) -> None:
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
        check_whole("max_tokens", given.get("max_tokens", 1), 1)
        for name in ("temperature", "top_p"):
            check_number(name, given.get(name, 0.0), 0, 1)

    @classmethod
    def _read_turn_detection(cls, given: Any, **fields: Any) -> NovaTurnDetection | None:
        return check_turn_detection(given, fields.get("model_id", NOVA_SONIC_V2))

    @property
    def _output_rate(self) -> int:
        return self.output_rate

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
