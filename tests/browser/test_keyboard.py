"""All widgets in one notebook: worked by keys alone, and asked by axe-core what a screen reader would miss."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenNotebook
from tests.conftest import ROOT

MINI = ROOT / "datasets" / "overlap-mini"
ID = "early-clean-01"
WIDGETS = f"""
import bidilab as bl
grid = bl.Grid(threshold=[0.3, 0.5, 0.7], prefix_padding_ms=[100, 300], silence_duration_ms=[200, 500])
result = bl.sweep("CALLS", grid, vad="energy", n_resamples=50, jobs=1, progress=False)
explorer = bl.SweepExplorer(result)
player = bl.ReplayPlayer("CALLS#{ID}")
editor = bl.LabelEditor("CALLS", by="mia")
session = bl.LiveSession()
"""
SHOWN = ("explorer", "player", "editor", "session")
ROOTS = (".bl-explorer", ".bl-replay", ".bl-labels", ".bl-live")
N_SLIDERS = {".bl-explorer": 2, ".bl-replay": 4, ".bl-labels": 0, ".bl-live": 3}
# Elements that Tab comes to, as the page's source has them; the first is given the focus, and what has it, told.
STOPS = """(root) => {
  const named = 'a[href], button, input, select, textarea, summary, [tabindex]';
  window.stops = [...root.querySelectorAll(named)].filter((e) => !e.disabled && e.tabIndex >= 0 && e.checkVisibility());
  window.stops[0].focus();
  return window.stops.length;
}"""
FOCUSED = """() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  const { left, top, right, bottom } = document.activeElement.getBoundingClientRect();
  const { y } = window.stops[0].getBoundingClientRect(); // the page may have scrolled
  const html = document.activeElement.outerHTML.slice(0, 120);
  const at = window.stops.indexOf(document.activeElement);
  const inside = window.stops[at - 1]?.contains(document.activeElement) ?? false; // as a table that scrolls
  return { at, inside, outlineStyle, outlineWidth, left, top: top - y, right, bottom: bottom - y, html };
}"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """One recording of overlap-mini."""
    folder = tmp_path / "calls"
    (folder / "audio").mkdir(parents=True)
    shutil.copy(MINI / "dataset.json", folder)
    line = next(x for x in map(json.loads, (MINI / "manifest.jsonl").read_text().splitlines()) if x["id"] == ID)
    shutil.copy(MINI / line["audio"], folder / "audio")
    (folder / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    return folder


def check_slider(slider: Locator) -> None:
    """An arrow moves it by a step, the other one back; a letter is no command of the notebook's."""
    step, greatest = float(slider.get_attribute("step") or 1), float(slider.get_attribute("max") or 0)
    keys = [("ArrowRight", step), ("ArrowLeft", -step)]
    slider.focus()
    slider.press("x")  # cuts the notebook's cell
    for key, by in keys if float(slider.input_value()) < greatest else keys[::-1]:
        before = float(slider.input_value())
        slider.press(key)
        moved = float(slider.input_value()) - before
        assert moved == pytest.approx(by), f"{key} on {slider.get_attribute('aria-label')}"


def check_tabs(page: Page, root: Locator) -> None:
    """Tab goes through the controls as they stand on the page, and each that has the focus is outlined."""
    n = root.evaluate(STOPS)
    before: dict[str, Any] | None = None
    for at in range(n):
        here = page.evaluate(FOCUSED)
        assert here["at"] == at, here
        assert here["outlineStyle"] != "none", here
        assert float(here["outlineWidth"].removesuffix("px")) >= 2, here
        if before is not None and not here["inside"]:
            assert here["top"] > before["bottom"] - 6 or here["left"] > before["right"] - 6, (before, here)
        before = here
        page.keyboard.press("Tab")


def check_space(widget: Locator) -> None:
    """Space on the timeline plays, and stops."""
    canvas = widget.locator(".bl-canvas")
    canvas.focus()
    for words in ("Stop", "Play"):
        canvas.press(" ")
        expect(widget.get_by_role("button", name=words)).to_be_visible()


@pytest.mark.parametrize("app", ["lab", "notebook7"])
def test_every_widget_by_keys_and_for_a_screen_reader(
    app: str, open_notebook: OpenNotebook, calls: Path, request: pytest.FixtureRequest
) -> None:
    from axe_playwright_python.sync_playwright import Axe  # 0.5 MB of script

    cells = [WIDGETS.replace("CALLS", str(calls)), *SHOWN]
    notebook = open_notebook(cells, viewport=(1280, 2600), server=request.getfixturevalue(app)).run_all()
    page = notebook.page
    page.locator(".bl-explorer [data-recording]").first.click()
    page.locator(".bl-explorer .bl-canvas").wait_for()
    n_cells = page.locator(".jp-Notebook .jp-Cell").count()
    for root in ROOTS:
        widget = page.locator(root)
        sliders = widget.locator("input[type=range]:enabled:visible").all()
        assert len(sliders) == N_SLIDERS[root]
        for slider in sliders:
            check_slider(slider)
        check_tabs(page, widget)
        if root != ".bl-live":
            check_space(widget)
    assert page.locator(".jp-Notebook .jp-Cell").count() == n_cells
    page.locator("input[name=threshold]").press("Control+s")  # the notebook's
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    for theme in ("dark", "light"):
        notebook.theme(theme).screenshot(f"keyboard-{app}-{theme}")
        found = Axe().run(page, context={"include": [[root] for root in ROOTS]})
        assert found.violations_count == 0, found.generate_report()
        assert {"label", "color-contrast", "button-name"} <= {passed["id"] for passed in found.response["passes"]}
