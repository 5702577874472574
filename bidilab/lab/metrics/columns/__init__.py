"""Every column of every table of the lab, declared once.

A count is added by its declaration in `bidilab.lab.metrics.columns.settings` and the line of the kernel that counts it.
Indices of the kernels, the order and types of tables, words of figures, reports and the explorer, docstrings and
``docs/columns.md`` (``python -m bidilab.lab.metrics.columns``) follow.
"""

from bidilab.lab.metrics.columns.column import (
    Axis,
    Column,
    Count,
    Duration,
    Flag,
    PerMinute,
    Quantile,
    Rate,
    Ratio,
    Schema,
    Share,
    Text,
    Value,
    counts_dtype,
)
from bidilab.lab.metrics.columns.page import lists_columns
from bidilab.lab.metrics.columns.settings import (
    CONDITION,
    COUNTED,
    GUARD_AXES,
    KIND_LABELS,
    KNOBS,
    RECORDINGS,
    RECORDINGS_AT,
    RESUME,
    SETTINGS,
    SIMULATED,
    TIMED,
    counted_names,
    setting_columns,
)
from bidilab.lab.metrics.columns.tables import COMPARISON, EVENTS, MODELS, VERDICTS

__all__ = [
    "COMPARISON",
    "CONDITION",
    "COUNTED",
    "EVENTS",
    "GUARD_AXES",
    "KIND_LABELS",
    "KNOBS",
    "MODELS",
    "RECORDINGS",
    "RECORDINGS_AT",
    "RESUME",
    "SETTINGS",
    "SIMULATED",
    "TIMED",
    "VERDICTS",
    "Axis",
    "Column",
    "Count",
    "Duration",
    "Flag",
    "PerMinute",
    "Quantile",
    "Rate",
    "Ratio",
    "Schema",
    "Share",
    "Text",
    "Value",
    "counted_names",
    "counts_dtype",
    "lists_columns",
    "setting_columns",
]
