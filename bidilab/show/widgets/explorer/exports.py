"""A setting of a sweep as text to be pasted: for bidilab itself, and for each of `EXPORT_TARGETS`.

What a form cannot express is said beside it (`Export.note`), never rounded in silence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import EXPORT_TARGETS, Compromise, ServerVad, export_setting
from bidilab.detect.turns.export.exported import compromises, guard_compromises
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
    return [export_of(result, setting, name) for name in (*_own_forms(result, setting), *EXPORT_TARGETS)]


def export_of(result: SweepResult, setting: int, name: str) -> Export:
    """A setting in one form: ``"python"``, ``"agent"`` (of a sweep in OpenAI's words), or one of `EXPORT_TARGETS`.

    Raises
    ------
    InvalidParameterError
        If there is no such setting or form.
    """
    own = _own_forms(result, setting)
    if name not in own and name not in EXPORT_TARGETS:
        raise InvalidParameterError("name", f"one of {', '.join((*own, *EXPORT_TARGETS))}", name)
    params, guards = result.provider_params(setting), result.guards(setting)
    if name in own:
        unguarded = guard_compromises(guards) if name == "agent" else ()
        return _export(name, own[name](), (*compromises(result.params(setting), params), *unguarded))
    mine = params if name == params.provider else result.params(setting)
    exported = export_setting(mine, name, guards=guards)
    # A provider's own parameters, as the sweep rounded them to, may be less than what the grid asked for.
    lost = (*compromises(result.params(setting), exported.setting), *guard_compromises(guards))
    return _export(name, exported.text, lost, exported.remarks)


def _export(name: str, text: str, lost: tuple[Compromise, ...], remarks: tuple[str, ...] = ()) -> Export:
    note = " ".join([*map(str, lost), *remarks])
    title = _OWN_TITLES[name] if name in _OWN_TITLES else EXPORT_TARGETS[name].title
    return Export(name=name, title=title, text=text.rstrip("\n") + "\n", note=note)


def _own_forms(result: SweepResult, setting: int) -> dict[str, Callable[[], str]]:
    params, guards = result.provider_params(setting), result.guards(setting)
    forms = {"python": lambda: _python(params, guards)}
    if isinstance(params, ServerVad):
        forms["agent"] = lambda: _agent(params)
    return forms


def _constructor(made: Any) -> str:
    """A call that makes a dataclass again, with what differs from the defaults."""
    given = {
        field.name: value
        for field in dataclasses.fields(made)
        if (value := getattr(made, field.name)) != field.default or field.name in _ALWAYS_NAMED
    }
    return f"bl.{type(made).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def _python(params: Any, guards: Any) -> str:
    text = f"import bidilab as bl\n\nturn_detection = {_constructor(params)}\n"
    return text if guards == Guards() else f"{text}guards = {_constructor(guards)}\n"


def _agent(params: Any) -> str:
    return (
        "import bidilab as bl\n"
        "from bidilab.bidi import BidiAgent\n"
        "from bidilab.bidi.models import BidiOpenAIRealtimeModel\n\n"
        "model = BidiOpenAIRealtimeModel(\n"
        f'    provider_config={{"turn_detection": {_constructor(params)}}}\n'
        ")\n"
        "agent = BidiAgent(model=model)\n"
    )
