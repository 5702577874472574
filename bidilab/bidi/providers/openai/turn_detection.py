"""``turn_detection`` of an OpenAI Realtime session: read, checked to the last key, and what it makes a client do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias, get_args

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import ServerVad

__all__ = ["Eagerness", "SemanticVad", "TurnDetection", "longest_wait_ms", "turn_detection", "turn_detection_dict"]

Eagerness = Literal["low", "medium", "high", "auto"]
_SEMANTIC_WAIT_MS: Mapping[Eagerness, int] = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}


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

    eagerness: Eagerness = "auto"
    create_response: bool = True
    interrupt_response: bool = True

    def __post_init__(self) -> None:
        if self.eagerness not in get_args(Eagerness):
            raise InvalidParameterError("eagerness", "one of 'low', 'medium', 'high', 'auto'", self.eagerness)
        for name in ("create_response", "interrupt_response"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidParameterError(name, "true or false", getattr(self, name))

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


TurnDetection: TypeAlias = ServerVad | SemanticVad | None
"""What decides on turns: the server by level, the server by meaning, or nobody (manual)."""

_READERS: Mapping[str, Callable[[Mapping[str, Any]], ServerVad | SemanticVad]] = {
    "server_vad": ServerVad.from_dict,
    "semantic_vad": SemanticVad.from_dict,
}


def turn_detection(value: Mapping[str, Any] | ServerVad | SemanticVad | None) -> TurnDetection:
    """What a ``turn_detection`` object says; ``None`` is manual. Without a ``type`` it is ``server_vad``.

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


def turn_detection_dict(value: TurnDetection) -> dict[str, Any] | None:
    """The object for the wire, every key of it: what is not said is left as it was by the server's deep merge."""
    return None if value is None else value.to_dict()


def longest_wait_ms(value: TurnDetection) -> int:
    """Milliseconds of silence after which a turn is over for certain; 0 by hand.

    ``semantic_vad`` waits for at most 8, 4 or 2 s by its ``eagerness`` (``openai`` 3.54, as `SemanticVad`).
    """
    if value is None:
        return 0
    return value.silence_duration_ms if isinstance(value, ServerVad) else _SEMANTIC_WAIT_MS[value.eagerness]
