"""The options of importing a corpus, declared once: Python functions and the command line take them from here.

It imports nothing heavy, so that ``bidilab --help`` starts at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bidilab.core.errors import InvalidParameterError

__all__ = ["IMPORT_OPTIONS", "LABEL_OPTIONS", "ImportOption", "flags", "parse_kinds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOption:
    """An option.

    Parameters
    ----------
    name
        Its name as a keyword argument.
    type
        What it is given as on the command line; Python functions take the same, and ``kinds`` also as a mapping.
    metavar
        What stands for its value in the help of the command line.
    help
        What it does, in a sentence or two.
    only_in_python
        Whether the command line has no such option.
    """

    name: str
    type: type
    metavar: str = ""
    help: str
    only_in_python: bool = False

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return f"--{self.name.replace('_', '-')}"


IMPORT_OPTIONS: dict[str, ImportOption] = {
    option.name: option
    for option in (
        ImportOption(
            name="agent",
            type=str,
            metavar="NAME",
            help="Speaker who plays the agent, by the corpus's own name; '@most': who speaks most in each recording.",
        ),
        ImportOption(
            name="user",
            type=str,
            metavar="NAME",
            help="Speaker who is the user, others are then labelled 'side_speech'; all but the agent when not given.",
        ),
        ImportOption(
            name="user_channel", type=int, metavar="N", help="Channel of the user in files of several, from 1."
        ),
        ImportOption(
            name="kinds",
            type=str,
            metavar="LABEL=KIND,...",
            help="Kinds that labels stand for, as 'mhm=backchannel,laugh=noise', beside those named by a kind.",
        ),
        ImportOption(name="audio", type=Path, metavar="FOLDER", help="Folder of the audio, where it is not SRC."),
        ImportOption(
            name="regions",
            type=Path,
            metavar="FILE",
            help="UEM file that says which parts of the recordings count; the rest is left out.",
        ),
        ImportOption(
            name="full_scale",
            type=float,
            metavar="NUMBER",
            help="Full scale of float files that hold integers, such as 32768: they are divided by it.",
        ),
        ImportOption(
            name="limit", type=int, metavar="N", help="Take no more than this many recordings, the first ones."
        ),
        ImportOption(
            name="user_files",
            type=str,
            metavar="PATTERN",
            help="calls: name of the user's mono file, as '{id}-customer.wav'.",
        ),
        ImportOption(
            name="agent_files",
            type=str,
            metavar="PATTERN",
            help="calls: name of the agent's mono file, as '{id}-bot.wav'.",
        ),
        ImportOption(name="name", type=str, metavar="NAME", help="Name of the dataset; that of DEST when not given."),
        ImportOption(
            name="licence", type=str, metavar="TEXT", help="Licence to note, as an SPDX expression or in words."
        ),
        ImportOption(
            name="rule",
            type=object,
            help="How kinds are proposed; the defaults of `ProposalRule`.",
            only_in_python=True,
        ),
    )
}
"""Every option, by its name. All importers also take ``force`` and ``progress``."""

LABEL_OPTIONS: tuple[str, ...] = (
    "agent",
    "user",
    "user_channel",
    "kinds",
    "audio",
    "regions",
    "full_scale",
    "limit",
    "name",
    "licence",
    "rule",
)
"""What every format of label files beside audio takes."""


def parse_kinds(text: str) -> dict[str, str]:
    """Kinds by label, from ``LABEL=KIND`` with commas between.

    Raises
    ------
    InvalidParameterError
        If a part is not of that form, or a label is given twice.
    """
    pairs = [part.rpartition("=") for part in text.split(",")]
    found = {label.strip(): kind.strip() for label, _, kind in pairs}
    if not all(label.strip() and kind.strip() for label, _, kind in pairs) or len(found) < len(pairs):
        raise InvalidParameterError("kinds", "LABEL=KIND with commas between, each label once", text)
    return found


def flags(names: Iterable[str]) -> str:
    """Options in words, as the command line has them."""
    return ", ".join(IMPORT_OPTIONS[name].flag for name in names if not IMPORT_OPTIONS[name].only_in_python)
