"""Curves of metrics against one swept parameter, the others held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.show.plots.lines import MARKERS, draw_line, interval, line_keys, mark_values, shown_at, value_limits
from bidilab.show.plots.metrics import KIND_COLOURS, PARAMETERS, Metric, metric, parameters_of
from bidilab.show.plots.save import attach_data
from bidilab.show.plots.slices import check_columns, describe, hold
from bidilab.show.plots.style import CYCLE, new_axes, new_figure, style

__all__ = ["by_kind", "curve", "curves"]

ROWS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "interruption latency (ms)": ("latency_detected_ms_p50", "latency_detected_ms_p90"),
        "false interruptions (%)": ("false_interruption_rate",),
        "missed interruptions (%)": ("missed_rate",),
    }
)
_HELD_LINE: dict[str, Any] = {"color": "#555555", "lw": 0.8, "ls": (0, (2, 2))}


def curve(
    settings: pd.DataFrame,
    metrics: str | Sequence[str],
    *,
    x: str = "threshold",
    at: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One or several metrics of one unit against a parameter, with the bands of their 95 % intervals.

    A point whose n is small is hollow; a quantile that is not reached, because too many were missed, is a triangle
    at the upper edge and breaks the line.

    Parameters
    ----------
    settings
        One row per setting, as ``SweepResult.settings``.
    metrics
        Column, or columns that share a unit.
    x
        The parameter that runs.
    at
        Values of the others; by default the swept values nearest to their defaults. The title says which.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InvalidParameterError
        If a name or value is not one that was swept, or the metrics differ in unit.
    """
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    shown = [metric(name) for name in names]
    if len({m.unit for m in shown}) != 1:
        raise InvalidParameterError("metrics", "one metric or several of one unit", names)
    rows, held = _rows(settings, shown, x, at)
    with style():
        axes = new_axes(ax, 5.4, 3.1)
        _panel(axes, rows, x, shown)
        _finish(axes, rows, x, shown)
        title = _common_label(shown)
        below = [f"at {describe(held)}", *dict.fromkeys(m.n_range(rows) for m in shown)]
        axes.set_title("\n".join((title[:1].upper() + title[1:], *filter(None, below))))
        axes.set_ylabel(shown[0].axis_label if len(shown) == 1 else f"{title} ({shown[0].unit})")
        _legend(axes, rows, shown, lines=len(shown) > 1, beside=ax is None)
    attach_data(axes, _behind(rows, shown))
    return axes


def curves(settings: pd.DataFrame, *, at: Mapping[str, float] | None = None) -> Figure:
    """Latency, false interruptions and misses against each parameter.

    Parameters
    ----------
    settings
        One row per setting, as ``SweepResult.settings``.
    at
        The setting at which the others are held while one runs, such as the recommended one; by default the swept
        values nearest to the defaults. A thin line marks it in every panel.

    Returns
    -------
    matplotlib.figure.Figure
        Rows: latency p50 and p90, false-interruption rate, missed rate, each on one scale. Columns: the parameters.
    """
    centre = _centre(settings, at)
    present = parameters_of(settings.columns)
    with style():
        figure = new_figure(2.4 * len(present), 6.2)
        panels = figure.subplots(len(ROWS), len(present), sharex="col", sharey="row", squeeze=False)
        tables: list[pd.DataFrame] = []
        keys = [Line2D([], [], **_HELD_LINE, label="value held in the other columns")]
        for row, (label, names) in enumerate(ROWS.items()):
            shown = [metric(name) for name in names]
            lines = {x: _rows(settings, shown, x, _without(centre, x))[0] for x in present}
            for panel, (x, rows) in zip(panels[row], lines.items(), strict=True):
                _panel(panel, rows, x, shown, first_colour=row + (row > 0))
                panel.axvline(shown_at(rows, x, centre[x]), zorder=0, **_HELD_LINE)
                tables.append(_long(rows, shown, x))
            drawn = list(lines.values())
            panels[row, 0].set_ylim(value_limits(drawn, shown))
            n = shown[0].n_range(pd.concat(drawn)).removesuffix(f" {shown[0].n_label}")
            panels[row, 0].set_ylabel(f"{label}\n{n}")
            keys += line_keys(drawn, shown)
        for column, (x, known) in enumerate(present.items()):
            panels[0, column].set_title("at " + describe(_without(centre, x)).replace(", ", ",\n"))
            panels[-1, column].set_xlabel(known.axis_label)
            mark_values(panels[-1, column], settings, x)
        figure.align_ylabels(panels[:, 0])
        named = panels[0, 0].get_legend_handles_labels()[0]  # the quantiles; below, where no point can lie under them
        once = {str(key.get_label()): key for key in [*named, *keys]}
        figure.legend(handles=list(once.values()), loc="outside lower left", ncols=len(once))
    attach_data(figure, pd.concat(tables, ignore_index=True))
    return figure


def by_kind(
    settings: pd.DataFrame,
    *,
    x: str = "threshold",
    at: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """False-interruption rate against a parameter, one line a kind of event: backchannel, side speech, noise, echo.

    Parameters
    ----------
    settings, x, at, ax
        As for `curve`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.
    """
    shown = [metric(f"false_interruption_rate_{kind}") for kind in FALSE_KINDS]
    rows, held = _rows(settings, shown, x, at)
    with style():
        axes = new_axes(ax, 5.2, 3.1)
        for index, (kind, each) in enumerate(zip(FALSE_KINDS, shown, strict=True)):
            n = each.n_range(rows).split(" ")[2]
            label = f"{each.n_label.removesuffix(' events')} (n = {n})"
            draw_line(axes, rows, x, each, colour=KIND_COLOURS[kind], marker=MARKERS[index], label=label)
        _finish(axes, rows, x, shown)
        axes.set_ylabel("false interruptions (%)")
        axes.set_title(f"False interruptions by kind of event\nat {describe(held)}")
        _legend(axes, rows, shown, lines=True, beside=ax is None)
    attach_data(axes, _behind(rows, shown))
    return axes


def _centre(settings: pd.DataFrame, at: Mapping[str, float] | None) -> dict[str, float]:
    centre: dict[str, float] = {}
    for name in parameters_of(settings.columns):
        chosen = {n: v for n, v in (at or {}).items() if n != name}
        centre |= hold(settings, (name,), chosen)[1]
    return centre


def _rows(
    settings: pd.DataFrame, shown: Sequence[Metric], x: str, at: Mapping[str, float] | None
) -> tuple[pd.DataFrame, dict[str, float]]:
    check_columns(settings, [column for m in shown for column in (m.name, *m.n_columns)])
    return hold(settings, (x,), at)


def _behind(rows: pd.DataFrame, shown: Sequence[Metric]) -> pd.DataFrame:
    wanted = [*parameters_of(rows.columns), *(c for m in shown for c in (m.name, *m.interval_columns, *m.n_columns))]
    return rows[[column for column in dict.fromkeys(wanted) if column in rows.columns]]


def _long(rows: pd.DataFrame, shown: Sequence[Metric], x: str) -> pd.DataFrame:
    """One row a point drawn: against which parameter, which metric, value, interval, n."""
    parts = []
    for each in shown:
        low, high = interval(rows, each)
        part = rows[list(parameters_of(rows.columns))].reset_index()
        part["against"], part["metric"], part["value"] = x, each.name, rows[each.name].to_numpy()
        parts.append(part.assign(lo=low / each.scale, hi=high / each.scale, n=each.n(rows)))
    return pd.concat(parts, ignore_index=True)


def _without(values: Mapping[str, float], name: str) -> dict[str, float]:
    return {other: value for other, value in values.items() if other != name}


def _common_label(shown: Sequence[Metric]) -> str:
    """``interruption latency`` of ``interruption latency, p50`` and ``…, p90``; else the labels joined."""
    stems = dict.fromkeys(m.label.rsplit(", p", 1)[0] for m in shown)
    return shown[0].label if len(shown) == 1 else ", ".join(stems)


def _panel(ax: Axes, rows: pd.DataFrame, x: str, shown: Sequence[Metric], first_colour: int = 0) -> None:
    one_subject = len({m.label.rsplit(", p", 1)[0] for m in shown}) == 1
    for index, each in enumerate(shown, start=first_colour):
        colour, marker = CYCLE[index % len(CYCLE)], MARKERS[index % len(MARKERS)]
        draw_line(ax, rows, x, each, colour=colour, marker=marker, label=each.short if one_subject else each.label)
    ax.grid(axis="y")


def _finish(ax: Axes, rows: pd.DataFrame, x: str, shown: Sequence[Metric]) -> None:
    ax.set_ylim(value_limits([rows], shown))
    ax.set_xlabel(PARAMETERS[x].axis_label)
    mark_values(ax, rows, x)
    ax.grid(axis="y")


def _legend(ax: Axes, rows: pd.DataFrame, shown: Sequence[Metric], *, lines: bool, beside: bool) -> None:
    handles = ax.get_legend_handles_labels()[0] if lines else []
    handles = [*handles, *line_keys([rows], shown)]
    if not handles:
        return
    if beside:  # where it hides no point; in a figure of the caller's there may be no room
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
    else:
        ax.legend(handles=handles, loc="best", frameon=True, framealpha=0.85, edgecolor="none")
