"""The trade-off: false interruptions against latency and against misses, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bidilab.core.checks import check_number
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.pareto import pareto_front
from bidilab.show.plots.metrics import ALWAYS_SWEPT, PARAMETERS, Metric, metric, parameters_of
from bidilab.show.plots.save import attach_data, figure_of
from bidilab.show.plots.slices import check_columns, check_one_condition
from bidilab.show.plots.style import COLOURS, SEQUENTIAL, new_figure, style

__all__ = ["tradeoff", "tradeoff_table"]

FALSE_RATE = "false_interruption_rate"


def tradeoff_table(settings: pd.DataFrame, against: Sequence[str]) -> pd.DataFrame:
    """Settings with, for each metric in ``against``, whether they are on its Pareto front with the false rate.

    Parameters
    ----------
    settings
        One row per setting, as ``SweepResult.settings``.
    against
        Metrics to set against ``false_interruption_rate``.

    Returns
    -------
    pandas.DataFrame
        Index of ``settings``; the parameters, the false rate, each metric, and ``front_<metric>`` (bool).
    """
    check_columns(settings, (*ALWAYS_SWEPT, FALSE_RATE, *against))
    check_one_condition(settings)
    table = settings[[*parameters_of(settings.columns), FALSE_RATE, *against]].copy()
    for name in against:
        on_front = np.zeros(len(table), dtype=bool)
        on_front[pareto_front(table[FALSE_RATE].to_numpy(), table[name].to_numpy())] = True
        table[f"front_{name}"] = on_front
    return table


def tradeoff(
    settings: pd.DataFrame,
    *,
    recommended: int | None = None,
    role: str = "recommended",
    against: Sequence[str] = ("latency_detected_ms_p50", "missed_rate"),
    max_false_interruption_rate: float | None = None,
    axes: Sequence[Axes] | None = None,
) -> Figure:
    """All settings in the plane of false-interruption rate and each of two metrics, with their Pareto fronts.

    Settings without a finite value of both are not drawn; their number is stated in the panel.

    Parameters
    ----------
    settings
        One row per setting, as ``SweepResult.settings``.
    recommended
        Index of the setting to ring and to label.
    role
        What the ring is called in the legend.
    against
        Metrics of the panels' vertical axes.
    max_false_interruption_rate
        A limit, in [0, 1], to draw as a line.
    axes
        Axes to draw on, one per metric; by default those of a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        The figure of the panels.

    Raises
    ------
    InvalidParameterError
        If there is no such setting, or the axes are not one per metric.
    """
    table = tradeoff_table(settings, against)
    if recommended is not None and recommended not in settings.index:
        raise InvalidParameterError("recommended", "a setting of the table or None", recommended)
    if axes is not None and len(axes) != len(against):
        raise InvalidParameterError("axes", f"{len(against)} axes, one per metric", len(axes))
    if max_false_interruption_rate is not None:
        check_number("max_false_interruption_rate", max_false_interruption_rate, 0, 1)
    with style():
        panels = (
            list(new_figure(3.7 * len(against) + 0.5, 3.7).subplots(1, len(against), squeeze=False)[0])
            if (axes is None)
            else list(axes)
        )
        for panel, name in zip(panels, against, strict=True):
            _panel(panel, settings, table, name, recommended)
            if max_false_interruption_rate is not None:
                panel.axvline(100 * max_false_interruption_rate, color=COLOURS["grey"], lw=0.8, ls=(0, (2, 2)))
        figure = figure_of(panels[0])
        _colour_bar(figure, panels, settings)
        handles = _keys(recommended, role, max_false_interruption_rate)
        if axes is None:
            figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
        else:
            panels[-1].legend(handles=handles, loc="best")
    attach_data(figure if axes is None else panels[0], table)
    return figure


def _n_different(table: pd.DataFrame, name: str) -> int:
    return len(table[[FALSE_RATE, name]].drop_duplicates())


def _scatter_look(settings: pd.DataFrame, n_different: int) -> dict[str, Any]:
    threshold = settings["threshold"].to_numpy(dtype=np.float64)
    # Many settings coincide: without a guard, only the threshold moves events that are judged for themselves.
    size = float(np.clip(2500 / max(n_different, 1), 6, 22))
    return {"s": size, "cmap": SEQUENTIAL, "vmin": threshold.min(), "vmax": threshold.max(), "alpha": 0.75, "lw": 0}


def _panel(ax: Axes, settings: pd.DataFrame, table: pd.DataFrame, name: str, recommended: int | None) -> None:
    across, up = metric(FALSE_RATE), metric(name)
    x, y = across.shown(table[FALSE_RATE]), up.shown(table[name])
    drawn = np.isfinite(x) & np.isfinite(y)
    ax.scatter(
        x[drawn], y[drawn], c=table["threshold"].to_numpy()[drawn], **_scatter_look(settings, _n_different(table, name))
    )
    front = table[f"front_{name}"].to_numpy()
    order = np.flatnonzero(front)[np.lexsort((y[front], x[front]))]
    ax.step(x[order], y[order], where="post", color=COLOURS["vermillion"], lw=1.3, zorder=3, gid=f"front-{name}")
    ax.set_xlabel(across.axis_label)
    ax.set_ylabel(up.axis_label)
    ax.grid(axis="both")
    ax.set_title(_subtitle(settings, across, up, _n_different(table, name), int((~drawn).sum())))
    ax.margins(0.06)
    if recommended is not None:
        _ring(ax, settings, across, up, recommended)


def _subtitle(settings: pd.DataFrame, across: Metric, up: Metric, n_different: int, hidden: int) -> str:
    settings_line = f"{len(settings)} settings"
    settings_line += f" at {n_different} point{'s' if n_different > 1 else ''}" if n_different < len(settings) else ""
    settings_line += f", {hidden} without a finite value" if hidden else ""
    lines = [settings_line, across.n_range(settings), up.n_range(settings)]
    return "\n".join(line for line in lines if line)


def _ring(ax: Axes, settings: pd.DataFrame, across: Metric, up: Metric, recommended: int) -> None:
    row = cast("pd.Series[Any]", settings.loc[recommended])
    x, y = across.scale * float(row[across.name]), up.scale * float(row[up.name])
    if not (np.isfinite(x) and np.isfinite(y)):
        return
    ax.plot([x], [y], ls="", marker="o", ms=11, mfc="none", mec="black", mew=1.4, zorder=5, gid="recommended")
    words = "\n".join(f"{p.label} {p.format(float(row[p.name]))}" for p in parameters_of(row.index).values())
    # In the upper right corner, which a falling cloud of points leaves free.
    ax.annotate(
        words,
        (x, y),
        (0.98, 0.96),
        textcoords="axes fraction",
        fontsize=7,
        ha="right",
        va="top",
        arrowprops={"arrowstyle": "-", "lw": 0.7, "shrinkB": 6},
        bbox={"boxstyle": "round,pad=0.25", "fc": "white", "ec": "#999999", "lw": 0.5, "alpha": 0.9},
        zorder=6,
    )


def _colour_bar(figure: Figure, panels: list[Axes], settings: pd.DataFrame) -> None:
    points = panels[0].collections[0]
    values = np.unique(settings["threshold"].to_numpy(dtype=np.float64))
    if len(values) > 1:
        bar = figure.colorbar(points, ax=panels, pad=0.01, aspect=30)
        bar.set_label(PARAMETERS["threshold"].axis_label)
        bar.set_alpha(1.0)
        bar.outline.set_visible(False)


def _keys(recommended: int | None, role: str, limit: float | None) -> list[Line2D]:
    keys = [
        Line2D([], [], ls="", marker="o", ms=4, mfc="#5ec962", mec="none", label="settings"),
        Line2D([], [], color=COLOURS["vermillion"], lw=1.3, label="Pareto front"),
    ]
    if recommended is not None:
        keys.append(Line2D([], [], ls="", marker="o", ms=8, mfc="none", mec="black", mew=1.4, label=role))
    if limit is not None:
        words = f"limit: {metric(FALSE_RATE).format(limit, unit=True)}"
        keys.append(Line2D([], [], color=COLOURS["grey"], lw=0.8, ls=(0, (2, 2)), label=words))
    return keys
