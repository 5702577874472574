"""What the zone `show` provides for the results of the lab: figures, a report, files of a figure.

The lab imports nothing of `show`. It declares here what its results offer, and `bidilab.show` registers it when it is
imported, which `import bidilab` does. The figures themselves are loaded on their first use.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack

from bidilab.core.errors import ResultError

if TYPE_CHECKING:  # type checkers see these types; nothing is imported
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bidilab.lab.datasets import Dataset
    from bidilab.lab.judge import JudgedCalls
    from bidilab.lab.sessions import Replay
    from bidilab.lab.sweep import Frontier, SweepResult, Weights
    from bidilab.show.plots.accessor import SweepPlots

__all__ = ["ReportOptions", "Showing", "register", "showing"]


class ReportOptions(TypedDict):
    """Arguments of `SweepResult.report`."""

    max_false_interruption_rate: float | None
    max_missed_rate: float | None
    max_premature_endpoint_rate: float | None
    weights: Weights | None
    figures: str | os.PathLike[str] | None
    validate_on: Dataset | SweepResult | None


class Showing(Protocol):
    """How results are shown."""

    def plots(self, result: SweepResult) -> SweepPlots:
        """Return the figures of a sweep: ``result.plot``."""

    def report(self, result: SweepResult, path: str | os.PathLike[str], **options: Unpack[ReportOptions]) -> Path:
        """Write the report of a sweep: ``result.report(path)``."""

    def session_timeline(self, replay: Replay, *, xlim: tuple[float, float] | None) -> Figure:
        """Draw a session: ``replay.timeline()``."""

    def frontier(self, found: Frontier, *, ax: Axes | None) -> Axes:
        """Draw a frontier: ``bl.frontier({…}).plot()``."""

    def call_timeline(self, judged: JudgedCalls, call: str, *, xlim: tuple[float, float] | None) -> Figure:
        """Draw a judged call: ``judged.timeline(call)``."""

    def judge_report(self, judged: JudgedCalls, path: str | os.PathLike[str], *, max_clips: int) -> Path:
        """Write the report of judged calls: ``judged.report(path)``."""

    def save_figure(self, figure: Figure, stem: Path) -> list[Path]:
        """Write a figure as files, with its data."""


_registered: list[Showing] = []


def register(shown: Showing) -> None:
    """Make results show themselves in this way; the last one registered is used."""
    _registered[:] = [shown]


def showing() -> Showing:
    """Return what was registered.

    Raises
    ------
    ResultError
        If nothing was.
    """
    if not _registered:
        raise ResultError("nothing is registered that draws results or writes reports: import bidilab.show")
    return _registered[0]
