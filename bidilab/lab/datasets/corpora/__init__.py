"""The formats a corpus can be in, one file each; those of one label per line share one.

``from_NAME(source, dest, …)`` imports each. `FORMATS` says of all of them what they are, which options they take and
which function imports them; a format more is one file and one line, by `register_format`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.corpora import (
    ami,
    calls,
    clips,
    eotbench,
    fdb,
    lines,
    rttm,
    segjson,
    textgrid,
    turnbench,
)
from bidilab.lab.datasets.corpora.ami import from_ami
from bidilab.lab.datasets.corpora.calls import from_calls
from bidilab.lab.datasets.corpora.clips import ClipsResult, from_clips
from bidilab.lab.datasets.corpora.eotbench import from_eotbench
from bidilab.lab.datasets.corpora.fdb import from_fdb
from bidilab.lab.datasets.corpora.lines import from_audacity, from_ctm, from_stm, from_turns
from bidilab.lab.datasets.corpora.rttm import from_rttm
from bidilab.lab.datasets.corpora.segjson import from_segjson
from bidilab.lab.datasets.corpora.textgrid import from_textgrid
from bidilab.lab.datasets.corpora.turnbench import from_turnbench
from bidilab.lab.datasets.importing.importer import ImportResult
from bidilab.lab.datasets.importing.labelformat import LabelFormat
from bidilab.lab.importoptions import LABEL_OPTIONS

__all__ = [
    "FORMATS",
    "ClipsResult",
    "CorpusFormat",
    "ImportResult",
    "from_ami",
    "from_audacity",
    "from_calls",
    "from_clips",
    "from_ctm",
    "from_eotbench",
    "from_fdb",
    "from_rttm",
    "from_segjson",
    "from_stm",
    "from_textgrid",
    "from_turnbench",
    "from_turns",
    "register_format",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusFormat:
    """A format.

    Parameters
    ----------
    name
        As ``bidilab datasets import`` has it.
    summary
        One line on what it is.
    options
        Names of the `IMPORT_OPTIONS` that it takes; it refuses the others, and takes ``force`` and ``progress``.
    run
        The function that imports it.
    """

    name: str
    summary: str
    options: tuple[str, ...]
    run: Callable[..., Any]

    @classmethod
    def of_labels(cls, labels: LabelFormat, run: Callable[..., Any]) -> Self:
        """A format of label files beside audio: it takes the options that all of these share."""
        return cls(name=labels.name, summary=labels.summary, options=LABEL_OPTIONS, run=run)


FORMATS: dict[str, CorpusFormat] = {}
"""Every format, by its name."""


def register_format(made: CorpusFormat) -> None:
    """Add a format; the command line then imports it by its name.

    Raises
    ------
    InvalidParameterError
        If the name is taken.
    """
    if made.name in FORMATS:
        raise InvalidParameterError("name", f"none of {', '.join(FORMATS)}", made.name)
    FORMATS[made.name] = made


for _format in (
    CorpusFormat(name="calls", summary=calls.SUMMARY, options=calls.OPTIONS, run=from_calls),
    CorpusFormat.of_labels(rttm.FORMAT, from_rttm),
    CorpusFormat.of_labels(lines.AUDACITY, from_audacity),
    CorpusFormat.of_labels(textgrid.FORMAT, from_textgrid),
    CorpusFormat.of_labels(segjson.FORMAT, from_segjson),
    CorpusFormat.of_labels(lines.STM, from_stm),
    CorpusFormat.of_labels(lines.CTM, from_ctm),
    CorpusFormat.of_labels(lines.TURNS, from_turns),
    CorpusFormat(name="ami", summary=ami.SUMMARY, options=ami.OPTIONS, run=from_ami),
    CorpusFormat(name="fdb", summary=fdb.SUMMARY, options=fdb.OPTIONS, run=from_fdb),
    CorpusFormat(name="eotbench", summary=eotbench.SUMMARY, options=eotbench.OPTIONS, run=from_eotbench),
    CorpusFormat(name="turnbench", summary=turnbench.SUMMARY, options=turnbench.OPTIONS, run=from_turnbench),
    CorpusFormat(name="clips", summary=clips.SUMMARY, options=clips.OPTIONS, run=from_clips),
):
    register_format(_format)
