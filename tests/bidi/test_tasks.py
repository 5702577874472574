"""A message that comes while something else was told is not lost."""

import asyncio

import pytest

from bidilab.bidi.tasks import WakingReceiver


def test_woken_before_the_message_which_then_comes():
    async def main():
        messages = asyncio.Queue()
        receiver = WakingReceiver(messages.get)
        waiting = asyncio.create_task(receiver.next())
        await asyncio.wait({waiting}, timeout=0)
        receiver.wake()
        assert await waiting is None
        messages.put_nowait("first")
        messages.put_nowait("second")
        assert [await receiver.next(), await receiver.next()] == ["first", "second"]

    asyncio.run(main())


def test_what_receiving_raises_is_raised_and_the_next_goes_on():
    async def main():
        answers = iter([ValueError("malformed"), "fine"])

        async def receive():
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        receiver = WakingReceiver(receive)
        with pytest.raises(ValueError, match="malformed"):
            await receiver.next()
        assert await receiver.next() == "fine"

    asyncio.run(main())


def test_cancelled_it_leaves_nothing_behind():
    async def main():
        receiver = WakingReceiver(asyncio.Queue().get)
        waiting = asyncio.create_task(receiver.next())
        await asyncio.wait({waiting}, timeout=0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
