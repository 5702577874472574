"""Distribution of interruption latency, with the misses kept in.

The curve is ``1 - S(t)`` with ``S`` the Kaplan-Meier estimate (Kaplan & Meier, JASA 53, 1958): an interruption that was
missed, or preempted by another one, is censored where its chance ended. So the curve of a setting that misses some
ends below 1, and a deaf setting cannot look fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots.save import attach_data
from bidilab.show.plots.style import CYCLE, new_axes, style

__all__ = ["ecdf", "latency_ecdf"]

CENSORED = ("missed", "preempted")
_DASHES: tuple[str | tuple[float, tuple[float, ...]], ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)))


def latency_ecdf(events: pd.DataFrame) -> pd.DataFrame:
    """Fraction of true interruptions answered within a time.

    Parameters
    ----------
    events
        As ``SweepResult.events(setting)``: ``outcome``, ``latency_ms``, ``segment_start_s``, ``segment_end_s`` and,
        where known, ``chance_end_s`` (else an unanswered interruption counts as waiting until its own end).

    Returns
    -------
    pandas.DataFrame
        One row a latency that occurs, rising: ``latency_ms``, ``fraction`` in [0, 1], ``n_at_risk``. No row when
        nothing was detected.
    """
    needed = ("outcome", "latency_ms", "segment_start_s", "segment_end_s")
    if absent := [column for column in needed if column not in events.columns]:
        raise InvalidParameterError("events", f"a table with the column {absent[0]}", list(events.columns))
    detected = _sorted(events.loc[events["outcome"] == "detected", "latency_ms"].to_numpy(dtype=np.float64))
    waited = _sorted(_waited_ms(events.loc[events["outcome"].isin(CENSORED)]))
    times, counts = np.unique(detected, return_counts=True)
    # A time censored at t was still waiting at t.
    at_risk = (len(detected) - np.searchsorted(detected, times)) + (len(waited) - np.searchsorted(waited, times))
    fraction = 1.0 - np.cumprod(1.0 - counts / np.maximum(at_risk, 1))
    return pd.DataFrame({"latency_ms": times, "fraction": fraction, "n_at_risk": at_risk})


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
        axes = new_axes(ax, 5.2, 3.0 + 0.32 * len(tables))
        for index, (name, step) in enumerate(steps.items()):
            x = np.concatenate(([min(earliest, 0.0)], step["latency_ms"], [right]))
            last = step["fraction"].iloc[-1] if len(step) else 0.0
            y = 100 * np.concatenate(([0.0], step["fraction"], [last]))
            look: dict[str, Any] = {"color": CYCLE[index % len(CYCLE)], "ls": _DASHES[index % len(_DASHES)]}
            axes.step(x, y, where="post", label=_words(name, tables[name]), **look)
        for percent in (50, 90):
            axes.axhline(percent, color="#BBBBBB", lw=0.6, zorder=0)
            axes.annotate(f"p{percent}", (1, percent), (2, 0), xycoords=("axes fraction", "data"), va="center",
                          textcoords="offset points", fontsize=7, color="#777777")  # fmt: skip
        axes.set_xlim(min(earliest, 0.0), right)
        axes.set_ylim(0, 102)
        axes.set_xlabel("interruption latency, true onset to decision (ms)")
        axes.set_ylabel("true interruptions detected (%)")
        axes.set_title("Interruption latency, misses censored (Kaplan–Meier)")
        axes.legend(loc="upper left", bbox_to_anchor=(-0.05, -0.19), borderaxespad=0, handlelength=2.4)
    attach_data(axes, pd.concat([s.assign(setting=name) for name, s in steps.items()], ignore_index=True))
    return axes


def _sorted(times_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # Times were whole samples once; as differences of seconds two that were equal differ in the last place.
    return np.sort(np.round(times_ms, 6))


def _waited_ms(unanswered: pd.DataFrame) -> npt.NDArray[np.float64]:
    end = "chance_end_s" if "chance_end_s" in unanswered.columns else "segment_end_s"
    start = unanswered["segment_start_s"].to_numpy(dtype=np.float64)
    waited: npt.NDArray[np.float64] = 1000.0 * (unanswered[end].to_numpy(dtype=np.float64) - start)
    return waited


def _words(name: str, table: pd.DataFrame) -> str:
    counts = table["outcome"].value_counts()
    detected, missed, preempted = (int(counts.get(outcome, 0)) for outcome in ("detected", *CENSORED))
    words = f"n = {detected + missed + preempted}: {detected} detected, {missed} missed"
    words += f", {preempted} preempted" if preempted else ""
    return f"{name}\n{words}" if name else words
