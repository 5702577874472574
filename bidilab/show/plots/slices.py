"""Lines and planes through a grid of settings: hold some parameters, let the others run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from bidilab.core.checks import check_is
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.columns import CONDITION, telling_axes
from bidilab.show.plots.metrics import ALWAYS_SWEPT, PARAMETERS, parameter, parameters_of

__all__ = ["check_columns", "check_one_condition", "describe", "hold", "moves", "nearest_value"]


def check_columns(table: pd.DataFrame, columns: Iterable[str], argument: str = "settings") -> None:
    """Raise when a table lacks columns that a figure needs.

    Raises
    ------
    InvalidParameterError
        If a column is absent or the table has no rows.
    """
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise InvalidParameterError(argument, f"a table with the columns {', '.join(absent)}", list(table.columns))
    if table.empty:
        raise InvalidParameterError(argument, "a table with at least one row", f"{len(table)} rows")


def check_one_condition(settings: pd.DataFrame) -> None:
    """Raise when a table holds settings under several conditions of the audio, which a figure would mix up.

    Raises
    ------
    InvalidParameterError
        If it does.
    """
    if CONDITION.name in settings.columns and len(labels := settings[CONDITION.name].unique()) > 1:
        allowed = "settings under one condition: result.under(condition), or plot.conditions for all of them"
        raise InvalidParameterError("settings", allowed, "; ".join(labels))


def nearest_value(values: Iterable[float], target: float) -> float:
    """The value nearest to ``target``, the smaller of two that are equally near.

    Examples
    --------
    >>> nearest_value([100, 200, 400], 300)
    200.0
    """
    distinct = np.unique(np.asarray(list(values), dtype=np.float64))
    if np.isinf(target):  # has no distance to anything
        return float(distinct[-1])
    return float(distinct[np.argmin(np.abs(distinct - target))])


def hold(
    settings: pd.DataFrame, free: Sequence[str], at: Mapping[str, float] | None = None
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Rows of the grid in which every parameter that is not free has one value.

    Parameters
    ----------
    settings
        One row per setting.
    free
        Parameters that keep all their values.
    at
        Values to hold the others at, each one that was swept. A parameter that is not named is held at the
        swept value nearest to its default.

    Returns
    -------
    tuple
        The rows, sorted by the free parameters, index kept; and the values held.

    Raises
    ------
    InvalidParameterError
        If a name is unknown, is both free and held, or a value was not swept; or the table holds several conditions.
    """
    check_one_condition(settings)
    for name in free:
        parameter(name)
    check_columns(settings, (*ALWAYS_SWEPT, *free))
    present = parameters_of(settings.columns)
    check_is("at", at, Mapping | None, "values by parameter, such as {'threshold': 0.5}, or None")
    wanted = dict(at or {})
    for name in wanted:
        parameter(name, "at")
        if name not in present:
            raise InvalidParameterError("at", f"values of the parameters swept ({', '.join(present)})", wanted)
        if name in free:
            raise InvalidParameterError("at", f"values of parameters other than {', '.join(free)}", wanted)
    held: dict[str, float] = {}
    keep = np.ones(len(settings), dtype=bool)
    for name, known in present.items():
        if name in free:
            continue
        column = settings[name].to_numpy(dtype=np.float64)
        held[name] = (
            _swept_value(column, name, wanted[name]) if name in wanted else nearest_value(column, known.default)
        )
        keep &= column == held[name]
    rows = settings.loc[keep].sort_values(list(free), kind="stable") if free else settings.loc[keep]
    if rows.empty:
        raise InvalidParameterError("at", "a combination of values that was swept", held)
    return rows, held


def moves(settings: pd.DataFrame, name: str, columns: Sequence[str], held: Mapping[str, float]) -> bool:
    """Whether a parameter changes any of these columns, at any swept value of the other knobs.

    Guards, which decide what a knob can do, stay at the values in ``held``. With one value swept there is nothing to
    tell: then the answer is yes.
    """
    rows = settings
    for other, value in held.items():
        if other not in ALWAYS_SWEPT and other != name:
            rows = rows[rows[other] == value]
    if rows[name].nunique() < 2:
        return True
    others = [rows[other] for other in ALWAYS_SWEPT if other != name]
    # An undefined number that stays undefined is not moved.
    values = rows[list(columns)].astype(np.float64).fillna(-1.0).round(9)
    return bool((values.groupby(others).nunique() > 1).to_numpy().any())


def _swept_value(column: np.ndarray, name: str, wanted: float) -> float:
    # A grid made by steps of 0.05 holds 0.15000000000000002 where its reader says 0.15.
    value = nearest_value(column, wanted)
    if not np.isclose(value, wanted, rtol=1e-6, atol=1e-9):
        swept = ", ".join(f"{v:g}" for v in np.unique(column))
        raise InvalidParameterError(f"at[{name!r}]", f"a value that was swept ({swept})", wanted)
    return value


def describe(held: Mapping[str, float]) -> str:
    """Held values in words.

    Examples
    --------
    >>> describe({"threshold": 0.5, "prefix_padding_ms": 300})
    'threshold 0.5, prefix padding 300 ms'
    >>> describe({"threshold": 0.5, "eot_threshold": float("inf"), "eot_timeout_ms": 3000})
    'threshold 0.5, end-of-turn threshold off'
    """
    telling = telling_axes(held)
    return ", ".join(f"{PARAMETERS[name].label} {PARAMETERS[name].format(value)}" for name, value in telling.items())
