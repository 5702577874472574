"""The session's configuration: defaults, deep merge of ``session.update``, checks of the whole.

Fields: ``openai/types/realtime/realtime_session_create_request.py`` (``openai`` 3.54). An update is merged into the
effective session (only the keys present change; an object of another ``type`` replaces the old one and starts from
the defaults of its own type), and the whole is checked, so that an update which fails changes nothing.

Some settings concern what is not emulated: they are checked, kept and echoed, and change nothing else. These are
``noise_reduction``, ``tracing``, ``truncation``, ``include``, ``reasoning`` and ``parallel_tool_calls``. A stored
``prompt`` cannot be fetched from here and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from bidilab.bidi.realtime.protocol.audio import AudioFormat, audio_format
from bidilab.bidi.realtime.protocol.errors import RequestError
from bidilab.bidi.realtime.protocol.messages import (
    AUDIO_FORMAT,
    FUNCTION_TOOLS,
    MAX_OUTPUT_TOKENS,
    MAX_TEXT_CHARACTERS,
    MODALITIES,
    NOISE_REDUCTION,
    TOOL_CHOICE,
    TRANSCRIPTION,
    VOICE,
)
from bidilab.bidi.realtime.protocol.schema import (
    Check,
    any_object,
    array,
    boolean,
    choice,
    integer,
    nullable,
    number,
    one_of,
    record,
    string,
    tagged,
)
from bidilab.core.errors import InvalidParameterError

__all__ = ["EffectiveSession", "check_modalities", "default_session"]

SessionDict = dict[str, Any]

_MAX_DURATION_MS = 600_000

_TURN_DETECTION_DEFAULTS: Mapping[str, SessionDict] = {
    "server_vad": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    },
    "semantic_vad": {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    },
}
_TURN_DETECTION: Check = tagged(
    "type",
    {
        "server_vad": record(
            {
                "type": string(),
                "threshold": number(0, 1),
                "prefix_padding_ms": integer(0, _MAX_DURATION_MS),
                "silence_duration_ms": integer(0, _MAX_DURATION_MS),
                "idle_timeout_ms": nullable(integer(5_000, 30_000)),
                "create_response": boolean,
                "interrupt_response": boolean,
            }
        ),
        "semantic_vad": record(
            {
                "type": string(),
                "eagerness": choice("low", "medium", "high", "auto"),
                "create_response": boolean,
                "interrupt_response": boolean,
            }
        ),
    },
)
_AUDIO: Check = record(
    {
        "input": record(
            {
                "format": AUDIO_FORMAT,
                "transcription": nullable(TRANSCRIPTION),
                "noise_reduction": nullable(NOISE_REDUCTION),
                "turn_detection": nullable(_TURN_DETECTION),
            }
        ),
        "output": record({"format": AUDIO_FORMAT, "voice": VOICE, "speed": number(0.25, 1.5)}),
    }
)


def _no_prompt(value: Any, path: str) -> None:
    if value is not None:
        raise RequestError("invalid_value", "Stored prompts are not available on this server.", path)


_TRACING: Check = record(
    {"workflow_name": nullable(string(512)), "group_id": nullable(string(512)), "metadata": nullable(any_object)}
)
_TRUNCATION: Check = record(
    {
        "type": choice("retention_ratio"),
        "retention_ratio": number(0, 1),
        "token_limits": nullable(record({"post_instructions": nullable(integer(0))})),
    },
    required=["type", "retention_ratio"],
)
_SESSION: Check = record(
    {
        "type": choice("realtime"),
        "model": string(128, min_length=1),
        "output_modalities": MODALITIES,
        "instructions": string(MAX_TEXT_CHARACTERS),
        "tools": FUNCTION_TOOLS,
        "tool_choice": TOOL_CHOICE,
        "max_output_tokens": MAX_OUTPUT_TOKENS,
        "audio": _AUDIO,
        "tracing": nullable(one_of((str, choice("auto")), (dict, _TRACING))),
        "truncation": nullable(one_of((str, choice("auto", "disabled")), (dict, _TRUNCATION))),
        "include": nullable(array(choice("item.input_audio_transcription.logprobs"), max_length=1)),
        "prompt": _no_prompt,
        "reasoning": nullable(
            record({"effort": nullable(choice("minimal", "low", "medium", "high", "xhigh"))}),
        ),
        "parallel_tool_calls": nullable(boolean),
    },
    required=["type"],
)


def default_session(model: str) -> SessionDict:
    """What a new session has before its first update."""
    return {
        "type": "realtime",
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": audio_format("audio/pcm").to_dict(),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_TURN_DETECTION_DEFAULTS["server_vad"]),
            },
            "output": {"format": audio_format("audio/pcm").to_dict(), "voice": "alloy", "speed": 1.0},
        },
    }


def check_modalities(modalities: list[str], path: str) -> None:
    """Raise `RequestError` unless exactly one modality is asked for: audio comes with its transcript."""
    if modalities not in (["audio"], ["text"]):
        message = f"Invalid modalities: {modalities}. Supported combinations are: ['text'] and ['audio']."
        raise RequestError("invalid_value", message, path)


def _merged_format(current: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or patch.get("type", current["type"]) == current["type"]:
        return {**current, **patch} if isinstance(patch, dict) else patch
    return {**({"rate": 24_000} if patch["type"] == "audio/pcm" else {}), **patch}


def _merged_turn_detection(current: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    kind = patch.get("type", None if current is None else current["type"])
    base = current if current is not None and current["type"] == kind else None
    if base is None:
        base = _TURN_DETECTION_DEFAULTS.get(kind, {}) if isinstance(kind, str) else {}
    return {**base, **patch}


def _merged_noise_reduction(current: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    # "Defaults to 1 when noise reduction is first enabled" (realtime_audio_config_input.py)
    return {**(current or {"type": "near_field", "strength": 1.0}), **patch}


def _merged_fields(current: Any, patch: Any) -> Any:
    return {**(current or {}), **patch} if isinstance(patch, dict) else patch


def _merged_parts(parts: Mapping[str, Callable[[Any, Any], Any]]) -> Callable[[Any, Any], Any]:
    def merge(current: Any, patch: Any) -> Any:
        if not isinstance(patch, dict):
            return patch
        merged = dict(current)
        for key, value in patch.items():
            merged[key] = parts[key](current[key], value) if key in parts else value
        return merged

    return merge


_MERGE = _merged_parts(
    {
        "audio": _merged_parts(
            {
                "input": _merged_parts(
                    {
                        "format": _merged_format,
                        "transcription": _merged_fields,
                        "noise_reduction": _merged_noise_reduction,
                        "turn_detection": _merged_turn_detection,
                    }
                ),
                "output": _merged_parts({"format": _merged_format}),
            }
        )
    }
)


class EffectiveSession:
    """The settings in force, all of them.

    Parameters
    ----------
    model
        The model of the connection; it cannot be changed by an update. ``None`` takes the first update's.
    turn_detection
        Before the first update: what differs from the API's defaults of its ``type``; ``None`` is off.
    voice
        Before the first update.

    Raises
    ------
    InvalidParameterError
        If ``turn_detection`` or ``voice`` is none that the API allows.
    """

    def __init__(
        self,
        model: str | None,
        *,
        turn_detection: Mapping[str, Any] | None = MappingProxyType({"type": "server_vad"}),
        voice: str = "alloy",
    ) -> None:
        self._model_open = model is None
        self._session = default_session(model or "gpt-realtime")
        detection = None if turn_detection is None else dict(turn_detection)
        audio = {"input": {"turn_detection": detection}, "output": {"voice": voice}}
        try:
            self._session = self.update({"type": "realtime", "audio": audio}, voice_locked=False)
        except RequestError as error:
            name = (error.param or "session").removeprefix("session.audio.input.").removeprefix("session.audio.output.")
            raise InvalidParameterError(name, f"what the API allows ({error.message})", audio) from error

    def update(self, patch: SessionDict, *, voice_locked: bool) -> SessionDict:
        """The session that an update would give; `adopt` puts it in force.

        Parameters
        ----------
        patch
            The ``session`` of the message.
        voice_locked
            Whether the agent has already spoken, after which the voice cannot change.

        Raises
        ------
        RequestError
            If the update is not allowed.
        """
        if "type" not in patch:
            message = "Missing required parameter: 'session.type'."
            raise RequestError("missing_required_parameter", message, "session.type")
        merged: SessionDict = _SESSION(_MERGE(self._session, patch), "session")
        check_modalities(merged["output_modalities"], "session.output_modalities")
        if merged["model"] != self.model and not self._model_open:
            raise RequestError("invalid_value", "The model of a session cannot be changed.", "session.model")
        if voice_locked and merged["audio"]["output"]["voice"] != self.voice:
            message = "Cannot update a conversation's voice if assistant audio is present."
            raise RequestError("cannot_update_voice", message, "session.audio.output.voice")
        return merged

    def adopt(self, session: SessionDict) -> None:
        """Put a session from `update` in force."""
        self._model_open = self._model_open and session["model"] == self.model
        self._session = session

    def to_dict(self) -> SessionDict:
        """The whole effective session, without ``id``, ``object`` and ``expires_at``."""
        return self._session

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self._session["model"])

    @property
    def voice(self) -> str | dict[str, str]:
        """Voice of the agent's audio."""
        voice: str | dict[str, str] = self._session["audio"]["output"]["voice"]
        return voice

    @property
    def input_format(self) -> AudioFormat:
        """Format of the audio that the client appends."""
        return audio_format(self._session["audio"]["input"]["format"]["type"])

    @property
    def turn_detection(self) -> SessionDict | None:
        """The ``turn_detection`` in force; ``None`` when turns are made by hand."""
        detection: SessionDict | None = self._session["audio"]["input"]["turn_detection"]
        return detection

    @property
    def transcription(self) -> SessionDict | None:
        """The ``transcription`` in force; ``None`` when the user's words are not to be sent."""
        transcription: SessionDict | None = self._session["audio"]["input"]["transcription"]
        return transcription
