"""The formats a corpus can be in, one file each.

``from_NAME(source, dest, …)`` imports each; ``FORMATS`` says for all of them what they are, which options they take
and which function imports them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bidilab.lab.datasets.corpora import ami, audacity, calls, clips, ctm, fdb, rttm, segjson, stm, textgrid, turns
from bidilab.lab.datasets.corpora.ami import from_ami
from bidilab.lab.datasets.corpora.audacity import from_audacity
from bidilab.lab.datasets.corpora.calls import from_calls
from bidilab.lab.datasets.corpora.clips import ClipsResult, from_clips
from bidilab.lab.datasets.corpora.ctm import from_ctm
from bidilab.lab.datasets.corpora.fdb import from_fdb
from bidilab.lab.datasets.corpora.rttm import from_rttm
from bidilab.lab.datasets.corpora.segjson import from_segjson
from bidilab.lab.datasets.corpora.stm import from_stm
from bidilab.lab.datasets.corpora.textgrid import from_textgrid
from bidilab.lab.datasets.corpora.turns import from_turns
from bidilab.lab.datasets.importing.labelformat import LABEL_OPTIONS
from bidilab.lab.datasets.importing.report import ImportResult

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
    "from_fdb",
    "from_rttm",
    "from_segjson",
    "from_stm",
    "from_textgrid",
    "from_turns",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusFormat:
    """A format.

    Parameters
    ----------
    summary
        One line on what it is.
    options
        Names of the keyword arguments it takes beyond those that all take (``name`` is not taken by ``clips``).
    run
        The function that imports it.
    """

    summary: str
    options: tuple[str, ...]
    run: Callable[..., Any]


_LABELS = (*LABEL_OPTIONS, "name")
FORMATS: dict[str, CorpusFormat] = {
    "calls": CorpusFormat(summary=calls.SUMMARY, options=(*calls.OPTIONS, "name"), run=from_calls),
    "rttm": CorpusFormat(summary=rttm.FORMAT.summary, options=_LABELS, run=from_rttm),
    "audacity": CorpusFormat(summary=audacity.FORMAT.summary, options=_LABELS, run=from_audacity),
    "textgrid": CorpusFormat(summary=textgrid.FORMAT.summary, options=_LABELS, run=from_textgrid),
    "segjson": CorpusFormat(summary=segjson.FORMAT.summary, options=_LABELS, run=from_segjson),
    "stm": CorpusFormat(summary=stm.FORMAT.summary, options=_LABELS, run=from_stm),
    "ctm": CorpusFormat(summary=ctm.FORMAT.summary, options=_LABELS, run=from_ctm),
    "turns": CorpusFormat(summary=turns.FORMAT.summary, options=_LABELS, run=from_turns),
    "ami": CorpusFormat(summary=ami.SUMMARY, options=(*ami.OPTIONS, "name"), run=from_ami),
    "fdb": CorpusFormat(summary=fdb.SUMMARY, options=(*fdb.OPTIONS, "name"), run=from_fdb),
    "clips": CorpusFormat(summary=clips.SUMMARY, options=clips.OPTIONS, run=from_clips),
}
