"""What the WebSocket server adds to a decision: figures, not limits that a busy machine could break.

`pytest tests/bench/test_server_bench.py --benchmark-only -s` prints them.

A session's microphone sends 20 ms every 20 ms of real time. The frame of the VAD that decides is complete with the
append that carries its last sample, and the resampler's look-ahead; the latency measured is from that append's
``send`` to ``speech_started`` in the client, both by the same clock. The machine must have two cores free: the load
average is printed, and figures taken beside other work (a load above 2) say more of that than of the server.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bidilab.bidi.local.voice import RecordedVoice
from bidilab.bidi.realtime import RealtimeSession, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.server import RealtimeServer, ServerSettings
from bidilab.core.audio import to_pcm16
from bidilab.detect.vad import VadSpec

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

CHUNK_S = 0.02
N_TURNS = 4
REPLIES = ["Certainly, let me tell you at some length what I have found for you."]


def microphone(n_turns: int = N_TURNS) -> list[bytes]:
    """20 ms appends: turns of 1.2 s of speech, each after 1.2 s of silence, so that some interrupt the agent."""
    speech = RecordedVoice().speech(round(1.2 * 24_000), 24_000)
    turn = np.concatenate([np.zeros(round(1.2 * 24_000), np.float32), speech])
    samples = to_pcm16(np.concatenate([np.tile(turn, n_turns), np.zeros(24_000, np.float32)]))
    step = round(CHUNK_S * 24_000)
    return [samples[i : i + step].astype("<i2").tobytes() for i in range(0, len(samples), step)]


def append(chunk: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(chunk).decode()})


def deciding_appends(chunks: list[bytes]) -> list[int]:
    """Which appends cause ``speech_started``: the same session, without a network and without time passing."""
    vad = VadSpec().build()
    session = RealtimeSession(RealtimeSettings(), ScriptedResponder(REPLIES), vad=vad)
    found = []
    for index, chunk in enumerate(chunks):
        session.receive_message(append(chunk), 0.0)
        if any(m["type"] == "input_audio_buffer.speech_started" for m in session.messages_to_send()):
            found.append(index)
    return found


@dataclass
class Run:
    latencies_ms: list[float] = field(default_factory=list)
    n_lost: int = 0
    n_refused: int = 0
    n_dropped: int = 0
    memory_mib: list[float] = field(default_factory=list)


async def talk(url: str, chunks: list[bytes], deciding: list[int], start_s: float, run: Run) -> None:
    await asyncio.sleep(max(0.0, start_s - 0.2 - time.monotonic()))
    try:
        opening = await connect(url, compression=None, ping_timeout=None, open_timeout=60)
    except InvalidStatus as refused:
        if refused.response.status_code != 503:
            raise
        run.n_refused += 1
        return
    async with opening as socket:
        heard_s: list[float] = []
        listening = asyncio.create_task(listen(socket, heard_s, len(deciding)))
        sent_s = []
        for index, chunk in enumerate(chunks):
            await asyncio.sleep(max(0.0, start_s + index * CHUNK_S - time.monotonic()))
            sent_s.append(time.monotonic())
            try:
                await socket.send(append(chunk))
            except ConnectionClosed:  # a server that is asked for too much takes no more of it
                run.n_dropped += 1
                break
        with suppress(TimeoutError):  # what is late is late and is counted as that; what never comes is lost
            await asyncio.wait_for(listening, timeout=20)
        run.n_lost += abs(len(deciding) - len(heard_s))
        run.latencies_ms += [1000 * (h - sent_s[i]) for i, h in zip(deciding, heard_s, strict=False)]


async def listen(socket: ClientConnection, heard_s: list[float], n_expected: int) -> None:
    with suppress(ConnectionClosed):
        async for data in socket:
            now_s = time.monotonic()
            if '"input_audio_buffer.speech_started"' in data:
                heard_s.append(now_s)
                if len(heard_s) == n_expected:
                    return


async def load(n_sessions: int, *, apart_s: float = 0.011, n_turns: int = N_TURNS, **settings: Any) -> Run:
    chunks = microphone(n_turns)
    deciding = deciding_appends(chunks)
    assert len(deciding) >= n_turns
    run = Run()
    with server_process(**settings) as url:
        watching = asyncio.create_task(watch_memory(run))
        begin = time.monotonic() + 1.0
        async with asyncio.TaskGroup() as group:
            for index in range(n_sessions):
                # Spread over a chunk, as microphones that know nothing of each other are.
                start_s = begin + (index * 0.618 % 1) * CHUNK_S + index * apart_s
                group.create_task(talk(url, chunks, deciding, start_s, run))
        watching.cancel()
    return run


async def watch_memory(run: Run) -> None:
    """Keep the MiB that the server's process has in memory, once per second."""
    (server,) = multiprocessing.active_children()
    while (mib := memory_mib(server.pid)) is not None:
        run.memory_mib.append(mib)
        await asyncio.sleep(1)


def memory_mib(pid: int | None) -> float | None:
    """Linux only; ``None`` when the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return None


def told(run: Run) -> dict[str, float]:
    latencies = np.array(run.latencies_ms)
    figures = {f"p{q}": float(np.percentile(latencies, q)) for q in (50, 90, 99)}
    figures |= {
        "max": float(latencies.max()),
        "n": len(latencies),
        "lost": run.n_lost,
        "refused": run.n_refused,
        "dropped": run.n_dropped,
    }
    memory = run.memory_mib
    figures |= {"MiB half-way": memory[len(memory) // 2], "MiB at most": max(memory)} if memory else {}
    return {**figures, "load": os.getloadavg()[0]}


@contextmanager
def server_process(**settings: Any) -> Iterator[str]:
    """The server in a process of its own, as it is in use; the clients have this one."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve_until_told, args=(theirs, settings))
    process.start()
    try:
        yield ours.recv()
        ours.send("stop")
    finally:
        process.join(timeout=10)
        process.terminate()


def serve_until_told(pipe: Connection, settings: dict[str, Any]) -> None:
    async def main() -> None:
        async with RealtimeServer(ScriptedResponder(REPLIES), settings=ServerSettings(**settings)) as server:
            gc.collect()
            gc.freeze()  # as `bidilab serve` does
            pipe.send(server.url)
            await asyncio.to_thread(pipe.recv)

    asyncio.run(main())


@pytest.mark.parametrize("n_sessions", [1, 50])
def test_frame_in_to_speech_started_out(benchmark, n_sessions: int) -> None:
    run = benchmark.pedantic(lambda: asyncio.run(load(n_sessions, max_load=100)), rounds=1)
    figures = told(run)
    benchmark.extra_info.update(figures)
    print(f"\n{n_sessions} sessions: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()) + " (ms)")
    assert run.n_lost == run.n_refused == 0


@pytest.mark.parametrize("max_load", [0.7, 100])
def test_more_sessions_than_the_machine_hears(benchmark, max_load: float) -> None:
    """200 clients, one after the other; with 100 all come in, with 0.7 as many as can be heard."""
    settings = {"apart_s": 0.1, "n_turns": 16, "max_load": max_load}
    run = benchmark.pedantic(lambda: asyncio.run(load(200, **settings)), rounds=1)
    figures = told(run)
    benchmark.extra_info.update(figures)
    print(f"\nmax_load {max_load}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()) + " (ms)")
    assert (run.n_refused > 0) == (max_load < 1)
