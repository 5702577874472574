"""ReplayPlayer in JupyterLab: a slider moves the turns, a button finds the next error, both themes, a reload."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenNotebook

DATASET = Path(__file__).resolve().parents[2] / "datasets" / "overlap-mini"
PLAYER = f"""
import bidilab as bl
player = bl.ReplayPlayer({f"{DATASET}#early-clean-01"!r})
player
"""
SESSION = f"""
import bidilab as bl
player = bl.ReplayPlayer(bl.replay({f"{DATASET}#early-clean-01"!r}))
player
"""


def number(widget: Locator, label: str) -> str:
    row = widget.locator("tr", has=widget.page.get_by_role("rowheader", name=label, exact=True))
    return row.locator("td").first.inner_text()


def slide(widget: Locator, parameter: str, keys: Sequence[str]) -> None:
    slider = widget.locator(f"[data-parameter={parameter}] input")
    slider.focus()
    for key in keys:
        slider.press(key)


def test_moving_a_slider_moves_turns_and_numbers(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([PLAYER]).run_all()
    widget = notebook.page.locator(".bl-replay")
    # Turns at 0.6, 6.0, 11.5, 14.8 and 16.5 s, with pauses of 0.9, 2.8, 1.9 and 1.4 s: of 2 s only the second is left.
    assert number(widget, "turns of the detector") == "5"
    slide(widget, "silence_duration_ms", ["End"])
    turns = widget.locator("tr", has_text="turns of the detector").locator("td").first
    expect(turns).to_have_text("2")
    assert notebook.text("player.params.silence_duration_ms, len(player.turns)") == "(2000.0, 2)"
    # And the other way: what a cell sets is what the slider shows.
    notebook.run("player.threshold = 0.83")
    threshold = widget.locator("[data-parameter=threshold]")
    expect(threshold.locator("output")).to_have_text("0.83")
    expect(threshold.locator("input")).to_have_value("0.83")
    notebook.reload()
    expect(widget.locator("[data-parameter=silence_duration_ms] output")).to_have_text("2000 ms")
    expect(turns).to_have_text("2")


def test_stepping_from_one_error_to_the_next_and_hearing_it(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([PLAYER]).run_all()
    widget = notebook.page.locator(".bl-replay")
    status, cursor = widget.locator("[role=status]"), widget.locator("canvas")
    following = widget.get_by_role("button", name="next")
    following.click()
    expect(status).to_have_text("1 of 2: false interruption, backchannel, at 11.49 s.")
    expect(cursor).to_have_attribute("aria-valuenow", "11.456")
    expect(cursor).to_have_attribute("aria-valuetext", re.compile("user: backchannel.*false interruption"))
    following.click()
    expect(status).to_have_text("2 of 2: false interruption, backchannel, at 14.78 s.")
    following.click()
    expect(status).to_have_text("No missed or false interruption after the cursor.")
    widget.get_by_role("button", name="previous").click()
    expect(status).to_have_text("1 of 2: false interruption, backchannel, at 11.49 s.")
    for _ in range(8):
        widget.get_by_role("button", name="Zoom in").click()
    notebook.page.wait_for_timeout(500)  # the waveform in detail is on its way
    notebook.screenshot("replay-zoomed", widget)
    for key in ("0", "End", *["ArrowLeft"] * 5):
        cursor.press(key)
    widget.get_by_role("button", name="Play").click()
    expect(widget.get_by_role("button", name="Stop")).to_be_visible()
    expect(status).to_have_text("The end of the recording.")
    expect(widget.get_by_role("button", name="Play")).to_be_visible()


def test_both_themes_and_the_saved_notebook(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SESSION], viewport=(1280, 1100)).run_all()
    widget = notebook.page.locator(".bl-replay")
    expect(widget.locator("tr", has_text="in the session")).to_contain_text("1 true, 3 false, 0 missed; 5 turns")
    for theme in ("dark", "light"):
        notebook.theme(theme)
        notebook.page.wait_for_timeout(300)  # two frames are painted
        notebook.screenshot(f"replay-{theme}", widget)
    saved = nbformat.read(notebook.save().file, as_version=4).cells[0].outputs[0].data
    assert saved["image/png"]
    assert "1 true, 3 false, 0 missed; 5 turns" in saved["text/html"]
