"""The session of the OpenAI Realtime API as a client asks for it, and how what it got differs.

Source: ``openai/types/realtime/realtime_session_create_request_param.py`` of the ``openai`` package 3.54 (2026).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeAlias

from bidilab.bidi.providers.config import ProviderSettings, input_schema
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import ServerVad
from bidilab.detect.turns.providers.openai import Eagerness, SemanticVad

__all__ = [
    "OUTPUT_MODALITIES",
    "SAMPLE_RATE",
    "Eagerness",
    "SemanticVad",
    "SessionSettings",
    "TurnDetection",
    "differences",
    "function_tool",
    "longest_wait_ms",
    "turn_detection",
]

SAMPLE_RATE = 24_000
"""Hertz of ``audio/pcm``, both ways; the only rate it has."""

OUTPUT_MODALITIES = (["audio"], ["text"])

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

TurnDetection: TypeAlias = ServerVad | SemanticVad | None
"""Turn detection: the server's by level, the server's by meaning, or none (turns by hand)."""

_READERS: Mapping[str, Callable[[Mapping[str, Any]], ServerVad | SemanticVad]] = {
    "server_vad": ServerVad.from_dict,
    "semantic_vad": SemanticVad.from_dict,
}


def turn_detection(value: Mapping[str, Any] | ServerVad | SemanticVad | None) -> TurnDetection:
    """Read a ``turn_detection`` object; ``None`` is turns by hand. Without a ``type`` it is ``server_vad``.

    Raises
    ------
    InvalidParameterError
        If the type or a key is unknown, or a value is not allowed.

    Examples
    --------
    >>> turn_detection({"type": "semantic_vad", "eagerness": "high"})
    SemanticVad(eagerness='high', create_response=True, interrupt_response=True)
    """
    if value is None or isinstance(value, ServerVad | SemanticVad):
        return value
    if not isinstance(value, Mapping):
        raise InvalidParameterError("turn_detection", "None, an object, ServerVad or SemanticVad", value)
    kind = value.get("type", "server_vad")
    if not isinstance(kind, str) or kind not in _READERS:
        raise InvalidParameterError("turn_detection.type", f"one of {', '.join(map(repr, _READERS))}", kind)
    return _READERS[kind](value)


def longest_wait_ms(value: TurnDetection) -> int:
    """Milliseconds of silence after which a turn is over for certain; 0 by hand.

    ``semantic_vad`` waits for at most 8, 4 or 2 s by its ``eagerness`` (``openai`` 3.54, as `SemanticVad`).
    """
    if value is None:
        return 0
    return value.silence_duration_ms if isinstance(value, ServerVad) else value.longest_wait_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings(ProviderSettings):
    """Settings of a session with the Realtime API.

    Parameters
    ----------
    turn_detection
        Turn detection of the session; ``None`` for turns by hand.
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

    AUDIO: ClassVar[tuple[str, ...]] = ("input_rate", "voice", "speed", "transcription", "noise_reduction")
    FIXED_AUDIO: ClassVar[Mapping[str, Any]] = {"output_rate": SAMPLE_RATE, "channels": 1, "format": "pcm"}
    INFERENCE: ClassVar[Mapping[str, str]] = {name: name for name in _INFERENCE_KEYS}

    turn_detection: TurnDetection = field(default_factory=ServerVad)
    input_rate: int = SAMPLE_RATE
    speed: float | None = None
    transcription: Mapping[str, Any] | None = field(default_factory=lambda: dict(_DEFAULT_TRANSCRIPTION))
    noise_reduction: Mapping[str, Any] | None = None

    def _check(self) -> None:
        if self.speed is not None and not _is_speed(self.speed):
            raise InvalidParameterError("speed", f"a number in [{_MIN_SPEED}, {_MAX_SPEED}]", self.speed)
        for name in ("transcription", "noise_reduction"):
            if (value := getattr(self, name)) is not None and not isinstance(value, Mapping):
                raise InvalidParameterError(name, "an object, or None", value)
        modalities = self.inference.get("output_modalities", ["audio"])
        if not isinstance(modalities, Sequence) or list(modalities) not in OUTPUT_MODALITIES:
            raise InvalidParameterError("output_modalities", "['audio'] or ['text']", modalities)

    @classmethod
    def _read_turn_detection(cls, given: Any, **_fields: Any) -> TurnDetection:
        return turn_detection(given)

    def replace(self, **changes: Any) -> Self:
        """A copy with some values changed."""
        return dataclasses.replace(self, **changes)

    @property
    def acts_on_speech(self) -> bool:
        """Whether the start of speech is to interrupt a response."""
        return self.turn_detection is not None and self.turn_detection.interrupt_response

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
        # Every key of it: what is not said is left as it was by the server's deep merge.
        turn_detection = None if self.turn_detection is None else self.turn_detection.to_dict()
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
                    "turn_detection": turn_detection,
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


def function_tool(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A tool specification as a ``function`` tool of the session; its keys are those of `input_schema`."""
    schema = input_schema(spec)
    described = {"name": spec["name"], "description": spec.get("description", "")}
    return {"type": "function", **described, "parameters": schema}


def differences(requested: object, effective: object, path: str = "session") -> list[dict[str, Any]]:
    """List where the session in force differs from the one that was asked for.

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
