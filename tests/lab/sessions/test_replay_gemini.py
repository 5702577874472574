"""A replay by name, as a notebook has it: the real clock, the real SDK, the stand-in behind the SDK's own variables."""

import asyncio
import ssl
import threading
from pathlib import Path

import pytest

import bidilab as bl
from bidilab.core.clock import RealClock
from bidilab.detect.turns import GeminiActivityDetection
from bidilab.detect.turns.simulation import ResponsePlan
from tests.bidi.providers.gemini.loopback import AUTHORITY, KEY, StandIn

ROOT = Path(__file__).resolve().parents[3]


class Service(threading.Thread):
    """The stand-in in a thread of its own, as a service is elsewhere."""

    def __init__(self, plan):
        super().__init__(daemon=True)
        self.loop, self.ready, self.plan = asyncio.new_event_loop(), threading.Event(), plan

    def run(self):
        self.loop.run_until_complete(self._serve())

    async def _serve(self):
        self.over = asyncio.Event()
        async with StandIn(RealClock(), vad="silero", plan=self.plan) as self.standin:
            self.ready.set()
            await self.over.wait()

    def stop(self):
        self.loop.call_soon_threadsafe(self.over.set)
        self.join(10)
        self.loop.close()


@pytest.fixture
def service(monkeypatch, tmp_path):
    made = Service(ResponsePlan(response_delay_ms=300, response_ms=4000))
    made.start()
    assert made.ready.wait(10)
    trusted = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(trusted)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", made.standin.url)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    yield made
    made.stop()


@pytest.mark.realtime
@pytest.mark.slow
def test_a_recording_is_replayed_by_the_models_name(service):
    assert ssl.get_default_verify_paths().openssl_cafile_env == "SSL_CERT_FILE"
    recording = bl.load_dataset(ROOT / "datasets" / "overlap-mini")["early-clean-01"]
    detection = GeminiActivityDetection(prefix_padding_ms=0, silence_duration_ms=500)
    made = bl.replay(recording, "gemini", clock="real", turn_detection=detection)
    assert made.params == detection.canonical()
    events = made.events
    told = events[events["type"] == "bidi_interruption"]
    cut = events[events["type"] == "interrupted"]
    assert len(told) == len(cut) >= 1
    assert set(told["reason"]) == {"user_speech"}
    assert (made.log.interruptions()["heard_ms"] > 0).all()
    assert KEY not in events.to_csv()
    assert set(made.interruptions["outcome"]) & {"detected", "false"}  # judged by when the application was told
    assert made.turns == ()  # the service does not tell them
