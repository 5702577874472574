"""What bidilab's widgets share: a static form beside the live one, and the linked files of their front end.

A widget lives as long as its kernel. A notebook that was saved, exported or put on a web page shows what is in the
output's mimebundle instead, so a widget puts its findings there as HTML, as a picture and as text (`saved`).

anywidget takes one JavaScript module and one style sheet per widget. The modules in ``static/`` import each other by
relative names, as Node and the browser have it. `linked_module` replaces each such name by a ``data:`` URL of the
module named, so that what comes out stands alone. Equal modules have equal URLs, and a browser loads each URL once: a
module that two others import is still one.
"""

from __future__ import annotations

import base64
import html
import io
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import anywidget
import traitlets
from matplotlib.figure import Figure

from bidilab.core.errors import BidilabError, InvalidParameterError
from bidilab.show.plots.style import style
from bidilab.show.widgets.saved import QUIET_S, SavedForm

__all__ = ["StaticForm", "Widget", "linked_module", "linked_stylesheet", "png_of", "rows_html"]

# `… from "./x.js"`, `import "./x.js"`, `import("./x.js")`, and `new URL("./x.js", import.meta.url)`: the last is how a
# module names a worklet, which is loaded by URL.
_IMPORT = re.compile(r"""(\bfrom\s*|\bimport\s*\(?\s*)(["'])(\.{1,2}/[^"']+)\2""")
_URL = re.compile(r"""\bnew\s+URL\(\s*(["'])(\.{1,2}/[^"']+)\1\s*,\s*import\.meta\.url\s*,?\s*\)""")


@cache
def linked_module(name: str) -> str:
    """A module of ``static/`` with all that it imports, as one string.

    Parameters
    ----------
    name
        File name in ``static/``, such as ``"timeline.js"``.

    Raises
    ------
    InvalidParameterError
        If there is no such file, it imports one that is not there, or modules import each other in a circle.

    Examples
    --------
    >>> '"./' in linked_module("timeline.js")
    False
    """
    return _link(name, ())


@cache
def linked_stylesheet(*names: str) -> str:
    """``theme.css`` and the named style sheets of ``static/``, one behind the other.

    Raises
    ------
    InvalidParameterError
        If there is no such file.
    """
    return "\n".join(_read(name, ".css") for name in dict.fromkeys(("theme.css", *names)))


def _link(name: str, importers: tuple[str, ...]) -> str:
    if name in importers:
        circle = " → ".join((*importers[importers.index(name) :], name))
        raise InvalidParameterError("module", "one that does not come to import itself", circle)
    here = (*importers, name)

    def imported(found: re.Match[str]) -> str:
        return f'{found[1]}"{_data_url(found[3], here)}"'

    def located(found: re.Match[str]) -> str:
        return f'new URL("{_data_url(found[2], here)}")'

    return _IMPORT.sub(imported, _URL.sub(located, _read(name, ".js")))


def _data_url(relative: str, importers: tuple[str, ...]) -> str:
    text = _link(relative.removeprefix("./"), importers)
    return "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()


def _read(name: str, suffix: str) -> str:
    path = files("bidilab.show.widgets") / "static" / name
    # One folder, no ways out of it: a name is all there is to an import.
    if "/" in name or "\\" in name or not name.endswith(suffix) or not path.is_file():
        raise InvalidParameterError("name", f"a {suffix} file of bidilab/show/widgets/static", name)
    return path.read_text(encoding="utf-8")


STATIC_DPI = 110
ANSWERS_KEPT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticForm:
    """Content of a widget where no kernel runs it.

    Parameters
    ----------
    title
        Plain text, the heading.
    text
        Plain text that says what the picture shows: the picture's text alternative, and the ``text/plain`` form.
    png
        The picture, a PNG file's bytes; empty for none.
    details_html
        HTML shown below the picture. The one part that is not escaped here: make it with `rows_html` or escape
        what goes into it.
    """

    title: str
    text: str
    png: bytes
    details_html: str = ""

    def mimebundle(self) -> dict[str, str]:
        """``text/html``, ``text/plain`` and, with a picture, ``image/png`` (base64)."""
        picture = base64.b64encode(self.png).decode()
        text = html.escape(self.text, quote=True)
        drawn = (
            f"<img style='max-width:100%;background:white' alt=\"{text}\" src='data:image/png;base64,{picture}'/>"
            if picture
            else f"<p>{text}</p>"
        )
        return {
            "text/html": (
                f"<figure style='margin:0'><figcaption><b>{html.escape(self.title)}</b></figcaption>"
                f"{drawn}{self.details_html}</figure>"
            ),
            **({"image/png": picture} if picture else {}),
            "text/plain": f"{self.title}\n{self.text}",
        }

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.mimebundle()


class Widget(anywidget.AnyWidget):
    """Base of bidilab's widgets.

    A subclass names its module and, if it has one, its style sheet, both files of ``static/``, and says what it shows
    where it does not live::

        class Player(Widget, module="player.js", stylesheets=("player.css",), kept=("recording",)):
            def static_form(self) -> StaticForm: ...

    Its root element has the class ``bl``, which carries the tokens of ``theme.css``. The front end asks by
    ``static/requests.js``, and `answer` answers; a request that is refused is answered with the error's words. ``kept``
    are the traits on which its static form rests: it is written anew when one of them changes.
    """

    _widget_id = traitlets.Unicode().tag(sync=True)
    _n_written = traitlets.Int(0).tag(sync=True)
    _kept: tuple[str, ...] = ()
    _saved: SavedForm | None = None  # ipywidgets closes what it collects, also what was never made whole

    def __init__(self, **kwargs: Any) -> None:
        # The model's name is in its state, so that a page can ask its front end what became of the model.
        name = uuid.uuid4().hex
        super().__init__(**{"model_id": name, "_widget_id": name, **kwargs})
        self._answered: dict[str, tuple[dict[str, Any], list[bytes]]] = {}
        self.on_msg(self._receive)
        self._saved = SavedForm(f"bl-form-{name}", lambda: self._form_to_keep().mimebundle(), self._written)
        if self._kept:
            self.observe(lambda _: self._keep(), self._kept)

    def __init_subclass__(
        cls,
        *,
        module: str | None = None,
        stylesheets: Sequence[str] = (),
        kept: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        if kept:
            cls._kept = tuple(kept)
        # Set before anywidget looks at them; a class without a module of its own keeps its parent's.
        if module is not None:
            cls._esm = linked_module(module)
            cls._css = linked_stylesheet(*stylesheets)
        super().__init_subclass__(**kwargs)

    def static_form(self) -> StaticForm:
        """The widget's content now, for a notebook that is only read."""
        raise NotImplementedError(f"{type(self).__name__} has no static form")

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Answer a request of the front end: content and buffers; a widget that is asked things overrides it."""
        raise InvalidParameterError("kind", "a request that this widget answers", request.get("kind"))

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        if not isinstance(content, Mapping) or "request" not in content:
            return  # a message of the subclass's own
        request = str(content["request"])
        if content.get("kind") == "form" and self._saved is not None:
            self.send({"reply": request, "data": self._saved.mimebundle()})
            return
        if request not in self._answered:  # else the answer was lost on its way, and the page asks again
            try:
                self._answered[request] = self.answer(content)
            except BidilabError as error:
                self._answered[request] = {"error": str(error)}, []
            if len(self._answered) > ANSWERS_KEPT:
                del self._answered[next(iter(self._answered))]
        answered, buffers = self._answered[request]
        self.send({"reply": content["request"], **answered}, buffers)

    def close(self) -> None:
        """Remove the widget from the page; in its place, its static form is seen."""
        if self._saved is not None:
            self._saved.close()
        super().close()

    def _form_to_keep(self) -> StaticForm:
        return self.static_form()

    def _keep(self, *, after_s: float = QUIET_S, anew: bool = True) -> None:
        """Write the static form anew in a while: something that it shows has changed; from any thread."""
        if self._saved is not None:
            self._saved.changed(after_s=after_s, anew=anew)

    def _written(self, n: int) -> None:
        self._n_written = n

    def _ipython_display_(self) -> None:
        shown = super()._repr_mimebundle_()
        if shown is None or self._saved is None:
            return
        data, metadata = shown
        view = {mime: content for mime, content in data.items() if not mime.startswith("text/")}
        if not self._saved.show(view, metadata):
            raise NotImplementedError  # no notebook: IPython goes on to the text

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
