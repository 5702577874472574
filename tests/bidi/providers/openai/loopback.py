"""A Realtime server on the loopback: the pure server session behind a real WebSocket, on a clock that the test moves.

Server and model share one `HandClock`, so every position in a test is exact and nothing waits.
"""

import asyncio
import base64
import contextlib
import dataclasses
import http
import json
from datetime import UTC, datetime, timedelta

import numpy as np
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.models import BidiOpenAIRealtimeModel, SessionContext
from bidilab.bidi.realtime import RealtimeSession, RealtimeSettings
from bidilab.bidi.types.events import BidiAudioStreamEvent
from bidilab.detect.vad import VadSpec

KEY = "sk-test-0123456789abcdefghij"
RATE = 24_000


class HandClock:
    """Time that the test sets; a sleep is over at once, at the time that was asked for."""

    def __init__(self):
        self.t = 0.0

    def now_s(self):
        return self.t

    def wall_time(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.t)

    async def sleep_s(self, seconds):
        await self.sleep_until_s(self.t + seconds)

    async def sleep_until_s(self, when_s):
        self.t = max(self.t, when_s)


class Loopback:
    """The server; `received` holds what the client sent, in order, over all connections."""

    def __init__(self, clock, responder, *, settings=None, key=KEY):
        self.clock, self.key = clock, key
        self.responder = responder
        self.settings = settings or RealtimeSettings()
        self.received, self.sent, self.sessions, self.sockets, self.paths = [], [], [], [], []
        self.refuse = 0  # connections to refuse with 503
        self.changed = asyncio.Condition()

    async def __aenter__(self):
        self.server = await serve(self._serve, "127.0.0.1", 0, process_request=self._admit, max_size=None)
        self.url = f"ws://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *error):
        self.server.close()
        await self.server.wait_closed()

    def _admit(self, connection, request):
        self.paths.append(request.path)
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            body = f"Incorrect API key provided: {request.headers.get('Authorization')}\n"
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, body)
        if self.refuse:
            self.refuse -= 1
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "later\n")
        return None

    async def _serve(self, socket):
        settings = dataclasses.replace(self.settings, session_name=f"s{len(self.sessions)}")
        session = RealtimeSession(settings, self.responder, vad=VadSpec(name="energy"), now_s=self.clock.now_s())
        self.sessions.append(session)
        self.sockets.append(socket)
        await self._drain(session, socket)
        with contextlib.suppress(ConnectionClosed):
            async for data in socket:
                self.received.append(json.loads(data))
                session.receive_message(data, self.clock.now_s())
                await self._drain(session, socket)

    async def _drain(self, session, socket):
        for message in session.messages_to_send():
            self.sent.append(message)
            await socket.send(json.dumps(message))
        async with self.changed:
            self.changed.notify_all()

    async def say(self, message):
        """Send a message of the test's own."""
        await self.sockets[-1].send(message if isinstance(message, str) else json.dumps(message))

    async def advance(self, to_s, client=None):
        """Move the clock, stopping wherever the session has something to do; a client hears all audio in time."""
        session, socket = self.sessions[-1], self.sockets[-1]
        while (due := session.next_deadline_s()) is not None and due <= to_s:
            self.clock.t = max(due, self.clock.t)
            session.advance(self.clock.t)
            await self._drain(session, socket)
            if client is not None:
                n_deltas = sum(m["type"] == "response.output_audio.delta" for m in self.sent)
                await client.until(BidiAudioStreamEvent, n_deltas)
        self.clock.t = to_s
        session.advance(to_s)
        await self._drain(session, socket)

    async def got(self, kind, n=1):
        """Wait until the client has sent ``n`` messages of a type; return them."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: len(self.of(kind)) >= n)
        return self.of(kind)

    def of(self, kind):
        return [message for message in self.received if message["type"] == kind]

    def audio_bytes(self):
        return sum(len(base64.b64decode(m["audio"])) for m in self.of("input_audio_buffer.append"))


class Client:
    """A model that runs, and all that it has told."""

    def __init__(self, server, **config):
        client_config = {"api_key": KEY, "websocket_base_url": server.url, **config.pop("client_config", {})}
        self.model = BidiOpenAIRealtimeModel(client_config=client_config, **config)
        self.log = EventLog(clock=server.clock)
        self.model.bind(SessionContext(clock=server.clock, log=self.log.append))
        self.events, self.changed, self.failure = [], asyncio.Condition(), None

    async def __aenter__(self, **start):
        await self.model.start(**start)
        self.task = asyncio.create_task(self._collect())
        return self

    async def __aexit__(self, *error):
        await self.model.stop()
        await self.task

    async def _collect(self):
        try:
            async for event in self.model.receive():
                self.events.append(event)
                async with self.changed:
                    self.changed.notify_all()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error
        async with self.changed:
            self.changed.notify_all()

    async def until(self, kind, n=1):
        """Wait for the ``n``-th event of a class and return it."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: len(self.of(kind)) >= n or self.failure is not None)
        if len(self.of(kind)) < n and self.failure is not None:
            raise self.failure
        return self.of(kind)[n - 1] if n else None

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def rows(self, kind):
        return [row for row in self.log.rows if row.type == kind]


def noise(ms, rate=RATE):
    """Speech to an energy VAD: PCM16 bytes."""
    samples = np.random.default_rng(1).normal(0, 6000, ms * rate // 1000)
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


def silence(ms, rate=RATE):
    return bytes(2 * (ms * rate // 1000))
