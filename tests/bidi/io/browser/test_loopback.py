import asyncio

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bidilab.bidi.io.browser import LoopbackSocket, decode_message, encode_message
from bidilab.core.errors import EventError, InvalidParameterError, SessionError

ORIGIN = "http://127.0.0.1:8888"


def serve(scenario):
    """Run a scenario with a socket that writes down what happens, and answers."""
    seen = []

    def answer(peer, head, payload):
        if head["kind"] == "wrong":
            raise EventError("a page may not say this")
        seen.append((head["kind"], payload))
        peer.send({"kind": "echo"}, payload)

    async def main():
        socket = LoopbackSocket(
            on_open=lambda _: seen.append("open"), on_message=answer, on_close=lambda _: seen.append("close")
        )
        with pytest.raises(SessionError):
            socket.ticket(ORIGIN)
        await socket.start()
        try:
            await scenario(socket)
        finally:
            await socket.stop()
        await socket.stop()
        return seen

    return asyncio.run(main())


async def admitted(socket, ticket=None):
    told = socket.ticket(ORIGIN)
    page = await connect(told["url"], origin=ORIGIN, compression=None)
    assert await page.recv() == told["greeting"]
    await page.send(ticket or told["ticket"])
    return page, told


def test_a_page_with_a_ticket_talks():
    async def scenario(socket):
        page, _ = await admitted(socket)
        await page.send(encode_message({"kind": "mic"}, b"abc"))
        assert decode_message(await page.recv()) == ({"kind": "echo"}, b"abc")
        await page.close()

    assert serve(scenario) == ["open", ("mic", b"abc"), "close"]


def test_a_ticket_is_good_once_and_a_wrong_one_never():
    async def scenario(socket):
        page, told = await admitted(socket)
        for shown in (told["ticket"], "guessed"):
            other, _ = await admitted(socket, shown)
            with pytest.raises(ConnectionClosed):
                await other.recv()
        await page.close()

    assert serve(scenario).count("open") == 1


@pytest.mark.parametrize("origin", [None, "http://evil.example"])
def test_another_origin_is_refused(origin):
    async def scenario(socket):
        told = socket.ticket(ORIGIN)
        with pytest.raises(InvalidStatus, match="403"):
            await connect(told["url"], origin=origin)

    assert serve(scenario) == []


def test_what_may_not_be_said_ends_the_connection():
    async def scenario(socket):
        for wrong in (encode_message({"kind": "wrong"}), b"\0", "text"):
            page, _ = await admitted(socket)
            await page.send(wrong)
            with pytest.raises(ConnectionClosed):
                await page.recv()

    assert serve(scenario) == ["open", "close"] * 3


def test_an_origin_is_that_of_a_page():
    async def scenario(socket):
        with pytest.raises(InvalidParameterError, match="origin"):
            socket.ticket("null")

    serve(scenario)


def test_on_the_wire():
    # Length of the head in four bytes, little-endian, the head, the payload.
    assert encode_message({"kind": "x"}, b"\x01") == b'\x0c\x00\x00\x00{"kind":"x"}\x01'


@pytest.mark.parametrize(
    "data",
    [
        "text",
        b"",
        b"\x01\x00\x00",
        b"\x02\x00\x00\x00{",
        b"\x02\x00\x00\x00{}",
        b"\x02\x00\x00\x00[]",
        b"\x02\x00\x00\x00xx",
    ],
)
def test_what_is_no_message(data):
    with pytest.raises(EventError):
        decode_message(data)


def test_a_server_that_is_cancelled_as_it_begins_to_listen_listens_no_more():
    # In whichever turn of the loop: asyncio listens already in the last one.
    async def begin_and_cancel(n_turns):
        socket = LoopbackSocket(on_open=lambda _: None, on_message=lambda *_: None, on_close=lambda _: None)
        starting = asyncio.ensure_future(socket.start())
        loop = asyncio.get_running_loop()
        for _ in range(n_turns):
            turned = loop.create_future()
            loop.call_soon(turned.set_result, None)
            await turned
        starting.cancel()
        await asyncio.wait([starting])
        await socket.stop()
        return [c for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN]

    before = len([c for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN])
    for n_turns in range(12):
        assert len(asyncio.run(begin_and_cancel(n_turns))) == before, n_turns


def test_a_page_that_takes_nothing_is_let_go_before_it_fills_the_memory():
    peers = []

    async def scenario():
        gone = asyncio.Event()
        socket = LoopbackSocket(on_open=peers.append, on_message=lambda *_: None, on_close=lambda _: gone.set())
        await socket.start()
        page, _ = await admitted(socket)
        page.transport.pause_reading()  # a frozen tab: TCP stands, nobody reads
        await page.ping()
        while not peers:
            await asyncio.to_thread(int)
        for n in range(400):
            peers[0].send({"kind": "frames", "n": n}, bytes(100_000))  # 40 MB
        async with asyncio.timeout(5):
            await gone.wait()
        page.transport.abort()
        await page.wait_closed()
        await socket.stop()

    asyncio.run(scenario())
    assert peers[0].stalled
    assert peers[0]._queue.empty()
