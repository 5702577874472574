"""The explorer where it does not live: the heat map as a picture, and the numbers of the setting recommended."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from matplotlib.patches import Rectangle

from bidilab.show.plots.heatmap import heatmap
from bidilab.show.plots.metrics import metric
from bidilab.show.plots.save import figure_of
from bidilab.show.plots.slices import describe
from bidilab.show.plots.style import detached_figures
from bidilab.show.report.focus import Focus
from bidilab.show.report.tables import headline
from bidilab.show.widgets.base import StaticForm, png_of, rows_html
from bidilab.show.widgets.explorer.details import ending_of
from bidilab.show.widgets.explorer.plane import BEST, Plane

if TYPE_CHECKING:
    from bidilab.lab.sweep import SweepResult

__all__ = ["explorer_picture"]


def explorer_picture(
    result: SweepResult, table: pd.DataFrame, plane: Plane, *, focus: Focus, selected: int | None
) -> StaticForm:
    """The heat map of a plane with a setting marked, and tables of its, the default's and the selected one's numbers.

    Parameters
    ----------
    result
        The sweep.
    table
        Its settings, with the loss where there is one.
    plane
        What the heat map shows. A parameter of which it takes the best is held at the marked setting's value instead:
        the picture says at which.
    focus
        The setting recommended, or the default.
    selected
        The setting selected; ``None`` for none.
    """
    row, recommendation = _row(result, focus.setting), focus.recommendation
    at = {name: float(row[name]) if value == BEST else float(value) for name, value in plane.at.items()}
    with detached_figures():
        axes = heatmap(table, plane.metric, x=plane.x, y=plane.y, at=at)
        in_plane = all(float(row[name]) == value for name, value in at.items())
        if in_plane:
            column, line = (result.axes[name].index(float(row[name])) for name in (plane.x, plane.y))
            axes.add_patch(Rectangle((column, line), 1, 1, fill=False, edgecolor="black", linewidth=1.8))
        png = png_of(figure_of(axes))
    said = (recommendation.message, *recommendation.notes)
    text = f"Heat map of {metric(plane.metric).label} at {describe(at)}. {' '.join(said)}"
    if in_plane:
        text += f" The cell of the {focus.role} setting is framed."
    details = [f"<p>{html.escape(sentence)}</p>" for sentence in said]
    shown = {setting: f"The {role} setting" for role, setting in focus.marked.items()}
    if focus.role == "recommended" and focus.setting == focus.default:
        shown = {focus.setting: "The recommended setting, which is the default"}
    if selected is not None:
        shown.setdefault(selected, "The selected setting")
    details += [_numbers(result, setting, title) for setting, title in shown.items()]
    return StaticForm(
        title=f"Sweep of {result.dataset_name}: {len(result.settings):,} settings on {result.n_recordings} recordings",
        text=text,
        png=png,
        details_html="".join(details),
    )


def _row(result: SweepResult, setting: int) -> pd.Series[Any]:
    return cast("pd.Series[Any]", result.settings.loc[setting])


def _numbers(result: SweepResult, setting: int, title: str) -> str:
    row = _row(result, setting)
    words = describe({name: float(row[name]) for name in result.axes})
    rows = [("setting", f"{setting}: {words}"), ("ends of turns", ending_of(result, setting))]
    if row["degenerate"]:
        rows.append(("degenerate", "silence may never come under this setting: its numbers are not those of a use"))
    for card in headline(row):
        ends = f" (95 %: {card['interval']})" if card["interval"] else ""
        n = f", {card['n']}" if card["n"] else ""
        rows.append((card["label"], f"{card['value']}{ends}{n}"))
    return f"<p><b>{html.escape(title)}</b></p>{rows_html(rows)}"
