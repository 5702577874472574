"""A client at the other end of a socket, for the tests of the server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bidilab.bidi.realtime import Delivery, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.server import NetworkFaults, RealtimeServer, ServerSettings
from bidilab.core.audio import FloatArray, to_pcm16
from tests.bidi.realtime.conftest import ENERGY, TEXT, check_message

LIMIT_S = 10.0  # of any one wait: a test that fails says so instead of hanging


class SocketClient:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.received: list[dict[str, Any]] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(LIMIT_S):
            data = await self.socket.recv()
        message = json.loads(data)
        check_message(message)
        self.received.append(message)
        return message

    async def until(self, kind: str) -> dict[str, Any]:
        while (message := await self.receive())["type"] != kind:
            pass
        return message

    async def until_error_for(self, event_id: str) -> None:
        """Until the error of the client's own message of that id has come: all before it has been handled."""
        while (await self.until("error"))["error"]["event_id"] != event_id:
            pass

    async def append(self, samples: FloatArray, chunk: int = 2_400) -> None:
        for start in range(0, len(samples), chunk):
            pcm = to_pcm16(samples[start : start + chunk]).tobytes()
            await self.send("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    async def closed(self) -> tuple[int | None, str | None]:
        async with asyncio.timeout(LIMIT_S):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason

    def types(self) -> list[str]:
        return [message["type"] for message in self.received]


@asynccontextmanager
async def running(
    responder: Any = None,
    *,
    delivery: Delivery | None = None,
    faults: NetworkFaults | None = None,
    vad: Any = ENERGY,
    observe: Any = lambda _index: (),
    session: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[RealtimeServer]:
    delivery = delivery or Delivery(first_output_delay_ms=0, pace=float("inf"))
    async with RealtimeServer(
        responder or ScriptedResponder([TEXT]),
        settings=ServerSettings(faults=faults or NetworkFaults(), **settings),
        session=RealtimeSettings(delivery=delivery, **(session or {})),
        vad=vad,
        observe=observe,
    ) as server:
        yield server


@asynccontextmanager
async def client(server: RealtimeServer, query: str = "?model=gpt-realtime", **options: Any) -> AsyncIterator[Any]:
    async with connect(server.url + query, max_size=2**20, proxy=None, **options) as socket:
        yield SocketClient(socket)
