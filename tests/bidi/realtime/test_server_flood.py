"""A client that floods the server, and one that leaves it with work: what the others notice of it.

How long a turn of the event loop takes is counted in CPU time, which no busy machine makes longer.
"""

from __future__ import annotations

import asyncio
import select
import threading
import time

import pytest

from bidilab.bidi.realtime import CallableResponder
from bidilab.bidi.realtime.server import RealtimeServer
from bidilab.core.clock import RealClock
from tests.bench.test_flood_bench import FLOODS
from tests.bidi.realtime.server_client import client, running

SOCKET_BYTES = 256 * 1024  # what asyncio takes from a socket at one time
LIMIT_S = 10.0


async def handshake(server: RealtimeServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def longest_turn_s(turns: list[float]) -> None:
    clock = RealClock()
    while True:
        before_s = time.thread_time()
        await clock.sleep_s(0)
        turns.append(time.thread_time() - before_s)


@pytest.mark.parametrize("kind", FLOODS)
def test_no_flood_takes_a_turn_of_the_loop_for_itself(kind: str) -> None:
    turns: list[float] = []
    n_answers = 0

    async def main() -> None:
        nonlocal n_answers
        async with running(max_outgoing_bytes=2**30) as server, client(server) as neighbour:
            reader, writer = await handshake(server)
            taking = asyncio.create_task(reader.read(-1))
            watching = asyncio.create_task(longest_turn_s(turns))
            unit = FLOODS[kind]
            writer.write(unit * (SOCKET_BYTES // len(unit)))
            for _ in range(10):
                await neighbour.send("input_audio_buffer.clear")
                await neighbour.until("input_audio_buffer.cleared")
                n_answers += 1
            watching.cancel()
            writer.transport.abort()
            await asyncio.wait([taking])

    asyncio.run(main())
    assert n_answers == 10
    # Where one socket is taken whole, that turn needs 40 to 220 ms of CPU; here, 1.
    assert max(turns) < 0.02


def test_one_message_at_a_time_is_enough_for_a_session() -> None:
    async def main() -> None:
        async with running(max_incoming_messages=1) as server, client(server) as user:
            for index in range(100):
                await user.send("conversation.item.retrieve", item_id="none", event_id=f"{index}")
            await user.until_error_for("99")
            assert user.types().count("error") == 100

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(select, "POLLRDHUP"), reason="only Linux tells of a client that left unread messages")
def test_a_client_that_left_frees_its_place_at_once() -> None:
    free = threading.Event()

    def wait_to_be_freed(_request: object) -> str:
        free.wait(LIMIT_S)
        return "At last."

    async def main() -> None:
        responder = CallableResponder(wait_to_be_freed)
        async with running(responder, offload="all", max_sessions=1, close_timeout_s=0.1) as server:
            async with client(server) as busy:
                await busy.send("response.create")
                for _ in range(300):  # more than are taken from a socket: its end is not seen by reading
                    await busy.send("input_audio_buffer.clear")
                busy.socket.transport.abort()
            async with client(server) as next_one:
                assert (await next_one.receive())["type"] == "session.created"
                assert (server.n_open, server.n_sessions) == (1, 2)
            free.set()
            async with asyncio.timeout(LIMIT_S):
                while server._connections:  # who has left ends too, with messages that nobody has read
                    await asyncio.to_thread(lambda: None)

    asyncio.run(main())
