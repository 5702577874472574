"""The look shared by every figure: sizes, colours and how a figure is made.

Colours are the Okabe-Ito set (Okabe & Ito, "Color Universal Design", 2008), told apart by readers with any of
the common forms of colour blindness; magnitudes use ``viridis`` reversed, whose lightness is monotone, so that a
black-and-white print still ranks the cells. Nothing here changes the caller's ``matplotlib.rcParams`` for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, cast

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["COLOURS", "CYCLE", "RC", "SEQUENTIAL", "detached_figures", "new_axes", "new_figure", "style"]

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "black": "#000000",
        "orange": "#E69F00",
        "sky": "#56B4E9",
        "green": "#009E73",
        "yellow": "#F0E442",
        "blue": "#0072B2",
        "vermillion": "#D55E00",
        "purple": "#CC79A7",
        "grey": "#7A7A7A",
    }
)
"""Okabe-Ito colours by name, and a grey for what is not data."""

CYCLE: tuple[str, ...] = tuple(COLOURS[c] for c in ("blue", "vermillion", "green", "purple", "orange", "sky", "black"))
"""Order in which lines take colours (yellow is left out: too pale for a line on paper)."""

SEQUENTIAL = "viridis_r"
"""Colour map of magnitudes: pale is small, dark is large."""

RC: Mapping[str, Any] = MappingProxyType(
    {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same figure on every machine
        "font.size": 8.5,
        "axes.titlesize": 9,
        "axes.titleweight": "normal",
        "axes.titlelocation": "left",
        "axes.labelsize": 8.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "axes.edgecolor": "#333333",
        "axes.prop_cycle": cycler(color=list(CYCLE)),
        "axes.grid": False,
        "axes.axisbelow": True,
        "grid.color": "#DDDDDD",
        "grid.linewidth": 0.5,
        "xtick.labelsize": 7.5,
        "ytick.labelsize": 7.5,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "xtick.major.size": 3,
        "ytick.major.size": 3,
        "legend.fontsize": 7.5,
        "legend.frameon": False,
        "legend.handlelength": 1.6,
        "lines.linewidth": 1.5,
        "lines.markersize": 4,
        "hatch.linewidth": 0.6,
        "figure.dpi": 110,
        "figure.autolayout": False,  # each figure says how it is laid out
        "figure.constrained_layout.use": False,
        "figure.facecolor": "white",
        "axes.facecolor": "white",
        "savefig.facecolor": "white",
        "savefig.bbox": "standard",
        "text.color": "#111111",
        "axes.labelcolor": "#111111",
        "xtick.color": "#333333",
        "ytick.color": "#333333",
        "image.cmap": SEQUENTIAL,
        "svg.fonttype": "none",  # text stays text: to be found, copied and edited
        "svg.hashsalt": "bidilab",
        "pdf.fonttype": 42,
    }
)
"""The style, as ``rcParams``."""

_DETACHED: ContextVar[bool] = ContextVar("bidilab_detached_figures", default=False)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the shared style inside the ``with``; the caller's ``rcParams`` are as before after it.

    Examples
    --------
    >>> before = mpl.rcParams["font.size"]
    >>> with style():
    ...     inside = mpl.rcParams["font.size"]
    >>> inside, mpl.rcParams["font.size"] == before
    (8.5, True)
    """
    interactive = mpl.is_interactive()
    try:
        with mpl.rc_context(cast("Any", dict(RC))):
            try:
                yield
            finally:
                interactive = mpl.is_interactive()
    finally:
        # The first figure of a notebook makes the inline backend interactive, which is an rcParam too: were it put
        # back with the style, no later figure would be shown.
        mpl.interactive(interactive)


@contextmanager
def detached_figures() -> Iterator[None]:
    """Make figures that pyplot knows nothing of, inside the ``with``.

    For files written by a program: no window opens, nothing is left to close, and no figure appears by itself
    in a notebook.
    """
    token = _DETACHED.set(True)
    try:
        yield
    finally:
        _DETACHED.reset(token)


def new_figure(width_in: float, height_in: float, *, returned: bool = True) -> Figure:
    """An empty figure of the given size in inches, with constrained layout.

    Parameters
    ----------
    width_in, height_in
        Size in inches.
    returned
        Whether the caller hands the figure itself to the user. IPython's inline backend shows every figure
        that pyplot holds *and* the value of a cell's last line, so such a figure would appear twice; it is
        therefore taken from pyplot's list on that backend (and only there).
    """
    if _DETACHED.get():
        return Figure(figsize=(width_in, height_in), layout="constrained")
    # Late: importing pyplot chooses a backend, which a program that only writes files need not do.
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(width_in, height_in), layout="constrained")
    if returned and "inline" in mpl.get_backend().lower():
        plt.close(figure)
    return figure


def new_axes(ax: Axes | None, width_in: float, height_in: float) -> Axes:
    """``ax``, or the only axes of a new figure when it is ``None``."""
    if ax is not None:
        return ax
    return new_figure(width_in, height_in, returned=False).add_subplot()
