"""LabelEditor in JupyterLab: keys and mouse change the dataset's folder, a reload shows it, both themes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from bidilab.lab.datasets import Dataset
from tests.browser.conftest import OpenNotebook

MINI = Path(__file__).resolve().parents[2] / "datasets" / "overlap-mini"
ID = "early-echo-01"
RIGHT_PX, LEFT_PX = 58, 84


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One recording of overlap-mini whose labels nobody has confirmed."""
    (tmp_path / "calls" / "audio").mkdir(parents=True)
    shutil.copy(MINI / "dataset.json", tmp_path / "calls")
    line = next(x for x in map(json.loads, (MINI / "manifest.jsonl").read_text().splitlines()) if x["id"] == ID)
    shutil.copy(MINI / line["audio"], tmp_path / "calls" / "audio")
    line["segments"] = [segment | {"origin": "proposed", "by": "rule"} for segment in line["segments"]]
    (tmp_path / "calls" / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    return tmp_path / "calls"


def x_of(canvas: Locator, t_s: float, duration_s: float) -> float:
    """Where a time is, pixels from the canvas' left, when all is shown."""
    box = canvas.bounding_box()
    assert box is not None
    return LEFT_PX + t_s / duration_s * (box["width"] - LEFT_PX - RIGHT_PX)


def test_labels_are_mended_with_keys_and_mouse(open_notebook: OpenNotebook, root: Path) -> None:
    cell = f"import bidilab as bl\neditor = bl.LabelEditor({str(root)!r}, by='mia')\neditor"
    notebook = open_notebook([cell], viewport=(1280, 900)).run_all()
    widget = notebook.page.locator(".bl-labels")
    said, canvas = widget.locator("[role=status]"), widget.locator("canvas")
    labels = Dataset.load(root)[ID].segments
    expect(widget).to_contain_text(f"{len(labels)} labels, {len(labels)} not confirmed")

    canvas.focus()
    canvas.press("n")
    expect(said).to_have_text(re.compile(r"^1 of .*proposed, not confirmed\.$"))
    canvas.press("Enter")  # accepts the first, and goes on to the second
    expect(said).to_have_text(re.compile(r"^2 of "))
    expect(widget).to_contain_text(f"{len(labels) - 1} not confirmed")

    # The mouse: an interruption is selected by a click, and its end dragged 0.3 s later.
    index = next(k for k, s in enumerate(labels) if s.kind == "interruption")
    chosen, duration_s = labels[index], Dataset.load(root)[ID].duration_s
    y = 66 + 6 + 4 + 40  # the user's row
    middle = (chosen.start_s + chosen.end_s) / 2
    canvas.click(position={"x": x_of(canvas, middle, duration_s), "y": y})
    expect(said).to_contain_text("interruption")
    box = canvas.bounding_box()
    assert box is not None
    notebook.page.mouse.move(box["x"] + x_of(canvas, chosen.end_s, duration_s), box["y"] + y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(box["x"] + x_of(canvas, chosen.end_s + 0.3, duration_s), box["y"] + y, steps=4)
    notebook.page.mouse.up()
    expect(said).to_contain_text("Moved.")
    moved = next(s for s in Dataset.load(root)[ID].segments if s.start_s == chosen.start_s and s.by == "mia")
    assert abs(moved.end_s - chosen.end_s - 0.3) < 0.05  # a pixel is 20 ms
    canvas.press("3")
    expect(said).to_contain_text("Is backchannel.")
    notebook.screenshot("labels-chosen", widget)
    canvas.press("Control+z")
    canvas.press("Control+z")
    expect(said).to_contain_text("Undo: moved user interruption")
    assert chosen in Dataset.load(root)[ID].segments
    expect(said).to_contain_text("interruption")  # it is still selected
    canvas.press(".")  # an edge moved by a key: nobody has confirmed the label yet
    expect(said).to_contain_text("Moved, not confirmed.")
    expect(widget).to_contain_text(f"{len(labels) - 1} not confirmed")
    canvas.press("Control+z")
    expect(said).to_contain_text("Undo: moved user interruption")
    assert chosen in Dataset.load(root)[ID].segments
    expect(widget.get_by_role("list", name="Legend")).to_contain_text("nobody has confirmed")

    # Shift and drag adds a label; over one of its own kind it is refused in words.
    for _ in range(2):
        notebook.page.keyboard.down("Shift")
        notebook.page.mouse.move(box["x"] + x_of(canvas, 0.05, duration_s), box["y"] + y)
        notebook.page.mouse.down()
        notebook.page.mouse.move(box["x"] + x_of(canvas, 0.25, duration_s), box["y"] + y, steps=4)
        notebook.page.mouse.up()
        notebook.page.keyboard.up("Shift")
        expect(widget).to_contain_text(f"{len(labels) + 1} labels")
    expect(widget.get_by_role("alert")).to_contain_text("Not changed: label must be apart from the user turn")

    notebook.reload()
    expect(widget).to_contain_text(f"{len(labels) + 1} labels, {len(labels) - 1} not confirmed")
    for theme in ("dark", "light"):
        notebook.theme(theme)
        notebook.screenshot(f"labels-{theme}", widget)
    saved = notebook.save().saved_outputs(0)[-1].data
    assert saved["image/png"]
    assert "proposed" in saved["text/html"]
