"""What an importer is given: every option of `importoptions`, checked once for all formats."""

from __future__ import annotations

import inspect
import os
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bidilab.core.checks import check_is, is_number, is_whole
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.importing.marks import kind_named
from bidilab.lab.datasets.labels import AGENT_KINDS, USER_KINDS, Kind
from bidilab.lab.datasets.proposals import ProposalRule
from bidilab.lab.importoptions import IMPORT_OPTIONS, parse_kinds

__all__ = ["Given", "Importer", "importer_of"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
_TYPES: dict[str, str] = {"kinds": "Mapping[str, str] | str | None", "rule": "ProposalRule | None"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The options of one import. `IMPORT_OPTIONS` says what each means; paths are `Path` here, kinds a mapping.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    """

    agent: str | None = None
    user: str | None = None
    user_channel: int | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    audio: Path | None = None
    regions: Path | None = None
    full_scale: float | None = None
    limit: int | None = None
    user_files: str | None = None
    agent_files: str | None = None
    name: str | None = None
    licence: str = "not stated"
    rule: ProposalRule = field(default_factory=ProposalRule)
    force: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("audio", "regions"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, Path(value))
        if self.audio is not None and not self.audio.is_dir():
            raise InvalidParameterError("audio", "a folder that exists", str(self.audio))
        if self.regions is not None and not self.regions.is_file():
            raise InvalidParameterError("regions", "a UEM file that exists", str(self.regions))
        if self.full_scale is not None and not (is_number(self.full_scale) and 1 < self.full_scale < float("inf")):
            raise InvalidParameterError("full_scale", "a finite number > 1", self.full_scale)
        if self.limit is not None and not (is_whole(self.limit) and self.limit >= 1):
            raise InvalidParameterError("limit", "a whole number >= 1", self.limit)
        check_is("kinds", self.kinds, Mapping, "kinds by label, such as {'mhm': 'backchannel'}")
        object.__setattr__(self, "kinds", {label: _kind(label, name) for label, name in self.kinds.items()})


def _kind(label: str, name: str) -> Kind:
    kind = kind_named(name) if isinstance(name, str) else None
    if kind is None:
        raise InvalidParameterError(f"kinds[{label!r}]", f"one of {', '.join((*USER_KINDS, *AGENT_KINDS))}", name)
    return kind


class Importer(Protocol[R_co]):
    """The call that imports a corpus of one format. An option that the format does not take is refused."""

    def __call__(
        self,
        source: str | os.PathLike[str],
        dest: str | os.PathLike[str],
        *,
        agent: str | None = None,
        user: str | None = None,
        user_channel: int | None = None,
        kinds: Mapping[str, str] | str | None = None,
        audio: str | os.PathLike[str] | None = None,
        regions: str | os.PathLike[str] | None = None,
        full_scale: float | None = None,
        limit: int | None = None,
        user_files: str | None = None,
        agent_files: str | None = None,
        name: str | None = None,
        licence: str | None = None,
        rule: ProposalRule | None = None,
        force: bool = False,
        progress: bool = True,
    ) -> R_co:
        """Import; the function's own documentation says what it takes."""
        ...


_DOC = """Import {summary}

    {layout}

    Parameters
    ----------
    source
        {source}
    dest
        The folder to make. It appears whole or not at all; an import that was stopped goes on where it was.
{options}
    force
        Replace an earlier folder of the kind.
    progress
        Show a progress bar.

    Returns
    -------
    {result}
        {returns}

    Raises
    ------
    InvalidParameterError
        If an argument is not allowed, or not taken by this format.
    DatasetError
        If ``dest`` exists and is not to be replaced, or nothing could be imported; it lists every problem.
    """


def importer_of(
    run: Callable[[Path, Path, Given], R],
    *,
    name: str,
    summary: str,
    layout: str,
    options: tuple[str, ...],
    defaults: Mapping[str, Any] | None = None,
    source: str = "A folder with the corpus at any depth; it is only read.",
    result: str = "ImportResult",
    returns: str = "The dataset, and a problem with file and line for each fault; what has a fault is left out.",
) -> Importer[R]:
    """The function ``from_NAME`` that imports a format.

    Parameters
    ----------
    run
        Imports from the first folder into the second.
    name, summary, layout, source, result, returns
        For its name and its documentation.
    options
        Which of `IMPORT_OPTIONS` it takes; the others are refused in words.
    defaults
        Values of options that are not given.
    """
    own = dict(defaults or {})

    def call(source: str | os.PathLike[str], dest: str | os.PathLike[str], **given: Any) -> R:
        how = {key: given.pop(key) for key in ("force", "progress") if key in given}
        for key, value in given.items():
            if key not in IMPORT_OPTIONS:
                raise TypeError(f"from_{name}() got an unexpected keyword argument {key!r}")
            if key not in options and value is not None:
                raise InvalidParameterError(f"options of {name}", ", ".join(options), key)
        values = own | {key: value for key, value in given.items() if value is not None}
        if isinstance(values.get("kinds"), str):
            values["kinds"] = parse_kinds(values["kinds"])
        return run(Path(source), Path(dest), Given(**values, **how))

    call.__name__ = call.__qualname__ = f"from_{name}"
    lines = []
    for option in options:
        default = f" (default {own[option]!r})" if option in own else ""
        lines += [f"    {option}{default}", f"        {_filled(IMPORT_OPTIONS[option].help, 8)}"]
    call.__doc__ = _DOC.format(
        summary=summary,
        layout=_filled(layout, 4),
        source=_filled(source, 8),
        options="\n".join(lines),
        result=result,
        returns=_filled(returns, 8),
    )
    call.__signature__ = _signature(options, own)  # type: ignore[attr-defined]
    return call


def _filled(text: str, indent: int) -> str:
    return textwrap.fill(text, width=116, subsequent_indent=" " * indent, initial_indent=" " * indent).lstrip()


def _signature(options: tuple[str, ...], defaults: Mapping[str, Any]) -> inspect.Signature:
    keyword, both = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, both, annotation="str | os.PathLike[str]") for name in ("source", "dest")]
    for name in options:
        annotation = _TYPES.get(name, f"{IMPORT_OPTIONS[name].type.__name__} | None")
        parameters.append(
            inspect.Parameter(name, keyword, default=defaults.get(name), annotation=annotation.replace("Path", "str"))
        )
    for name, value in (("force", False), ("progress", True)):
        parameters.append(inspect.Parameter(name, keyword, default=value, annotation="bool"))
    return inspect.Signature(parameters)
