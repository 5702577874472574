"""Figures, reports and widgets. Importing this package registers figures and reports on the results of the lab.

Nothing that draws is loaded before it is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from bidilab.lab.showing import ReportOptions, register

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bidilab.lab.judge import JudgedCalls
    from bidilab.lab.sessions import Replay
    from bidilab.lab.sweep import Frontier, SweepResult
    from bidilab.show.plots.accessor import SweepPlots


class _Shown:
    """`bidilab.lab.showing.Showing`, each method of which loads what it needs."""

    def plots(self, result: SweepResult) -> SweepPlots:
        from bidilab.show.plots.accessor import SweepPlots

        return SweepPlots(result)

    def report(self, result: SweepResult, path: str | os.PathLike[str], **options: Unpack[ReportOptions]) -> Path:
        from bidilab.show.report import report

        return report(result, path, **options)

    def session_timeline(self, replay: Replay, *, xlim: tuple[float, float] | None) -> Figure:
        from bidilab.show.plots.accessor import session_timeline

        return session_timeline(replay, xlim=xlim)

    def frontier(self, found: Frontier, *, ax: Axes | None) -> Axes:
        from bidilab.show.plots.frontier import frontier

        n = {name: found.n_of(name) for name in found.detectors}
        return frontier(
            found.table, x=found.x, y=found.y, x_budgets=found.x_budgets, y_budgets=found.y_budgets, n=n, ax=ax
        )

    def call_timeline(self, judged: JudgedCalls, call: str, *, xlim: tuple[float, float] | None) -> Figure:
        from bidilab.show.plots.calls import call_timeline

        return call_timeline(judged, call, xlim=xlim)

    def judge_report(self, judged: JudgedCalls, path: str | os.PathLike[str], *, max_clips: int) -> Path:
        from bidilab.show.report.judged import judge_report

        return judge_report(judged, path, max_clips=max_clips)

    def save_figure(self, figure: Figure, stem: Path) -> list[Path]:
        from bidilab.show.plots.save import save_figure

        return save_figure(figure, stem)


register(_Shown())
