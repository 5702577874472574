"""Faults of the network: the arithmetic of a line, and a server behind one."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosedError

from bidilab.bidi.realtime import Delivery
from bidilab.bidi.realtime.server import NetworkFaults
from bidilab.bidi.realtime.server.faults import DelayLine
from bidilab.core.clock import RealClock
from bidilab.core.errors import InvalidParameterError
from tests.bidi.realtime.server_client import client, running


def arrivals(line: DelayLine[int], sends: list[tuple[float, int]]) -> list[float]:
    found = []
    for index, (at_s, n_bytes) in enumerate(sends):
        line.put(index, n_bytes=n_bytes, now_s=at_s)
    for index in range(len(sends)):
        found.append(line.next_due_s)
        assert line.pop(line.next_due_s) == index
    assert len(line) == line.n_bytes == 0
    return found


def test_a_narrow_line_sends_one_message_after_the_other() -> None:
    # 1000 bytes/s, 100 ms:    time   0.0      0.5      1.0      1.5      2.0   2.1
    # message a, 500 bytes            [--------]..a arrives 0.6
    # message b, 1000 bytes at 0.1             [-----------------]..b arrives 1.6
    # message c, 100 bytes at 2.0                                          [--]..c arrives 2.2
    line: DelayLine[int] = DelayLine(latency_ms=100, bytes_per_s=1000)
    assert arrivals(line, [(0.0, 500), (0.1, 1000), (2.0, 100)]) == pytest.approx([0.6, 1.6, 2.2])


@given(gaps=st.lists(st.floats(0, 0.05), min_size=1, max_size=30), jitter_ms=st.floats(0, 200), seed=st.integers(0, 99))
def test_jitter_keeps_the_order_stays_in_its_bounds_and_repeats(gaps, jitter_ms, seed) -> None:
    sent, sends = 0.0, []
    for gap in gaps:
        sent += gap
        sends.append((sent, 1))

    def run() -> list[float]:
        return arrivals(DelayLine(latency_ms=50, jitter_ms=jitter_ms, seed=(seed,)), sends)

    arrived = run()
    assert arrived == sorted(arrived)
    for (at_s, _), arrived_s in zip(sends, arrived, strict=True):
        assert arrived_s >= at_s + 0.05 - 1e-9
        assert arrived_s <= sends[-1][0] + 0.05 + jitter_ms / 1000 + 1e-9
    assert run() == arrived


@pytest.mark.parametrize(
    "fault",
    [
        {"latency_ms": -1},
        {"jitter_ms": 1e9},
        {"up_bytes_per_s": 0},
        {"down_bytes_per_s": float("nan")},
        {"drop_after_s": 0},
        {"drop_in_response": 0},
        {"drop_in_response": 1.5},
        {"seed": -1},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(fault))):
        NetworkFaults(**fault)


@pytest.mark.realtime
def test_latency_delays_both_ways() -> None:
    async def main() -> float:
        async with running(faults=NetworkFaults(latency_ms=80, jitter_ms=5)) as server, client(server) as user:
            await user.receive()
            clock = RealClock()
            await user.send("input_audio_buffer.clear")
            await user.until("input_audio_buffer.cleared")
            return clock.now_s()

    assert asyncio.run(main()) >= 0.16  # a bound from below: no busy machine can break it


def test_the_connection_breaks_in_the_response_that_is_asked_for() -> None:
    async def main() -> None:
        fast = Delivery(first_output_delay_ms=0, pace=float("inf"))
        async with running(delivery=fast, faults=NetworkFaults(drop_in_response=2)) as server, client(server) as user:
            await user.send("response.create")
            await user.until("response.done")
            await user.send("response.create")
            with pytest.raises(ConnectionClosedError):
                await user.until("response.done")
            assert user.types().count("response.done") == 1
            assert (await user.closed())[0] == 1006

    asyncio.run(main())


def test_the_connection_breaks_after_a_time() -> None:
    async def main() -> None:
        async with running(faults=NetworkFaults(drop_after_s=0.1)) as server, client(server) as user:
            await user.receive()
            assert (await user.closed())[0] == 1006

    asyncio.run(main())


def test_a_narrow_line_down_holds_the_audio_back() -> None:
    async def main() -> None:
        # 3.38 s of audio at once are 216 kB of base64; at 1 MB/s they take 0.2 s, the session's own messages less.
        async with running(faults=NetworkFaults(down_bytes_per_s=1e6)) as server, client(server) as user:
            await user.receive()
            clock = RealClock()
            await user.send("response.create")
            await user.until("response.done")
            assert clock.now_s() >= 0.2

    asyncio.run(main())
