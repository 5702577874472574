"""`LiveSession` with OpenAI's model, over the real wire: against the Realtime server on the loopback."""

import asyncio
import threading

import pytest

import bidilab as bl
from bidilab.bidi.background import BackgroundSession
from bidilab.bidi.models import BidiOpenAIRealtimeModel
from tests.bidi.realtime.server_client import running
from tests.sessions import bursts

KEY = "sk-test-0123456789abcdefghij"


@pytest.fixture
def server():
    """The server's URL; it hears tones, and answers with a sentence."""
    there, over = threading.Event(), asyncio.Event()
    found = []

    async def serve():
        async with running() as made:
            found.append(made.url)
            there.set()
            await over.wait()

    session = BackgroundSession(serve, name="test-server")
    session.start()
    assert there.wait(30), session.failure
    yield found[0].removesuffix("/realtime")
    session.post(over.set)
    assert session.wait(30)
    assert session.failure is None


@pytest.mark.slow
@pytest.mark.realtime
def test_a_session_is_interrupted_and_its_knobs_act(server):
    setting = bl.ServerVad(silence_duration_ms=200, prefix_padding_ms=0)
    model = BidiOpenAIRealtimeModel(
        provider_config={"turn_detection": setting}, client_config={"api_key": KEY, "websocket_base_url": server}
    )
    spoken = bursts((5, 15), (30, 45), (70, 80), total=110)
    live = bl.LiveSession(model, microphone=spoken, sample_rate=16_000, tail_ms=0.0, turn_detection=setting)
    live.start()
    while not (live.log.to_frame()["type"] == "bidi_interruption").any():
        assert not live.wait(0.05), live.log.to_frame()["type"].value_counts()
    assert live.effective["silence_duration_ms"] == 200
    live.update(threshold=1.0)
    while live.effective["threshold"] != 1.0:  # as the server tells it back
        assert not live.wait(0.05)
    live.wait()
    assert len(live.log.interruptions()) == 1
    cut = live.log.interruptions().iloc[0]
    assert 0 < cut["heard_ms"] < cut["generated_ms"]
    assert KEY not in live.log.to_frame().to_csv() + repr(live) + str(live.get_state())
    live.close()
