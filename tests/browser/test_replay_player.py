"""ReplayPlayer in JupyterLab: a slider moves the turns, a button finds the next error, both themes, a reload."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

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
SCORED = f"""
import math
import numpy as np
import bidilab as bl

class Loudness:
    name, version, sample_rate = "loudness", "1", 16_000
    window_samples, preroll_samples, latency_ms = 48_000, 800, 30.0
    def scores(self, windows):
        return np.array([abs(math.sin(1e4 * float(np.abs(w).mean()))) for w in windows], np.float32)

quick = bl.TurnParams(silence_duration_ms=200)
player = bl.ReplayPlayer({f"{DATASET}#early-clean-01"!r}, scorer=Loudness(), params=quick)
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


def test_moving_a_slider_moves_turns_and_numbers(kept_notebook: OpenNotebook) -> None:
    notebook = kept_notebook([PLAYER]).run_all()
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


def test_stepping_from_one_error_to_the_next_and_hearing_it(kept_notebook: OpenNotebook) -> None:
    notebook = kept_notebook([PLAYER]).run_all()
    widget = notebook.page.locator(".bl-replay")
    status, cursor = widget.locator("[role=status]"), widget.locator("canvas")
    following = widget.get_by_role("button", name="next")
    following.click()
    expect(status).to_have_text("1 of 3: false interruption, backchannel, at 11.49 s.")
    expect(cursor).to_have_attribute("aria-valuenow", "11.410")
    expect(cursor).to_have_attribute("aria-valuetext", re.compile("user: backchannel.*false interruption"))
    following.click()
    expect(status).to_have_text("2 of 3: false interruption, backchannel, at 14.78 s.")
    following.click()
    # The agent is silent by then; judged for itself, the noise would have stopped it.
    expect(status).to_have_text(re.compile(r"3 of 3: false interruption, noise \(agent silent\), at 16\.\d+ s\."))
    following.click()
    expect(status).to_have_text("No missed or false interruption after the cursor.")
    widget.get_by_role("button", name="previous").click()
    expect(status).to_have_text("2 of 3: false interruption, backchannel, at 14.78 s.")
    widget.get_by_role("button", name="previous").click()
    expect(status).to_have_text("1 of 3: false interruption, backchannel, at 11.49 s.")
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


def test_both_themes_and_the_saved_notebook(kept_notebook: OpenNotebook) -> None:
    notebook = kept_notebook([SESSION], viewport=(1280, 1100)).run_all()
    widget = notebook.page.locator(".bl-replay")
    expect(widget.locator("tr", has_text="in the session")).to_contain_text(
        "1 true, 3 false, 0 by a user who only went on, 0 missed; 5 turns"
    )
    for theme in ("dark", "light"):
        notebook.theme(theme)
        notebook.screenshot(f"replay-{theme}", widget)
    saved = notebook.save().saved_outputs(0)[-1].data
    assert saved["image/png"]
    assert "1 true, 3 false, 0 by a user who only went on, 0 missed; 5 turns" in saved["text/html"]


def test_turns_that_end_by_a_score(kept_notebook: OpenNotebook) -> None:
    notebook = kept_notebook([SCORED], viewport=(1280, 1200)).run_all()
    widget = notebook.page.locator(".bl-replay")
    by_score = int(notebook.text("print(sum(turn.cause == 'score' for turn in player.turns))"))
    assert number(widget, "turns ended by a score") == str(by_score)
    assert by_score > 0
    legend = widget.get_by_role("list", name="Legend")
    expect(legend).to_contain_text("turn ended by a score")
    at_s = float(notebook.text("print(player.scores['asked_s'][0])"))
    score = float(notebook.text("print(player.scores['score'][0])"))
    notebook.page.evaluate("() => document.querySelector('.bl-replay canvas').focus()")
    slide(widget, "eot_threshold", ["End"])  # no score is above 1: only the timeout ends turns
    expect(widget.locator("tr", has_text="turns ended by a score").locator("td").first).to_have_text("0")
    slide(widget, "eot_action_delay_ms", ["End"])
    slide(widget, "eot_timeout_ms", ["Home", "PageUp"])  # takes the delay along
    notebook.becomes("player.end_of_turn.action_delay_ms <= player.end_of_turn.timeout_ms < 2000", "True")
    expect(legend).to_contain_text("turn ended by the timeout")
    for theme in ("dark", "light"):
        notebook.theme(theme)
        notebook.screenshot(f"replay-timeout-{theme}", widget)
    widget.get_by_role("button", name="reset").click()
    expect(widget.locator("tr", has_text="turns ended by a score").locator("td").first).to_have_text(str(by_score))
    # The readout says where a score was asked and what came of it.
    canvas = widget.locator("canvas")
    box, duration_s = canvas.bounding_box(), float(canvas.get_attribute("aria-valuemax") or 0)
    assert box is not None
    x = 84 + at_s / duration_s * (box["width"] - 84 - 58)
    canvas.hover(position={"x": x, "y": 180})
    expect(widget.locator(".bl-timeline-readout")).to_contain_text(f"score {score:.2f}")
    canvas.hover(position={"x": 84 + 11.5 / duration_s * (box["width"] - 84 - 58), "y": 110})
    expect(widget.locator(".bl-tip")).to_contain_text("backchannel")
    notebook.screenshot("replay-scored-tip", widget)
    for theme in ("dark", "light"):
        notebook.theme(theme)
        notebook.screenshot(f"replay-scored-{theme}", widget)
    widget.get_by_label("turns end by a score of loudness 1").uncheck()
    expect(widget.locator("tr", has_text="turns ended by a score")).to_have_count(0)
    assert notebook.text("player.end_of_turn is None") == "True"
    # Keys: next, previous, play, as in LabelEditor.
    canvas.press("0")
    canvas.press("Home")
    canvas.press("n")
    expect(widget.locator("[role=status]")).to_contain_text("1 of ")
    canvas.press("n")
    canvas.press("p")
    expect(widget.locator("[role=status]")).to_contain_text("1 of ")
    canvas.press(" ")
    expect(widget.get_by_role("button", name="Stop")).to_be_visible()
    canvas.press(" ")
    expect(widget.get_by_role("button", name="Play")).to_be_visible()
