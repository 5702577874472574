"""The page ``docs/columns.md`` and the docstrings of tables, made from the declarations."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

from bidilab.lab.metrics.columns.column import Axis, Column, Count, Schema, Text
from bidilab.lab.metrics.columns.judged import JUDGED_CALLS, JUDGED_TOTALS, OVERLAPS, RATES, RESPONSES, STOPS
from bidilab.lab.metrics.columns.settings import RECORDINGS, RECORDINGS_AT, SETTINGS
from bidilab.lab.metrics.columns.tables import COMPARISON, EVENTS, MODELS, PROBED, SESSIONS, VERDICTS

__all__ = ["SCHEMAS", "listed", "lists_columns", "page"]

SCHEMAS: tuple[Schema, ...] = (
    SETTINGS,
    RECORDINGS,
    RECORDINGS_AT,
    EVENTS,
    COMPARISON,
    VERDICTS,
    MODELS,
    SESSIONS,
    PROBED,
    *(OVERLAPS, STOPS, RESPONSES, JUDGED_CALLS, JUDGED_TOTALS, RATES),
)
"""Every table, in the order of the page."""

_HEAD = """\
# Columns

Every column of every table, as the code declares it (`bidilab/lab/metrics/columns`).
This page is made by `python -m bidilab.lab.metrics.columns > docs/columns.md`; change the declaration, not the page.

*Shown* is the unit and the number of decimals in figures and reports; rates are stored as fractions. *n* is the sum of
the columns that the number is based on; below the limit, the number is drawn as uncertain. An undefined number is NaN,
with n = 0; a quantile that is not reached is infinite.
"""
_TABLE_HEAD = (
    "| column | label | shown | n | 95 % interval | better | meaning | from |",
    "|---|---|---|---|---|---|---|---|",
)
REFERENCES: dict[str, str] = {
    "Cochran 1977": 'W. G. Cochran, "Sampling Techniques", 3rd ed., Wiley 1977, chapters 2 and 9.',
    "Korn & Graubard 1998": 'E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected '
    'number of positive counts estimated from survey data", Survey Methodology 24, 1998.',
    "Dean & Pagano 2015": 'N. Dean, M. Pagano, "Evaluating confidence interval methods for binomial proportions in '
    'clustered surveys", J. Survey Statistics and Methodology 3, 2015.',
    "Woodruff 1952": 'R. S. Woodruff, "Confidence intervals for medians and other position measures", '
    "J. Am. Stat. Assoc. 47, 1952.",
    "Francisco & Fuller 1991": 'C. A. Francisco, W. A. Fuller, "Quantile estimation with a complex survey design", '
    "Annals of Statistics 19, 1991.",
    "Williams 1995": 'R. L. Williams, "Product-limit survival functions with correlated survival times", '
    "Lifetime Data Analysis 1, 1995.",
    "Garwood 1936": 'F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28, 1936.',
    "Kaplan & Meier 1958": 'E. L. Kaplan, P. Meier, "Nonparametric estimation from incomplete observations", '
    "J. Am. Stat. Assoc. 53, 1958.",
    "Irwin 1949": 'J. O. Irwin, "The standard error of an estimate of expectation of life, with special reference to '
    'expectation of tumourless life in experiments with mice", J. Hygiene 47, 1949.',
    "Zou & Donner 2008": 'G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures: a general '
    'approach", Statistics in Medicine 27, 2008.',
    "Hyndman & Fan 1996": 'R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", '
    "The American Statistician 50, 1996.",
}
"""The papers that a column's ``source`` names."""
_T = TypeVar("_T", bound=Callable[..., Any] | type)


def page() -> str:
    """The page as Markdown: a section per table, a row per column."""
    parts = [_HEAD]
    above: set[str] = set()
    for schema in SCHEMAS:
        parts.append(f"## `{schema.name}`: {schema.rows}\n")
        sections = schema.groups if schema is SETTINGS else (None,)
        for group in sections:
            columns = schema.columns if group is None else schema.in_groups([group])
            rows = [row for column in columns if (row := _row(column)) not in above]
            if group:
                parts.append(f"### {group}\n")
            parts.append("\n".join([*_TABLE_HEAD, *rows]) + "\n")
        if known := [f"`{column.name}`" for column in schema if _row(column) in above]:
            parts.append(f"Also, as above: {', '.join(known)}.\n")
        above.update(map(_row, schema))
    parts.append("## References\n")
    parts.append("\n".join(f"- {reference}" for reference in REFERENCES.values()) + "\n")
    return "\n".join(parts)


def _row(column: Column) -> str:
    cells = (
        f"`{column.name}`" + (" (`_lo`, `_hi`)" if column.interval else ""),
        column.label,
        _shown(column),
        _n(column),
        column.interval,
        column.better or "",
        f"{column.meaning[:-1]}; default {column.tick(column.default)}."
        if isinstance(column, Axis)
        else column.meaning,
        f"`{column.source}`" if column.source.startswith("bidilab.") else column.source,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(column: Column) -> str:
    if column.dtype in ("object", "string", "category", "bool", "boolean"):
        return "yes or no" if column.dtype.startswith("bool") else "words"
    unit = column.unit or ("count" if isinstance(column, Count) else "number")
    digits = f"{column.decimals} decimal{'s' if column.decimals > 1 else ''}"
    return f"{unit}, {digits}" if column.decimals else unit


def _n(column: Column) -> str:
    if not column.n_columns:
        return ""
    unit = f" {column.n_unit}" if column.n_unit else ""
    return (
        f"{' + '.join(f'`{name}`' for name in column.n_columns)} ({column.n_label}), few below {column.small_n:g}{unit}"
    )


def listed(schema: Schema) -> str:
    """The columns of a table as the section of a docstring."""
    lines = [f"Columns of ``{schema.name}``", "-" * (len(schema.name) + 15)]
    for column in schema:
        unit = "fraction" if column.unit == "%" else column.unit
        lines.append(f"{', '.join(column.names)} : {_type(column)}{f', {unit}' if unit else ''}")
        lines += textwrap.wrap(column.definition, 110, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _type(column: Column) -> str:
    if isinstance(column, Text) and column.categories:
        return "category"
    return "int" if isinstance(column, Count) else column.dtype  # stored in as many bits as the counts need


def lists_columns(*schemas: Schema) -> Callable[[_T], _T]:
    """Write the columns of tables at the end of the docstring of what holds or returns them."""

    def documented(what: _T) -> _T:
        what.__doc__ = "\n\n".join([inspect.cleandoc(what.__doc__ or ""), *map(listed, schemas)]) + "\n"
        return what

    return documented
