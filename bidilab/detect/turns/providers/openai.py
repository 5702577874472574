"""OpenAI Realtime's ``server_vad`` and ``semantic_vad``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

from bidilab.core.checks import check_flag, check_is, check_probability
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.turns.providers.base import SweptParams, from_known_keys, whole_ms

__all__ = ["Eagerness", "SemanticVad", "ServerVad"]

Eagerness = Literal["low", "medium", "high", "auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVad(SweptParams):
    """OpenAI Realtime's ``server_vad``.

    Names, defaults and meaning: ``openai/types/realtime/realtime_audio_input_turn_detection.py`` of the ``openai``
    package 3.54 (2026). ``prefix_padding_ms`` is "audio to include before the VAD detected speech": it looks back, and
    moves only the start of the turn's audio.

    Assumptions: OpenAI publishes neither the detector that runs on the server nor the threshold of silence, which is
    taken to be 0.15 below ``threshold``.

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
    INEXPRESSIBLE: ClassVar[Mapping[str, str]] = {
        "deactivation_threshold": "server_vad has one threshold; silence is assumed to lie 0.15 below it",
        "min_speech_ms": "server_vad has no minimum of speech: the first frame above the threshold starts a turn",
        "prefix_padding_ms": "server_vad takes whole milliseconds",
        "silence_duration_ms": "server_vad takes whole milliseconds",
    }

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = None

    def __post_init__(self) -> None:
        check_probability("threshold", self.threshold)
        object.__setattr__(self, "prefix_padding_ms", whole_ms("prefix_padding_ms", self.prefix_padding_ms))
        object.__setattr__(self, "silence_duration_ms", whole_ms("silence_duration_ms", self.silence_duration_ms))
        for name in ("create_response", "interrupt_response"):
            check_flag(name, getattr(self, name))
        if self.idle_timeout_ms is not None and not 5000 <= whole_ms("idle_timeout_ms", self.idle_timeout_ms) <= 30000:
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
        check_is("turn_detection", values, Mapping, "ServerVad, TurnParams or a dict of the API's turn_detection")
        if values.get("type", "server_vad") != "server_vad":
            raise InvalidParameterError("turn_detection.type", "'server_vad'", values["type"])
        rest = {key: value for key, value in values.items() if key != "type"}
        return from_known_keys(cls, rest, "turn_detection")

    @classmethod
    def nearest(cls, params: TurnParams) -> Self:
        """The nearest setting that ``server_vad`` can express: milliseconds are rounded to whole ones."""
        return cls(
            threshold=params.threshold,
            prefix_padding_ms=round(params.prefix_padding_ms),
            silence_duration_ms=round(params.silence_duration_ms),
        )

    @classmethod
    def sweep_params(cls, *, threshold: float, prefix_padding_ms: float, silence_duration_ms: float) -> TurnParams:
        """Canonical parameters of one point of a sweep: the three knobs as they are."""
        return TurnParams(
            threshold=threshold, prefix_padding_ms=prefix_padding_ms, silence_duration_ms=silence_duration_ms
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticVad:
    """OpenAI Realtime's ``semantic_vad``: a model judges whether the user is done.

    Names, defaults and meaning: ``openai/types/realtime/realtime_audio_input_turn_detection.py`` of the ``openai``
    package 3.54 (2026).

    Parameters
    ----------
    eagerness
        ``"low"``, ``"medium"`` and ``"high"`` wait for at most 8, 4 and 2 s; ``"auto"`` is medium.
    create_response
        Whether the end of a turn makes the model respond.
    interrupt_response
        Whether the start of speech cancels a response under way.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    MAX_WAITS_MS: ClassVar[Mapping[Eagerness, int]] = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}

    eagerness: Eagerness = "auto"
    create_response: bool = True
    interrupt_response: bool = True

    def __post_init__(self) -> None:
        if self.eagerness not in get_args(Eagerness):
            raise InvalidParameterError("eagerness", "one of 'low', 'medium', 'high', 'auto'", self.eagerness)
        for name in ("create_response", "interrupt_response"):
            check_flag(name, getattr(self, name))

    @property
    def longest_wait_ms(self) -> int:
        """Milliseconds of silence after which a turn is over for certain."""
        return self.MAX_WAITS_MS[self.eagerness]

    @classmethod
    def nearest(cls, timeout_ms: float) -> Self:
        """The eagerness whose longest wait is nearest to a timeout; of two equally near the more patient one."""
        names: tuple[Eagerness, ...] = ("low", "medium", "high")
        return cls(eagerness=min(names, key=lambda name: abs(cls.MAX_WAITS_MS[name] - timeout_ms)))

    def to_dict(self) -> dict[str, Any]:
        """The ``turn_detection`` object of a Realtime session."""
        return {"type": "semantic_vad", **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read a ``turn_detection`` object.

        Raises
        ------
        InvalidParameterError
            If ``type`` is another one, a key is unknown or a value not allowed.
        """
        if values.get("type") != "semantic_vad":
            raise InvalidParameterError("turn_detection.type", "'semantic_vad'", values.get("type"))
        rest = {key: value for key, value in values.items() if key != "type"}
        known = [field.name for field in dataclasses.fields(cls)]
        for key in rest:
            if key not in known:
                raise InvalidParameterError("turn_detection", f"an object with the keys type, {', '.join(known)}", key)
        return cls(**rest)
