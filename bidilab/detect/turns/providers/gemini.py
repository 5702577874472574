"""Gemini Live's automatic activity detection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

from bidilab.core.checks import check_flag
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.turns.providers.base import SweptParams, from_known_keys, whole_ms

__all__ = ["GeminiActivityDetection", "GeminiSensitivity", "PrefixMeaning"]

GeminiSensitivity = Literal["HIGH", "LOW"]
PrefixMeaning = Literal["required_speech", "look_back"]

_WIRE_NAMES = {
    "disabled": "disabled",
    "startOfSpeechSensitivity": "start_of_speech_sensitivity",
    "endOfSpeechSensitivity": "end_of_speech_sensitivity",
    "prefixPaddingMs": "prefix_padding_ms",
    "silenceDurationMs": "silence_duration_ms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiActivityDetection(SweptParams):
    """Gemini Live's ``AutomaticActivityDetection``.

    Names and meaning: ``google.genai.types.AutomaticActivityDetection`` of google-genai 3.4 and the Live API WebSocket
    reference (2026). Google publishes two meanings of ``prefix_padding_ms``:

    - the reference: "the required duration of detected speech before start-of-speech is committed". It is then the
      canonical ``min_speech_ms``: it delays every interruption and keeps short sounds from being one. The committed
      speech itself is kept, but nothing from before the onset.
    - the Live API capabilities guide: the amount of audio included from before the detection. It then looks back, as
      OpenAI's does, and moves no decision.

    ``prefix_meaning`` says which one `canonical` follows; it is not a field on the wire.

    Assumptions, because Google publishes neither the detector nor numbers: a start sensitivity of HIGH means a
    threshold of 0.5 and LOW 0.7; an end sensitivity of HIGH ends at 0.15 below that and LOW at 0.30 below. If
    ``prefix_padding_ms`` or ``silence_duration_ms`` is not given, the server's defaults are taken to be the 20 ms and
    100 ms of Google's own configuration example.

    Parameters
    ----------
    start_of_speech_sensitivity, end_of_speech_sensitivity
        ``"HIGH"`` (the default of Gemini Live) or ``"LOW"`` (that of the Gemini Enterprise Agent Platform).
    prefix_padding_ms
        Whole milliseconds, ``>= 0``; ``None`` leaves it to the server.
    silence_duration_ms
        Whole milliseconds of silence before the end is committed, ``>= 0``; ``None`` leaves it to the server.
    disabled
        Whether automatic detection is off and the client sends activity signals instead.
    prefix_meaning
        ``"required_speech"`` or ``"look_back"``.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.

    Examples
    --------
    >>> GeminiActivityDetection(prefix_padding_ms=200).canonical().min_speech_ms
    200
    >>> GeminiActivityDetection(prefix_padding_ms=200, prefix_meaning="look_back").canonical().min_speech_ms
    0
    """

    provider: ClassVar[str] = "gemini"
    INEXPRESSIBLE: ClassVar[Mapping[str, str]] = {
        "threshold": "Gemini has two start sensitivities and no threshold; what they stand for is assumed",
        "deactivation_threshold": "Gemini has two end sensitivities and no threshold; what they stand for is assumed",
        "min_speech_ms": "Gemini's one prefix padding is taken to look back, and is no minimum of speech",
        "prefix_padding_ms": "Gemini's one prefix padding is taken to be the speech required, and does not look back",
        "silence_duration_ms": "Gemini takes whole milliseconds",
    }
    THRESHOLDS: ClassVar[Mapping[GeminiSensitivity, float]] = {"HIGH": 0.5, "LOW": 0.7}
    DEACTIVATION_MARGINS: ClassVar[Mapping[GeminiSensitivity, float]] = {"HIGH": 0.15, "LOW": 0.30}
    ASSUMED_PREFIX_PADDING_MS: ClassVar[int] = 20
    ASSUMED_SILENCE_DURATION_MS: ClassVar[int] = 100

    start_of_speech_sensitivity: GeminiSensitivity = "HIGH"
    end_of_speech_sensitivity: GeminiSensitivity = "HIGH"
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    disabled: bool = False
    prefix_meaning: PrefixMeaning = "required_speech"

    def __post_init__(self) -> None:
        for name in ("start_of_speech_sensitivity", "end_of_speech_sensitivity"):
            if getattr(self, name) not in get_args(GeminiSensitivity):
                raise InvalidParameterError(name, "'HIGH' or 'LOW'", getattr(self, name))
        for name in ("prefix_padding_ms", "silence_duration_ms"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, whole_ms(name, value))
        check_flag("disabled", self.disabled)
        if self.prefix_meaning not in get_args(PrefixMeaning):
            raise InvalidParameterError("prefix_meaning", "'required_speech' or 'look_back'", self.prefix_meaning)

    def canonical(self) -> TurnParams:
        """The canonical parameters that behave like these.

        Raises
        ------
        InvalidParameterError
            If detection is disabled, so that there is nothing to describe.
        """
        if self.disabled:
            raise InvalidParameterError("disabled", "False: disabled detection has no parameters", True)
        threshold = self.THRESHOLDS[self.start_of_speech_sensitivity]
        margin = self.DEACTIVATION_MARGINS[self.end_of_speech_sensitivity]
        prefix = self.ASSUMED_PREFIX_PADDING_MS if self.prefix_padding_ms is None else self.prefix_padding_ms
        silence = self.ASSUMED_SILENCE_DURATION_MS if self.silence_duration_ms is None else self.silence_duration_ms
        looks_back = self.prefix_meaning == "look_back"
        return TurnParams(
            threshold=threshold,
            deactivation_threshold=round(threshold - margin, 6),
            min_speech_ms=0 if looks_back else prefix,
            prefix_padding_ms=prefix if looks_back else 0,
            silence_duration_ms=silence,
        )

    def to_dict(self) -> dict[str, Any]:
        """The ``automaticActivityDetection`` object of a Live API setup message; values not given are left out."""
        values = {
            "disabled": self.disabled,
            "startOfSpeechSensitivity": f"START_SENSITIVITY_{self.start_of_speech_sensitivity}",
            "endOfSpeechSensitivity": f"END_SENSITIVITY_{self.end_of_speech_sensitivity}",
            "prefixPaddingMs": self.prefix_padding_ms,
            "silenceDurationMs": self.silence_duration_ms,
        }
        return {key: value for key, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, prefix_meaning: PrefixMeaning = "required_speech") -> Self:
        """Read an ``automaticActivityDetection`` object; an unknown key raises `InvalidParameterError`."""
        plain = dict(values)
        for key, prefix in (("startOfSpeechSensitivity", "START"), ("endOfSpeechSensitivity", "END")):
            if isinstance(value := plain.get(key), str):
                plain[key] = value.removeprefix(f"{prefix}_SENSITIVITY_")
        plain = from_known_keys(dict, plain, "automaticActivityDetection", _WIRE_NAMES)
        return cls(**plain, prefix_meaning=prefix_meaning)

    @classmethod
    def nearest(cls, params: TurnParams, *, prefix_meaning: PrefixMeaning = "required_speech") -> Self:
        """The nearest setting that Gemini can express, under the assumptions named above.

        The threshold becomes the start sensitivity whose assumed one is nearest, the distance from there to the
        deactivation threshold the nearest end sensitivity. The prefix padding becomes ``min_speech_ms`` or the
        look-back, as ``prefix_meaning`` says.
        """
        margin = params.threshold - params.deactivation_threshold
        looks_back = prefix_meaning == "look_back"
        return cls(
            start_of_speech_sensitivity=_nearest_name(cls.THRESHOLDS, params.threshold),
            end_of_speech_sensitivity=_nearest_name(cls.DEACTIVATION_MARGINS, margin),
            prefix_padding_ms=round(params.prefix_padding_ms if looks_back else params.min_speech_ms),
            silence_duration_ms=round(params.silence_duration_ms),
            prefix_meaning=prefix_meaning,
        )

    @classmethod
    def sweep_params(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> TurnParams:
        """Canonical parameters of one point of a sweep: prefix padding is speech required before the start."""
        return TurnParams(
            threshold=threshold,
            min_speech_ms=prefix_padding_ms,
            prefix_padding_ms=0,
            silence_duration_ms=silence_duration_ms,
        )


def _nearest_name(values: Mapping[GeminiSensitivity, float], target: float) -> GeminiSensitivity:
    # Decimals such as 0.5 - 0.35 are not exact: what is equally near must not be decided by their last bit.
    return min(values, key=lambda name: round(abs(values[name] - target), 9))
