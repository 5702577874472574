"""What bidilab's widgets share: linked assets, and a static form beside the live one.

A widget lives as long as its kernel. A notebook that was saved, exported or put on a web page shows what is in the
output's mimebundle instead, so a widget puts its findings there as HTML, as a picture and as text.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anywidget
from matplotlib.figure import Figure

from bidilab.core.errors import BidilabError, InvalidParameterError
from bidilab.show.plots.style import style
from bidilab.show.widgets.assets import linked_module, linked_stylesheet

__all__ = ["StaticForm", "Widget", "png_of", "rows_html"]

STATIC_DPI = 110
ANSWERS_KEPT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticForm:
    """What a widget shows where it does not live.

    Parameters
    ----------
    title
        Plain text, the heading.
    text
        Plain text that says what the picture shows: the picture's text alternative, and the ``text/plain`` form.
    png
        The picture, a PNG file's bytes.
    details_html
        HTML shown below the picture. The one part that is not escaped here: make it with `rows_html` or escape
        what goes into it.
    """

    title: str
    text: str
    png: bytes
    details_html: str = ""

    def mimebundle(self) -> dict[str, str]:
        """``text/html``, ``image/png`` (base64) and ``text/plain``."""
        picture = base64.b64encode(self.png).decode()
        alternative = html.escape(self.text, quote=True)
        return {
            "text/html": (
                f"<figure style='margin:0'><figcaption><b>{html.escape(self.title)}</b></figcaption>"
                f"<img style='max-width:100%;background:white' alt=\"{alternative}\""
                f" src='data:image/png;base64,{picture}'/>{self.details_html}</figure>"
            ),
            "image/png": picture,
            "text/plain": f"{self.title}\n{self.text}",
        }


class Widget(anywidget.AnyWidget):
    """Base of bidilab's widgets.

    A subclass names its module and, if it has one, its style sheet, both files of ``static/``, and says what it shows
    where it does not live::

        class Player(Widget, module="player.js", stylesheets=("player.css",)):
            def static_form(self) -> StaticForm: ...

    Its root element has the class ``bl``, which carries the tokens of ``theme.css``. The front end asks by
    ``static/requests.js``, and `answer` answers; a request that is refused is answered with the error's words.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._answered: dict[str, tuple[dict[str, Any], list[bytes]]] = {}
        self.on_msg(self._receive)

    def __init_subclass__(cls, *, module: str | None = None, stylesheets: Sequence[str] = (), **kwargs: Any) -> None:
        # Set before anywidget looks at them; a class without a module of its own keeps its parent's.
        if module is not None:
            cls._esm = linked_module(module)
            cls._css = linked_stylesheet(*stylesheets)
        super().__init_subclass__(**kwargs)

    def static_form(self) -> StaticForm:
        """What the widget shows now, for a notebook that is only read."""
        raise NotImplementedError(f"{type(self).__name__} has no static form")

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Answer a request of the front end: content and buffers; a widget that is asked things overrides it."""
        raise InvalidParameterError("kind", "a request that this widget answers", request.get("kind"))

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        if not isinstance(content, Mapping) or "request" not in content:
            return  # a message of the subclass's own
        request = str(content["request"])
        if request not in self._answered:  # else the answer was lost on its way, and the page asks again
            try:
                self._answered[request] = self.answer(content)
            except BidilabError as error:
                self._answered[request] = {"error": str(error)}, []
            if len(self._answered) > ANSWERS_KEPT:
                del self._answered[next(iter(self._answered))]
        answered, buffers = self._answered[request]
        self.send({"reply": content["request"], **answered}, buffers)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        shown = super()._repr_mimebundle_(**kwargs)
        if shown is None:
            return None
        data, metadata = shown
        return {**data, **self.static_form().mimebundle()}, metadata


def png_of(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=STATIC_DPI, metadata={"Software": None})
    return buffer.getvalue()


def rows_html(rows: Sequence[tuple[str, str]]) -> str:
    """A table of two columns, a name and a value a row, both escaped."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in rows
    )
    return f"<table>{cells}</table>"
