"""Time that jumps: exact, deterministic, and loud when it cannot go on.

Sleeps are asyncio's own here on purpose: the loop under test must make them work.
"""

# ruff: noqa: TID251

import asyncio
import contextlib
import socket
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.clock import (
    VIRTUAL_EPOCH,
    Clock,
    RealClock,
    VirtualClock,
    VirtualEventLoop,
    run,
    run_virtual,
    running_clock,
)
from bidilab.core.errors import ClockError, DeadlockError, InvalidParameterError


def test_both_clocks_keep_the_protocol():
    assert isinstance(RealClock(), Clock)
    assert isinstance(VirtualClock(), Clock)


def test_sleeping_an_hour_ends_at_exactly_an_hour():
    async def main():
        clock = running_clock()
        for k in range(1, 180_001):  # an hour in 20 ms steps
            await clock.sleep_until_s(k * 0.02)
        return clock.now_s(), clock.wall_time()

    now_s, wall_time = run_virtual(main())
    assert now_s == 180_000 * 0.02
    assert wall_time == VIRTUAL_EPOCH + timedelta(hours=1)


@given(st.lists(st.floats(0.0, 1e5, allow_nan=False), max_size=20))
def test_now_is_exactly_what_was_slept_until(times):
    async def main():
        clock = running_clock()
        for when_s in times:
            before = clock.now_s()
            await clock.sleep_until_s(when_s)
            assert clock.now_s() == max(before, when_s)

    run_virtual(main())


def test_tasks_wake_in_order_of_time():
    # a: 0----30----60----90   b: 0--20--40--60   (ms; at 60 both are due, in an order that repeats)
    async def ticks(name, step, n, seen):
        for k in range(1, n + 1):
            await running_clock().sleep_until_s(k * step / 1000)
            seen.append((running_clock().now_s(), name))

    async def main():
        seen = []
        await asyncio.gather(ticks("a", 30, 3, seen), ticks("b", 20, 3, seen))
        return seen

    seen = run_virtual(main())
    assert [t for t, _ in seen] == [0.02, 0.03, 0.04, 0.06, 0.06, 0.09]
    assert seen == run_virtual(main())


def test_asyncio_timers_timeouts_and_queues():
    async def main():
        loop = asyncio.get_running_loop()
        called = []
        loop.call_later(5, called.append, "later")
        loop.call_at(2.5, lambda: called.append(loop.time()))
        cancelled = loop.call_later(1, called.append, "never")
        cancelled.cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), timeout=3.5)
        assert loop.time() == 3.5
        queue = asyncio.Queue()

        async def produce():
            for k in range(3):
                await asyncio.sleep(10)
                queue.put_nowait(k)

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            got = [(await queue.get(), loop.time()) for _ in range(3)]
        return called, got

    called, got = run_virtual(main())
    assert called == [2.5, "later"]
    assert got == [(0, 13.5), (1, 23.5), (2, 33.5)]


def test_a_timer_of_more_than_a_day():
    async def main():
        await asyncio.sleep(10 * 24 * 3600)
        return running_clock().now_s()

    assert run_virtual(main()) == 864_000.0


def test_sleeping_no_time_lets_the_others_run():
    async def main():
        order = []
        other = asyncio.create_task(asyncio.to_thread(int))
        task = asyncio.create_task(_append(order, "other"))
        await running_clock().sleep_s(-1)
        order.append("self")
        await task
        await other
        return order, running_clock().now_s()

    assert run_virtual(main()) == (["other", "self"], 0.0)


async def _append(to, what):
    to.append(what)


def test_deadlock_is_an_error_that_names_who_waits():
    async def waits_for_ever():
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match=r"listener waits in .*waits_for_ever, line \d+"):
        run_virtual(_with_task(waits_for_ever, name="listener"))


async def _with_task(function, name):
    await asyncio.create_task(function(), name=name)


def test_deadlock_comes_after_the_last_timer_not_before():
    reached = []

    async def main():
        await asyncio.sleep(60)
        reached.append(running_clock().now_s())
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlockError):
        run_virtual(main())
    assert reached == [60.0]


def test_a_cancelled_sleeper_leaves_no_timer():
    async def main():
        sleeper = asyncio.create_task(running_clock().sleep_s(1000))
        await asyncio.sleep(1)
        sleeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sleeper
        await asyncio.get_running_loop().create_future()

    clock = VirtualClock()
    with pytest.raises(DeadlockError):
        run_virtual(main(), clock)
    assert clock.now_s() == 1.0


def test_a_thread_is_waited_for_and_takes_no_virtual_time():
    async def main():
        release = threading.Event()
        timer = asyncio.create_task(asyncio.sleep(100))
        work = asyncio.create_task(asyncio.to_thread(release.wait))
        asyncio.get_running_loop().call_soon(release.set)
        assert await work
        during = running_clock().now_s()
        await timer
        return during, running_clock().now_s()

    assert run_virtual(main()) == (0.0, 100.0)


def test_sockets_of_the_same_process_are_served():
    async def main():
        async def echo(reader, writer):
            writer.write(await reader.read(5))
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(echo, "127.0.0.1", 0, family=socket.AF_INET)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return answer

    assert run_virtual(main()) == b"hello"


def test_a_virtual_clock_is_moved_only_by_its_own_loop():
    with pytest.raises(ClockError, match="own loop"):
        run_virtual(VirtualClock().sleep_s(1))
    with pytest.raises(ClockError, match="own loop"):
        asyncio.run(VirtualClock().sleep_s(1))


def test_time_has_an_end():
    with pytest.raises(ClockError, match="1048576"):
        run_virtual(asyncio.sleep(2.0**21))


def test_a_clock_of_ones_own():
    epoch = datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=2)))
    clock = VirtualClock(epoch)
    run_virtual(clock.sleep_s(0.25), clock)
    assert clock.now_s() == 0.25
    assert clock.wall_time() == datetime(2024, 2, 29, 10, 0, 0, 250_000, tzinfo=UTC)
    with pytest.raises(InvalidParameterError, match="epoch"):
        VirtualClock(datetime(2024, 1, 1))  # noqa: DTZ001


def test_the_result_the_error_and_the_cancellation_come_out():
    async def fails():
        await asyncio.sleep(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_virtual(fails())
    assert run(asyncio.sleep(5, "done"), clock="virtual") == "done"


def test_run_knows_two_clocks():
    async def which():
        return type(running_clock()), isinstance(asyncio.get_running_loop(), VirtualEventLoop)

    assert run(which(), clock="real") == (RealClock, False)
    assert run(which(), clock="virtual") == (VirtualClock, True)
    with pytest.raises(InvalidParameterError, match='"virtual" or "real"'):
        run(which(), clock="fast")


@pytest.mark.realtime
def test_real_clock_never_wakes_early():
    async def main():
        clock = RealClock()
        for k in range(1, 6):
            await clock.sleep_until_s(k * 0.003)
            assert clock.now_s() >= k * 0.003
        await clock.sleep_s(0)
        return clock

    clock = asyncio.run(main())
    assert clock.wall_time().tzinfo is UTC
    assert clock.wall_time() <= clock.wall_time()
