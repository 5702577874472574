"""Public clients, unchanged, against the server: their user is heard, answered, and interrupts.

::

    microphone  0.5 s silence [speech 1.2 s] 1.6 s silence [speech 1.2 s] 1.2 s silence
    server                     turn 1, answered at ~2.3 s   barge-in at ~3.4 s, the answer being 20 s long
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np

from bidilab.bidi.local.voice import RecordedVoice
from bidilab.bidi.realtime import Delivery, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.probe import ProbedSession, WireRecorder
from bidilab.bidi.realtime.server import RealtimeServer
from bidilab.core.audio import to_pcm16
from bidilab.core.clock import RealClock

RATE = 24_000
CHUNK_S = 0.04
LIMIT_S = 20.0


def microphone() -> list[bytes]:
    speech = RecordedVoice().speech(round(1.2 * RATE), RATE)
    silences = [np.zeros(round(s * RATE), np.float32) for s in (0.5, 1.6, 1.2)]
    samples = to_pcm16(np.concatenate([silences[0], speech, silences[1], speech, silences[2]]))
    step = round(CHUNK_S * RATE)
    return [samples[i : i + step].tobytes() for i in range(0, len(samples), step)]


async def speak(send: Callable[[bytes], Awaitable[object]]) -> None:
    """Send the microphone in real time."""
    clock = RealClock()
    for index, chunk in enumerate(microphone()):
        await clock.sleep_until_s(index * CHUNK_S)
        await send(chunk)


class Probed:
    """A server for one client, and what is measured of it."""

    def __init__(self, pace: float) -> None:
        self.pace = pace
        self.recorder = WireRecorder()
        self.url = ""

    def result(self) -> ProbedSession:
        return ProbedSession.of(self.recorder, self.pace)


@asynccontextmanager
async def probed(pace: float) -> AsyncIterator[Probed]:
    probe = Probed(pace)
    async with (
        asyncio.timeout(LIMIT_S),
        RealtimeServer(
            ScriptedResponder([20.0]),
            session=RealtimeSettings(delivery=Delivery(first_output_delay_ms=50, pace=pace)),
            observe=lambda _index: (probe.recorder,),
        ) as server,
    ):
        probe.url = server.url
        yield probe
