"""The session of the OpenAI Realtime API as a client asks for it, and how what it got differs.

Source: ``openai/types/realtime/realtime_session_create_request_param.py`` of the ``openai`` package 3.54 (2026).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from bidilab.bidi.providers.config import check_keys
from bidilab.bidi.providers.openai.turn_detection import TurnDetection, turn_detection, turn_detection_dict
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate
from bidilab.detect.turns import ServerVad

__all__ = ["OUTPUT_MODALITIES", "SAMPLE_RATE", "SessionSettings", "differences", "function_tool"]

SAMPLE_RATE = 24_000
"""Hertz of ``audio/pcm``, both ways; the only rate it has."""

OUTPUT_MODALITIES = (["audio"], ["text"])

_AUDIO_KEYS = (
    "input_rate",
    "output_rate",
    "channels",
    "format",
    "voice",
    "speed",
    "transcription",
    "noise_reduction",
)
_INFERENCE_KEYS = (
    "output_modalities",
    "max_output_tokens",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "prompt",
    "truncation",
    "tracing",
    "include",
)
_DEFAULT_TRANSCRIPTION = MappingProxyType({"model": "gpt-4o-transcribe"})
_MIN_SPEED, _MAX_SPEED = 0.25, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What a client asks a Realtime session to be.

    Parameters
    ----------
    turn_detection
        Who decides on turns.
    input_rate
        Hertz of the audio that inputs are asked to bring; it is resampled to `SAMPLE_RATE`.
    voice
        Name of the voice; ``None`` leaves it to the server.
    speed
        Of the voice, 0.25 to 1.5; ``None`` leaves it to the server.
    transcription, noise_reduction
        Objects of ``session.audio.input``; ``None`` turns them off.
    inference
        Further keys of the session, as they are.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    turn_detection: TurnDetection = field(default_factory=ServerVad)
    input_rate: int = SAMPLE_RATE
    voice: str | None = None
    speed: float | None = None
    transcription: Mapping[str, Any] | None = field(default_factory=lambda: dict(_DEFAULT_TRANSCRIPTION))
    noise_reduction: Mapping[str, Any] | None = None
    inference: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_sample_rate(self.input_rate, "input_rate")
        if self.voice is not None and not isinstance(self.voice, str):
            raise InvalidParameterError("voice", "a name, or None", self.voice)
        if self.speed is not None and not _is_speed(self.speed):
            raise InvalidParameterError("speed", f"a number in [{_MIN_SPEED}, {_MAX_SPEED}]", self.speed)
        for name in ("transcription", "noise_reduction"):
            if (value := getattr(self, name)) is not None and not isinstance(value, Mapping):
                raise InvalidParameterError(name, "an object, or None", value)
        modalities = self.inference.get("output_modalities", ["audio"])
        if not isinstance(modalities, Sequence) or list(modalities) not in OUTPUT_MODALITIES:
            raise InvalidParameterError("output_modalities", "['audio'] or ['text']", modalities)

    @classmethod
    def from_config(cls, provider_config: Mapping[str, Any] | None) -> Self:
        """Read a model's ``provider_config``: ``audio``, ``inference`` and ``turn_detection``.

        Raises
        ------
        InvalidParameterError
            If a key is unknown or a value not allowed; nothing is ignored.
        """
        config = check_keys("provider_config", provider_config, ("audio", "inference", "turn_detection"))
        audio = dict(check_keys("provider_config['audio']", config.get("audio"), _AUDIO_KEYS))
        _fixed(audio, "output_rate", SAMPLE_RATE)
        _fixed(audio, "channels", 1)
        _fixed(audio, "format", "pcm")
        inference = check_keys("provider_config['inference']", config.get("inference"), _INFERENCE_KEYS)
        if "turn_detection" in config:
            audio["turn_detection"] = turn_detection(config["turn_detection"])
        return cls(inference=dict(inference), **audio)

    def replace(self, **changes: Any) -> Self:
        """A copy with some values changed."""
        return dataclasses.replace(self, **changes)

    @property
    def acts_on_speech(self) -> bool:
        """Whether the start of speech is to interrupt a response."""
        return self.turn_detection is not None and self.turn_detection.interrupt_response

    def audio_config(self) -> dict[str, Any]:
        """``model.config["audio"]``: what inputs and outputs go by."""
        return {
            "input_rate": self.input_rate,
            "output_rate": SAMPLE_RATE,
            "channels": 1,
            "format": "pcm",
            **({"voice": self.voice} if self.voice is not None else {}),
        }

    def to_dict(self, *, instructions: str | None = None, tools: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """The ``session`` object of ``session.update``.

        Parameters
        ----------
        instructions
            The system prompt; left out when ``None``.
        tools
            Tool specifications (``name``, ``description``, ``inputSchema``); see `function_tool`.
        """
        pcm = {"type": "audio/pcm", "rate": SAMPLE_RATE}
        output: dict[str, Any] = {"format": dict(pcm)}
        if self.voice is not None:
            output["voice"] = self.voice
        if self.speed is not None:
            output["speed"] = self.speed
        session: dict[str, Any] = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": dict(pcm),
                    "transcription": None if self.transcription is None else dict(self.transcription),
                    "noise_reduction": None if self.noise_reduction is None else dict(self.noise_reduction),
                    "turn_detection": turn_detection_dict(self.turn_detection),
                },
                "output": output,
            },
            **self.inference,
        }
        if instructions is not None:
            session["instructions"] = instructions
        if tools:
            session["tools"] = [function_tool(tool) for tool in tools]
        return session


def _is_speed(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _MIN_SPEED <= value <= _MAX_SPEED


def _fixed(audio: dict[str, Any], key: str, only: object) -> None:
    if (value := audio.pop(key, only)) != only:
        raise InvalidParameterError(f"provider_config['audio']['{key}']", f"{only!r}, all that the API has", value)


def function_tool(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A tool specification as a ``function`` tool of the session.

    Parameters
    ----------
    spec
        ``name``, ``description`` and ``inputSchema``, a JSON schema, by itself or under ``"json"`` as Strands has it.

    Raises
    ------
    InvalidParameterError
        If a key is missing.
    """
    if not {"name", "inputSchema"} <= spec.keys():
        raise InvalidParameterError("tool", "a dict with name, description and inputSchema", sorted(spec))
    schema = spec["inputSchema"]
    return {
        "type": "function",
        "name": spec["name"],
        "description": spec.get("description", ""),
        "parameters": dict(schema.get("json", schema)),
    }


def differences(requested: object, effective: object, path: str = "session") -> list[dict[str, Any]]:
    """Where the effective session is not what was asked for.

    Only what was asked for is compared; an absent key counts as ``null``. Objects are compared key by key, lists
    whole when their lengths differ.

    Returns
    -------
    list of dict
        ``path``, ``requested``, ``effective``, in the order of the request.
    """
    if isinstance(requested, Mapping) and isinstance(effective, Mapping):
        inner = [differences(value, effective.get(key), f"{path}.{key}") for key, value in requested.items()]
        return [difference for some in inner for difference in some]
    if isinstance(requested, list) and isinstance(effective, list) and len(requested) == len(effective):
        pairs = enumerate(zip(requested, effective, strict=True))
        inner = [differences(mine, theirs, f"{path}[{i}]") for i, (mine, theirs) in pairs]
        return [difference for some in inner for difference in some]
    if requested == effective:
        return []
    return [{"path": path, "requested": requested, "effective": effective}]
