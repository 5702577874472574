"""The providers beside each other, read off the code: interruptions, and knobs with what they move.

``python -m bidilab.bidi.providers.table docs/providers.md`` writes the document.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

from bidilab.bidi.providers import registry
from bidilab.detect.turns import TurnParams
from bidilab.detect.turns.providers import PROVIDERS, ProviderParams

__all__ = ["knob_rows", "moved_by", "provider_document"]

_QUESTIONS = {
    "on_the_wire": "An interruption on the wire",
    "comes_first": "What a client can act on first",
    "to_be_cleared": "What the client must clear",
    "told_of_heard": "What the service is told about the audio heard",
    "documents": "Documents",
}
_SECTION = re.compile(r"Parameters\n-+\n(.*?)(?:\n\n[A-Z]\w+\n-+|\Z)", re.DOTALL)


def moved_by(cls: type[ProviderParams], name: str, **given: Any) -> tuple[str, ...]:
    """Canonical parameters that a knob moves: found by turning it.

    Parameters
    ----------
    cls
        A provider's parameter class.
    name
        One of its fields.
    **given
        Values of other fields.
    """
    before: TurnParams = cls(**given).canonical()
    moved: set[str] = set()
    for value in _other_values(cls, name):
        after = cls(**{**given, name: value}).canonical()
        moved |= {one for one in TurnParams.__dataclass_fields__ if getattr(after, one) != getattr(before, one)}
    return tuple(one for one in TurnParams.__dataclass_fields__ if one in moved)


def _other_values(cls: type[Any], name: str) -> list[Any]:
    """Allowed values of a field, other than its default."""
    default = next(one.default for one in dataclasses.fields(cls) if one.name == name)
    hint = get_type_hints(cls)[name]
    if isinstance(default, str):
        return [value for value in get_args(hint) if value != default]
    if hint is bool:
        return [] if name == "disabled" else [not default]  # disabled: there is no detection left to describe
    if name == "idle_timeout_ms":
        return [6000]
    if name.endswith("_ms"):
        return [777]
    return [0.4, 0.9] if "deactivation" not in name else [0.2]


def knob_rows(provider: str) -> Iterator[tuple[str, str, str, str]]:
    """Each knob of a provider: name, default, what it moves, and what the class says of it."""
    cls: type[Any] = PROVIDERS[provider]
    said = _said(cls)
    for one in dataclasses.fields(cls):
        moved = ", ".join(f"`{name}`" for name in moved_by(cls, one.name)) or "—"
        if provider == "gemini" and one.name == "prefix_padding_ms":
            looking_back = moved_by(cls, one.name, prefix_meaning="look_back")
            moved += f"; as look-back: {', '.join(f'`{name}`' for name in looking_back)}"
        yield f"`{one.name}`", f"`{one.default!r}`", moved, said[one.name]


def _said(cls: type[Any]) -> dict[str, str]:
    """The description of each parameter in the class's docstring."""
    found = _SECTION.search(inspect.getdoc(cls) or "")
    assert found is not None  # every parameter class documents its parameters
    described: dict[str, str] = {}
    names: list[str] = []
    for line in found.group(1).splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.split(",")]
        for name in names if line.startswith(" ") else ():
            described[name] = f"{described.get(name, '')} {line.strip()}".strip()
    return described


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows)]


def _interruption_rows() -> Iterator[Sequence[str]]:
    for field, question in _QUESTIONS.items():
        answers = [getattr(provider.interruption, field) for provider in registry.PROVIDERS.values()]
        yield [question, *("; ".join(a) if isinstance(a, tuple) else a for a in answers)]


def _class_rows() -> Iterator[Sequence[str]]:
    for field in ("model", "params", "codec", "connection"):
        yield [field, *(f"`{getattr(provider, field).__name__}`" for provider in registry.PROVIDERS.values())]
    exports = (provider.export.title if provider.export else "—" for provider in registry.PROVIDERS.values())
    yield ["export", *exports]


def provider_document() -> str:
    """The whole table as Markdown."""
    titles = [provider.title for provider in registry.PROVIDERS.values()]
    lines = [
        "# Providers",
        "",
        "Made from the code by `python -m bidilab.bidi.providers.table docs/providers.md`; a test keeps the two equal.",
        "",
        "## Interruptions",
        "",
        *_table(["", *titles], _interruption_rows()),
        "",
        "## Classes",
        "",
        *_table(["", *titles], _class_rows()),
        "",
        "## Adding a provider",
        "",
        "Write a folder with its settings, codec (`bidilab.bidi.providers.codec`), connection and model "
        "(`bidilab.bidi.providers.shell`) and descriptor (`bidilab.bidi.providers.provider`), and call "
        "`register_provider(DESCRIPTOR)` of `bidilab.bidi.providers.registry`: `replay`, `compare_models`, "
        "`LiveSession`, `export_setting`, the command line and this page then list it. `tests/bidi/providers/toy` is a "
        "small example.",
        "",
        "## Knobs",
        "",
        "*Moves* is measured by turning the knob and comparing `canonical()`; — means that it moves no decision of "
        "the detector. Where a provider publishes nothing, assumptions are made; they are below its table.",
    ]
    for provider, cls in PROVIDERS.items():
        about = (inspect.getdoc(cls) or "").split("\nParameters\n", 1)[0].strip()
        lines += ["", f"### {provider}: `{cls.__name__}`", ""]
        lines += _table(["knob", "default", "moves", "meaning"], knob_rows(provider))
        lines += ["", about.replace("``", "`")]
        if cls.INEXPRESSIBLE:
            lines += ["", "What an export to it cannot carry over:", ""]
            lines += [f"- `{name}`: {why}" for name, why in cls.INEXPRESSIBLE.items()]
    return "\n".join(lines).replace("``", "`") + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(provider_document(), "utf-8")
