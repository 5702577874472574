"""A setting in the words of another framework, with what was lost on the way."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, Literal

from bidilab.core.units import frames_for_ms
from bidilab.detect.turns.guards import Guards
from bidilab.detect.turns.params import TurnParams
from bidilab.detect.turns.providers.base import ProviderParams

__all__ = ["Compromise", "ExportedSetting", "compromises", "guard_compromises"]

_DURATIONS = ("min_speech_ms", "silence_duration_ms")
_BY_HAND = {
    "min_interruption_ms": "LiveKit: min_interruption_duration",
    "min_words": "LiveKit: min_interruption_words; Pipecat: MinWordsUserTurnStartStrategy",
    "false_interruption_timeout_ms": "LiveKit: false_interruption_timeout",
}
_SILERO_FRAME = {"frame_samples": 512, "sample_rate": 16_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compromise:
    """One value that a provider cannot express.

    Parameters
    ----------
    parameter
        Name of the `TurnParams` or `Guards` field.
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
        return f"{self.parameter}: {self.wanted:g}{unit} wanted, {self.got:g}{unit} got. {self.why}."


def compromises(wanted: TurnParams, setting: ProviderParams) -> tuple[Compromise, ...]:
    """Where a provider's setting does otherwise than was wanted.

    Two durations that make the same number of Silero's 32 ms frames are the same.
    """
    got = setting.canonical()
    found = []
    for name in TurnParams.__dataclass_fields__:
        mine, theirs = getattr(wanted, name), getattr(got, name)
        if name in _DURATIONS:
            same = frames_for_ms(mine, **_SILERO_FRAME) == frames_for_ms(theirs, **_SILERO_FRAME)
        else:
            same = abs(mine - theirs) < 1e-9
        if not same:
            found.append(Compromise(parameter=name, wanted=mine, got=theirs, why=setting.INEXPRESSIBLE[name]))
    return tuple(found)


def guard_compromises(guards: Guards) -> tuple[Compromise, ...]:
    """What an export leaves out of guards: all that they hold back, as it sets the detector alone."""
    none = Guards()
    why = "The export sets the detector alone; this guard is to be set by hand"
    return tuple(
        Compromise(parameter=name, wanted=getattr(guards, name), got=getattr(none, name), why=f"{why} ({by_hand})")
        for name, by_hand in _BY_HAND.items()
        if getattr(guards, name) != getattr(none, name)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedSetting:
    """A setting, ready to be pasted.

    Parameters
    ----------
    target
        For what: one of `EXPORT_TARGETS`.
    setting
        As the provider's own parameter class.
    wanted
        What was to be exported.
    language
        ``"json"`` or ``"python"``.
    text
        The JSON or the code.
    compromises
        What the target cannot express.
    remarks
        What else must be known to get what the sweep measured.

    Examples
    --------
    >>> from bidilab.detect.turns import TurnParams, export_setting
    >>> exported = export_setting(TurnParams(threshold=0.6, silence_duration_ms=400), "nova")
    >>> [c.parameter for c in exported.compromises]
    ['threshold', 'deactivation_threshold', 'silence_duration_ms']
    """

    target: str
    setting: ProviderParams
    wanted: TurnParams
    language: Literal["json", "python"]
    text: str
    compromises: tuple[Compromise, ...]
    remarks: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether every value could be expressed, by the assumptions of the parameter class; see `remarks`, too."""
        return not self.compromises

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "target": self.target,
            "language": self.language,
            "text": self.text,
            "setting": self.setting.to_dict(),
            "exact": self.exact,
            "compromises": [
                {"parameter": c.parameter, "wanted": c.wanted, "got": c.got, "why": c.why} for c in self.compromises
            ],
            "remarks": list(self.remarks),
        }

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return "\n".join([f"ExportedSetting for {self.target}", "", self.text, "", *self.notes])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        head = f"<b>ExportedSetting for {html.escape(self.target)}</b>"
        return f"{head}<pre>{html.escape(self.text)}</pre><ul>{notes}</ul>"

    @property
    def notes(self) -> list[str]:
        """What is lost and what must be known, one sentence or two each."""
        first = "Every value is expressed." if self.exact else "Not every value can be expressed:"
        return [first, *map(str, self.compromises), *self.remarks]
