"""A `ReplayPlayer` of some hours in JupyterLab in Chromium: seconds until the first picture, and memory.

A stereo file of overlap-mini's recordings one behind the other, 16 kHz and 16 bits, without labels. The player is made
in one cell, with the energy detector, and shown by the next one; the picture is there when its canvas has pixels that
are not blank. Memory is the JavaScript heap of the page after a collection, the browser's processes (their shared parts
by share; Linux), and the kernel's greatest resident set. Last, the cursor goes to the end of the recording.

Run: ``uv run python -m tests.bench.long_player FOLDER 0.05 2``, one line for each length in hours
"""

import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import soundfile
from playwright.sync_api import sync_playwright

import bidilab as bl
from tests.browser.chromium import FLAGS, executable
from tests.browser.jupyter_server import jupyter_server
from tests.browser.notebook_page import NotebookPage

RATE = 16_000
MAKE = """
import time
import bidilab as bl
began = time.perf_counter()
player = bl.ReplayPlayer({path!r}, vad="energy")
made_s = time.perf_counter() - began
"""
PEAK = """
import re
from pathlib import Path
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
DRAWN = """() => {
  const canvas = document.querySelector(".bl-replay canvas");
  if (!canvas || !canvas.width) return false;
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(pixels.buffer)).size > 2;
}"""


def long_file(folder, hours):
    """A stereo file of so many hours."""
    path = folder / f"{hours:g}-h.wav"
    if not path.exists():
        dataset = [r for r in bl.load_dataset("overlap-mini") if r.sample_rate == RATE and "agent" in r.channels]
        samples = np.concatenate([np.stack([r.user(), r.agent()], 1) for r in dataset])
        n = round(hours * 3600 * RATE)
        with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
            while n > 0:
                file.write(samples[:n])
                n -= len(samples)
    return path


def heap_mb(page):
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    return metrics["JSHeapUsedSize"] / 1e6


def browser_mb():
    """Private and shared memory of the browser's processes, shared parts by their share."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name():
            total += int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{process.pid}/smaps_rollup").read_text(), re.M)[1])
    return total / 1e3


def one(folder, hours, server, playwright):
    path = long_file(folder, hours)
    browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
    page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
    notebook = NotebookPage(page, server, f"player-{hours:g}.ipynb", folder)
    notebook.open([MAKE.format(path=str(path))]).run_all()
    before = heap_mb(page), browser_mb()
    began = time.perf_counter()
    notebook.run("player", wait=False)
    page.wait_for_function(DRAWN)
    first_s = time.perf_counter() - began
    notebook._wait_until_ran(600_000)
    after = heap_mb(page), browser_mb()
    began = time.perf_counter()
    canvas = page.locator(".bl-replay canvas")
    canvas.press("End")
    notebook.painted()
    end_s = time.perf_counter() - began
    line = {
        "hours": hours,
        "file_mb": path.stat().st_size / 1e6,
        "made_s": float(notebook.text("made_s")),
        "first_picture_s": first_s,
        "to_the_end_s": end_s,
        "heap_mb": [before[0], after[0]],
        "browser_mb": [before[1], after[1]],
        "kernel_mb": int(notebook.text(PEAK)) / 1e3,
        "at": canvas.get_attribute("aria-valuenow"),
        "errors": notebook.errors,
        "load": os.getloadavg()[0],
    }
    notebook.screenshot(f"player-{hours:g}", page.locator(".bl-replay"))
    browser.close()
    print(json.dumps(line), flush=True)


def main():
    folder, *hours = sys.argv[1:]
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="bidilab-long-player-"))
    try:
        with jupyter_server(place) as server, sync_playwright() as playwright:
            for each in map(float, hours):
                one(folder, each, server, playwright)
                server.shut_kernels_down()
                server.wait_for_kernels()
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
