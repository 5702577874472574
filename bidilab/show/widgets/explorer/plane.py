"""Which setting stands in each cell of a heat map: two parameters run, the others are held, or the best is taken.

``static/plane.js`` is the same rule in the browser; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.core.errors import InvalidParameterError
from bidilab.show.plots.metrics import PARAMETERS, metric
from bidilab.show.plots.slices import nearest_value
from bidilab.show.widgets.explorer.columns import plain_number

__all__ = ["BEST", "Plane"]

BEST: Literal["best"] = "best"
Axes = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """A metric over two parameters of a grid.

    Parameters
    ----------
    metric
        Column of the settings table.
    x, y
        Two different swept parameters.
    at
        For every other parameter a swept value, or ``"best"``: then each cell shows the setting whose metric is best
        among the values of that parameter. A degenerate setting is taken only where there is no other, an undefined
        value only where all are; of equal ones the nearest to the parameter's default is taken, then the smaller. The
        best of several is a little better than it would be on other recordings, the more so the fewer they are.
    """

    metric: str
    x: str
    y: str
    at: Mapping[str, float | str]

    @classmethod
    def of(
        cls,
        axes: Axes,
        *,
        metric: str,
        x: str,
        y: str,
        at: Mapping[str, Any] | None = None,
    ) -> Self:
        """Check a plane against a grid; parameters not named in ``at`` are held at the value nearest to their default.

        Raises
        ------
        InvalidParameterError
            If a name is unknown, ``x`` is ``y``, a value was not swept, or there is no best of the metric.
        """
        for name, value in (("x", x), ("y", y)):
            if value not in axes:
                raise InvalidParameterError(name, f"one of {', '.join(axes)}", value)
        if x == y:
            raise InvalidParameterError("y", f"a parameter other than x ({x})", y)
        others = [name for name in axes if name not in (x, y)]
        given = dict(at or {})
        for name in given:
            if name not in others:
                raise InvalidParameterError("at", f"values of {', '.join(others) or 'no other parameter'}", name)
        held = {name: _held(name, axes[name], given.get(name), metric) for name in others}
        return cls(metric=metric, x=x, y=y, at=held)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON; an infinite value is the text ``Infinity``, which `of` takes."""
        at = {name: value if isinstance(value, str) else plain_number(value) for name, value in self.at.items()}
        return {"metric": self.metric, "x": self.x, "y": self.y, "at": at}

    def settings(self, table: pd.DataFrame, axes: Axes) -> npt.NDArray[np.int64]:
        """The setting of each cell, ``(n_y, n_x) int64``: rows of ``table``, which are in the grid's order."""
        names = list(axes)
        index = np.arange(len(table)).reshape([len(values) for values in axes.values()])
        best = [name for name, value in self.at.items() if value == BEST]
        for axis, name in enumerate(names):
            if name in self.at and name not in best:
                index = np.take(index, [axes[name].index(float(self.at[name]))], axis=axis)
        # The two that run stand first, then those of which the best is taken; what is held has length 1.
        order = [names.index(name) for name in (self.y, self.x, *self.at)]
        cells = index.transpose(order).reshape(len(axes[self.y]), len(axes[self.x]), -1)
        if not best:
            return cells[:, :, 0]
        rank = _ranks(table, self.metric, cells, [_distances(axes[name], name) for name in best])
        chosen = np.take_along_axis(cells, rank.argmin(axis=2)[:, :, None], axis=2)
        return chosen[:, :, 0]


def _held(name: str, values: tuple[float, ...], given: Any, column: str) -> float | str:
    if given is None:
        return nearest_value(values, PARAMETERS[name].default)
    if given == BEST:
        if metric(column).lower_is_better is None:
            raise InvalidParameterError(
                "at", f"a value, because neither more nor less {metric(column).label} is better", given
            )
        return BEST
    given = float(given)
    nearest = nearest_value(values, given)
    # A grid made by steps of 0.05 holds 0.15000000000000002 where its reader says 0.15.
    if not np.isclose(nearest, given, rtol=1e-6, atol=1e-9):
        raise InvalidParameterError(f"at[{name!r}]", f'"best" or one of {", ".join(f"{v:g}" for v in values)}', given)
    return nearest


def _distances(values: tuple[float, ...], name: str) -> npt.NDArray[np.int64]:
    """Place of each value when sorted by its distance from the parameter's default, the smaller first of equals."""
    default = PARAMETERS[name].default
    away = np.array([0.0 if value == default else abs(value - default) for value in values])  # never − never is 0
    places = np.empty(len(values), dtype=np.int64)
    places[np.lexsort((np.asarray(values), away))] = np.arange(len(values))
    return places


def _ranks(
    table: pd.DataFrame, column: str, cells: npt.NDArray[np.int64], distances: list[npt.NDArray[np.int64]]
) -> npt.NDArray[np.int64]:
    """A number for each candidate, ``cells``' shape: the least is the best of its cell."""
    sign = -1.0 if metric(column).lower_is_better is False else 1.0
    values = sign * table[column].to_numpy(dtype=np.float64)[cells]
    degenerate = table["degenerate"].to_numpy(dtype=bool)[cells]
    near = np.zeros(1, dtype=np.int64)
    for places in distances:  # the first parameter weighs most
        near = (near[:, None] * len(places) + places[None, :]).reshape(-1)
    keys = (np.broadcast_to(near, cells.shape), np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf))
    order = np.lexsort((*keys, np.isnan(values), degenerate), axis=2)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(cells.shape[2]), cells.shape), axis=2)
    return ranks
