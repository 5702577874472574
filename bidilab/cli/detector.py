"""The detector's options, which `bidilab sweep`, `bidilab serve` and `bidilab probe-client` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from bidilab.detect.vad import VadSpec

__all__ = ["VadName", "VadOptions", "read_vad"]

VadName = Annotated[
    str,
    typer.Option(
        "--vad", help="Detector of speech: silero (6.2), webrtc (extra), energy (a baseline); a wrong name lists all."
    ),
]
VadOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--vad-option",
        help="Option of the detector as NAME=VALUE, again for each: [b]weights=PATH[/b] runs silero on other weights, "
        "[b]aggressiveness=2[/b] sets webrtc, [b]offset_db=15[/b] energy.",
    ),
]


def read_vad(name: str, options: Sequence[str] | None = None) -> VadSpec:
    """The detector that the options name.

    Parameters
    ----------
    name
        In the registry.
    options
        ``NAME=VALUE``; a value that reads as a number is one.

    Raises
    ------
    InvalidParameterError
        If the name or an option is unknown, or an option is not written so or given twice. A value is checked when the
        detector is built.
    """
    from bidilab.detect.vad import VadSpec

    given: dict[str, int | float | str] = {}
    for text in options or ():
        option, equals, value = text.partition("=")
        if not equals or not option or not value or option in given:
            raise InvalidParameterError("--vad-option", "NAME=VALUE, each name once", text)
        given[option] = _value(value)
    return VadSpec(name=name, options=given)


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
