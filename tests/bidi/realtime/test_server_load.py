"""How many sessions come in, and how much is held for them."""

from __future__ import annotations

import asyncio
import base64
from contextlib import AsyncExitStack
from http import HTTPStatus

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bidilab.bidi.realtime.server.load import LoadGauge, n_ready_tasks
from tests.bidi.realtime.server_client import LIMIT_S, client, running


def gauge(*, n_ready: float = 1, max_load: float = 0.7, cost: float = 0.016) -> LoadGauge:
    made = LoadGauge(max_load=max_load, n_cores=2)
    made.measured_alone(cpu_s=cost / 1.6, heard_s=1)
    made.note_ready(n_ready)
    return made


def n_places(of: LoadGauge) -> int:
    return next(n for n in range(1_000) if of.refusal(n) is not None)


def test_as_many_come_in_as_the_core_hears() -> None:
    # 0.7 of a core at 0.016 s per second of audio: 43 sessions. With 8 tasks on 2 cores there is a quarter of a core:
    # 0.7 * 0.25 / 0.016 = 10. However busy it is, 2.
    assert n_places(gauge()) == 43
    assert n_places(gauge(n_ready=8)) == 10
    assert n_places(gauge(n_ready=800)) == 2
    assert gauge(max_load=100).refusal(900) is None


def test_the_cost_is_learned_from_what_sessions_take_and_not_from_a_flood() -> None:
    learning = gauge()
    for _ in range(100):  # 20 sessions in real time, at half the cost of one that is heard alone
        learning.measured(cpu_s=0.016, heard_s=2.0, lag_s=0.001, in_time=True)
    assert learning.cost == pytest.approx(0.008, rel=0.01)
    assert n_places(learning) == 87
    for _ in range(100):  # a flood beside them takes the rest of the core
        learning.measured(cpu_s=0.1, heard_s=2.0, lag_s=0.001, in_time=False)
    assert n_places(learning) == 87


def test_nobody_comes_in_while_the_sessions_wait() -> None:
    waiting = gauge()
    for _ in range(20):
        waiting.measured(cpu_s=0.0, heard_s=0.0, lag_s=0.03, in_time=True)
    assert "wait 30 ms" in (waiting.refusal(10) or "")
    assert waiting.refusal(1) is None
    for _ in range(11):  # most of the last two seconds were in time again
        waiting.measured(cpu_s=0.0, heard_s=0.0, lag_s=0.0, in_time=True)
    assert waiting.refusal(10) is None


def test_the_machine_tells_how_many_tasks_are_ready() -> None:
    assert n_ready_tasks() >= 1


def test_a_client_too_many_is_told_503_and_when_to_come_again() -> None:
    async def main() -> None:
        async with running() as server, AsyncExitStack() as stack:
            server._gauge.cost = 1.0  # a machine that hears nothing in time
            users = [await stack.enter_async_context(client(server)) for _ in range(2)]
            with pytest.raises(InvalidStatus) as caught:
                async with client(server):
                    pass
            response = caught.value.response
            assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
            assert int(response.headers["Retry-After"]) > 0
            assert b"The machine hears 2 sessions" in response.body
            assert (server.n_open, server.n_refused) == (2, 1)
            for user in users:
                assert (await user.receive())["type"] == "session.created"

    asyncio.run(main())


def test_a_crowd_at_the_door_gets_no_more_than_the_places() -> None:
    async def main() -> None:
        async with running(max_sessions=3) as server:

            async def come() -> int:
                try:
                    async with client(server) as user:
                        await user.receive()
                        await done.wait()
                except InvalidStatus as refused:
                    return refused.response.status_code
                return 101

            done = asyncio.Event()
            crowd = [asyncio.create_task(come()) for _ in range(12)]
            async with asyncio.timeout(LIMIT_S):
                while server.n_refused < 9:
                    await asyncio.to_thread(lambda: None)
            done.set()
            assert sorted(await asyncio.gather(*crowd)) == [101] * 3 + [503] * 9

    asyncio.run(main())


def test_who_holds_the_most_lets_old_audio_go_and_is_closed_when_that_is_not_enough() -> None:
    # An item is small beside the limit: what is on its way, as each item that is asked for, counts as held, too.
    audio = base64.b64encode(bytes(100_000)).decode()
    by_hand = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}

    async def main() -> None:
        async with running(max_held_bytes=2**20) as server, client(server) as other, client(server) as user:
            for each in (other, user):
                await each.send("session.update", session=by_hand)
            await other.send("input_audio_buffer.append", audio=audio)
            await other.send("input_audio_buffer.commit")
            small = (await other.until("input_audio_buffer.committed"))["item_id"]
            items = []
            for _ in range(16):  # 1.6 MB, where 1 MiB may be held
                await user.send("input_audio_buffer.append", audio=audio)
                await user.send("input_audio_buffer.commit")
                items.append((await user.until("input_audio_buffer.committed"))["item_id"])

            async def kept(of, item_id: str) -> bool:
                await of.send("conversation.item.retrieve", item_id=item_id)
                return "audio" in (await of.until("conversation.item.retrieved"))["item"]["content"][0]

            async def overfill(of) -> None:
                for _ in range(16):  # audio that is not committed cannot go
                    await of.send("input_audio_buffer.append", audio=audio)
                await of.until("nothing, but the end")

            async with asyncio.timeout(LIMIT_S):
                while await kept(user, items[0]):
                    pass
            assert await kept(user, items[-1])
            assert await kept(other, small)
            with pytest.raises(ConnectionClosed):
                await overfill(user)
            assert user.socket.close_code == 1013
            assert await kept(other, small)

    asyncio.run(main())
