"""Options that several commands share: the detector, the guards, and where results are written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bidilab.core.errors import InvalidParameterError

if TYPE_CHECKING:
    from bidilab.detect.scorers import ScorerSpec
    from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn
    from bidilab.detect.vad import VadSpec

__all__ = [
    "END_OF_TURN",
    "INTERRUPTION",
    "MIN_INTERRUPTION",
    "MIN_WORDS",
    "EotActionDelay",
    "EotContext",
    "EotInterval",
    "EotLatency",
    "EotName",
    "EotOptions",
    "EotThreshold",
    "EotTimeout",
    "FalseInterruptionTimeout",
    "InterruptFirst",
    "InterruptInterval",
    "InterruptLatency",
    "InterruptName",
    "InterruptOptions",
    "InterruptThreshold",
    "InterruptWindow",
    "VadName",
    "VadOptions",
    "WordTimes",
    "check_folder",
    "check_parent",
    "read_end_of_turn",
    "read_interruption",
    "read_key",
    "read_scalar",
    "read_scorer",
    "read_vad",
]


def _installed() -> str:
    """The installed plug-ins in words, read from their metadata."""
    from bidilab.detect.plugins import Registry

    names = Registry("bidilab.vad", what="VAD", parameter="vad", own={}).names()
    return f"; installed plug-ins: {', '.join(names)}." if names else ", or an installed plug-in."


VadName = Annotated[
    str,
    typer.Option(
        "--vad",
        metavar="NAME",
        help="Detector of speech: silero (6.2), webrtc and firered (extras), energy (a baseline)" + _installed(),
    ),
]
VadOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--vad-option",
        metavar="NAME=VALUE",
        help="Option of the detector as NAME=VALUE; may be given several times. [b]weights=PATH[/b] runs silero on "
        "other weights, [b]aggressiveness=2[/b] sets webrtc, [b]offset_db=15[/b] energy. A wrong name "
        "prints the detector's own.",
    ),
]
_GUARDS = "Guards: conditions that speech must meet to stop the agent"
MIN_INTERRUPTION = typer.Option(
    metavar="MS", rich_help_panel=_GUARDS, help="How long a turn must have lasted; 0 for none."
)
MIN_WORDS = typer.Option(
    metavar="N", rich_help_panel=_GUARDS, help="Words that must have been said (needs words in the labels)."
)
FalseInterruptionTimeout = Annotated[
    str,
    typer.Option(
        metavar="MS",
        rich_help_panel=_GUARDS,
        help="When the agent goes on after a stop without words; 'never', or milliseconds (needs words in the labels).",
    ),
]
WordTimes = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        rich_help_panel=_GUARDS,
        help="For guards that count words: [b]labelled[/b], or [b]spread[/b]: texts without word times are "
        "assumed to be spoken evenly.",
    ),
]
END_OF_TURN = "End of turn: a score of the pause may end the user's turn"
EotName = Annotated[
    str | None,
    typer.Option(
        "--eot",
        metavar="NAME",
        rich_help_panel=END_OF_TURN,
        help="What scores whether a turn is over, as [b]smart-turn[/b]; a wrong name lists all. Without it silence "
        "alone ends a turn.",
    ),
]
EotOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--eot-option",
        metavar="NAME=VALUE",
        rich_help_panel=END_OF_TURN,
        help="Option of the scorer as NAME=VALUE (model_path=PATH); may be given several times.",
    ),
]
EotThreshold = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        rich_help_panel=END_OF_TURN,
        help="A score above this ends the turn; 0.5 if not given, 1 for never.",
    ),
]
EotActionDelay = Annotated[
    float | None,
    typer.Option(
        metavar="MS", rich_help_panel=END_OF_TURN, help="Least silence that ends a turn on a score; 0 if not given."
    ),
]
EotTimeout = Annotated[
    float | None,
    typer.Option(
        metavar="MS", rich_help_panel=END_OF_TURN, help="Silence that ends it whatever the score; 3000 if not given."
    ),
]
EotInterval = Annotated[
    float | None,
    typer.Option(
        metavar="MS", rich_help_panel=END_OF_TURN, help="Ask again this often in a pause; 0, once, if not given."
    ),
]
EotLatency = Annotated[
    float | None,
    typer.Option(
        metavar="MS",
        rich_help_panel=END_OF_TURN,
        help="How long the scorer takes to answer; what it says itself if not given.",
    ),
]
EotContext = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        rich_help_panel=END_OF_TURN,
        help="What the scorer hears: [b]turn[/b], from its onset on (if not given), or always its [b]window[/b].",
    ),
]


INTERRUPTION = "Interruption: a score may decide whether speech over the agent stops it"
InterruptName = Annotated[
    str | None,
    typer.Option(
        "--interrupt",
        metavar="NAME",
        rich_help_panel=INTERRUPTION,
        help="What scores whether speech is meant to interrupt: an installed plug-in; a wrong name lists all.",
    ),
]
InterruptOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--interrupt-option",
        metavar="NAME=VALUE",
        rich_help_panel=INTERRUPTION,
        help="Option of that scorer as NAME=VALUE; may be given several times.",
    ),
]
InterruptThreshold = Annotated[
    float | None,
    typer.Option(
        metavar="P", rich_help_panel=INTERRUPTION, help="A score above this interrupts; 0.5 if not given, 1 for never."
    ),
]
InterruptFirst = Annotated[
    float | None,
    typer.Option(metavar="MS", rich_help_panel=INTERRUPTION, help="Asked this long after the onset; 200 if not given."),
]
InterruptInterval = Annotated[
    float | None,
    typer.Option(metavar="MS", rich_help_panel=INTERRUPTION, help="Ask again this often; 96 if not given, 0 for once."),
]
InterruptWindow = Annotated[
    float | None,
    typer.Option(
        metavar="MS",
        rich_help_panel=INTERRUPTION,
        help="Speech that has lasted this long interrupts without a score; never if not given.",
    ),
]
InterruptLatency = Annotated[
    float | None,
    typer.Option(
        metavar="MS",
        rich_help_panel=INTERRUPTION,
        help="How long the scorer takes to answer; what it says itself if not given.",
    ),
]


def read_interruption(
    name: str | None, options: Sequence[str] | None = None, **policy: float | None
) -> tuple[AdaptiveInterruption, ScorerSpec] | None:
    """The rule and the scorer of interruptions that the options name; ``None`` without any.

    Parameters and errors are those of `read_end_of_turn`, with values of `AdaptiveInterruption`.
    """
    from bidilab.detect.scorers import ScorerSpec
    from bidilab.detect.turns import AdaptiveInterruption

    given = {key: value for key, value in policy.items() if value is not None}
    if name is None:
        if given or options:
            raise InvalidParameterError("--interrupt", "the name of a scorer if its other options are given", name)
        return None
    spec = ScorerSpec(name=name, task="interruption", options=_named_values("--interrupt-option", options))
    return AdaptiveInterruption(**given), spec


def read_scorer(name: str, options: Sequence[str] | None = None) -> ScorerSpec:
    """The end-of-turn scorer that the options name.

    Parameters
    ----------
    name
        In the registry.
    options
        ``NAME=VALUE``; a value that reads as a number is one.

    Raises
    ------
    InvalidParameterError
        If the name or an option is not allowed.
    """
    from bidilab.detect.scorers import ScorerSpec

    return ScorerSpec(name=name, options=_named_values("--eot-option", options))


def read_end_of_turn(
    name: str | None, options: Sequence[str] | None = None, **policy: float | str | None
) -> tuple[EndOfTurn, ScorerSpec] | None:
    """The rule and the scorer that the options name; ``None`` without any.

    Parameters
    ----------
    name
        In the registry.
    options
        ``NAME=VALUE``; a value that reads as a number is one.
    **policy
        Values of `EndOfTurn`; ``None`` where an option was not given.

    Raises
    ------
    InvalidParameterError
        If the name, an option or a value is not allowed, or there are options without a name.
    """
    from bidilab.detect.turns import EndOfTurn

    given: dict[str, Any] = {key: value for key, value in policy.items() if value is not None}
    if name is None:
        if given or options:
            raise InvalidParameterError(
                "--eot", "the name of a scorer if other options of the end of turn are given", name
            )
        return None
    return EndOfTurn(**given), read_scorer(name, options)


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

    return VadSpec(name=name, options=_named_values("--vad-option", options))


def _named_values(option: str, texts: Sequence[str] | None) -> dict[str, int | float | str]:
    given: dict[str, int | float | str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name or not value or name in given:
            raise InvalidParameterError(option, "NAME=VALUE, each name once", text)
        given[name] = read_scalar(value)
    return given


def read_scalar(text: str) -> int | float | str:
    """A number where the text reads as one; otherwise the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def check_folder(option: str, folder: Path) -> None:
    """Make sure that a folder, which need not exist, can be made and written to; nothing is left there.

    Raises
    ------
    InvalidParameterError
        If it is a file, or the system refuses, with its reason.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidParameterError(option, "a folder", str(folder))
    standing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".bidilab-", dir=standing):
            pass
    except OSError as error:
        raise InvalidParameterError(
            option, f"a place that can be written to ({error.strerror})", str(folder)
        ) from error


def check_parent(option: str, file: Path) -> None:
    """Make sure that a file can be written: its folder exists and takes new files, and no folder has its name.

    Raises
    ------
    InvalidParameterError
        If not, with the reason.
    """
    if file.is_dir():
        raise InvalidParameterError(option, "a file, not a folder", str(file))
    if not file.absolute().parent.is_dir():
        raise InvalidParameterError(option, "a file in a folder that exists", str(file))
    check_folder(option, file.parent)


def read_key(key_env: str | None) -> str | None:
    """Return the key that an environment variable holds, ``None`` where none is named.

    Raises
    ------
    InvalidParameterError
        If the variable is not set, or empty.
    """
    if key_env is None:
        return None
    key = os.environ.get(key_env)
    if not key:
        raise InvalidParameterError("--key-env", "an environment variable that holds a key", key_env)
    return key
