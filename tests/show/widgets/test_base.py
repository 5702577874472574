"""The static form beside the live one."""

import base64
from html.parser import HTMLParser

import pytest

from bidilab.show.plots.style import detached_figures, new_figure
from bidilab.show.widgets import base
from bidilab.show.widgets.base import StaticForm, Widget, png_of, rows_html

PNG = b"\x89PNG\r\n\x1a\n not really"


@pytest.fixture
def widget(monkeypatch):
    monkeypatch.setattr(base, "linked_module", lambda name: f"export default {{}};\n// {name}\n")
    monkeypatch.setattr(base, "linked_stylesheet", lambda *names: f".bl {{}}\n/* {names} */\n")

    class Shown(Widget, module="shown.js", stylesheets=("shown.css",)):
        def static_form(self):
            return StaticForm(title="a < b", text='say "x" & y', png=PNG, details_html=rows_html([("<n>", "1 & 2")]))

    made = Shown()
    yield made
    made.close()


def test_the_static_form_stands_beside_the_view(widget):
    data, _ = widget._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    assert base64.b64decode(data["image/png"]) == PNG
    assert data["text/plain"] == 'a < b\nsay "x" & y'
    page = _Page()
    page.feed(data["text/html"])
    assert page.text == "a < b<n>1 & 2"
    assert page.images[0]["alt"] == 'say "x" & y'
    assert page.images[0]["src"] == "data:image/png;base64," + data["image/png"]


def test_assets_are_those_named(widget):
    assert "shown.js" in widget._esm
    assert "shown.css" in widget._css


def test_requests_are_answered_or_refused_in_words(widget, monkeypatch):
    sent = []
    monkeypatch.setattr(widget, "send", lambda content, buffers: sent.append((content, buffers)))
    widget._handle_custom_msg({"request": "v-1", "kind": "dance"}, [])
    widget._handle_custom_msg({"something": "else"}, [])
    ((content, buffers),) = sent
    assert content["reply"] == "v-1"
    assert "'dance'" in content["error"]
    assert buffers == []
    monkeypatch.setattr(type(widget), "answer", lambda self, request: ({"n": request["n"] + 1}, [b"1"]))
    widget._handle_custom_msg({"request": "v-2", "n": 1}, [])
    assert sent[1] == ({"reply": "v-2", "n": 2}, [b"1"])


def test_a_request_that_comes_again_is_answered_alike_and_done_once(widget, monkeypatch):
    sent, done = [], []
    monkeypatch.setattr(widget, "send", lambda content, buffers: sent.append((content, buffers)))
    monkeypatch.setattr(type(widget), "answer", lambda self, request: (done.append(request) or {"n": len(done)}, []))
    for request in ("v-1", "v-1", "v-2", "v-1"):
        widget._handle_custom_msg({"request": request}, [])
    assert [(content["reply"], content["n"]) for content, _ in sent] == [("v-1", 1), ("v-1", 1), ("v-2", 2), ("v-1", 1)]
    for k in range(100):
        widget._handle_custom_msg({"request": f"w-{k}"}, [])
    assert len(widget._answered) == base.ANSWERS_KEPT


def test_a_figure_as_png():
    with detached_figures():
        figure = new_figure(1, 1)
    assert png_of(figure) == png_of(figure)
    assert png_of(figure).startswith(b"\x89PNG")


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text = ""
        self.images = []

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))

    handle_startendtag = handle_starttag
