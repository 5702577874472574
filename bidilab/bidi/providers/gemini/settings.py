"""The session of the Live API as a client asks for it.

Source: ``google.genai.types.LiveConnectConfig`` of google-genai 3.4 (2026), from which the SDK makes the ``setup``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from bidilab.bidi.providers.config import ProviderSettings, check_keys, input_schema
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import GeminiActivityDetection

__all__ = [
    "INPUT_RATE",
    "OUTPUT_RATE",
    "ActivityHandling",
    "GeminiSettings",
    "GeminiTurnDetection",
    "TurnCoverage",
    "function_declaration",
    "turn_detection",
]

INPUT_RATE = 16_000
"""Hertz that the Live API hears natively; it takes others, and resamples them."""

OUTPUT_RATE = 24_000
"""Hertz of its voice; the only rate it has."""

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

ActivityHandling = Literal["START_OF_ACTIVITY_INTERRUPTS", "NO_INTERRUPTION"]
TurnCoverage = Literal[
    "TURN_INCLUDES_ONLY_ACTIVITY", "TURN_INCLUDES_ALL_INPUT", "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"
]

_DETECTION_KEYS = tuple(one.name for one in dataclasses.fields(GeminiActivityDetection))
_OWN_KEYS = ("activity_handling", "turn_coverage")

Given: TypeAlias = "Mapping[str, Any] | GeminiActivityDetection | GeminiTurnDetection | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiTurnDetection:
    """Turn detection of a Live API session.

    Names and meaning: ``google.genai.types.RealtimeInputConfig`` of google-genai 3.4 (2026).

    Parameters
    ----------
    detection
        The detector; ``disabled`` leaves turns to `BidiGeminiLiveModel.activity_start` and ``activity_end``.
    activity_handling
        Whether the start of activity interrupts a response (the provider's default), or not.
    turn_coverage
        Which input belongs to a turn; ``None`` leaves it to the server.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    detection: GeminiActivityDetection = field(default_factory=GeminiActivityDetection)
    activity_handling: ActivityHandling = "START_OF_ACTIVITY_INTERRUPTS"
    turn_coverage: TurnCoverage | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.detection, GeminiActivityDetection):
            raise InvalidParameterError("detection", "GeminiActivityDetection", self.detection)
        if self.activity_handling not in get_args(ActivityHandling):
            allowed = " or ".join(map(repr, get_args(ActivityHandling)))
            raise InvalidParameterError("activity_handling", allowed, self.activity_handling)
        if self.turn_coverage is not None and self.turn_coverage not in get_args(TurnCoverage):
            allowed = ", ".join(["None", *map(repr, get_args(TurnCoverage))])
            raise InvalidParameterError("turn_coverage", f"one of {allowed}", self.turn_coverage)

    @property
    def interrupts(self) -> bool:
        """Whether the start of activity interrupts a response."""
        return self.activity_handling == "START_OF_ACTIVITY_INTERRUPTS"

    @property
    def manual(self) -> bool:
        """Whether the client marks the user's activity itself."""
        return self.detection.disabled

    @property
    def longest_wait_ms(self) -> int:
        """Milliseconds of silence after which a turn is over, as far as is known; 0 by hand."""
        return 0 if self.manual else int(self.detection.canonical().silence_duration_ms)

    def to_dict(self) -> dict[str, Any]:
        """The ``realtimeInputConfig`` object."""
        made: dict[str, Any] = {
            "automaticActivityDetection": {"disabled": True} if self.manual else self.detection.to_dict(),
            "activityHandling": self.activity_handling,
        }
        if self.turn_coverage is not None:
            made["turnCoverage"] = self.turn_coverage
        return made


def turn_detection(given: Given) -> GeminiTurnDetection:
    """Read a model's ``turn_detection``.

    Parameters
    ----------
    given
        An object with the keys of `GeminiActivityDetection`, ``activity_handling`` and ``turn_coverage``; one of the
        classes; or ``None`` for turns by hand. Sensitivities may be named in full (``"START_SENSITIVITY_LOW"``).

    Raises
    ------
    InvalidParameterError
        If a key is unknown or a value not allowed.

    Examples
    --------
    >>> turn_detection({"silence_duration_ms": 300, "activity_handling": "NO_INTERRUPTION"}).interrupts
    False
    """
    if given is None:
        return GeminiTurnDetection(detection=GeminiActivityDetection(disabled=True))
    if isinstance(given, GeminiTurnDetection):
        return given
    if isinstance(given, GeminiActivityDetection):
        return GeminiTurnDetection(detection=given)
    values = dict(check_keys("turn_detection", given, (*_DETECTION_KEYS, *_OWN_KEYS)))
    own = {key: values.pop(key) for key in _OWN_KEYS if key in values}
    for name in ("start_of_speech_sensitivity", "end_of_speech_sensitivity"):
        if isinstance(value := values.get(name), str):
            values[name] = value.removeprefix("START_SENSITIVITY_").removeprefix("END_SENSITIVITY_")
    return GeminiTurnDetection(detection=GeminiActivityDetection(**values), **own)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiSettings(ProviderSettings):
    """Settings of a session with the Live API.

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

    AUDIO: ClassVar[tuple[str, ...]] = ("input_rate", "voice")
    FIXED_AUDIO: ClassVar[Mapping[str, Any]] = {"output_rate": OUTPUT_RATE, "channels": 1, "format": "pcm"}
    INFERENCE: ClassVar[Mapping[str, str]] = _INFERENCE_NAMES

    turn_detection: GeminiTurnDetection = field(default_factory=GeminiTurnDetection)
    input_rate: int = INPUT_RATE

    def _check(self) -> None:
        if self.voice is not None and "speechConfig" in self.inference:
            raise InvalidParameterError("voice", "left out if speech_config is given", self.voice)
        modalities = self.inference.get("responseModalities", ["AUDIO"])
        if not isinstance(modalities, Sequence) or list(modalities) not in MODALITIES:
            raise InvalidParameterError("response_modalities", "['AUDIO'] or ['TEXT']", modalities)

    @classmethod
    def _read_turn_detection(cls, given: Any, **_fields: Any) -> GeminiTurnDetection:
        return turn_detection(given)

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
    """A tool specification as a ``functionDeclaration``; its keys are those of `input_schema`."""
    schema = input_schema(spec)
    return {"name": spec["name"], "description": spec.get("description", ""), "parametersJsonSchema": schema}
