"""What a provider cannot express of a setting: one value each, with what it will do instead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bidilab.core.units import frames_for_ms
from bidilab.detect.turns.guards import Guards
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.turns.providers.base import ProviderParams

__all__ = ["Compromise", "compromises", "guard_compromises", "same_frames"]

_DURATIONS = ("min_speech_ms", "silence_duration_ms")
_BY_HAND = {
    "min_interruption_ms": "LiveKit: min_interruption_duration",
    "min_words": "LiveKit: min_interruption_words; Pipecat: MinWordsUserTurnStartStrategy",
    "false_interruption_timeout_ms": "LiveKit: false_interruption_timeout",
}
_SILERO_FRAME: Final = {"frame_samples": 512, "sample_rate": 16_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compromise:
    """One value that a provider cannot express.

    Parameters
    ----------
    parameter
        Name of the `TurnParams` or `Guards` field, or `EndOfTurn`'s with ``eot_`` before it, or
        `AdaptiveInterruption`'s with ``interrupt_``.
    wanted, got
        What was asked for, and what the provider will do instead, in that field's unit.
    why
        In words.
    """

    parameter: str
    wanted: float
    got: float
    why: str

    @property
    def error(self) -> float:
        """``got - wanted``."""
        return self.got - self.wanted

    def __str__(self) -> str:
        unit = " ms" if self.parameter.endswith("_ms") else ""
        wanted, got = (f"{value:g}{unit}" if math.isfinite(value) else "none" for value in (self.wanted, self.got))
        return f"{self.parameter}: {wanted} wanted, {got} got. {self.why}."


def same_frames(one_ms: float, other_ms: float) -> bool:
    """Whether two durations make the same number of Silero's 32 ms frames."""
    return frames_for_ms(one_ms, **_SILERO_FRAME) == frames_for_ms(other_ms, **_SILERO_FRAME)


def compromises(
    wanted: TurnParams, setting: ProviderParams, why: Mapping[str, str] = MappingProxyType({})
) -> tuple[Compromise, ...]:
    """Where a provider's setting does otherwise than was wanted; ``why`` adds to its own reasons, by parameter.

    Two durations that make the same number of Silero's 32 ms frames are the same.
    """
    got, reasons = setting.canonical(), {**setting.INEXPRESSIBLE, **why}
    found = []
    for name in TurnParams.__dataclass_fields__:
        mine, theirs = getattr(wanted, name), getattr(got, name)
        same = same_frames(mine, theirs) if name in _DURATIONS else abs(mine - theirs) < 1e-9
        if not same:
            found.append(Compromise(parameter=name, wanted=mine, got=theirs, why=reasons[name]))
    return tuple(found)


def guard_compromises(guards: Guards) -> tuple[Compromise, ...]:
    """What an export leaves out of guards: all that they hold back."""
    none = Guards()
    why = "The export leaves guards out; this one is to be set by hand"
    return tuple(
        Compromise(parameter=name, wanted=getattr(guards, name), got=getattr(none, name), why=f"{why} ({by_hand})")
        for name, by_hand in _BY_HAND.items()
        if getattr(guards, name) != getattr(none, name)
    )
