"""Figures on disk, each with the table it was drawn from."""

from __future__ import annotations

import os
from pathlib import Path
from weakref import WeakKeyDictionary

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bidilab.core.csvtext import write_csv
from bidilab.core.errors import InvalidParameterError
from bidilab.core.files import written_whole
from bidilab.show.encoding import FORMATS, EncodedFigure
from bidilab.show.plots.style import style

__all__ = ["attach_data", "data_behind", "figure_of", "save_figure", "write_encoded"]

# Weak keys: a figure that its owner drops takes its table along.
_DATA: WeakKeyDictionary[Axes | Figure, pd.DataFrame] = WeakKeyDictionary()


def attach_data(drawn: Axes | Figure, table: pd.DataFrame) -> None:
    """Remember the table that axes or a figure were drawn from, for `save_figure`."""
    _DATA[drawn] = table.copy()


def figure_of(drawn: Axes | Figure) -> Figure:
    """The figure that axes stand in, or the figure itself."""
    if isinstance(drawn, Figure):
        return drawn
    figure = drawn.get_figure(root=True)
    if figure is None:
        raise InvalidParameterError("ax", "axes that belong to a figure", drawn)
    return figure


def data_behind(drawn: Axes | Figure) -> pd.DataFrame | None:
    """The table behind a plot of bidilab.

    Returns
    -------
    pandas.DataFrame or None
        The table attached to it; for a figure whose panels were drawn one by one, theirs below each other with a
        column ``panel`` (0, 1, …, in drawing order); ``None`` when bidilab drew none of it.
    """
    if drawn in _DATA:
        return _DATA[drawn].copy()
    if isinstance(drawn, Axes):
        return None
    tables = [_DATA[ax] for ax in drawn.axes if ax in _DATA]
    if len(tables) < 2:
        return tables[0].copy() if tables else None
    return pd.concat([table.assign(panel=panel) for panel, table in enumerate(tables)], ignore_index=True)


def save_figure(drawn: Axes | Figure, stem: str | os.PathLike[str], data: pd.DataFrame | None = None) -> list[Path]:
    """Write a figure as SVG, PDF and PNG (200 dpi), and the data behind it as CSV.

    The same figure gives the same bytes: no dates, fixed ids. Each file is written whole or not at all.

    Parameters
    ----------
    drawn
        A figure, or axes of it (then the whole figure is written).
    stem
        Path without suffix; a missing folder is made.
    data
        Table for the CSV; by default the one that bidilab drew from. Its index is written when it has a name.

    Returns
    -------
    list of pathlib.Path
        The files written: ``.svg``, ``.pdf``, ``.png`` and, where there is a table, ``.csv``.
    """
    with style():
        return write_encoded(drawn, EncodedFigure(figure_of(drawn), {}), stem, data)


def write_encoded(
    drawn: Axes | Figure, files: EncodedFigure, stem: str | os.PathLike[str], data: pd.DataFrame | None = None
) -> list[Path]:
    """Write the files of a figure, and the data behind it; as `save_figure`, in the style that is in force."""
    figure = figure_of(drawn)
    base = Path(stem)
    base.parent.mkdir(parents=True, exist_ok=True)
    table = data if data is not None else data_behind(figure)
    if table is None:
        table = data_behind(drawn)
    written = []
    for suffix in FORMATS:
        path = base.with_name(f"{base.name}.{suffix}")
        with written_whole(path) as partial:
            partial.write_bytes(files.file(suffix))
        written.append(path)
    if table is not None:
        path = base.with_name(f"{base.name}.csv")
        with written_whole(path) as partial:
            write_csv(table, partial, index=table.index.name is not None)
        written.append(path)
    return written
