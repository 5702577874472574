"""Tables on their way to the browser: a description in JSON, the numbers in binary, one buffer a column."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib import colormaps

from bidilab.lab.metrics.columns import EOT_AXES, INTERRUPT_AXES, RESUME, SETTINGS, SIMULATED
from bidilab.show.plots.metrics import LOSS, METRICS, PARAMETERS, Metric
from bidilab.show.plots.style import SEQUENTIAL
from bidilab.show.report.tables import COMPARED

if TYPE_CHECKING:
    from bidilab.lab.sweep import Recommendation

__all__ = ["COLOURS_RGB", "drawable_metrics", "pack_columns", "plain_number", "settings_description", "with_loss"]

COLOURS_RGB = (colormaps[SEQUENTIAL](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
"""The colour map of `bidilab.show.plots.heatmap`, ``(256, 3) uint8``: red, green, blue."""


_NUMBERS = (
    LOSS.name,
    *COMPARED,
    "cutoff_rate",
    "endpoint_latency_ms_p90",
    "false_per_min",
    "false_stop_share",
    "agent_lost_share",
    "onset_clipped_ms_p90",
    *SETTINGS.names_in(SIMULATED),
    *SETTINGS.names_in(RESUME),
    "timeout_rate",
)
"""What is shown of the setting selected, beside the default."""


def pack_columns(table: pd.DataFrame) -> tuple[list[dict[str, str]], list[bytes]]:
    """Columns as little-endian numbers.

    Parameters
    ----------
    table
        Columns of numbers or truth values.

    Returns
    -------
    tuple
        For each column its ``name`` and ``type`` (``"int32"``, ``"uint8"`` for truth values, else ``"float64"``, so
        that every number arrives as it is), and its bytes.
    """
    described, buffers = [], []
    for name in table.columns:
        values = table[name].to_numpy()
        kind = "uint8" if values.dtype == bool else "int32" if values.dtype.kind in "iu" else "float64"
        if kind == "int32" and len(values) and np.abs(values.astype(np.int64)).max() > np.iinfo(np.int32).max:
            kind = "float64"  # exact up to 2**53
        described.append({"name": str(name), "type": kind})
        buffers.append(np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<")).tobytes())
    return described, buffers


def drawable_metrics(settings: pd.DataFrame) -> list[Metric]:
    """Metrics of which a settings table holds the column and its n."""
    return [m for m in METRICS.values() if {m.name, *m.n_columns} <= set(settings.columns)]


def with_loss(settings: pd.DataFrame, recommendation: Recommendation) -> pd.DataFrame:
    """A settings table under one condition with the `LOSS` that a recommendation goes by, where there is any."""
    losses = recommendation.losses
    return settings.assign(**{LOSS.name: losses}) if np.isfinite(losses).any() else settings


def settings_description(
    settings: pd.DataFrame, axes: Mapping[str, tuple[float, ...]]
) -> tuple[dict[str, Any], list[bytes]]:
    """All that the heat map needs: axes, metrics and every column they draw on; the last buffer is `COLOURS_RGB`."""
    metrics = drawable_metrics(settings)
    names = dict.fromkeys(c for m in metrics for c in (m.name, *m.interval_columns, *m.n_columns))
    columns, buffers = pack_columns(settings[[*(c for c in names if c in settings.columns), "degenerate"]])
    described = {
        "axes": [_axis(name, values) for name, values in axes.items()],
        "metrics": [_metric(m, settings.columns) for m in metrics],
        "headline": [name for name in _NUMBERS if name in names],
        "columns": columns,
        "n_settings": len(settings),
    }
    return described, [*buffers, COLOURS_RGB.tobytes()]


_OFF_WITH = {axis.name: axes[0].name for axes in (EOT_AXES, INTERRUPT_AXES) for axis in axes[1:]}
"""Axes that make no difference where the threshold of their model is infinite: it is not asked."""


def plain_number(value: float) -> float | str:
    """A number as JSON can say it: an infinite one is the text that ``Number`` and ``float`` read."""
    return "Infinity" if math.isinf(value) else value


def _axis(name: str, values: Iterable[float]) -> dict[str, Any]:
    known = PARAMETERS[name]
    return {
        "name": name,
        "label": known.label,
        "unit": known.unit,
        "default": plain_number(known.default),
        "infinite": known.infinite,
        "off_with": _OFF_WITH.get(name),
        "values": [plain_number(value) for value in values],
    }


def _metric(shown: Metric, columns: pd.Index[str]) -> dict[str, Any]:
    low, high = shown.interval_columns
    return {
        "name": shown.name,
        "label": shown.label,
        "unit": shown.unit,
        "scale": shown.scale,
        "decimals": shown.decimals,
        "lower_is_better": shown.lower_is_better,
        "n_columns": list(shown.n_columns),
        "n_label": shown.n_label,
        "n_unit": shown.n_unit,
        "small_n": shown.small_n,
        "definition": shown.definition,
        "interval": [low, high] if low in columns and high in columns else None,
    }
