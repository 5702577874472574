"""The session of the Live API as a client asks for it.

Source: ``google.genai.types.LiveConnectConfig`` of google-genai 3.4 (2026), from which the SDK makes the ``setup``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from bidilab.bidi.providers.config import check_keys
from bidilab.bidi.providers.gemini.turn_detection import GeminiTurnDetection, turn_detection
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import check_sample_rate

__all__ = ["INPUT_RATE", "OUTPUT_RATE", "GeminiSettings", "function_declaration"]

INPUT_RATE = 16_000
"""Hertz that the Live API hears natively; it takes others, and resamples them."""

OUTPUT_RATE = 24_000
"""Hertz of its voice; the only rate it has."""

_AUDIO_KEYS = ("input_rate", "output_rate", "channels", "format", "voice")
_INFERENCE_KEYS = (
    "response_modalities",
    "temperature",
    "top_p",
    "top_k",
    "max_output_tokens",
    "media_resolution",
    "seed",
    "speech_config",
    "thinking_config",
    "enable_affective_dialog",
    "input_audio_transcription",
    "output_audio_transcription",
    "context_window_compression",
    "proactivity",
    "explicit_vad_signal",
    "safety_settings",
    "translation_config",
    "labels",
)
MODALITIES = (["AUDIO"], ["TEXT"])


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_INFERENCE_NAMES = {spelt: _camel(name) for name in _INFERENCE_KEYS for spelt in (name, _camel(name))}


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiSettings:
    """What a client asks a Live API session to be.

    Parameters
    ----------
    turn_detection
        Who decides on turns, and whether the start of activity interrupts.
    input_rate
        Hertz of the audio that inputs are asked to bring and that is sent.
    voice
        Name of a prebuilt voice; ``None`` leaves it to the server.
    inference
        Further fields of ``LiveConnectConfig``, by their JSON names; both transcriptions are on where not said.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    turn_detection: GeminiTurnDetection = field(default_factory=GeminiTurnDetection)
    input_rate: int = INPUT_RATE
    voice: str | None = None
    inference: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_sample_rate(self.input_rate, "input_rate")
        if self.voice is not None and not isinstance(self.voice, str):
            raise InvalidParameterError("voice", "a name, or None", self.voice)
        if self.voice is not None and "speechConfig" in self.inference:
            raise InvalidParameterError("voice", "left out where speech_config is given", self.voice)
        modalities = self.inference.get("responseModalities", ["AUDIO"])
        if not isinstance(modalities, Sequence) or list(modalities) not in MODALITIES:
            raise InvalidParameterError("response_modalities", "['AUDIO'] or ['TEXT']", modalities)

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
        for key, only in (("output_rate", OUTPUT_RATE), ("channels", 1), ("format", "pcm")):
            if (value := audio.pop(key, only)) != only:
                raise InvalidParameterError(
                    f"provider_config['audio'][{key!r}]", f"{only!r}, all that the API has", value
                )
        given = check_keys("provider_config['inference']", config.get("inference"), tuple(_INFERENCE_NAMES))
        inference = {_INFERENCE_NAMES[key]: value for key, value in given.items()}
        if "turn_detection" in config:
            audio["turn_detection"] = turn_detection(config["turn_detection"])
        return cls(inference=inference, **audio)

    def replace(self, **changes: Any) -> Self:
        """A copy with some values changed."""
        return dataclasses.replace(self, **changes)

    def audio_config(self) -> dict[str, Any]:
        """``model.config["audio"]``: what inputs and outputs go by."""
        return {
            "input_rate": self.input_rate,
            "output_rate": OUTPUT_RATE,
            "channels": 1,
            "format": "pcm",
            **({"voice": self.voice} if self.voice is not None else {}),
        }

    def to_dict(
        self,
        *,
        instructions: str | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        handle: str | None = None,
        initial_history: bool = False,
    ) -> dict[str, Any]:
        """The session as JSON of ``LiveConnectConfig``.

        Parameters
        ----------
        instructions
            The system prompt; left out when ``None``.
        tools
            Tool specifications; see `function_declaration`.
        handle
            Of the session to go on with; ``None`` begins a new one.
        initial_history
            Whether a conversation is told first, which no response is to follow.
        """
        session: dict[str, Any] = {
            "responseModalities": ["AUDIO"],
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
            **self.inference,
            "realtimeInputConfig": self.turn_detection.to_dict(),
            "sessionResumption": {} if handle is None else {"handle": handle},
        }
        if self.voice is not None:
            session["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": self.voice}}}
        if instructions is not None:
            session["systemInstruction"] = instructions
        if tools:
            session["tools"] = [{"functionDeclarations": [function_declaration(tool) for tool in tools]}]
        if initial_history:
            session["historyConfig"] = {"initialHistoryInClientContent": True}
        return session


def function_declaration(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A tool specification as a ``functionDeclaration``.

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
        "name": spec["name"],
        "description": spec.get("description", ""),
        "parametersJsonSchema": dict(schema.get("json", schema)),
    }
