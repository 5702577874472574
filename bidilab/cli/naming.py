"""Help that lists names: what is registered (models, providers, targets of an export) is asked when help is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from typer.core import TyperCommand, TyperOption

__all__ = ["NamingCommand"]


def _models() -> Iterable[str]:
    from bidilab.bidi.providers.registry import PROVIDERS

    return ("local", *PROVIDERS)


def _swept() -> Iterable[str]:
    from bidilab.detect.turns.providers import SWEPT_PROVIDERS

    return SWEPT_PROVIDERS


def _targets() -> Iterable[str]:
    from bidilab.detect.turns import EXPORT_TARGETS

    return EXPORT_TARGETS


_NAMES: Final[Mapping[str, Callable[[], Iterable[str]]]] = {
    "{models}": _models,
    "{swept}": _swept,
    "{targets}": _targets,
}


class NamingCommand(TyperCommand):
    """A command whose help texts may hold ``{models}``, ``{swept}`` and ``{targets}``."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the names that are registered now."""
        for option in self.params:
            for place, names in _NAMES.items():
                if isinstance(option, TyperOption) and option.help is not None and place in option.help:
                    option.help = option.help.replace(place, _listed(names()))
        super().format_help(ctx, formatter)


def _listed(names: Iterable[str]) -> str:
    *most, last = (f"[b]{name}[/b]" for name in names)
    return f"{', '.join(most)} or {last}" if most else last
