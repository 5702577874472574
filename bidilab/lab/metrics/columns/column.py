"""What a column is: its name, its words, its numbers, and what it rests on.

A table declares its columns once, as a `Schema` of `Column`; arrays of counts, tables, figures, reports and the page
``docs/columns.md`` are made from that. There is one class per kind of column:

===============  ====================================================================  ===========================
`Count`          how often something happened, summed over recordings                  ``n_missed``
`Duration`       time, counted in samples, shown in seconds or minutes                 ``talk_over_s``
`Rate`           counts per count, with n and interval                                 ``missed_rate``
`PerMinute`      counts per minute of an exposure, with interval                       ``false_per_min``
`Share`          time per time                                                         part of the agent's speech
`Quantile`       quantile of a time, with n, with or without interval                  ``latency_detected_ms_p50``
`Mean`           mean of a time, each counted up to a limit, with n and interval      ``endpoint_latency_ms_mean``
`Flag`           yes or no                                                             ``degenerate``
`Axis`           a parameter that is swept                                             ``threshold``
`Value`          a number of one row                                                   ``onset_s``
`Text`           words, an identity, or one of several categories                      ``outcome``
===============  ====================================================================  ===========================
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from bidilab.core.errors import InvalidParameterError

__all__ = [
    "Axis",
    "Column",
    "Count",
    "Duration",
    "Flag",
    "Mean",
    "Part",
    "PerMinute",
    "Quantile",
    "Rate",
    "Ratio",
    "Schema",
    "Share",
    "Text",
    "Value",
    "counts_dtype",
]

SMALL_N = 10

Better = Literal["lower", "higher"]
Part = Literal["labels", "events", "turns", "stops"]
"""What a count hangs on: the labels alone; each labelled event judged for itself; the turns of the detector; or the
stops of a whole conversation. Settings that agree in it share it."""
_Kind = TypeVar("_Kind", bound="Column")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name
        Its name in the table.
    label
        Words for an axis, without unit.
    meaning
        What it says, in one plain sentence.
    short
        Words for a legend; the label when not given.
    group
        Heading that the column stands under in a description of its table.
    unit
        Unit of the shown number; empty for a count.
    scale
        Shown number = value × scale (rates are stored as fractions and shown in percent).
    decimals
        Digits after the point.
    better
        Whether ``"lower"`` or ``"higher"`` is better; ``None`` where neither is.
    n_columns
        Columns whose sum is the n that the number rests on; empty when the number is itself a count.
    n_label, n_unit
        What n counts; ``"min"`` where n is minutes of exposure.
    small_n
        Below this n the number is drawn as uncertain.
    interval
        How the 95 % interval in ``<name>_lo`` and ``<name>_hi`` is made; empty where there is none.
    source
        Where the rule or formula comes from: a module of bidilab, or a paper.
    dtype
        Type of the values in the table.
    drawn
        Whether it can be drawn, in figures and in the explorer.
    """

    name: str
    label: str
    meaning: str
    short: str = ""
    group: str = ""
    unit: str = ""
    scale: float = 1.0
    decimals: int = 0
    better: Better | None = None
    n_columns: tuple[str, ...] = ()
    n_label: str = ""
    n_unit: str = ""
    small_n: float = SMALL_N
    interval: str = ""
    source: str = ""
    dtype: str = "float64"
    drawn: bool = True

    def __post_init__(self) -> None:
        if not (self.name and self.label and self.meaning.endswith(".")):
            raise InvalidParameterError("column", "a name, a label and a meaning that is a sentence", self)
        if not self.short:
            object.__setattr__(self, "short", self.label)

    @property
    def lower_is_better(self) -> bool | None:
        """Direction; ``None`` where neither less nor more is better."""
        return None if self.better is None else self.better == "lower"

    @property
    def definition(self) -> str:
        """The meaning, and how the interval is made."""
        return f"{self.meaning[:-1]} (interval: {self.interval})." if self.interval else self.meaning

    @property
    def axis_label(self) -> str:
        """Label with its unit, for an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def interval_columns(self) -> tuple[str, str]:
        """Names that the columns of the 95 % interval have, where there are any."""
        return f"{self.name}_lo", f"{self.name}_hi"

    @property
    def names(self) -> tuple[str, ...]:
        """The column's name, and those of its interval where it has one."""
        return (self.name, *self.interval_columns) if self.interval else (self.name,)

    def shown(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Column values in the unit they are shown in, ``float64`` of the same shape."""
        return np.asarray(values, dtype=np.float64) * self.scale

    def n(self, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        """What each row's number rests on, ``(n_rows,) float64``; ``inf`` where the number is itself a count."""
        if not self.n_columns:
            return np.full(len(table), np.inf)
        return table[list(self.n_columns)].sum(axis=1).to_numpy(dtype=np.float64)

    def format(self, value: float, *, unit: bool = False) -> str:
        """One column value as text: ``no data`` for ``NaN``, ``not reached`` for infinity.

        Examples
        --------
        >>> rate = Rate(name="r", label="r", meaning="A rate.", of=("k",), per=("n",))
        >>> rate.format(0.125, unit=True), rate.format(float("inf"))
        ('12.5 %', 'not reached')
        """
        if math.isnan(value):
            return "no data"
        if math.isinf(value):
            return "not reached"
        text = f"{value * self.scale:.{self.decimals}f}"
        text = text.lstrip("-") if float(text) == 0 else text
        return f"{text} {self.unit}" if unit and self.unit else text

    def n_range(self, table: pd.DataFrame) -> str:
        """What the numbers of a table rest on, ``n = 86–115 true interruptions``; empty for a count."""
        if not self.n_columns or table.empty:
            return ""
        digits = 1 if self.n_unit else 0
        n = self.n(table)
        low, high = f"{n.min():.{digits}f}", f"{n.max():.{digits}f}"
        return f"n = {low if low == high else f'{low}–{high}'} {self.n_label}"

    def format_n(self, row: pd.Series[Any]) -> str:
        """``n = …`` of one row of the table, empty for a count."""
        if not self.n_columns:
            return ""
        n = sum(float(row[name]) for name in self.n_columns)
        if not self.n_unit:
            return f"n = {n:.0f}"
        return f"n = {n:.1f} min" if n >= 1 else f"n = {60 * n:.1f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Column):
    """How often something happened.

    Parameters
    ----------
    parts
        Counts that it is the sum of; empty for one that the evaluation counts itself, recording by recording.
    family
        Where several counts follow on each other that differ in the kind of event only: the name of the array that
        holds them in the evaluation, addressed by kind.
    counted_in
        Which part of the evaluation counts it.
    """

    parts: tuple[str, ...] = ()
    family: str = ""
    counted_in: Part = "stops"
    dtype: str = "int64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration(Column):
    """Time in seconds or minutes (``unit``), which the evaluation counts in samples under the name ``counted``.

    ``counted_in`` is the part of the evaluation that does.
    """

    counted: str
    counted_in: Part = "stops"
    unit: str = "s"
    decimals: int = 1

    def of_samples(self, samples: npt.NDArray[np.integer[Any]], sample_rate: int) -> npt.NDArray[np.float64]:
        """Samples in the column's unit, ``float64`` of the same shape."""
        seconds = samples / sample_rate
        return seconds / 60 if self.unit == "min" else seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio(Column):
    """One sum of columns per another; ``n_columns`` are those of the lower one when not given.

    Parameters
    ----------
    of, per
        Columns whose sums are above and below the line.
    """

    of: tuple[str, ...]
    per: tuple[str, ...]
    better: Better | None = "lower"

    def __post_init__(self) -> None:
        super(Ratio, self).__post_init__()  # zero-argument super() does not work in a dataclass with slots
        if not self.n_columns:
            object.__setattr__(self, "n_columns", self.per)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate(Ratio):
    """Counts per count, in [0, 1], with an interval whose unit is the recording (`clustered_rate`)."""

    unit: str = "%"
    scale: float = 100.0
    decimals: int = 1
    interval: str = "95 %, recordings as the unit"
    source: str = "Korn & Graubard 1998; Dean & Pagano 2015"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerMinute(Ratio):
    """Counts per minute of an exposure, a `Duration`, with an interval by recording (`clustered_rate_per_exposure`)."""

    unit: str = "1/min"
    decimals: int = 2
    n_unit: str = "min"
    small_n: float = 1.0
    interval: str = "95 %, recordings as the unit"
    source: str = "Garwood 1936; Cochran 1977"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Ratio):
    """Time per time, in [0, 1]; ``of`` and ``per`` are durations of one unit."""

    unit: str = "%"
    scale: float = 100.0
    decimals: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile(Column):
    """The quantile ``q`` of a time, an observed value.

    Parameters
    ----------
    of
        Name of the time, which the names of its quantiles begin with.
    q
        In (0, 1).
    """

    of: str
    q: float
    unit: str = "ms"
    better: Better | None = "lower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean(Column):
    """The mean of a time, each one counted up to a limit.

    Parameters
    ----------
    of
        Name of the time, which the name of its mean begins with.
    at_most
        The limit, in the unit of the column.
    """

    of: str
    at_most: float
    unit: str = "ms"
    better: Better | None = "lower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Column):
    """Yes or no."""

    dtype: str = "bool"
    drawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis(Column):
    """A parameter that is swept, and the ``default`` that it has where nothing is said.

    ``infinite`` is the word for an infinite value.
    """

    default: float
    infinite: str = "never"
    drawn: bool = False

    def format(self, value: float, *, unit: bool = True) -> str:
        """A value with its unit.

        Examples
        --------
        >>> padding = Axis(name="prefix_padding_ms", label="prefix padding", meaning="Audio.", unit="ms", default=300)
        >>> padding.format(100.0)
        '100 ms'
        """
        return f"{value:g} {self.unit}" if unit and self.unit and math.isfinite(value) else self.tick(value)

    def tick(self, value: float) -> str:
        """A value without its unit, for an axis; a timeout that never comes is ``never``."""
        return self.infinite if math.isinf(value) else f"{value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value(Column):
    """A number of one row: a position, a latency, an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Column):
    """Words; with ``categories``, one of these."""

    categories: tuple[str, ...] = ()
    dtype: str = "object"
    drawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The columns of a table, in their order.

    Parameters
    ----------
    name
        Where the table is found, e.g. ``"SweepResult.settings"``.
    rows
        What a row is, e.g. ``"one row per setting"``.
    columns
        Its columns.

    Raises
    ------
    InvalidParameterError
        If a name stands twice, or a column rests on one that the table does not have.
    """

    name: str
    rows: str
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = self.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidParameterError("columns", f"each name once in {self.name}", twice)
        for column in self.columns:
            if absent := set(column.n_columns) - set(names):
                raise InvalidParameterError("n_columns", f"columns of {self.name} ({column.name})", sorted(absent))

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return any(column.name == name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        """The column of that name.

        Raises
        ------
        InvalidParameterError
            If there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise InvalidParameterError("column", f"one of {', '.join(c.name for c in self.columns)}", name)

    def column(self, name: str, kind: type[_Kind]) -> _Kind:
        """The column of that name, which must be of that kind.

        Raises
        ------
        InvalidParameterError
            If there is none, or it is of another kind.
        """
        found = self[name]
        if not isinstance(found, kind):
            raise InvalidParameterError("column", f"a {kind.__name__} of {self.name}", found)
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, each followed by those of its interval."""
        return tuple(name for column in self.columns for name in column.names)

    @property
    def groups(self) -> tuple[str, ...]:
        """Headings of the columns, in order of first appearance."""
        return tuple(dict.fromkeys(column.group for column in self.columns))

    def of(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        """Columns of one kind, in order."""
        return tuple(column for column in self.columns if isinstance(column, kind))

    def in_groups(self, groups: Iterable[str]) -> tuple[Column, ...]:
        """Columns that stand under any of these headings, in order.

        Raises
        ------
        InvalidParameterError
            If no column stands under one of them.
        """
        wanted = tuple(groups)
        if unknown := set(wanted) - set(self.groups):
            raise InvalidParameterError("groups", f"of {', '.join(self.groups)}", sorted(unknown))
        return tuple(column for column in self.columns if column.group in wanted)

    def names_of(self, *columns: str) -> tuple[str, ...]:
        """Names of these columns, each followed by those of its interval."""
        return tuple(name for column in columns for name in self[column].names)

    def names_in(self, group: str) -> tuple[str, ...]:
        """Names of the columns of one group, each followed by those of its interval."""
        return tuple(name for column in self.in_groups([group]) for name in column.names)

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """A table of these rows with every column in its place and of its type; what a row does not name is missing.

        Raises
        ------
        InvalidParameterError
            If a row names a column that is not declared.
        """
        names = self.names
        for row in rows:
            if unknown := row.keys() - set(names):
                raise InvalidParameterError("rows", f"columns of {self.name}", sorted(unknown))
        # By way of objects: a column of counts with gaps must not pass through float64.
        cells = [[row.get(name) for name in names] for row in rows]
        frame = pd.DataFrame(cells, columns=list(names), dtype=object)
        return frame.astype({name: _dtype(column) for column in self.columns for name in column.names})


def _dtype(column: Column) -> Any:
    if isinstance(column, Text) and column.categories:
        return pd.CategoricalDtype(list(column.categories))
    return column.dtype


def counts_dtype(columns: Iterable[Count | Duration]) -> np.dtype[np.void]:
    """A record of ``int32`` with one field per count, named as it is; a family of counts is one field, an array.

    Numba compiles a function anew for each type of record and keys its cache by it. So a kernel that addresses a record
    by name can neither count in the wrong column nor be loaded from a cache made for other columns.

    Examples
    --------
    >>> kinds = [Count(name=f"n_{kind}", label=kind, meaning=".", family="n_of_kind") for kind in ("noise", "echo")]
    >>> counts_dtype([Count(name="n", label="n", meaning="."), *kinds])
    dtype([('n', '<i4'), ('n_of_kind', '<i4', (2,))])
    """
    fields: list[Any] = []
    for (field, is_family), members in itertools.groupby(columns, key=_field):
        fields.append((field, np.int32, (len(list(members)),)) if is_family else (field, np.int32))
    return np.dtype(fields)


def _field(column: Count | Duration) -> tuple[str, bool]:
    if isinstance(column, Duration):
        return column.counted, False
    return column.family or column.name, bool(column.family)
