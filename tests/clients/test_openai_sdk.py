"""The ``openai`` package's async client."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from openai import AsyncOpenAI

from bidilab.core.clock import RealClock
from tests.clients.conftest import probed, speak

pytestmark = pytest.mark.realtime


async def converse(pace: float) -> tuple[Any, list[Any]]:
    events: list[Any] = []
    async with probed(pace) as probe:
        sdk = AsyncOpenAI(api_key="any", websocket_base_url=probe.url.removesuffix("/realtime"))
        async with sdk.realtime.connect(model="gpt-realtime") as connection:
            await connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
            reading = asyncio.create_task(act(connection, events))
            await speak(lambda chunk: connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode()))
            reading.cancel()
        await sdk.close()
    return probe.result(), events


async def act(connection: Any, events: list[Any]) -> None:
    """What an application does: play from the first delta on, and truncate when the user speaks."""
    clock = RealClock()
    item_id, first_s, received_ms = None, 0.0, 0.0
    async for event in connection:
        events.append(event)
        match event.type:
            case "response.output_audio.delta":
                if item_id != event.item_id:
                    item_id, first_s, received_ms = event.item_id, clock.now_s(), 0.0
                # Late audio is played late: what was silence meanwhile was not heard.
                first_s += max(0.0, clock.now_s() - first_s - received_ms / 1000)
                received_ms += len(base64.b64decode(event.delta)) / 48
            case "input_audio_buffer.speech_started" if item_id is not None:
                heard_ms = int(min(received_ms, 1000 * (clock.now_s() - first_s)))
                await connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=heard_ms)
                item_id = None


@pytest.mark.slow
@pytest.mark.parametrize(("pace", "status"), [(1.0, "cancelled"), (100.0, "completed")])
def test_a_conversation_with_a_barge_in(pace: float, status: str) -> None:
    measured, events = asyncio.run(converse(pace))
    types = [event.type for event in events]
    assert types[:2] == ["session.created", "session.updated"]
    assert types.count("input_audio_buffer.speech_started") == 2
    assert "conversation.item.truncated" in types
    assert "error" not in types
    first_done = next(event for event in events if event.type == "response.done")
    assert first_done.response.status == status
    (interruption,) = measured.interruptions
    assert interruption.generating == (status == "cancelled")
    assert interruption.n_truncates == 1
    assert interruption.overclaim_ms == 0.0
    assert interruption.audio_end_ms <= interruption.max_heard_ms + interruption.truncate_after_ms + 1
    assert measured.errors == ()
