"""What providers call their turn detection knobs, and what those mean in the canonical set.

Each provider has a frozen dataclass with its own names, bounds and defaults. ``canonical()`` gives the `TurnParams`
that behave like it; what a provider does not publish is an assumption and is named as one in the docstring.
``to_dict()`` gives the provider's own JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, get_args

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.params import TurnParams, check_duration_ms, check_probability

__all__ = ["PROVIDERS", "GeminiActivityDetection", "ProviderParams", "ServerVad", "provider_params"]

T = TypeVar("T")
GeminiSensitivity = Literal["HIGH", "LOW"]


class ProviderParams(Protocol):
    """A provider's turn detection parameters."""

    provider: ClassVar[str]

    def canonical(self) -> TurnParams:
        """The canonical parameters that behave like these."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The provider's own JSON."""
        ...

    @classmethod
    def sweep_params(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> TurnParams:
        """Canonical parameters of one point of a sweep over the provider's three knobs."""
        ...

    @classmethod
    def from_setting(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> Self:
        """The provider's parameters nearest to one point of a sweep."""
        ...


def _whole_ms(name: str, value: float, *, at_most: float = 600_000) -> int:
    check_duration_ms(name, value, at_most=at_most)
    if int(value) != value:
        raise InvalidParameterError(name, "a whole number of milliseconds", value)
    return int(value)


def _from_known_keys(cls: type[T], values: Mapping[str, Any], known: Mapping[str, str], name: str) -> T:
    for key in values:
        if key not in known:
            raise InvalidParameterError(name, f"an object with the keys {', '.join(known)}", key)
    return cls(**{known[key]: value for key, value in values.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVad:
    """OpenAI Realtime's ``server_vad``.

    Names, defaults and meaning: ``openai/types/realtime/realtime_audio_input_turn_detection.py`` of the ``openai``
    package 3.54 (2026). ``prefix_padding_ms`` is "audio to include before the VAD detected speech": it looks back,
    and moves nothing but where the turn's audio starts.

    Assumption: which detector runs on the server, and that silence is what lies 0.15 below ``threshold``, are not
    published.

    Parameters
    ----------
    threshold
        Activation threshold in [0, 1].
    prefix_padding_ms
        Whole milliseconds of audio kept from before the onset, ``>= 0``.
    silence_duration_ms
        Whole milliseconds of silence that end a turn, ``>= 0``.
    create_response
        Whether the end of a turn makes the model respond.
    interrupt_response
        Whether the start of speech cancels a response under way.
    idle_timeout_ms
        Whole milliseconds after which the model speaks unasked, 5000 to 30,000; ``None`` for never.

    Examples
    --------
    >>> ServerVad(threshold=0.6).to_dict()["threshold"]
    0.6
    """

    provider: ClassVar[str] = "openai"

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = None

    def __post_init__(self) -> None:
        check_probability("threshold", self.threshold)
        object.__setattr__(self, "prefix_padding_ms", _whole_ms("prefix_padding_ms", self.prefix_padding_ms))
        object.__setattr__(self, "silence_duration_ms", _whole_ms("silence_duration_ms", self.silence_duration_ms))
        for name in ("create_response", "interrupt_response"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidParameterError(name, "true or false", getattr(self, name))
        if self.idle_timeout_ms is not None and not 5000 <= _whole_ms("idle_timeout_ms", self.idle_timeout_ms) <= 30000:
            raise InvalidParameterError("idle_timeout_ms", "None or 5000 to 30000", self.idle_timeout_ms)

    def canonical(self) -> TurnParams:
        """The canonical parameters that behave like these."""
        return self.sweep_params(
            threshold=self.threshold,
            prefix_padding_ms=self.prefix_padding_ms,
            silence_duration_ms=self.silence_duration_ms,
        )

    def to_dict(self) -> dict[str, Any]:
        """The ``turn_detection`` object of a Realtime session."""
        return {"type": "server_vad", **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read a ``turn_detection`` object.

        Raises
        ------
        InvalidParameterError
            If ``type`` is another one, a key is unknown or a value out of bounds.
        """
        if values.get("type", "server_vad") != "server_vad":
            raise InvalidParameterError("turn_detection.type", "'server_vad'", values["type"])
        rest = {key: value for key, value in values.items() if key != "type"}
        names = {field.name: field.name for field in dataclasses.fields(cls)}
        return _from_known_keys(cls, rest, names, "turn_detection")

    @classmethod
    def sweep_params(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> TurnParams:
        """Canonical parameters of one point of a sweep: the three knobs as they are."""
        return TurnParams(
            threshold=threshold, prefix_padding_ms=prefix_padding_ms, silence_duration_ms=silence_duration_ms
        )

    @classmethod
    def from_setting(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> Self:
        """The parameters of one point of a sweep, milliseconds rounded to whole ones."""
        return cls(
            threshold=threshold,
            prefix_padding_ms=round(prefix_padding_ms),
            silence_duration_ms=round(silence_duration_ms),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiActivityDetection:
    """Gemini Live's ``AutomaticActivityDetection``.

    Names and meaning: ``google.genai.types.AutomaticActivityDetection`` and the Live API WebSocket reference (2026):
    ``prefix_padding_ms`` is "the required duration of detected speech before start-of-speech is committed". It is
    therefore the canonical ``min_speech_ms``: it delays every interruption and keeps short sounds from being one. The
    committed speech itself is kept, so that nothing from before the onset is.

    Assumptions, as Google publishes neither detector nor numbers: a start sensitivity of HIGH is a threshold of 0.5
    and LOW 0.7; an end sensitivity of HIGH ends at 0.15 below that and LOW at 0.30 below; where ``prefix_padding_ms``
    or ``silence_duration_ms`` is not given, the server's defaults are taken to be the 20 ms and 100 ms of Google's own
    configuration example.

    Parameters
    ----------
    start_of_speech_sensitivity, end_of_speech_sensitivity
        ``"HIGH"`` (the provider's default) or ``"LOW"``.
    prefix_padding_ms
        Whole milliseconds of speech before its start is committed, ``>= 0``; ``None`` leaves it to the server.
    silence_duration_ms
        Whole milliseconds of silence before the end is committed, ``>= 0``; ``None`` leaves it to the server.
    disabled
        Whether automatic detection is off and the client sends activity signals instead.
    """

    provider: ClassVar[str] = "gemini"
    THRESHOLDS: ClassVar[dict[str, float]] = {"HIGH": 0.5, "LOW": 0.7}
    DEACTIVATION_MARGINS: ClassVar[dict[str, float]] = {"HIGH": 0.15, "LOW": 0.30}
    ASSUMED_PREFIX_PADDING_MS: ClassVar[int] = 20
    ASSUMED_SILENCE_DURATION_MS: ClassVar[int] = 100

    start_of_speech_sensitivity: GeminiSensitivity = "HIGH"
    end_of_speech_sensitivity: GeminiSensitivity = "HIGH"
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    disabled: bool = False

    def __post_init__(self) -> None:
        for name in ("start_of_speech_sensitivity", "end_of_speech_sensitivity"):
            if getattr(self, name) not in get_args(GeminiSensitivity):
                raise InvalidParameterError(name, "'HIGH' or 'LOW'", getattr(self, name))
        for name in ("prefix_padding_ms", "silence_duration_ms"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _whole_ms(name, value))
        if not isinstance(self.disabled, bool):
            raise InvalidParameterError("disabled", "true or false", self.disabled)

    def canonical(self) -> TurnParams:
        """The canonical parameters that behave like these.

        Raises
        ------
        InvalidParameterError
            If detection is disabled: then there is none to describe.
        """
        if self.disabled:
            raise InvalidParameterError("disabled", "False for detection to have parameters", True)
        threshold = self.THRESHOLDS[self.start_of_speech_sensitivity]
        margin = self.DEACTIVATION_MARGINS[self.end_of_speech_sensitivity]
        prefix, silence = self.prefix_padding_ms, self.silence_duration_ms
        return TurnParams(
            threshold=threshold,
            deactivation_threshold=round(threshold - margin, 6),
            min_speech_ms=self.ASSUMED_PREFIX_PADDING_MS if prefix is None else prefix,
            prefix_padding_ms=0,
            silence_duration_ms=self.ASSUMED_SILENCE_DURATION_MS if silence is None else silence,
        )

    def to_dict(self) -> dict[str, Any]:
        """The ``automaticActivityDetection`` object of a Live API setup message; what is not given is left out."""
        values = {
            "disabled": self.disabled,
            "startOfSpeechSensitivity": f"START_SENSITIVITY_{self.start_of_speech_sensitivity}",
            "endOfSpeechSensitivity": f"END_SENSITIVITY_{self.end_of_speech_sensitivity}",
            "prefixPaddingMs": self.prefix_padding_ms,
            "silenceDurationMs": self.silence_duration_ms,
        }
        return {key: value for key, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read an ``automaticActivityDetection`` object; an unknown key raises `InvalidParameterError`."""
        known = {
            "disabled": "disabled",
            "startOfSpeechSensitivity": "start_of_speech_sensitivity",
            "endOfSpeechSensitivity": "end_of_speech_sensitivity",
            "prefixPaddingMs": "prefix_padding_ms",
            "silenceDurationMs": "silence_duration_ms",
        }
        plain = dict(values)
        for key, prefix in (("startOfSpeechSensitivity", "START"), ("endOfSpeechSensitivity", "END")):
            if isinstance(value := plain.get(key), str):
                plain[key] = value.removeprefix(f"{prefix}_SENSITIVITY_")
        return _from_known_keys(cls, plain, known, "automaticActivityDetection")

    @classmethod
    def sweep_params(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> TurnParams:
        """Canonical parameters of one point of a sweep: prefix padding is speech required before the start."""
        return TurnParams(
            threshold=threshold,
            min_speech_ms=prefix_padding_ms,
            prefix_padding_ms=0,
            silence_duration_ms=silence_duration_ms,
        )

    @classmethod
    def from_setting(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> Self:
        """The nearest that Gemini can express: the threshold becomes the sensitivity whose assumed one is nearest."""
        nearest = min(cls.THRESHOLDS, key=lambda name: abs(cls.THRESHOLDS[name] - threshold))
        return cls(
            start_of_speech_sensitivity=nearest,  # type: ignore[arg-type]  # a key of THRESHOLDS
            prefix_padding_ms=round(prefix_padding_ms),
            silence_duration_ms=round(silence_duration_ms),
        )


PROVIDERS: dict[str, type[ServerVad | GeminiActivityDetection]] = {
    ServerVad.provider: ServerVad,
    GeminiActivityDetection.provider: GeminiActivityDetection,
}


def provider_params(name: str) -> type[ServerVad | GeminiActivityDetection]:
    """The parameter class of a provider.

    Raises
    ------
    InvalidParameterError
        If there is no provider of that name.
    """
    if name not in PROVIDERS:
        raise InvalidParameterError("provider", f"one of {', '.join(PROVIDERS)}", name)
    return PROVIDERS[name]
