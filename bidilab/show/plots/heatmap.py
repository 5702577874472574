"""Heat maps of a metric over two of the swept parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from bidilab.core.checks import check_is, check_number
from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots.metrics import ALWAYS_SWEPT, LOSS, PARAMETERS, Metric, metric, parameter, parameters_of
from bidilab.show.plots.save import attach_data, figure_of
from bidilab.show.plots.slices import check_columns, describe, hold, moves
from bidilab.show.plots.style import COLOURS, SEQUENTIAL, new_axes, new_figure, style

__all__ = ["MetricGrid", "heatmap", "heatmaps", "loss_map", "metric_grid"]

NO_DATA_COLOUR = "#FFFFFF"
NOT_REACHED_COLOUR = "#4A4A4A"
CELL_IN = 0.42


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGrid:
    """A metric over two parameters, ready to be drawn.

    Parameters
    ----------
    metric
        What the values are.
    x, y
        Names of the parameters.
    x_values, y_values
        Their values, rising: ``(n_x,)`` and ``(n_y,)``.
    values
        ``(n_y, n_x) float64`` in the metric's shown unit; ``NaN`` no data, ``inf`` not reached.
    n
        ``(n_y, n_x) float64``, what each value rests on (``inf`` for a count).
    held
        The values of the other parameters.
    table
        The rows that were pivoted.
    """

    metric: Metric
    x: str
    y: str
    x_values: npt.NDArray[np.float64]
    y_values: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    n: npt.NDArray[np.float64]
    held: Mapping[str, float]
    table: pd.DataFrame

    def small(self, min_n: float) -> npt.NDArray[np.bool_]:
        """Cells that hold a number resting on fewer than ``min_n``, ``(n_y, n_x) bool``."""
        check_number("min_n", min_n, 0, math.inf)
        return ~np.isnan(self.values) & (self.n < min_n)


def metric_grid(
    settings: pd.DataFrame, name: str, *, x: str, y: str, at: Mapping[str, float] | None = None
) -> MetricGrid:
    """Pivot a settings table to a metric over two parameters at one value of each other.

    Parameters
    ----------
    settings
        One row per setting, as ``SweepResult.settings``.
    name
        Column to show.
    x, y
        Two different swept parameters.
    at
        Values of the others; by default the swept values nearest to their defaults.

    Raises
    ------
    InvalidParameterError
        If a name is unknown, ``x`` is ``y``, or the value was not swept.
    """
    if x == y:
        raise InvalidParameterError("y", f"a parameter other than x ({x})", y)
    shown = metric(name)
    parameter(y, "y")
    check_columns(settings, (name, *shown.n_columns))
    rows, held = hold(settings, (x, y), at)
    values = rows.assign(_shown=shown.shown(rows[name]), _n=shown.n(rows))
    cells = values.pivot(index=y, columns=x, values="_shown")
    columns = list(dict.fromkeys((*PARAMETERS, name, *shown.interval_columns, *shown.n_columns)))
    return MetricGrid(
        metric=shown,
        x=x,
        y=y,
        x_values=cells.columns.to_numpy(dtype=np.float64),
        y_values=cells.index.to_numpy(dtype=np.float64),
        values=cells.to_numpy(dtype=np.float64),
        n=values.pivot(index=y, columns=x, values="_n").to_numpy(dtype=np.float64),
        held=held,
        table=rows[[c for c in columns if c in rows.columns]],
    )


def heatmap(
    settings: pd.DataFrame,
    metric: str,
    *,
    x: str = "threshold",
    y: str = "silence_duration_ms",
    at: Mapping[str, float] | None = None,
    ax: Axes | None = None,
    annotate: bool | None = None,
    min_n: float | None = None,
) -> Axes:
    """Heat map of a metric over two parameters at one value of each other.

    Cells whose n is below ``min_n`` are hatched; cells without data are white and crossed out; a quantile that was
    not reached, because too many were missed, is dark grey. What occurs is explained below the map.

    Parameters
    ----------
    settings
        One row per setting, as ``SweepResult.settings``.
    metric
        Column to show.
    x, y
        Swept parameters of the two axes.
    at
        Values of the others, ``{"prefix_padding_ms": 300}``; by default the swept values nearest to their defaults.
        The title says which.
    ax
        Axes to draw on; by default those of a new figure.
    annotate
        Whether cells carry their number; by default where it fits.
    min_n
        Smallest n of a cell that is not hatched; by default the metric's own (10 events, 1 minute of speech).

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InvalidParameterError
        If a name or a value is not one that was swept.
    """
    grid = metric_grid(settings, metric, x=x, y=y, at=at)
    limit = grid.metric.small_n if min_n is None else min_n
    with style():
        width = 1.9 + CELL_IN * min(max(len(grid.x_values), 5), 16)
        height = 1.3 + CELL_IN * 0.72 * min(max(len(grid.y_values), 4), 14)
        axes = new_axes(ax, width, height)
        norm = _norm([grid])
        _draw_cells(axes, grid, norm, limit, annotate)
        below = [f"at {describe(grid.held)}", grid.metric.n_range(grid.table), *_unmoved_notes(settings, grid)]
        axes.set_title("\n".join((_sentence(grid.metric.label), *_fitted(axes, "; ".join(filter(None, below))))))
        _colour_bar(figure_of(axes), axes, [grid], norm, aspect=25)
        keys = _keys([grid], limit)
        if keys:
            axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(0, -0.22), borderaxespad=0, ncols=1)
    attach_data(axes, grid.table)
    return axes


def heatmaps(
    settings: pd.DataFrame,
    metric: str,
    *,
    x: str = "threshold",
    y: str = "silence_duration_ms",
    over: str | None = None,
    annotate: bool | None = None,
    min_n: float | None = None,
) -> Figure:
    """One heat map for each value of the third parameter, on one colour scale.

    Parameters
    ----------
    settings, metric, x, y, annotate, min_n
        As for `heatmap`.
    over
        The parameter that runs over the maps; by default the first that is neither ``x`` nor ``y``. Others still are
        held at the swept values nearest to their defaults.

    Returns
    -------
    matplotlib.figure.Figure
        A figure with one map a value, in reading order.

    Raises
    ------
    InvalidParameterError
        If a name is not one that was swept, or the three are not different.
    """
    check_columns(settings, ALWAYS_SWEPT)
    present = parameters_of(settings.columns)
    third = next((name for name in present if name not in (x, y)), "") if over is None else over
    if not all(name in list(present) for name in (x, y, third)) or len({x, y, third}) != 3:
        raise InvalidParameterError("x, y, over", f"three different ones of {', '.join(present)}", (x, y, over))
    values = np.unique(settings[third].to_numpy(dtype=np.float64))
    grids = [metric_grid(settings, metric, x=x, y=y, at={third: float(value)}) for value in values]
    limit = grids[0].metric.small_n if min_n is None else min_n
    with style():
        columns = min(len(grids), 3)
        rows = -(-len(grids) // columns)
        figure = new_figure(1.2 + 2.3 * columns, 0.9 + 2.0 * rows)
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        norm = _norm(grids)
        for index, (panel, grid) in enumerate(zip(panels.flat, grids, strict=False)):
            _draw_cells(panel, grid, norm, limit, annotate)
            panel.set_title(describe(grid.held))
            if index % columns:
                panel.set_ylabel("")
            if index + columns < len(grids):
                panel.set_xlabel("")
            else:
                panel.tick_params(labelbottom=True)
        for panel in panels.flat[len(grids) :]:
            panel.set_visible(False)
        _colour_bar(figure, list(panels.flat), grids, norm, aspect=30)
        rows_behind = pd.concat([grid.table for grid in grids])
        n = grids[0].metric.n_range(rows_behind)
        title = _sentence(grids[0].metric.label) + (f"; {n}" if n else "")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        keys = _keys(grids, limit)
        if keys:
            figure.legend(handles=keys, loc="outside lower left", ncols=len(keys))
    attach_data(figure, rows_behind)
    return figure


def loss_map(
    settings: pd.DataFrame,
    losses: npt.NDArray[np.float64],
    *,
    tied: npt.NDArray[np.bool_],
    admissible: npt.NDArray[np.bool_],
    chosen: int | None,
    default: int,
    x: str = "threshold",
    y: str = "silence_duration_ms",
    at: Mapping[str, float] | None = None,
    weights: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Heat map of the loss by which a setting is recommended, with the choice, its ties and the default marked.

    Parameters
    ----------
    settings
        One row per setting, all under one condition of the audio.
    losses
        ``(n_settings,)`` points, NaN where undefined: each setting at its worst condition.
    tied, admissible
        ``(n_settings,)``: whether a setting cannot be told from the choice, and whether it may be chosen at all.
    chosen, default
        Rows of ``settings``; no choice is ``None``.
    x, y
        Swept parameters of the two axes.
    at
        Values of the others; by default those of the choice, else of the default. The title says which.
    weights
        What a fault costs, in words, for the title.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InvalidParameterError
        If a name or a value is not one that was swept.
    """
    centre = cast("pd.Series[Any]", settings.loc[default if chosen is None else chosen])
    held = {name: float(centre[name]) for name in parameters_of(settings.columns) if name not in (x, y)}
    table = settings.assign(loss=losses)
    check_is("at", at, Mapping | None, "values by parameter, such as {'prefix_padding_ms': 300}, or None")
    grid = metric_grid(table, LOSS.name, x=x, y=y, at={**held, **(at or {})})
    marks = pd.DataFrame({"tied": tied, "admissible": admissible}, index=settings.index).loc[grid.table.index]
    cells = {
        setting: (int(np.searchsorted(grid.y_values, row[y])), int(np.searchsorted(grid.x_values, row[x])))
        for setting, row in grid.table[[x, y]].iterrows()
    }
    with style():
        width = 2.2 + CELL_IN * min(max(len(grid.x_values), 9), 16)  # room for the words above
        height = 1.7 + CELL_IN * 0.8 * min(max(len(grid.y_values), 4), 14)
        axes = new_axes(ax, width, height)
        norm = _norm([grid])
        _draw_cells(axes, grid, norm, 0.0, None)
        keys = _mark_cells(axes, cells, marks, chosen, default)
        below = [f"at {describe(grid.held)}", weights, *_unmoved_notes(table, grid)]
        lines = [line for words in filter(None, below) for line in _fitted(axes, words)]
        axes.set_title("\n".join((_sentence(LOSS.label), *lines)))
        _colour_bar(figure_of(axes), axes, [grid], norm, aspect=25)
        keys = [*keys, *_keys([grid], 0.0)]
        if ax is None:
            figure_of(axes).legend(handles=keys, loc="outside lower left", ncols=4)
        else:
            axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(0, -0.2), borderaxespad=0, ncols=2)
    roles = {chosen: "recommended", default: "default"} if chosen != default else {default: "recommended, default"}
    behind = grid.table.join(marks)
    behind["role"] = [roles.get(setting, "") for setting in behind.index]
    attach_data(axes, behind)
    return axes


def _mark_cells(
    ax: Axes, cells: Mapping[Any, tuple[int, int]], marks: pd.DataFrame, chosen: int | None, default: int
) -> list[Line2D | Patch]:
    """Mark the choice, its ties, the default and what may not be chosen; return the legend of what is marked."""
    keys: list[Line2D | Patch] = []
    frame: dict[str, Any] = {"facecolor": "none", "edgecolor": "black", "linewidth": 2.2}
    diamond: dict[str, Any] = {"ls": "", "marker": "D", "ms": 4.5, "mfc": COLOURS["vermillion"], "mec": "white"}
    dot: dict[str, Any] = {"ls": "", "marker": "o", "ms": 3.2, "mfc": "white", "mec": "black", "mew": 0.6}
    for setting, (row, column) in cells.items():
        if not marks.loc[setting, "admissible"]:
            _cell(ax, row, column, facecolor="none", edgecolor="#888888", hatch="////", gid="inadmissible")
        if marks.loc[setting, "tied"] and setting != chosen:
            ax.plot(column + 0.88, row + 0.82, gid=f"tied-{row}-{column}", **dot)
    if chosen in cells:
        row, column = cells[chosen]
        patch = Rectangle((column, row), 1, 1, zorder=4, **frame)
        patch.set_gid("chosen")
        ax.add_patch(patch)
        keys.append(Patch(label="recommended", **{**frame, "linewidth": 1.8}))
    if default in cells:
        row, column = cells[default]
        ax.plot(column + 0.14, row + 0.8, zorder=5, gid="default", **diamond)
        keys.append(Line2D([], [], label="default", **diamond))
    if any(marks.loc[setting, "tied"] for setting in cells if setting != chosen):
        keys.append(Line2D([], [], label="cannot be told from it", **dot))
    if not marks["admissible"].all():
        keys.append(Patch(facecolor="#EEEEEE", edgecolor="#888888", hatch="////", label="not admissible"))
    return keys


def _unmoved_notes(settings: pd.DataFrame, grid: MetricGrid) -> list[str]:
    """Which of the two parameters cannot move the metric, so that cells along it are the same."""
    return [
        f"{PARAMETERS[name].label} does not move it"
        for name in (grid.x, grid.y)
        if not moves(settings, name, [grid.metric.name], grid.held)
    ]


def _fitted(ax: Axes, words: str) -> list[str]:
    """Words in lines that are as wide as the axes."""
    points = ax.get_window_extent().width * 72.0 / figure_of(ax).dpi
    return wrap(words, max(24, int(points / 4.7)))  # a letter of the title is about half as wide as it is high


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _norm(grids: list[MetricGrid]) -> Normalize:
    values = np.concatenate([grid.values.ravel() for grid in grids])
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Normalize(0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    if low == high:  # a scale of no width cannot be drawn; the colour then says nothing, the numbers do
        low, high = low - 0.5, high + 0.5
    return Normalize(low, high)


def _colour_bar(
    figure: Figure, panels: Axes | list[Axes], grids: list[MetricGrid], norm: Normalize, *, aspect: float
) -> None:
    if not any(np.isfinite(grid.values).any() for grid in grids):
        return  # a scale of nothing would look like one
    bar = figure.colorbar(ScalarMappable(norm=norm, cmap=SEQUENTIAL), ax=panels, pad=0.02, aspect=aspect)
    bar.set_label(grids[0].metric.axis_label)
    bar.outline.set_visible(False)


def _draw_cells(ax: Axes, grid: MetricGrid, norm: Normalize, limit: float, annotate: bool | None) -> None:
    n_y, n_x = grid.values.shape
    finite = np.ma.masked_invalid(grid.values)
    mesh = ax.pcolormesh(
        np.arange(n_x + 1), np.arange(n_y + 1), finite, norm=norm, cmap=SEQUENTIAL, edgecolors="white", lw=0.4
    )
    mesh.set_rasterized(False)
    for row, column in np.argwhere(np.isnan(grid.values)):
        _cell(ax, row, column, facecolor=NO_DATA_COLOUR, edgecolor="#BBBBBB", hatch="xx", gid="no-data")
    few = grid.small(limit)
    for row, column in np.argwhere(np.isinf(grid.values)):
        dots = "" if few[row, column] else "..."  # two hatchings on one cell read as neither
        _cell(ax, row, column, facecolor=NOT_REACHED_COLOUR, edgecolor="#8A8A8A", hatch=dots, gid="not-reached")
    for row, column in np.argwhere(few):
        edge = "white" if _is_dark(norm, grid.values[row, column]) else "#555555"
        _cell(ax, row, column, facecolor="none", edgecolor=edge, hatch="////", gid="small-n")
    _label_axis(ax, grid)
    size = _annotation_size(ax, grid)
    if annotate or (annotate is None and size >= 5):
        _annotate(ax, grid, norm, max(size, 4.0))


def _cell(ax: Axes, row: int, column: int, **look: str) -> None:
    gid = look.pop("gid")
    patch = Rectangle((column, row), 1, 1, linewidth=0.4, **look)  # type: ignore[arg-type]
    patch.set_gid(f"{gid}-{row}-{column}")
    ax.add_patch(patch)


def _label_axis(ax: Axes, grid: MetricGrid) -> None:
    for axis, name, values in ((ax.xaxis, grid.x, grid.x_values), (ax.yaxis, grid.y, grid.y_values)):
        # Every label where there is room, else every second, third, …; at most about a dozen.
        step = -(-len(values) // 12)
        picked = np.arange(0, len(values), step)
        axis.set_ticks(picked + 0.5, [PARAMETERS[name].tick(float(values[i])) for i in picked])
        axis.set_label_text(PARAMETERS[name].axis_label)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _annotation_size(ax: Axes, grid: MetricGrid) -> float:
    """Font size in points at which the longest number fits its cell, at most 7."""
    box = ax.get_window_extent()
    points = 72.0 / figure_of(ax).dpi
    n_y, n_x = grid.values.shape
    # Axes lose about a fifth of their width to the labels that constrained layout has yet to place.
    width, height = box.width * points * 0.82 / n_x, box.height * points * 0.8 / n_y
    longest = max(1, *(len(_cell_text(grid.metric, value)) for value in grid.values.ravel()))
    return float(min(7.0, width / (0.66 * longest), height / 1.5))


def _cell_text(shown: Metric, value: float) -> str:
    if np.isnan(value):
        return ""
    return "n.r." if np.isinf(value) else f"{value:.{shown.decimals}f}"


def _annotate(ax: Axes, grid: MetricGrid, norm: Normalize, size: float) -> None:
    for (row, column), value in np.ndenumerate(grid.values):
        text = _cell_text(grid.metric, float(value))
        if not text:
            continue
        colour = "white" if _is_dark(norm, float(value)) else "black"
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size, color=colour)


def _is_dark(norm: Normalize, value: float) -> bool:
    if not np.isfinite(value):
        return True
    r, g, b, _ = colormaps[SEQUENTIAL](norm(value))
    return bool(0.2126 * r + 0.7152 * g + 0.0722 * b < 0.5)  # luma weights of ITU-R BT.709


def _keys(grids: list[MetricGrid], limit: float) -> list[Patch]:
    keys = []
    if any(grid.small(limit).any() for grid in grids):
        n_label = grids[0].metric.n_label
        words = f"< {limit:g} {n_label}" if grids[0].metric.n_unit else f"n < {limit:g} {n_label}"
        keys.append(Patch(facecolor="#EEEEEE", edgecolor="#555555", hatch="////", label=words))
    if any(np.isinf(grid.values).any() for grid in grids):
        keys.append(
            Patch(
                facecolor=NOT_REACHED_COLOUR,
                edgecolor="#8A8A8A",
                hatch="...",
                label="n.r.: not reached, too many missed",
            )
        )
    if any(np.isnan(grid.values).any() for grid in grids):
        keys.append(Patch(facecolor=NO_DATA_COLOUR, edgecolor="#BBBBBB", hatch="xx", label="no data"))
    return keys
