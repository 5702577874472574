"""The alarm, on the virtual clock: told or timed, and never late."""

from __future__ import annotations

import asyncio

from bidilab.bidi.realtime.server.connection import Alarm
from bidilab.core.clock import run_virtual, running_clock


def test_it_wakes_at_its_time_or_when_told_and_keeps_or_moves_its_timer() -> None:
    #   time   0        1        2        3        4        5
    #   wait   until 2 .........|until 5 .|  until 4 |.......
    #   told                              3
    woken: list[float] = []

    async def main() -> None:
        clock = running_clock()
        alarm = Alarm(clock)
        asyncio.get_running_loop().call_later(3.0, alarm.set)
        for until_s in (2.0, 5.0, 4.0):
            await alarm.wait(until_s=until_s)
            woken.append(clock.now_s())
        asyncio.get_running_loop().call_later(2.0, alarm.set)
        await alarm.wait(until_s=5.0)
        await alarm.wait()
        woken.append(clock.now_s())

    run_virtual(main())
    assert woken == [2.0, 3.0, 4.0, 6.0]


def test_a_time_that_has_passed_wakes_at_once() -> None:
    async def main() -> float:
        clock = running_clock()
        await clock.sleep_s(1.0)
        await Alarm(clock).wait(until_s=0.5)
        return clock.now_s()

    assert run_virtual(main()) == 1.0


def test_told_while_the_timer_keeps_running_for_the_next_wait() -> None:
    async def main() -> list[float]:
        clock = running_clock()
        alarm = Alarm(clock)
        woken = []
        for told_s in (0.25, 0.5):
            asyncio.get_running_loop().call_later(told_s - clock.now_s(), alarm.set)
            await alarm.wait(until_s=1.0)
            woken.append(clock.now_s())
        await alarm.wait(until_s=1.0)
        return [*woken, clock.now_s()]

    assert run_virtual(main()) == [0.25, 0.5, 1.0]
