"""What a notebook's file keeps of each widget: opened without its kernel, and exported, it shows what happened."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenNotebook
from tests.browser.jupyter_server import JupyterServer
from tests.browser.notebook_page import NotebookPage
from tests.conftest import ROOT

RECORDING = f"{ROOT}/datasets/overlap-mini#early-clean-01"
CELLS = (
    f"""
import os
os.environ["BIDILAB_CACHE_DIR"] = "FOLDER"
import bidilab as bl

live = bl.LiveSession(microphone={RECORDING!r}, tail_ms=500)
live
""",
    f"""
grid = bl.Grid(threshold="0.1:0.9:0.1", prefix_padding_ms=300, silence_duration_ms=[200, 400, 600, 800])
dataset = {str(ROOT / "datasets" / "overlap-mini")!r}
result = bl.sweep(dataset, grid, vad="energy", n_resamples=20, jobs=1, progress=False)
explorer = bl.SweepExplorer(result)
explorer
""",
    f"player = bl.ReplayPlayer({RECORDING!r}, vad='energy')\nplayer",
    "editor = bl.LabelEditor('FOLDER/calls', by='mia')\neditor",
)
LIMIT_MS = 30_000
NOT_FOUND = "widget model not found"  # what JupyterLab's manager writes into the console; on the page nothing is said


@pytest.fixture
def cells(tmp_path: Path) -> list[str]:
    """The cells, and a folder with a dataset of one recording whose labels nobody has confirmed."""
    mini, calls = ROOT / "datasets" / "overlap-mini", tmp_path / "calls"
    (calls / "audio").mkdir(parents=True)
    shutil.copy(mini / "dataset.json", calls)
    line = next(
        x for x in map(json.loads, (mini / "manifest.jsonl").read_text().splitlines()) if "early-echo-01" in x["id"]
    )
    shutil.copy(mini / line["audio"], calls / "audio")
    line["segments"] = [segment | {"origin": "proposed", "by": "rule"} for segment in line["segments"]]
    (calls / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    return [cell.replace("FOLDER", str(tmp_path)) for cell in CELLS]


def use(notebook: NotebookPage) -> None:
    """Do in the page what each widget is for."""
    page = notebook.page
    page.locator(".bl-live-start").click()
    expect(page.locator(".bl-saved").first).to_be_hidden()
    heat = page.locator(".bl-heatmap")
    box = heat.bounding_box()
    assert box is not None
    heat.click(position={"x": 90, "y": box["height"] / 2})
    labels = page.locator(".bl-labels canvas")
    labels.focus()
    labels.press("n")
    status = page.locator(".bl-labels [role=status]").first
    expect(status).to_have_text(re.compile("^1 of "), timeout=LIMIT_MS)
    labels.press("Enter")  # accepts the first, and goes on to the second
    expect(status).to_have_text(re.compile("^2 of "), timeout=LIMIT_MS)
    page.locator(".bl-live-status", has_text="ended").wait_for()


def said(selected: int, n_labels: int) -> list[re.Pattern[str]]:
    return [
        re.compile(r"state\s*ended.*interruptions\s*4.*silent \d+ ms after the onset", re.DOTALL),
        re.compile(rf"The selected setting.*setting\s*{selected}:", re.DOTALL),
        re.compile("energy.*: threshold 1,"),
        re.compile(f"labels\\s*1 confirmed, {n_labels - 1} proposed"),
    ]


def shows(found: Locator, expected: list[re.Pattern[str]]) -> None:
    expect(found).to_have_count(len(expected))
    for at, pattern in enumerate(expected):
        expect(found.nth(at)).to_contain_text(pattern, timeout=LIMIT_MS)
        expect(found.nth(at).locator("img")).to_be_visible()
        assert found.nth(at).locator("img").evaluate("(image) => image.naturalWidth") > 400


def no_word_of_a_model(page: Page) -> None:
    page.wait_for_timeout(3000)  # a manager gives up looking for a model after two seconds
    for words in ("model not found", "Loading widget"):
        for found in page.get_by_text(words).all():
            expect(found).to_be_hidden()


@pytest.mark.skipif(
    bool(os.environ.get("CI")) and not os.environ.get("BIDILAB_SAVED"),
    reason="takes three minutes, which CI has not; make test runs it, and BIDILAB_SAVED=1 in CI",
)
@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_a_saved_notebook_shows_what_happened(
    app: str, open_notebook: OpenNotebook, cells: list[str], request: pytest.FixtureRequest
) -> None:
    server: JupyterServer = request.getfixturevalue({"lab": "lab", "notebook": "notebook7"}[app])
    notebook = open_notebook(cells, viewport=(1280, 2400), server=server).run_all()
    page = notebook.page
    use(notebook)
    # A page loaded anew hears of no output that is written anew, and writes it itself.
    notebook.reload()
    threshold = page.locator(".bl-replay [data-parameter=threshold] input")
    threshold.focus()
    threshold.press("End")
    expect(page.locator(".bl-saved").nth(2)).to_contain_text("threshold 1,", timeout=LIMIT_MS)
    expect(page.locator(".bl-saved").nth(2)).to_be_hidden()
    expected = said(int(notebook.text("explorer.selected")), int(notebook.text("len(editor.segments)")))
    notebook.save()
    server.shut_kernels_down()
    server.wait_for_kernels()  # a page that opens meanwhile takes the kernel that is about to end, and waits for it
    notebook.visit()
    no_word_of_a_model(page)
    shows(page.locator(".bl-saved"), expected)
    for theme in ("light", "dark"):
        notebook.theme(theme)
        for at in range(len(expected)):
            notebook.screenshot(f"saved-{app}-{theme}-{at}", page.locator(".bl-saved").nth(at))
    notebook.errors[:] = [error for error in notebook.errors if NOT_FOUND not in error]
    html = exported(notebook.file)
    for pattern in expected:
        assert pattern.search(re.sub("<[^>]*>", "\n", html)), pattern
    assert html.count("bl-saved") == len(expected)
    assert "model not found" not in html


def exported(notebook: Path) -> str:
    """The notebook as nbconvert makes HTML of it; a warning fails the test."""
    from nbconvert import HTMLExporter  # takes a second

    return str(HTMLExporter().from_filename(str(notebook))[0])
