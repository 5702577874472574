"""The columns of a sweep that can be drawn, the parameters they are drawn over, and the colour of each kind of event.

What a column is called and what it rests on is declared in `bidilab.lab.metrics.columns`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from bidilab.core.checks import check_several
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.columns import (
    KIND_LABELS,
    KNOBS,
    SETTINGS,
    Axis,
    Column,
    Count,
    Rate,
    Value,
)
from bidilab.show.plots.style import COLOURS

__all__ = [
    "ALWAYS_SWEPT",
    "KIND_COLOURS",
    "KIND_LABELS",
    "LOSS",
    "METRICS",
    "PARAMETERS",
    "Metric",
    "Parameter",
    "metric",
    "metrics_of",
    "parameter",
    "parameters_of",
]

Metric = Column
"""A column that can be drawn."""
Parameter = Axis
"""A parameter that is swept."""

PARAMETERS: Mapping[str, Parameter] = MappingProxyType({axis.name: axis for axis in SETTINGS.of(Axis)})
"""The parameters that can be swept: the three knobs, and the guards, which hold nothing back by default."""
ALWAYS_SWEPT: tuple[str, ...] = tuple(axis.name for axis in KNOBS)
"""Those that every settings table has; the others where they are swept."""

KIND_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "turn": COLOURS["blue"],
        "interruption": COLOURS["vermillion"],
        "backchannel": COLOURS["green"],
        "side_speech": COLOURS["purple"],
        "noise": COLOURS["orange"],
        "echo": COLOURS["sky"],
        "response": COLOURS["grey"],
        "continued": COLOURS["blue"],
        "none": COLOURS["black"],
    }
)
"""The colour of each kind, the same in every figure."""


def _drawn() -> list[Metric]:
    """Rates first, then times, then counts, each in the order of the table."""
    columns = [column for column in SETTINGS if column.drawn]
    return sorted(columns, key=lambda column: 0 if isinstance(column, Rate) else 2 if isinstance(column, Count) else 1)


LOSS = Value(
    name="loss",
    label="loss",
    meaning="Points that a setting costs, by which one is recommended: missed and late stops, false stops, premature "
    "endpoints and waiting, each per event or turn and by its weight; 100 points: a fault of weight 1 at every one.",
    unit="points",
    scale=100,
    decimals=1,
    better="lower",
    source="bidilab.lab.sweep.choice",
)
"""What ``SweepResult.recommend`` minimises: no column of the table, as it hangs on weights."""
METRICS: Mapping[str, Metric] = MappingProxyType({column.name: column for column in (*_drawn(), LOSS)})
"""Every column of a settings table that can be drawn, and the loss."""


def parameters_of(columns: Iterable[str]) -> dict[str, Parameter]:
    """The parameters of a settings table with these columns, in their order."""
    present = set(columns)
    return {name: known for name, known in PARAMETERS.items() if name in present}


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises
    ------
    InvalidParameterError
        If there is none.
    """
    if not isinstance(name, str) or name not in METRICS:
        raise InvalidParameterError("metric", f"one of {', '.join(METRICS)}", name)
    return METRICS[name]


def metrics_of(names: str | Iterable[str]) -> list[Metric]:
    """The metrics of one name or several.

    Raises
    ------
    InvalidParameterError
        If there is none of a name.
    """
    if not isinstance(names, str):
        check_several("metrics", names, "the name of a metric, or several")
    return [metric(name) for name in ([names] if isinstance(names, str) else names)]


def parameter(name: str, argument: str = "x") -> Parameter:
    """The swept parameter of that name; ``argument`` names the caller's argument in the error.

    Raises
    ------
    InvalidParameterError
        If there is none.
    """
    if not isinstance(name, str) or name not in PARAMETERS:
        raise InvalidParameterError(argument, f"one of {', '.join(PARAMETERS)}", name)
    return PARAMETERS[name]
