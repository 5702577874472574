"""A setting in words that a program takes: `EXPORTERS` is the list, to which others may be added.

An exporter is given the provider's own parameters (`ServerVad`, `GeminiActivityDetection`) and writes text. What the
provider cannot express exactly is said beside it (`export_note`), never rounded in silence.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from bidilab.lab.sweep import SweepResult

__all__ = ["EXPORTERS", "Export", "Exporter", "export_setting", "exporters_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """One form of a setting.

    Parameters
    ----------
    name
        By which it is asked for.
    title
        As a person reads it.
    language
        ``"python"`` or ``"json"``.
    providers
        Providers of a `Grid` whose parameters it can write.
    write
        From the provider's parameters to text.
    """

    name: str
    title: str
    language: str
    providers: frozenset[str]
    write: Callable[[Any], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A setting as text: which exporter wrote it, the text, and what the provider cannot express (else empty)."""

    exporter: Exporter
    text: str
    note: str


def exporters_of(provider: str) -> list[Exporter]:
    """Exporters that can write a provider's parameters, in their order."""
    return [exporter for exporter in EXPORTERS if provider in exporter.providers]


def export_setting(result: SweepResult, setting: int, name: str) -> Export:
    """Write one setting of a sweep.

    Raises
    ------
    InvalidParameterError
        If there is no such setting or exporter for the sweep's provider.
    """
    known = {exporter.name: exporter for exporter in exporters_of(result.provider)}
    if name not in known:
        raise InvalidParameterError("name", f"one of {', '.join(known)}", name)
    params = result.provider_params(setting)
    return Export(exporter=known[name], text=known[name].write(params), note=_note(result, setting, params))


def _note(result: SweepResult, setting: int, params: Any) -> str:
    """What differs between the setting swept and what the provider's parameters come to."""
    swept, expressed = (dataclasses.asdict(each) for each in (result.params(setting), params.canonical()))
    differing = [
        f"{name} {expressed[name]:g} instead of {swept[name]:g}"
        for name in swept
        if not math.isclose(swept[name], expressed[name], abs_tol=1e-9)
    ]
    if not differing:
        return ""
    return f"The nearest that {result.provider} can express; it is taken to mean {', '.join(differing)}."


def _constructor(params: Any) -> str:
    """A call that makes the parameters again, with those that differ from the defaults of the class."""
    given = {
        field.name: value
        for field in dataclasses.fields(params)
        if (value := getattr(params, field.name)) != field.default or field.name in _ALWAYS_NAMED
    }
    return f"{type(params).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


_ALWAYS_NAMED = ("threshold", "prefix_padding_ms", "silence_duration_ms")


def _python(params: Any) -> str:
    return f"import bidilab as bl\n\nturn_detection = bl.{_constructor(params)}\n"


def _agent(params: Any) -> str:
    return (
        "import bidilab as bl\n"
        "from bidilab.bidi import BidiAgent\n"
        "from bidilab.bidi.models import BidiOpenAIRealtimeModel\n\n"
        "model = BidiOpenAIRealtimeModel(\n"
        f'    provider_config={{"turn_detection": bl.{_constructor(params)}}}\n'
        ")\n"
        "agent = BidiAgent(model=model)\n"
    )


def _session_update(params: Any) -> str:
    session = {"type": "realtime", "audio": {"input": {"turn_detection": params.to_dict()}}}
    return json.dumps({"type": "session.update", "session": session}, indent=2) + "\n"


def _gemini_setup(params: Any) -> str:
    return json.dumps({"realtimeInputConfig": {"automaticActivityDetection": params.to_dict()}}, indent=2) + "\n"


EXPORTERS: list[Exporter] = [
    Exporter(
        name="python",
        title="bidilab (Python)",
        language="python",
        providers=frozenset({"openai", "gemini"}),
        write=_python,
    ),
    Exporter(
        name="openai-session",
        title="OpenAI Realtime: session.update (JSON)",
        language="json",
        providers=frozenset({"openai"}),
        write=_session_update,
    ),
    Exporter(
        name="agent",
        title="Agent with Strands' names (Python)",
        language="python",
        providers=frozenset({"openai"}),
        write=_agent,
    ),
    Exporter(
        name="gemini-setup",
        title="Gemini Live: setup (JSON)",
        language="json",
        providers=frozenset({"gemini"}),
        write=_gemini_setup,
    ),
]
"""Every form that "use this setting" offers."""
