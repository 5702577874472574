"""A setting of a sweep as text to be pasted: for bidilab itself, and for each of `EXPORT_TARGETS`.

What a form cannot express is said beside it (`Export.note`), never rounded in silence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import EXPORT_TARGETS, Compromise, ServerVad, export_setting
from bidilab.detect.turns.guards import Guards

if TYPE_CHECKING:
    from bidilab.lab.sweep import SweepResult

__all__ = ["Export", "export_of", "exports_of"]

_ALWAYS_NAMED = ("threshold", "prefix_padding_ms", "silence_duration_ms")
_OWN_TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {"python": "bidilab (Python)", "agent": "bidilab: agent with OpenAI Realtime (Python)"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A setting in one form.

    Parameters
    ----------
    name, title
        By which it is asked for; as a person reads it.
    text
        For pasting.
    note
        What the form cannot express, and what must be known besides; else empty.
    """

    name: str
    title: str
    text: str
    note: str


def exports_of(result: SweepResult, setting: int) -> list[Export]:
    """A setting in every form that there is for the sweep's provider."""
    return [export_of(result, setting, name) for name in (*_own_forms(result), *EXPORT_TARGETS)]


def export_of(result: SweepResult, setting: int, name: str) -> Export:
    """A setting in one form: ``"python"``, ``"agent"`` (of a sweep in OpenAI's words), or one of `EXPORT_TARGETS`.

    Raises
    ------
    InvalidParameterError
        If there is no such setting or form.
    """
    own = _own_forms(result)
    if name not in own and name not in EXPORT_TARGETS:
        raise InvalidParameterError("name", f"one of {', '.join((*own, *EXPORT_TARGETS))}", name)
    if name == "python":
        return _export(name, _python(result, setting), result.provider_compromises(setting))
    params, end_of_turn = result.provider_params(setting), result.end_of_turn(setting)
    target = params.provider if name == "agent" else name
    # A provider's own parameters, as the sweep rounded them to, may be less than what the grid asked for.
    as_it_is = target == params.provider and end_of_turn is None
    exported = export_setting(
        params if as_it_is else result.params(setting),
        target,
        guards=result.guards(setting),
        end_of_turn=end_of_turn,
        eot_scorer=result.eot_detector,
        adaptive=result.adaptive(setting),
    )
    lost = (*(result.provider_compromises(setting) if as_it_is else ()), *exported.compromises)
    if name == "agent":
        return _export(name, _agent(exported.setting), lost)
    return _export(name, exported.text, lost, exported.remarks)


def _export(name: str, text: str, lost: tuple[Compromise, ...], remarks: tuple[str, ...] = ()) -> Export:
    note = " ".join([*map(str, lost), *remarks])
    title = _OWN_TITLES[name] if name in _OWN_TITLES else EXPORT_TARGETS[name].title
    return Export(name=name, title=title, text=text.rstrip("\n") + "\n", note=note)


def _own_forms(result: SweepResult) -> tuple[str, ...]:
    return ("python", "agent") if result.provider == ServerVad.provider else ("python",)


def _constructor(made: Any) -> str:
    """A call that makes a dataclass again, with what differs from the defaults."""
    given = {
        field.name: value
        for field in dataclasses.fields(made)
        if (value := getattr(made, field.name)) != field.default or field.name in _ALWAYS_NAMED
    }
    return f"bl.{type(made).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def _python(result: SweepResult, setting: int) -> str:
    params, guards = result.provider_params(setting), result.guards(setting)
    end_of_turn, adaptive = result.end_of_turn(setting), result.adaptive(setting)
    scorers = (result.end_of_turn_scorer, result.interruption_scorer)
    text = f"import bidilab as bl\n\nturn_detection = {_constructor(params)}\n"
    text += "" if end_of_turn is None else f"end_of_turn = {_constructor(end_of_turn)}  # scores: {scorers[0]}\n"
    text += "" if adaptive is None else f"adaptive = {_constructor(adaptive)}  # scores: {scorers[1]}\n"
    return text if guards == Guards() else f"{text}guards = {_constructor(guards)}\n"


def _agent(setting: Any) -> str:
    detection = _constructor(setting) if isinstance(setting, ServerVad) else repr(setting.to_dict())
    return (
        "import bidilab as bl\n"
        "from bidilab.bidi import BidiAgent\n"
        "from bidilab.bidi.models import BidiOpenAIRealtimeModel\n\n"
        "model = BidiOpenAIRealtimeModel(\n"
        f'    provider_config={{"turn_detection": {detection}}}\n'
        ")\n"
        "agent = BidiAgent(model=model)\n"
    )
