"""The frontier: how rarely a fault happens at each latency, by the best setting of each detector.

Task
    Say what a detector buys and what it costs, in one chart. Each setting of a sweep is a point: how long users wait
    (``x``) and how often the fault happens (``y``), as a pause that is cut off. The frontier of a detector is the
    least ``y`` that some setting has at a latency of at most ``x``: a step that falls to the right::

        y |*                  * a setting on the frontier
          | |_*___          . another: some setting is no later and no worse
          |   .  |___*
          |    .   . |_____     read off: at a budget of latency, up to the step; at a budget of faults, right to it
          +---------------- x

Unit
    As the columns of ``SweepResult.settings``: milliseconds, rates in [0, 1].
Index
    `frontier`, `Frontier`

The latency of the default chart is the *mean* wait for the end of a turn. A median would not do: where a score ends
most turns and a timeout the rest, the median says nothing of the timeout, however long. The mean charges every turn
that is missed by the score with its timeout, as eot-bench does.

Settings without a scorer are *silence alone*: rows whose ``eot_threshold`` is off, or 1, which no score is above; or
all rows of a sweep that has no such axis. They are a frontier of their own, so that what a scorer buys is seen. It is
as good as silence can be only where many silences were swept: a grid with a scorer often has one
``silence_duration_ms``, so give a sweep without a scorer beside it. Where the fault is one of interruptions,
``interrupt_threshold`` takes that place.

Each point is the best of many settings on these recordings, so that other recordings will show it a little worse; the
95 % interval (`bidilab.lab.metrics.intervals`) is that of the setting by itself.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.core.checks import check_several, is_number
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.lab.metrics.columns import SETTINGS, Axis, Column, Mean, Quantile, Rate
from bidilab.lab.metrics.columns.settings import EVENTS as EVENT_RATES
from bidilab.lab.metrics.columns.settings import TURNS
from bidilab.lab.metrics.pareto import least_within, pareto_front
from bidilab.lab.showing import showing
from bidilab.lab.sweep.result import SweepResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Frontier", "frontier"]

LATENCY = "endpoint_latency_ms_mean"
FAULT = "cutoff_rate"
LATENCY_BUDGETS_MS = (300.0, 600.0)
FAULT_BUDGETS = (0.05, 0.1)
"""Budgets of the headlines, as eot-bench has them."""

_SCORERS = {TURNS: (("eot_threshold",), "silence alone"), EVENT_RATES: (("interrupt_threshold",), "no scorer")}
"""By the group of the fault: the axes that say whether a scorer is asked, and what their being off is called."""
_ANY_SCORER = (("eot_threshold", "interrupt_threshold"), "no scorer")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frontier:
    """The lowest rate of a fault at each latency, for each of several detectors. `frontier` returns one.

    Parameters
    ----------
    table
        One row per step, by detector and rising latency: ``detector``; ``alone``, whether no scorer is asked;
        ``setting``, the row of that sweep; ``parameters`` in words; the latency and the fault, named as in
        ``SweepResult.settings``, each with ``_lo``, ``_hi`` and the columns that their n is in.
    x, y
        Names of the two columns.
    n_settings
        Number of settings behind the frontier of each detector.
    x_budgets, y_budgets
        Budgets of the headlines, in the units of the columns.

    Examples
    --------
    >>> import bidilab as bl
    >>> found = bl.frontier({"silero": bl.sweep("datasets/overlap-mini")})  # doctest: +SKIP
    >>> found.at(y=0.05)  # the shortest mean wait at which at most 5 % of the pauses are cut off  # doctest: +SKIP
    >>> found.plot()  # doctest: +SKIP
    """

    table: pd.DataFrame
    x: str
    y: str
    n_settings: Mapping[str, int]
    x_budgets: tuple[float, ...]
    y_budgets: tuple[float, ...]

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of the detectors, in order."""
        return tuple(self.n_settings)

    def at(self, *, x: float | None = None, y: float | None = None) -> pd.DataFrame:
        """The best step of each detector within a budget.

        Parameters
        ----------
        x
            The largest latency, in the unit of the column; returns the lowest fault within it.
        y
            The largest fault (0.05 for 5 %); returns the shortest latency that keeps it.

        Returns
        -------
        DataFrame
            Indexed by ``detector``, with the columns of `table`; missing if no setting keeps the budget.

        Raises
        ------
        InvalidParameterError
            If not exactly one budget is given.
        """
        if (x is None) == (y is None):
            raise InvalidParameterError("x, y", "exactly one of the two budgets", (x, y))
        wanted, limited, budget = (self.y, self.x, x) if y is None else (self.x, self.y, y)
        assert budget is not None
        rows = {}
        for name in self.detectors:
            steps = self.table[self.table["detector"] == name]
            place = least_within(steps[wanted], steps[limited], budget)
            if place is not None:
                rows[name] = steps.iloc[place]
        found = pd.DataFrame(rows.values(), columns=self.table.columns, index=list(rows))
        found = found.astype({"setting": "Int64", "alone": "boolean"}).reindex(list(self.detectors))
        return found.drop(columns="detector").rename_axis("detector")

    @property
    def headlines(self) -> pd.DataFrame:
        """The fault at each latency budget and the latency at each budget of faults, in words; by detector."""
        fault, latency = SETTINGS[self.y], SETTINGS[self.x]
        words = {
            **{f"{fault.short} at {_short(latency, x)}": _told(fault, self.at(x=x)) for x in self.x_budgets},
            **{f"{latency.unit} at {_short(fault, y)}": _told(latency, self.at(y=y)) for y in self.y_budgets},
        }
        return pd.DataFrame(words, index=pd.Index(self.detectors, name="detector"))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the steps with their bands, silence alone dashed in grey, the budgets as lines.

        Parameters
        ----------
        ax
            Axes to draw on; by default those of a new figure.
        """
        return showing().frontier(self, ax=ax)

    def n_of(self, name: str) -> str:
        """The counts behind the numbers of a detector: ``705 pauses, 400 user turns``."""
        row = self.table[self.table["detector"] == name].iloc[0]
        counted = dict.fromkeys((column.n_columns, column.n_label) for column in (SETTINGS[self.y], SETTINGS[self.x]))
        return ", ".join(f"{sum(int(row[n]) for n in columns)} {label}" for columns, label in counted)

    def _facts(self) -> Iterator[tuple[str, str]]:
        yield "across", f"{self.x}: {SETTINGS[self.x].axis_label}"
        yield "up", f"{self.y}: {SETTINGS[self.y].axis_label}"
        for name in self.detectors:
            yield name, f"best of {self.n_settings[name]:,} settings; n = {self.n_of(name)}"

    def __repr__(self) -> str:
        facts = list(self._facts())
        width = max(len(name) for name, _ in facts)
        lines = [f"  {name:<{width}} {text}" for name, text in facts]
        return "\n".join(["Frontier", *lines, "", self.headlines.reset_index().to_string(index=False)])

    def _repr_html_(self) -> str:
        facts = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self._facts()
        )
        return f"<table><caption>Frontier</caption>{facts}</table>{self.headlines.to_html(escape=True)}"


def frontier(
    results: Mapping[str, SweepResult],
    x: str = LATENCY,
    y: str = FAULT,
    *,
    x_budgets: Sequence[float] = LATENCY_BUDGETS_MS,
    y_budgets: Sequence[float] = FAULT_BUDGETS,
) -> Frontier:
    """Find the lowest rate of a fault at each latency, for each of several detectors on the same recordings.

    Parameters
    ----------
    results
        Sweeps by the name of their detector. Of a sweep with an end-of-turn scorer, the settings in which it is off
        are a frontier of their own, ``silence alone``, unless a sweep without a scorer is nowhere worse.
    x
        A latency: ``"endpoint_latency_ms_mean"`` (the mean wait for the end of a turn), ``"endpoint_latency_ms_p50"``,
        ``"latency_detected_ms_p50"``, …
    y
        A rate of faults: ``"cutoff_rate"``, ``"premature_endpoint_rate"``, ``"false_interruption_rate"``, …
    x_budgets, y_budgets
        Budgets of the headlines, which the plot marks.

    Returns
    -------
    Frontier

    Raises
    ------
    InvalidParameterError
        If there is no sweep; ``x`` is not a latency, or ``y`` is not a rate that should be small; the sweeps are not of
        the same recordings, judged in the same way; or one has several conditions of the audio.
    ResultError
        If a sweep lacks a column, as one that an earlier version made, or no setting of it has a finite latency.

    Examples
    --------
    >>> import bidilab as bl
    >>> silero = bl.sweep("datasets/overlap-mini")  # doctest: +SKIP
    >>> webrtc = bl.sweep("datasets/overlap-mini", vad="webrtc")  # doctest: +SKIP
    >>> bl.frontier({"silero": silero, "webrtc": webrtc})  # doctest: +SKIP
    >>> bl.frontier({"silero": silero}, "latency_detected_ms_p50", "false_interruption_rate")  # doctest: +SKIP
    """
    latency, fault = _check_columns(x, y)
    _check_results(results, (latency, fault))
    for name, budgets in (("x_budgets", x_budgets), ("y_budgets", y_budgets)):
        check_several(name, budgets, "several finite numbers >= 0")
        if not all(is_number(budget) and np.isfinite(budget) and budget >= 0 for budget in budgets):
            raise InvalidParameterError(name, "finite numbers >= 0", budgets)
    parts = [
        _steps(result, part, latency, fault)
        for name, result in results.items()
        for part in _split(name, result, fault, several=len(results) > 1)
    ]
    parts = [part for place, part in enumerate(parts) if not _is_covered(place, parts, [x, y])]
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise InvalidParameterError("results", "names that differ from those of the parts of a sweep", names)
    return Frontier(
        table=pd.concat([part.steps for part in parts], ignore_index=True),
        x=x,
        y=y,
        n_settings={part.name: int(part.rows.sum()) for part in parts},
        x_budgets=tuple(x_budgets),
        y_budgets=tuple(y_budgets),
    )


def _check_columns(x: str, y: str) -> tuple[Column, Column]:
    times = [c.name for c in SETTINGS if isinstance(c, Mean | Quantile) and "latency" in c.of]
    rates = [c.name for c in SETTINGS.of(Rate) if c.better == "lower"]
    for argument, name, allowed in (("x", x, times), ("y", y, rates)):
        if name not in allowed:
            raise InvalidParameterError(argument, f"one of {', '.join(allowed)}", name)
    return SETTINGS[x], SETTINGS[y]


def _check_results(results: Mapping[str, SweepResult], columns: Sequence[Column]) -> None:
    if not isinstance(results, Mapping) or not results:
        raise InvalidParameterError("results", "sweeps by the name of their detector, at least one", results)
    first = next(iter(results.values()))
    for name, result in results.items():
        if not isinstance(result, SweepResult):
            raise InvalidParameterError(f"results[{name!r}]", "a SweepResult", result)
        if result.outdated:
            raise ResultError(f"{name}: {result.outdated}")
        for column in columns:
            absent = [each for each in (*column.names, *column.n_columns) if each not in result.settings]
            if absent:
                raise ResultError(f"{name}: this sweep has no column {absent[0]!r}; sweep again with this version")
        if len(result.conditions) > 1:
            raise InvalidParameterError(
                f"results[{name!r}]", "a sweep under one condition of the audio: result.under(…)", result.grid
            )
        if result.dataset_sha256 != first.dataset_sha256:
            allowed = f"sweeps of the same recordings ({first.dataset_name})"
            raise InvalidParameterError("results", allowed, f"{name}: {result.dataset_name}")
        for n in (n for column in columns for n in column.n_columns):
            counts = {int(count) for each in (first, result) for count in each.settings[n].unique()}
            if len(counts) > 1 and first.settings[n].nunique() == 1:  # the labels alone say how many
                raise InvalidParameterError(
                    "results", f"sweeps made in the same way, with the same {n}", sorted(counts)
                )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """Some settings of a sweep and their frontier; ``split`` where the sweep has settings of the other sort too."""

    name: str
    rows: npt.NDArray[np.bool_]
    alone: bool
    split: bool
    steps: pd.DataFrame = field(default_factory=pd.DataFrame)


def _split(name: str, result: SweepResult, fault: Column, *, several: bool) -> Iterator[_Part]:
    """The settings of a sweep that ask a scorer, and those that do not."""
    axes, words = _SCORERS.get(fault.group, _ANY_SCORER)
    usable = ~result.settings["degenerate"].to_numpy(dtype=np.bool_)
    off = np.ones(len(usable), dtype=np.bool_)
    for axis in set(axes) & set(result.settings):
        threshold = result.settings[axis].to_numpy(dtype=np.float64)
        off &= np.isinf(threshold) | ((threshold >= 1) & (axis == "eot_threshold"))
    split = bool(off.any()) and not off.all()
    if not off.all():
        yield _Part(name=name, rows=usable & ~off, alone=False, split=split)
    if off.any():
        called = f"{words} ({name})" if several or words == name else words
        yield _Part(name=called if split else name, rows=usable & off, alone=True, split=split)


def _is_covered(place: int, parts: Sequence[_Part], columns: list[str]) -> bool:
    """Whether a whole sweep without a scorer, or an earlier part, is nowhere worse than this part without a scorer."""
    part = parts[place]
    return (part.alone and part.split) and any(
        other.alone and _is_nowhere_worse(other.steps[columns].to_numpy(), part.steps[columns].to_numpy())
        for k, other in enumerate(parts)
        if k < place or not other.split
    )


def _is_nowhere_worse(steps: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> bool:
    covers: npt.NDArray[np.bool_] = np.all(steps[None] <= others[:, None], axis=-1)
    return bool(np.all(np.any(covers, axis=1)))


def _steps(result: SweepResult, part: _Part, latency: Column, fault: Column) -> _Part:
    """The part with its frontier."""
    columns = dict.fromkeys((*latency.names, *latency.n_columns, *fault.names, *fault.n_columns))
    settings = result.settings.loc[part.rows, list(columns)]
    front = settings.iloc[pareto_front(settings[latency.name], settings[fault.name])]
    front = front.drop_duplicates([latency.name, fault.name])
    if front.empty:
        raise ResultError(f"{part.name}: no setting has a finite {latency.label} and {fault.label}")
    told = [_in_words(result, int(setting)) for setting in front.index]
    steps = front.rename_axis("setting").reset_index()
    steps.insert(0, "detector", part.name)
    steps.insert(1, "alone", part.alone)
    steps.insert(3, "parameters", told)
    return replace(part, steps=steps)


def _in_words(result: SweepResult, setting: int) -> str:
    """The values of a setting on the axes that have several."""
    axes = result.grid.axes
    varied = [name for name, values in axes.items() if len(values) > 1] or list(itertools.islice(axes, 1))
    known = (SETTINGS.column(name, Axis) for name in varied)
    values = {axis: float(result.settings[axis.name].iloc[setting]) for axis in known}
    return ", ".join(f"{axis.label} {axis.format(value)}" for axis, value in values.items())


def _short(column: Column, budget: float) -> str:
    return f"{budget * column.scale:g} {column.unit}"


def _told(column: Column, rows: pd.DataFrame) -> list[str]:
    """Values with their intervals, in the column's unit."""
    words = []
    for value, low, high in zip(*(rows[name].astype(float) for name in _triple(column, rows)), strict=True):
        if np.isnan(value):
            words.append("not reached")
            continue
        ends = "" if np.isnan(low) else f" ({column.format(low)}–{column.format(high)})"
        words.append(f"{column.format(value, unit=True)}{ends}")
    return words


def _triple(column: Column, rows: pd.DataFrame) -> tuple[Any, ...]:
    return (column.name, *(end if end in rows else column.name for end in column.interval_columns))
