"""`SweepExplorer` in JupyterLab: by mouse, by keys, and from the next cell."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook
from tests.conftest import ROOT

SWEEP = f"""
import os
os.environ["BIDILAB_CACHE_DIR"] = "FOLDER"
import bidilab as bl

grid = bl.Grid(threshold="0.1:0.9:0.1", prefix_padding_ms=[100, 300, 500], silence_duration_ms=[200, 400, 600, 800])
dataset = {str(ROOT / "datasets" / "overlap-mini")!r}
result = bl.sweep(dataset, grid, vad="energy", n_resamples=100, jobs=1, progress=False)
"""
EXPLORER = "explorer = bl.SweepExplorer(result, metric='false_interruption_rate')\nexplorer"


@pytest.fixture
def explorer(kept_notebook: OpenNotebook, shared_cache: Path):
    notebook = kept_notebook([SWEEP.replace("FOLDER", str(shared_cache)), EXPLORER], viewport=(1280, 1700)).run_all()
    notebook.page.locator(".bl-heatmap").wait_for()
    notebook.page.locator(".bl-explorer [data-recording]").first.wait_for()
    return notebook


def test_from_the_heat_map_to_one_recording(explorer):
    page = explorer.page
    root = page.locator(".bl-explorer")
    recommended = int(explorer.text("explorer.selected"))
    assert f"Setting {recommended}" in root.locator(".bl-explorer-numbers").inner_text()

    heat = root.locator(".bl-heatmap")
    box = heat.bounding_box()
    heat.hover(position={"x": 90, "y": box["height"] / 2})
    tip = root.locator(".bl-tip")
    assert "n = " in tip.inner_text()
    heat.click(position={"x": 90, "y": box["height"] / 2})
    clicked = int(explorer.text("explorer.selected"))
    assert clicked != recommended
    threshold = float(explorer.text("print(result.settings.loc[explorer.selected, 'threshold'])"))
    assert f"threshold {threshold:g}" in tip.inner_text()
    assert f"Setting {clicked}" in root.locator(".bl-explorer-numbers").inner_text()

    heat.press("ArrowRight")
    heat.press("ArrowUp")
    # The next threshold is 3 × 4 settings on, the next silence duration one.
    explorer.becomes("explorer.selected", str(clicked + 12 + 1))

    first = root.locator("[data-recording]").first
    name = first.inner_text()
    first.click()
    timeline = root.locator(".bl-canvas")
    timeline.wait_for()
    assert explorer.text("explorer.recording") == repr(name)
    assert name in root.inner_text()
    root.get_by_role("button", name="Play from the cursor").click()
    root.get_by_role("button", name="Stop").wait_for()
    page.wait_for_function("() => document.querySelector('.bl-explorer section [role=alert]').textContent === ''")
    root.get_by_role("button", name="Stop").click()
    for theme in ("light", "dark"):
        explorer.theme(theme).screenshot(f"explorer-{theme}", root)
    beside = root.locator(".bl-explorer-numbers")
    assert "premature endpoints (%)" in beside.get_by_role("rowheader").all_inner_texts()
    assert {"selected (95 %)", "default (95 %)"} <= set(beside.get_by_role("columnheader").all_inner_texts())
    key = root.locator(".bl-explorer-key")
    assert "too narrow" not in key.inner_text()
    root.evaluate("(explorer) => { explorer.style.width = '300px'; }")
    expect(key).to_contain_text("too narrow for numbers: point at a cell")


def test_two_settings_compared_and_one_used(explorer):
    root = explorer.page.locator(".bl-explorer")
    heat = root.locator(".bl-heatmap")
    root.get_by_role("button", name="Pin as A").focus()
    root.get_by_role("button", name="Pin as A").press("Enter")  # a key that the notebook would take for its own
    for _ in range(3):
        heat.press("ArrowLeft")
    root.get_by_role("button", name="Pin as B").click()
    compared = root.get_by_role("region", name="Two settings compared")
    compared.get_by_role("row").nth(3).wait_for()
    explorer.becomes("explorer.pinned[0] == (explorer.pinned[1] or 0) + 3 * 12", "True")
    difference = float(explorer.text("print(100 * explorer.comparison().loc['missed_rate', 'difference'])"))
    row = compared.get_by_role("row").filter(has_text="missed interruptions").inner_text()
    assert f"{abs(difference):.1f}" in row

    root.get_by_role("button", name="Use this setting").click()
    exports = root.get_by_role("region", name="Use this setting")
    exports.locator("pre").wait_for()
    assert exports.locator("pre").inner_text().strip() == explorer.text("print(explorer.export())")
    exports.get_by_role("combobox").select_option("openai")
    used = json.loads(exports.locator("pre").inner_text())
    assert used["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    explorer.theme("dark").screenshot("explorer-compared-dark", root)
    explorer.theme("light").screenshot("explorer-compared-light", root)

    explorer.reload()
    root = explorer.page.locator(".bl-explorer")
    root.get_by_role("region", name="Two settings compared").get_by_role("row").nth(3).wait_for()
    expect(root.get_by_role("button", name="Pin as B")).to_have_attribute("aria-pressed", "true")


def test_other_axes_and_the_best_of_what_is_held(explorer):
    root = explorer.page.locator(".bl-explorer")
    root.get_by_label("show", exact=True).select_option("onset_clipped_ms_p90")
    root.get_by_label("up", exact=True).select_option("prefix_padding_ms")
    root.get_by_label("best", exact=True).check()
    at = {"silence_duration_ms": "best"}
    plane = {"metric": "onset_clipped_ms_p90", "x": "threshold", "y": "prefix_padding_ms", "at": at}
    explorer.becomes("print(explorer.plane.to_dict())", str(plane))
    assert explorer.text("len(explorer.to_frame())") == "27"
    explorer.run("explorer.show('missed_rate', x='silence_duration_ms', y='threshold', at={'prefix_padding_ms': 500})")
    slider = root.get_by_role("slider", name="prefix padding")
    expect(slider).to_have_attribute("aria-valuetext", "500 ms")
    expect(root.get_by_label("show", exact=True)).to_have_value("missed_rate")
    slider.fill("1")  # the second of 100, 300 and 500 ms
    explorer.becomes("explorer.plane.at", "{'prefix_padding_ms': 300.0}")
    explorer.screenshot("explorer-other-axes", root)


SCORED = """
import os
os.environ["BIDILAB_CACHE_DIR"] = "FOLDER"
import math
import numpy as np
import bidilab as bl

class Loudness:
    name, version, sample_rate = "loudness", "1", 16_000
    window_samples, preroll_samples, latency_ms = 48_000, 800, 30.0
    def scores(self, windows):
        return np.array([abs(math.sin(1e4 * float(np.abs(w).mean()))) for w in windows], np.float32)

grid = bl.Grid(threshold="0.3:0.7:0.2", prefix_padding_ms=300, silence_duration_ms=[200, 500], eot=Loudness(),
               eot_threshold=[None, 0.3, 0.6, 0.8], eot_action_delay_ms=[0, 400], eot_timeout_ms=[1000, 3000])
result = bl.sweep(DATASET, grid, vad="energy", n_resamples=50, jobs=1, progress=False)
""".replace("DATASET", repr(str(ROOT / "datasets" / "overlap-mini")))


def test_turns_that_end_by_a_score(kept_notebook: OpenNotebook, shared_cache: Path):
    cells = [SCORED.replace("FOLDER", str(shared_cache)), "explorer = bl.SweepExplorer(result)\nexplorer"]
    explorer = kept_notebook(cells, viewport=(1280, 1400)).run_all()
    root = explorer.page.locator(".bl-explorer")
    root.locator("[data-recording]").first.wait_for()
    root.get_by_label("show", exact=True).select_option("cutoff_rate")
    root.get_by_label("up", exact=True).select_option("eot_threshold")
    slider = root.get_by_role("slider", name="end-of-turn timeout")
    slider.fill("0")
    explorer.becomes("explorer.plane.at['eot_timeout_ms']", "1000.0")
    heat = root.locator(".bl-heatmap")
    box = heat.bounding_box()
    heat.click(position={"x": 90, "y": box["height"] - 55})  # the lowest row: a threshold of 0.3
    explorer.becomes("print(result.settings.loc[explorer.selected, 'eot_threshold'])", "0.3")
    numbers = root.locator(".bl-explorer-numbers")
    explorer.page.wait_for_function(
        "() => document.querySelector('.bl-explorer-numbers').innerText.includes('A turn ends by a score of loudness')"
    )
    assert {"premature endpoints", "pauses cut off"} <= {
        text.split(" (")[0] for text in numbers.locator("th").all_inner_texts()
    }
    heat.press("ArrowUp")
    heat.press("ArrowUp")
    heat.press("ArrowUp")
    explorer.becomes("print(result.settings.loc[explorer.selected, 'eot_threshold'])", "inf")
    assert "end-of-turn threshold off" in numbers.inner_text()
    assert "end-of-turn delay" not in numbers.locator("div").first.inner_text()
    root.get_by_label("up", exact=True).select_option("silence_duration_ms")
    slider = root.get_by_role("slider", name="end-of-turn threshold")
    assert slider.get_attribute("aria-valuetext") == "off"
    slider.fill("1")
    assert slider.get_attribute("aria-valuetext") == "0.6"
    explorer.becomes("explorer.plane.at['eot_threshold']", "0.6")
    for theme in ("light", "dark"):
        explorer.theme(theme).screenshot(f"explorer-scored-{theme}", root)
