"""Figures, reports and widgets. Importing this package registers figures and reports on the results of the lab.

Nothing that draws is loaded before it is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bidilab.lab.showing import register

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bidilab.lab.datasets import Dataset
    from bidilab.lab.sessions import Replay
    from bidilab.lab.sweep import SweepResult
    from bidilab.show.plots.accessor import SweepPlots


class _Shown:
    """`bidilab.lab.showing.Showing`, each method of which loads what it needs."""

    def plots(self, result: SweepResult) -> SweepPlots:
        from bidilab.show.plots.accessor import SweepPlots

        return SweepPlots(result)

    def report(
        self,
        result: SweepResult,
        path: str | os.PathLike[str],
        *,
        max_false_interruption_rate: float | None,
        max_missed_rate: float | None,
        figures: str | os.PathLike[str] | None,
        validate_on: Dataset | SweepResult | None,
    ) -> Path:
        from bidilab.show.report import report

        return report(
            result,
            path,
            max_false_interruption_rate=max_false_interruption_rate,
            max_missed_rate=max_missed_rate,
            figures=figures,
            validate_on=validate_on,
        )

    def session_timeline(self, replay: Replay, *, xlim: tuple[float, float] | None) -> Figure:
        from bidilab.show.plots.accessor import session_timeline

        return session_timeline(replay, xlim=xlim)

    def save_figure(self, figure: Figure, stem: Path) -> list[Path]:
        from bidilab.show.plots.save import save_figure

        return save_figure(figure, stem)


register(_Shown())
