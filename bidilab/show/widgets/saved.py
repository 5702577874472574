"""What a notebook's file keeps of a widget: its static form, in an output of its own, written anew as it changes.

A front end that finds both forms in one output takes the live one, and without its kernel says "model not found". So a
widget is two outputs. The first is the live view, and nothing else. The second is the static form, which is what an
export holds, and what is seen when the file is opened without its kernel. It is hidden while the view lives
(``static/saved.js``), and its own style hides the view where that does not live.

A change is written by ``update_display_data``, from the kernel's main thread: after the cell that made it, or when
nothing more has happened for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import IPython
from IPython import display

__all__ = ["QUIET_S", "SavedForm"]

QUIET_S = 1.0
"""How long nothing may have changed before the form is drawn anew."""

_publish: Callable[..., None] = display.publish_display_data

# In JupyterLab and Notebook 7 the output before this one is hidden unless it holds a view that lives.
_STYLE = "<style>.jp-OutputArea-child:has(+ .jp-OutputArea-child .{name}):not(:has(.bl-lives)){{display:none}}</style>"


class SavedForm:
    """The output with a widget's static form.

    Parameters
    ----------
    name
        Of the output, and class of its element: letters, digits and ``-``.
    form
        Draws the form: its mimebundle.
    on_write
        Called with the number of what was written, ``>= 1``.
    """

    def __init__(self, name: str, form: Callable[[], Mapping[str, str]], on_write: Callable[[int], None]) -> None:
        self.name = name
        self._form, self._on_write = form, on_write
        self._written: Mapping[str, str] = {}
        self._n = 0
        self._shell: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._changed = False

    def show(self, view: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
        """Put both outputs below the cell that runs; return whether there is a kernel to do so.

        Parameters
        ----------
        view, metadata
            The live view as a mimebundle, and its metadata.
        """
        shell = IPython.get_ipython()
        if getattr(shell, "kernel", None) is None:
            return False
        self._look()
        # An export that cannot show the view must find something in its place: an empty text.
        _publish({**view, "text/html": ""}, dict(metadata))
        _publish(self.mimebundle(), transient={"display_id": self.name})
        if self._shell is None:
            self._shell = shell
            self._loop = asyncio.get_running_loop()
            shell.events.register("post_run_cell", self._after_cell)
        return True

    def changed(self, *, after_s: float = QUIET_S, anew: bool = True) -> None:
        """The widget has changed; from any thread.

        Parameters
        ----------
        after_s
            When to write, in seconds, unless a cell ends before.
        anew
            Whether the time begins anew with each change.
        """
        if self._loop is None or self._loop.is_closed() or (self._changed and not anew):
            return
        self._changed = True
        self._loop.call_soon_threadsafe(self._wait, after_s)

    def write(self) -> None:
        """Write what has changed since the last time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._changed and self._look():
            _publish(self.mimebundle(), transient={"display_id": self.name}, update=True)

    def close(self) -> None:
        """Write what is to be written; the output stays as it is then."""
        if self._shell is None:
            return
        self.write()
        self._shell.events.unregister("post_run_cell", self._after_cell)
        self._shell = self._loop = None

    def mimebundle(self) -> dict[str, str]:
        """The form as it was written last, marked as such."""
        marked = f"<div class='bl-saved {self.name}' data-n='{self._n}'>{_STYLE.format(name=self.name)}"
        return {**self._written, "text/html": f"{marked}{self._written.get('text/html', '')}</div>"}

    def _look(self) -> bool:
        """Draw the form; return whether it is another."""
        self._changed = False
        form = self._form()
        if form == self._written:
            return False
        self._written = form
        self._n += 1
        self._on_write(self._n)
        return True

    def _wait(self, after_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None and self._changed:
            self._timer = self._loop.call_later(after_s, self.write)

    def _after_cell(self, *_: object) -> None:
        if self._changed:
            self.write()
