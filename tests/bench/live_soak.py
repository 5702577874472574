"""A live session for half an hour: does memory stay flat, do the clocks stay together, is a frame lost?

    uv run python -m tests.bench.live_soak --minutes 30

JupyterLab in headless Chromium, the local model, a microphone that is a file: speech that interrupts the agent, and
a click every five seconds. The kernel notes at which sample of its input each click lies.
A click that is not five seconds after the one before it is a clock that drifts (a little, each time) or a buffer that
the browser lost or made up (a step; of 10 ms where Chromium's AudioContext captures). It prints a line a minute and a
verdict, and fails by its exit code.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from playwright.sync_api import sync_playwright

import bidilab as bl
from bidilab.detect.vad.resampling import resample
from tests.browser.chromium import FLAGS, executable
from tests.browser.jupyter_server import jupyter_server
from tests.browser.notebook_page import NotebookPage

RATE = 48_000
PERIOD_S = 20
CLICK_EVERY_S = 5
MAX_DRIFT_MS = 5.0
MAX_GROWTH_MB = 60.0
DATASET = Path(__file__).parents[2] / "datasets/overlap-mini"

CELLS = [
    """
import numpy as np
import psutil
import bidilab as bl
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.bidi.types.events import BidiAudioInputEvent

RATE = 24_000

class Listener(BidiLocalModel):
    position, clicks = 0, []

    async def send(self, content):
        if isinstance(content, BidiAudioInputEvent):
            loud = np.flatnonzero(np.abs(content.pcm.astype(int)) > 16_000)
            if len(loud) and (not self.clicks or self.position + loud[0] - self.clicks[-1] > RATE):
                peak = loud[0] + np.argmax(np.abs(content.pcm.astype(int))[loud[0] : loud[0] + 24])
                self.clicks.append(int(self.position + peak))
            self.position += len(content.pcm)
        await super().send(content)

session = bl.LiveSession(Listener(input_rate=RATE, output_rate=RATE), echo_cancellation=False)
session
""",
    """
import json

def state():
    rows = list(session.log)
    heard = [row for row in rows if row.type == "bidi_audio_input"]
    return json.dumps({
        "rss_mb": psutil.Process().memory_info().rss / 1e6,
        "rows": len(rows),
        "clicks": session._model.clicks,
        "heard_s": session._model.position / RATE,
        "gaps": sum(row.type == "input_gap" for row in rows),
        "errors": sorted({row.type for row in rows if row.source == "error"}),
        "interruptions": sum(row.type == "bidi_interruption" for row in rows),
        "unconfirmed": sum(row.type == "cut_unconfirmed" for row in rows),
        "clock_ms": [1000 * (row.t_s - row.input_samples / RATE) for row in heard[-5:]],
        "running": session.running,
    })
""",
]


def write_microphone(path: Path, minutes: float) -> None:
    """Speech, at a third of its level, with a click of four samples every five seconds; 20 s again and again."""
    recording = bl.load_dataset(DATASET)["early-clean-01"]
    period = np.zeros(PERIOD_S * RATE, np.float32)
    speech = resample(recording.user(), recording.sample_rate, RATE)[: len(period)]
    period[: len(speech)] = speech / 3
    for second in range(0, PERIOD_S, CLICK_EVERY_S):
        start = second * RATE + RATE // 4
        period[start : start + 4] = 0.95
    with soundfile.SoundFile(path, "w", samplerate=RATE, channels=1, subtype="PCM_16") as file:
        for _ in range(int(minutes * 60 / PERIOD_S) + 2):
            file.write(period)


def late_ms(clicks: list[int], rate: int = 24_000) -> list[float]:
    """How much later than five seconds after the one before it each click lies, summed: 0 where nothing drifts."""
    at = np.array(clicks) - clicks[0]
    number = np.round(at / (CLICK_EVERY_S * rate))
    return [round(float(late), 2) for late in 1000 * (at - number * CLICK_EVERY_S * rate) / rate]


def page_mb(cdp: Any) -> float:
    cdp.send("HeapProfiler.collectGarbage")
    metrics = {m["name"]: m["value"] for m in cdp.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"] / 1e6)


def soak(minutes: float, folder: Path) -> list[dict[str, Any]]:
    microphone = folder / "microphone.wav"
    write_microphone(microphone, minutes)
    flags = [
        *FLAGS,
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
    ]
    told = []
    (folder / "jupyter").mkdir()
    with jupyter_server(folder / "jupyter") as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=flags)
        context = browser.new_context(permissions=["microphone"])
        notebook = NotebookPage(context.new_page(), server, "soak.ipynb", folder).open(CELLS).run_all()
        cdp = context.new_cdp_session(notebook.page)
        cdp.send("Performance.enable")
        notebook.page.locator(".bl-live-start").click()
        notebook.page.locator(".bl-live-status", has_text="running").wait_for()
        began = time.monotonic()
        for minute in range(1, round(minutes) + 1):
            # By the clock, else the questions' own seconds on a busy machine outlast the microphone's file.
            notebook.page.wait_for_timeout(max(0.0, 1000 * (began + 60 * minute - time.monotonic())))
            seen = json.loads(notebook.text("print(state())"))
            seen |= {"minute": minute, "page_mb": page_mb(cdp)}
            told.append(seen)
            shown = {key: value for key, value in seen.items() if key != "clicks"}
            print(json.dumps(shown | {"n_clicks": len(seen["clicks"])}), flush=True)
        notebook.page.locator(".bl-live-start").click()
        browser.close()
    return told


def verdict(told: list[dict[str, Any]]) -> dict[str, Any]:
    """What was measured, and what of it is beyond its bound. Memory is compared from the second minute on."""
    first, last = told[min(1, len(told) - 1)], told[-1]
    late = late_ms(last["clicks"])
    expected = last["heard_s"] / CLICK_EVERY_S
    measured = {
        "minutes": last["minute"],
        "worst_click_ms": max(map(abs, late)),
        "steps_ms": [[k, b - a] for k, (a, b) in enumerate(itertools.pairwise(late)) if abs(b - a) > 0.1],
        "clock_ms": last["clock_ms"],
        "clicks": len(last["clicks"]),
        "clicks_expected": round(expected, 1),
        "gaps": last["gaps"],
        "errors": last["errors"],
        "interruptions": last["interruptions"],
        "unconfirmed": last["unconfirmed"],
        "kernel_growth_mb": last["rss_mb"] - first["rss_mb"],
        "page_growth_mb": last["page_mb"] - first["page_mb"],
    }
    wrong = [
        name
        for name, bad in {
            "drift": measured["worst_click_ms"] > MAX_DRIFT_MS,
            "lost frames": last["gaps"] > 0,
            "errors": bool(last["errors"]),
            "clicks": abs(len(last["clicks"]) - expected) > 1,
            "kernel memory": measured["kernel_growth_mb"] > MAX_GROWTH_MB,
            "page memory": measured["page_growth_mb"] > MAX_GROWTH_MB,
            "session ended": not last["running"],
        }.items()
        if bad
    ]
    return measured | {"wrong": wrong}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    with tempfile.TemporaryDirectory() as folder:
        said = verdict(soak(parser.parse_args().minutes, Path(folder)))
    print(json.dumps(said, indent=2))
    return 1 if said["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
