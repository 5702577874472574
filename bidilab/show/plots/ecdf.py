"""Distribution of interruption latency, with the misses kept in.

The curve is the share of all true interruptions at which a speaking agent has stopped by then. One that is missed never
stops it, so the curve of a setting that misses some ends below 1, and a deaf setting cannot look fast.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots.save import attach_data
from bidilab.show.plots.style import CYCLE, new_axes, style

__all__ = ["ecdf", "latency_ecdf"]

_LEGEND_CHARACTERS = 76
_COUNTED = ("detected", "missed")
_DASHES: tuple[str | tuple[float, tuple[float, ...]], ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)))


def latency_ecdf(events: pd.DataFrame) -> pd.DataFrame:
    """Fraction of true interruptions at which a speaking agent has stopped within a time.

    Parameters
    ----------
    events
        As ``SweepResult.events(setting)``: ``outcome`` and ``latency_ms``, of which those ``detected`` and ``missed``
        count.

    Returns
    -------
    pandas.DataFrame
        One row per latency that occurs, rising: ``latency_ms``, ``fraction`` in [0, 1], ``n_at_risk``: how many true
        interruptions had not stopped the agent before. No row when nothing was detected.

    Raises
    ------
    InvalidParameterError
        If a column is absent.
    """
    if absent := [column for column in ("outcome", "latency_ms") if column not in events.columns]:
        raise InvalidParameterError("events", f"a table with the column {absent[0]}", list(events.columns))
    counted = events["outcome"].value_counts()
    n = sum(int(counted.get(outcome, 0)) for outcome in _COUNTED)
    detected = events.loc[events["outcome"] == "detected", "latency_ms"].to_numpy(dtype=np.float64)
    # Times were whole samples once; as differences of seconds two that were equal differ in the last place.
    times, counts = np.unique(np.round(detected, 6), return_counts=True)
    stopped = np.cumsum(counts)
    return pd.DataFrame({"latency_ms": times, "fraction": stopped / max(n, 1), "n_at_risk": n - stopped + counts})


def ecdf(events: pd.DataFrame | Mapping[str, pd.DataFrame], *, ax: Axes | None = None) -> Axes:
    """Cumulative distribution of interruption latency (true onset to decision) of one or several settings.

    Parameters
    ----------
    events
        Table as ``SweepResult.events(setting)``, or several by the name to show in the legend.
    ax
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InvalidParameterError
        If there is no table or a column is absent.
    """
    tables = {"": events} if isinstance(events, pd.DataFrame) else dict(events)
    if not tables:
        raise InvalidParameterError("events", "at least one table", "none")
    steps = {name: latency_ecdf(table) for name, table in tables.items()}
    latest = max((float(s["latency_ms"].max()) for s in steps.values() if len(s)), default=1000.0)
    earliest = min((float(s["latency_ms"].min()) for s in steps.values() if len(s)), default=0.0)
    right = latest + 0.06 * (latest - min(earliest, 0.0))
    with style():
        labels = {name: _words(name, table) for name, table in tables.items()}
        axes = new_axes(ax, 5.2, 3.0 + 0.16 * sum(label.count("\n") + 1 for label in labels.values()))
        for index, (name, step) in enumerate(steps.items()):
            x = np.concatenate(([min(earliest, 0.0)], step["latency_ms"], [right]))
            last = step["fraction"].iloc[-1] if len(step) else 0.0
            y = 100 * np.concatenate(([0.0], step["fraction"], [last]))
            look: dict[str, Any] = {"color": CYCLE[index % len(CYCLE)], "ls": _DASHES[index % len(_DASHES)]}
            axes.step(x, y, where="post", label=labels[name], **look)
        for percent in (50, 90):
            axes.axhline(percent, color="#BBBBBB", lw=0.6, zorder=0)
            axes.annotate(f"p{percent}", (1, percent), (2, 0), xycoords=("axes fraction", "data"), va="center",
                          textcoords="offset points", fontsize=7, color="#777777")  # fmt: skip
        axes.set_xlim(min(earliest, 0.0), right)
        axes.set_ylim(0, 102)
        axes.set_xlabel("interruption latency, true onset to decision (ms)")
        axes.set_ylabel("true interruptions detected (%)")
        axes.set_title("Interruption latency; a missed interruption is never detected")
        axes.legend(loc="upper left", bbox_to_anchor=(-0.05, -0.19), borderaxespad=0, handlelength=2.4)
    attach_data(axes, pd.concat([s.assign(setting=name) for name, s in steps.items()], ignore_index=True))
    return axes


def _words(name: str, table: pd.DataFrame) -> str:
    counts = table["outcome"].value_counts()
    detected, missed = (int(counts.get(outcome, 0)) for outcome in _COUNTED)
    words = f"n = {detected + missed}: {detected} detected, {missed} missed"
    return f"{textwrap.fill(name, _LEGEND_CHARACTERS)}\n{words}" if name else words
