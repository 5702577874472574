"""The text of every ``--help``: what it does, examples, then options with their whole names, in 80 columns or more.

Names stand on the left and what they do on the right; a name that is too long for that has a line to itself. Nothing is
cut short, however narrow the terminal. Typer's own tables are not used: they change from version to version, and cut.
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text
from typer.core import TyperArgument, TyperCommand, TyperGroup

from bidilab.core.errors import InvalidParameterError

__all__ = ["HelpfulCommand", "HelpfulGroup", "first_sentence"]

_WIDEST: Final = 100
_NARROWEST: Final = 40
_LONGEST_NAME: Final = 26  # beside its help; a longer one stands above it
_ARGUMENTS: Final = "Arguments"
_OPTIONS: Final = "Options"
_Line = tuple[str, Text]


class _Helpful:
    """Help and usage of a command or of a group; ``names`` fills ``{places}`` in the help of options."""

    names: Mapping[str, Callable[[], str]] = {}

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(_rendered(self, ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the command's name in its usage."""
        return ["[OPTIONS]", *_wanted(self, ctx)]


class HelpfulCommand(_Helpful, TyperCommand):
    """A command whose help is written here, and whose errors name an option as it is typed."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what is said of a parameter of its own names the option."""
        try:
            return super().invoke(ctx)
        except InvalidParameterError as error:
            options = {each.name: each.opts[0] for each in self.params if not isinstance(each, TyperArgument)}
            if error.name not in options:
                raise
            raise InvalidParameterError(options[error.name], error.allowed, error.got) from error


class HelpfulGroup(_Helpful, TyperGroup):
    """Commands under one name, whose help is written here."""


def _rendered(command: Any, ctx: Any) -> str:
    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, legacy_windows=False, highlight=False)

    def put(text: Text, indent: int = 0, first: Text | None = None) -> None:
        """Print wrapped lines at an indent, after what begins the first of them."""
        for k, line in enumerate(_breakable(text, width - indent).wrap(console, width - indent) or [Text()]):
            line.rstrip()
            before = first if k == 0 and first is not None else Text(" " * indent)
            console.print(before + line, soft_wrap=True)

    put(Text.assemble(("Usage: ", "bold"), " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])))
    for paragraph, verbatim in _paragraphs(command.help or ""):
        if not verbatim:
            console.print()
            put(paragraph)
        else:
            console.print(paragraph, soft_wrap=True)
    sections = list(_sections(command, ctx))
    beside = [len(name) for _, lines in sections for name, _ in lines if len(name) <= _LONGEST_NAME]
    column = 4 + max(beside, default=0)
    for heading, lines in sections:
        console.print()
        put(Text(heading, "bold"))
        for name, said in lines:
            shown = Text.assemble("  ", (name, "cyan"))
            if len(name) > _LONGEST_NAME:
                console.print(shown, soft_wrap=True)
                put(said, column)
            else:
                put(said, column, Text.assemble(shown, " " * (column - 2 - len(name))))
    return out.getvalue()


def _breakable(text: Text, width: int) -> Text:
    """A text in which a word that is longer than a line goes on in the next one after a comma."""
    places = []
    for word in re.finditer(r"\S+", text.plain):
        start = word.start()
        while word.end() - start > width and (comma := text.plain.rfind(",", start, start + width)) > start:
            start = comma + 1
            places.append(start)
    return Text("\n").join(text.divide(places)) if places else text


def _paragraphs(text: str) -> Iterator[tuple[Text, bool]]:
    """Paragraphs of a docstring, refilled; lines that are indented stay as they are."""
    was_verbatim = False
    for block in text.strip("\n").split("\n\n"):
        lines = block.strip("\n").split("\n")
        verbatim = all(line.startswith("    ") for line in lines)
        if verbatim:
            yield Text.from_markup("\n".join(lines if was_verbatim else ["", *lines])), True
        else:
            yield Text.from_markup(" ".join(line.strip() for line in lines)), False
        was_verbatim = verbatim


def _sections(command: Any, ctx: Any) -> Iterator[tuple[str, list[_Line]]]:
    """Headings and what stands under each: commands, arguments, options by subject, and the other options."""
    if isinstance(command, TyperGroup):
        shown = [(name, command.get_command(ctx, name)) for name in command.list_commands(ctx)]
        yield "Commands", [(name, first_sentence(each.help or "")) for name, each in shown if each and not each.hidden]
    under: dict[str, list[_Line]] = {}
    for parameter in command.get_params(ctx):
        if not getattr(parameter, "hidden", False):
            subject = getattr(parameter, "rich_help_panel", None)  # click's own --help has none in older versions
            among = _ARGUMENTS if isinstance(parameter, TyperArgument) else subject or _OPTIONS
            under.setdefault(among, []).append((_names(parameter), _said(parameter, command.names)))
    if next(iter(under)) not in (_ARGUMENTS, _OPTIONS) or list(under)[1:2] not in ([], [_OPTIONS]):
        under[f"Other {_OPTIONS.lower()}"] = under.pop(_OPTIONS)
    yield from under.items()


def first_sentence(text: str) -> Text:
    """The first sentence of a help text, with its markup."""
    first = " ".join(text.strip().split("\n\n")[0].split())
    return Text.from_markup(first.split(". ")[0].rstrip("."))


def _is_flag(parameter: Any) -> bool:
    return bool(getattr(parameter, "is_flag", False))


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _names(parameter: Any) -> str:
    """How a parameter is written: an option with what it takes, a flag that is on with how to turn it off."""
    if isinstance(parameter, TyperArgument):
        return _metavar(parameter)
    names = "/".join([*parameter.opts, *(parameter.secondary_opts if parameter.default is True else ())])
    return names if _is_flag(parameter) else f"{names} {_metavar(parameter)}"


def _said(parameter: Any, names: Mapping[str, Callable[[], str]]) -> Text:
    """What a parameter does, and what it is when it is not given."""
    text = parameter.help or ""
    for place, words in names.items():
        if place in text:
            text = text.replace(place, words())
    said = Text.from_markup(text)
    default = parameter.default
    if parameter.required and not isinstance(parameter, TyperArgument):
        said.append(" Required.")
    if default is True:
        said.append(f" Default: {parameter.opts[0]}.", "dim")
    elif not _is_flag(parameter) and default not in (None, ""):
        said.append(f" Default: {_plain(default)}.", "dim")
    return said


def _plain(value: Any) -> str:
    """A default as it would be typed: 300 for 300.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _wanted(command: Any, ctx: Any) -> Iterable[str]:
    for parameter in command.get_params(ctx):
        if isinstance(parameter, TyperArgument):
            yield _metavar(parameter) if parameter.required else f"[{_metavar(parameter)}]"
    if isinstance(command, TyperGroup):
        yield "COMMAND ..."
