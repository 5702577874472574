"""What a client that floods the server costs its neighbour: figures, not limits that a busy machine could break.

`pytest tests/bench/test_flood_bench.py --benchmark-only -s` prints them, with the load average of the machine.

The neighbour asks for something small fifty times per second and waits for the answer; its latency is from the ``send``
to the answer, both by one clock. It is measured alone and beside each flood in turn, against one server in a process of
its own. Each flood is written to a raw socket, by a process of its own, as fast as the server takes it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import numpy as np
import pytest
from websockets.asyncio.client import connect

from tests.bench.test_server_bench import server_process

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

N_FLOODERS = 2
SECONDS = 6.0
CHUNK_S = 0.02
BLOCK_BYTES = 1_048_576


def frame(payload: bytes, opcode: int = 1, *, fin: bool = True) -> bytes:
    """A client's frame, masked with zeros (RFC 6455, section 5.2)."""
    head = bytes([(0x80 if fin else 0) | opcode])
    n = len(payload)
    length = bytes([0x80 | n]) if n < 126 else bytes([0xFE]) + n.to_bytes(2, "big")
    return head + length + bytes(4) + payload


_CLEAR = json.dumps({"type": "input_audio_buffer.clear"}).encode()
_SPOKEN = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(960)).decode()}).encode()
FLOODS = {
    "empty messages": frame(b""),
    "pings": frame(b"", 9),
    "no JSON": frame(b"{"),
    "requests": frame(_CLEAR),
    "appends": frame(_SPOKEN),
    "fragments": frame(b"[", fin=False) + frame(b"", 0, fin=False) * 4_000 + frame(b"]", 0),
}


def flood(url: str, block: bytes, seconds: float) -> None:
    """Write the same frames again and again; take what comes, as a client that wants to go on must."""
    address = urlsplit(url)
    assert address.hostname is not None
    ends_s = time.monotonic() + seconds
    with suppress(OSError), socket.create_connection((address.hostname, address.port)) as line:
        line.sendall(
            f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        line.setblocking(False)
        rest = memoryview(block)
        while time.monotonic() < ends_s:
            with suppress(BlockingIOError):
                line.recv(1 << 20)
            try:
                rest = rest[line.send(rest) :] or memoryview(block)
            except BlockingIOError:
                time.sleep(0.002)


@contextmanager
def flooded(url: str, unit: bytes, seconds: float) -> Iterator[None]:
    block = unit * max(1, BLOCK_BYTES // len(unit))
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=flood, args=(url, block, seconds)) for _ in range(N_FLOODERS)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.join(timeout=seconds + 10)
            process.terminate()


async def neighbour(url: str, seconds: float) -> list[float]:
    """Latencies in milliseconds; what was not answered within 30 s counts as that."""
    latencies_ms = []
    async with connect(url, compression=None, ping_timeout=None) as socket_:
        await socket_.recv()
        begin = time.monotonic()
        due_s = begin
        while due_s < begin + seconds:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            sent_s = time.monotonic()
            await socket_.send(_CLEAR.decode())
            try:
                await asyncio.wait_for(socket_.recv(), timeout=30)
            except TimeoutError:
                return [*latencies_ms, 30_000.0]
            latencies_ms.append(1000 * (time.monotonic() - sent_s))
            due_s = max(due_s + CHUNK_S, time.monotonic())
    return latencies_ms


def measure(url: str, unit: bytes | None, seconds: float = SECONDS) -> dict[str, float]:
    if unit is None:
        latencies_ms = asyncio.run(neighbour(url, seconds))
    else:
        with flooded(url, unit, seconds + 1):
            time.sleep(0.5)
            latencies_ms = asyncio.run(neighbour(url, seconds))
    told = {f"p{q}": float(np.percentile(latencies_ms, q)) for q in (50, 99)}
    return {**told, "max": max(latencies_ms), "n": len(latencies_ms), "load": os.getloadavg()[0]}


@pytest.mark.parametrize("kind", FLOODS)
def test_neighbour_of_a_flood(benchmark, kind: str) -> None:
    def run() -> dict[str, dict[str, float]]:
        with server_process() as url:
            return {"alone": measure(url, None), kind: measure(url, FLOODS[kind])}

    told = benchmark.pedantic(run, rounds=1)
    for name, figures in told.items():
        print(f"\n{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()) + " (ms)")
        benchmark.extra_info.update({f"{name} {key}": value for key, value in figures.items()})
