"""`SweepExplorer`: a sweep to click through, from the heat map to what is heard in one recording."""

from bidilab.show.widgets.explorer.explorer import SweepExplorer

__all__ = ["SweepExplorer"]
