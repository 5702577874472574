"""``realtimeInputConfig`` of a Live API session: who decides on turns, and what the start of activity does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from bidilab.bidi.providers.config import check_keys
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import GeminiActivityDetection

__all__ = ["ActivityHandling", "GeminiTurnDetection", "TurnCoverage", "turn_detection"]

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
