"""`LiveSession` in JupyterLab in Chromium, whose microphone is a file that interrupts the agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bidilab as bl
from bidilab.core.audiofile import write_audio
from bidilab.detect.turns import ServerVad
from bidilab.detect.vad.resampling import resample
from tests.browser.conftest import OpenNotebook

ROOT = Path(__file__).parents[2]
RECORDING = "early-clean-01"
FAKE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=user-gesture-required")
SESSION = "import bidilab as bl\nsession = bl.LiveSession()\nsession"
CHROMIUM_RATE = 48_000
TALK_MS = 25_000


@pytest.fixture
def microphone(tmp_path: Path) -> tuple[str, ...]:
    """Flags for a browser whose microphone hears the user of the recording, once."""
    user = bl.load_dataset(ROOT / "datasets/overlap-mini")[RECORDING]
    path = tmp_path / "microphone.wav"
    write_audio(path, resample(user.user(), user.sample_rate, CHROMIUM_RATE), CHROMIUM_RATE)
    return (*FAKE, f"--use-file-for-fake-audio-capture={path}%noloop")


def predicted(**knobs: Any) -> Any:
    """The interruptions that the same recording makes on the virtual clock, with the widget's own model."""
    from bidilab.bidi.models.providers import model_providers

    setting = ServerVad(**knobs)
    model = model_providers()["local"].build(setting)
    return bl.replay(f"{ROOT}/datasets/overlap-mini#{RECORDING}", model, tail_ms=2000).log.interruptions()


def table(notebook: Any, expression: str) -> list[dict[str, Any]]:
    printed = notebook.text(f"print({expression}.to_json(orient='records'))")
    return json.loads(printed)


def test_a_click_starts_a_session_that_is_interrupted_and_comes_back_after_a_reload(
    open_notebook: OpenNotebook, microphone: tuple[str, ...]
) -> None:
    notebook = open_notebook([SESSION], flags=microphone, permissions=["microphone"]).run_all()
    page = notebook.page
    page.locator(".bl-live-start").click()
    page.locator(".bl-live-status", has_text="running").wait_for()
    page.wait_for_timeout(TALK_MS)
    notebook.screenshot("live-light", page.locator(".bl-live"))
    notebook.theme("dark")
    notebook.screenshot("live-dark", page.locator(".bl-live"))
    print(notebook.text("print(session.log.to_frame()[['t_s','source','type','response_id','reason','text','detail']].to_string(max_colwidth=120))"))
    cuts = table(notebook, "session.log.interruptions()")
    print(cuts)
    print(predicted().T)
    assert 0
