"""The harness itself: a notebook runs, a widget answers a click, the theme changes, a reload keeps the kernel."""

import pytest

from tests.browser.conftest import OpenNotebook

BUTTON = """
import anywidget, traitlets

class Button(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
      const button = document.createElement("button");
      button.className = "harness-button";
      const show = () => { button.textContent = `pressed ${model.get("n")}`; };
      button.addEventListener("click", () => { model.set("n", model.get("n") + 1); model.save_changes(); });
      model.on("change:n", show);
      show();
      el.append(button);
    } };
    '''
    n = traitlets.Int(0).tag(sync=True)

button = Button()
button
"""


def test_a_widget_answers_in_the_page_and_in_the_next_cell(kept_notebook: OpenNotebook) -> None:
    notebook = kept_notebook(["6 * 7", BUTTON]).run_all()
    assert notebook.outputs(0)[0]["data"]["text/plain"] == "42"
    pressed = notebook.page.locator(".harness-button")
    pressed.click()
    assert pressed.inner_text() == "pressed 1"
    assert notebook.text("button.n") == "1"
    for theme, light in (("dark", "false"), ("light", "true")):
        notebook.theme(theme)
        assert notebook.page.evaluate("document.body.dataset.jpThemeLight") == light
        assert notebook.screenshot(f"harness-{theme}").stat().st_size > 10_000
    notebook.reload()
    assert notebook.page.locator(".harness-button").inner_text() == "pressed 1"
    assert notebook.text("button.n") == "1"


def test_an_exception_in_a_cell_fails_the_run_and_an_error_in_the_console_is_kept(kept_notebook: OpenNotebook) -> None:
    notebook = kept_notebook(["1 / 0"])
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        notebook.run_all()
    notebook.page.evaluate("() => { console.error('something broke'); }")
    assert len(notebook.errors) == 1
    assert "something broke" in notebook.errors[0]
    notebook.errors.clear()  # else the fixture fails this test, as it should
