"""``--config FILE.toml``: the options of a command in a file, with the names that they have on the command line."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

from bidilab.core.errors import InvalidParameterError

__all__ = ["ConfigFile"]

_LARGEST_BYTES = 1 << 20


def _read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Take what the file says for every option that is not on the command line."""
    if path is None:
        return None
    if ctx.resilient_parsing:  # a shell that completes a line
        return path
    parameters = {p.name: p for p in ctx.command.params if p.name and not p.is_eager}
    given: dict[str, Any] = {}
    for key, value in _table(path).items():
        name = key.replace("-", "_")
        if name not in parameters:
            raise InvalidParameterError(
                "--config", f"a file whose keys are options of {ctx.command_path}", _unknown(key, parameters)
            )
        if name in given:
            raise InvalidParameterError("--config", "a file with each option once", f"{key} beside {name}")
        given[name] = _value(key, value, parameters[name])
    ctx.default_map = given
    return path


def _table(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InvalidParameterError("--config", "a TOML file of at most 1 MiB", str(path))
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidParameterError("--config", "a TOML file that can be read", f"{path} ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParameterError("--config", "a TOML file", f"{path} ({error})") from error


def _unknown(key: str, allowed: Iterable[str]) -> str:
    near = difflib.get_close_matches(key.replace("-", "_"), list(allowed), n=1)
    return f"{key}, which is none{f'; did you mean {near[0]}?' if near else ''}"


def _value(key: str, value: Any, parameter: Any) -> Any:
    """A value as the command line takes it: lists and tables become what is written with commas there."""
    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise InvalidParameterError(f"{key} in --config", "true or false", value)
        return value
    if getattr(parameter, "multiple", False):
        if isinstance(value, dict):
            return [f"{name}={_word(key, item)}" for name, item in value.items()]
        return [_joined(key, item) for item in (value if isinstance(value, list) else [value])]
    return _joined(key, value)


def _joined(key: str, value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_word(key, item) for item in value)
    if isinstance(value, dict):
        return ",".join(f"{name}={_word(key, item)}" for name, item in value.items())
    return _word(key, value)


def _word(key: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidParameterError(f"{key} in --config", "a text, a number, a list or a table of these", value)
    return value if isinstance(value, str) else repr(value)


ConfigFile = typer.Option(
    metavar="FILE",
    is_eager=True,
    callback=_read_config,
    help="Take options from this TOML file, with the names that they have here; lists and tables stand for commas. "
    "What is on the command line wins.",
)
