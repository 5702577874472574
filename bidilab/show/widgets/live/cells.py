"""One live session a cell: running the cell anew ends the one it made before."""

from __future__ import annotations

import sys
import weakref
from typing import Protocol

__all__ = ["cell_id", "replace"]


class _Closing(Protocol):
    def close(self) -> None: ...


_made: weakref.WeakValueDictionary[tuple[str, str], _Closing] = weakref.WeakValueDictionary()


def cell_id() -> tuple[str, str] | None:
    """The cell being run and its request, as JupyterLab names them; ``None`` outside of a notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return None
    parent = kernel.get_parent("shell")
    cell = parent.get("metadata", {}).get("cellId")
    return None if cell is None else (cell, parent["header"]["msg_id"])


def replace(session: _Closing) -> None:
    """Close the session that an earlier run of the same cell made, and remember this one."""
    here = cell_id()
    if here is None:
        return
    for made, earlier in list(_made.items()):
        if made[0] == here[0] and made[1] != here[1]:
            del _made[made]
            earlier.close()
    _made[here] = session
