"""`LiveSession`: a session held from a notebook, by browser, sound card or recording."""

from __future__ import annotations

from bidilab.show.widgets.live.widget import LiveSession

__all__ = ["LiveSession"]
