"""The static form in an output of its own: written after the cell that changed it, or when it has been quiet."""

import asyncio
import re
import threading
from types import SimpleNamespace

import IPython
import pytest
import traitlets

from bidilab.show.widgets import base, saved
from bidilab.show.widgets.base import StaticForm, Widget

VIEW = "application/vnd.jupyter.widget-view+json"


class Events:
    """The shell's events, as far as a widget takes part in them."""

    def __init__(self):
        self.after = []

    def register(self, name, act):
        assert name == "post_run_cell"
        self.after.append(act)

    def unregister(self, name, act):
        self.after.remove(act)

    def cell_ended(self):
        for act in self.after:
            act(None)


@pytest.fixture
def shell(monkeypatch):
    """A notebook's shell; ``published`` are its outputs: data, display id, whether it was an update."""
    shell = SimpleNamespace(kernel=object(), events=Events(), published=[])

    def publish(data, metadata=None, *, transient=None, update=False):
        shell.published.append((data, (transient or {}).get("display_id"), update))

    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(saved, "_publish", publish)
    return shell


@pytest.fixture
def widget(monkeypatch):
    monkeypatch.setattr(base, "linked_module", lambda name: "export default {};")
    monkeypatch.setattr(base, "linked_stylesheet", lambda *names: "")

    class Counter(Widget, module="counter.js", kept=("count",)):
        count = traitlets.Int(0)
        drawn = 0

        def static_form(self):
            self.drawn += 1
            return StaticForm(title="Counter", text=f"count {self.count // 10}", png=b"")

    made = Counter()
    yield made
    made.close()


async def turn():
    """Let the loop do once what is due."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done


def count_of(published):
    data, display_id, update = published
    assert re.search(rf"class='bl-saved {display_id}' data-n='\d+'", data["text/html"])
    return data["text/plain"].removeprefix("Counter\ncount "), update


def test_the_view_and_the_form_are_two_outputs(shell, widget):
    async def main():
        widget._ipython_display_()

    asyncio.run(main())
    view, form = shell.published
    assert view[0] == {VIEW: {"version_major": 2, "version_minor": 1, "model_id": widget.model_id}, "text/html": ""}
    assert widget._widget_id == widget.model_id  # by which the page asks whether the model has a kernel
    assert form[1] == f"bl-form-{widget.model_id}"
    assert count_of(form) == ("0", False)
    assert VIEW not in form[0]


def test_without_a_notebook_ipython_shows_the_text(monkeypatch, widget):
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace())
    with pytest.raises(NotImplementedError):
        widget._ipython_display_()
    assert widget._repr_mimebundle_()[0]["text/plain"] == "Counter\ncount 0"


def test_a_change_in_a_cell_is_written_when_the_cell_ends_and_only_once(shell, widget):
    async def main():
        widget._ipython_display_()
        shell.events.cell_ended()
        assert len(shell.published) == 2  # nothing has changed
        widget.count = 10
        widget.count = 20
        assert len(shell.published) == 2
        shell.events.cell_ended()
        assert count_of(shell.published[-1]) == ("2", True)
        assert widget._n_written == 2
        widget.count = 21  # what is shown stays the same
        shell.events.cell_ended()

    asyncio.run(main())
    assert len(shell.published) == 3
    assert widget.drawn == 3


def test_a_change_of_the_page_or_a_thread_is_written_when_it_has_been_quiet(shell, widget, monkeypatch):
    async def main():
        waits = []
        loop = asyncio.get_running_loop()
        later = loop.call_later
        widget._ipython_display_()
        monkeypatch.setattr(loop, "call_later", lambda s, act: waits.append(s) or later(0, act))
        thread = threading.Thread(target=lambda: setattr(widget, "count", 50))
        thread.start()
        thread.join()
        widget._keep(after_s=5, anew=False)  # waits already
        while len(shell.published) < 3:
            await turn()
        assert waits == [saved.QUIET_S]
        widget._keep(after_s=5, anew=False)
        await turn()
        assert waits == [saved.QUIET_S, 5]

    asyncio.run(main())
    assert count_of(shell.published[2]) == ("5", True)


def test_what_is_closed_has_written_its_last_state(shell, widget):
    async def main():
        widget._ipython_display_()
        widget.count = 30
        widget.close()

    asyncio.run(main())
    assert count_of(shell.published[-1]) == ("3", True)
    assert shell.events.after == []


def test_a_page_that_was_loaded_anew_asks_for_the_form(shell, widget, monkeypatch):
    sent = []

    async def main():
        widget._ipython_display_()

    asyncio.run(main())
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append(content))
    widget._handle_custom_msg({"request": "v-1", "kind": "form"}, [])
    assert sent == [{"reply": "v-1", "data": shell.published[1][0]}]
