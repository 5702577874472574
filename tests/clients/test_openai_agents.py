"""``openai-agents``: RealtimeSession over its WebSocket model. It truncates by the wall clock since the first delta."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.clients.conftest import probed, speak

realtime = pytest.importorskip("agents.realtime", reason="install the dependency group 'clients'")

pytestmark = [pytest.mark.realtime, pytest.mark.clients]


async def converse(pace: float) -> tuple[Any, list[str]]:
    kinds: list[str] = []

    async def read(session: Any) -> None:
        async for event in session:
            kinds.append(event.type)  # noqa: PERF401 - kept as they come, the task is cancelled

    async with probed(pace) as probe:
        runner = realtime.RealtimeRunner(realtime.RealtimeAgent(name="agent", instructions="Be brief."))
        settings = {"turn_detection": {"type": "server_vad", "interrupt_response": True}, "tracing": None}
        config = {
            "url": f"{probe.url}?model=gpt-realtime",
            "api_key": "any",
            "initial_model_settings": {"model_name": "gpt-realtime", **settings},
        }
        async with await runner.run(model_config=config) as session:
            reading = asyncio.create_task(read(session))
            await speak(session.send_audio)
            reading.cancel()
    return probe.result(), kinds


@pytest.mark.slow
@pytest.mark.parametrize("pace", [1.0, 8.0])
def test_a_conversation_with_a_barge_in(pace: float) -> None:
    measured, kinds = asyncio.run(converse(pace))
    print(measured)  # noqa: T201 - shown when it fails
    assert "audio" in kinds
    assert "audio_interrupted" in kinds
    assert measured.n_speech_started == 2
    assert len(measured.interruptions) >= 1
    assert measured.interruptions[-1].audio_end_ms is not None
