"""``strands-agents`` from 1.58 on (``strands.bidi``), its URL patched. It never truncates (REALTIME.md)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.clients.conftest import probed, speak

bidi = pytest.importorskip("strands.bidi", reason="install the dependency group 'clients'")

pytestmark = [pytest.mark.realtime, pytest.mark.clients]


async def converse(pace: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[str]]:
    from strands.bidi.models.openai import realtime
    from strands.bidi.types.media import AudioDelta

    kinds: list[str] = []

    async def read(agent: Any) -> None:
        async for event in agent.receive():
            kinds.append(type(event).__name__)  # noqa: PERF401 - kept as they come, the task is cancelled

    async with probed(pace) as probe:
        monkeypatch.setattr(realtime, "OPENAI_REALTIME_URL", probe.url)
        model = realtime.OpenAIRealtimeModel(model_id="gpt-realtime", transcription_model_id=None, api_key="any")
        agent = bidi.BidiAgent(model=model, system_prompt="Be brief.")
        await agent.start()
        reading = asyncio.create_task(read(agent))
        await speak(lambda chunk: agent.send(AudioDelta(format="pcm", source={"bytes": chunk})))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await agent.stop()
    return probe.result(), kinds


@pytest.mark.slow
@pytest.mark.parametrize(("pace", "told"), [(1.0, True), (100.0, False)])
def test_a_conversation_with_a_barge_in(pace: float, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    measured, kinds = asyncio.run(converse(pace, monkeypatch))
    print(measured)  # noqa: T201 - shown when it fails
    assert "BidiAudioDeltaEvent" in kinds
    assert ("BidiBargeInEvent" in kinds) == told
    assert measured.n_speech_started == 2
    assert len(measured.interruptions) == 1
    assert measured.interruptions[0].n_truncates == 0
