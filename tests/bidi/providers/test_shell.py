"""The shell by itself, over the toy provider: senders that wait, connections that follow each other, settling."""

import asyncio

import pytest

from bidilab.bidi.types.events import (
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
)
from bidilab.core.clock import run_virtual, running_clock
from bidilab.core.errors import InvalidParameterError, SessionError
from tests.bidi.providers.test_fourth_provider import Listener
from tests.bidi.providers.toy import provider as toy
from tests.bidi.providers.toy.provider import ToyModel, ToyServer


def run(scenario, **client_config):
    """Run a scenario with a service and a model that has started; return both, and what the model told."""

    async def main():
        toy.SERVER = server = ToyServer()
        model = ToyModel(client_config=client_config)
        rows = []
        await model.start()
        append = model.context.log
        object.__setattr__(model.context, "log", lambda kind, **row: rows.append((kind, row)) or append(kind, **row))
        heard = Listener(model)
        await heard.until(BidiConnectionStartEvent)
        await scenario(server, model, heard)
        await model.stop()
        await heard.task
        return server, heard, rows

    return run_virtual(main())


async def send_into_the_wall(server, model):
    """Begin a send that the service does not take yet."""
    server.connections[-1].takes.clear()
    sending = asyncio.create_task(model.send(BidiTextInputEvent("First.")))
    await running_clock().sleep_s(0.1)
    return sending


def test_a_sender_that_waits_holds_up_no_event_and_sends_the_answer_after_its_own():
    async def scenario(server, model, heard):
        sending = await send_into_the_wall(server, model)
        server.say(kind="ask")
        server.say(kind="begin", id="r1")
        await heard.until(BidiResponseStartEvent)  # though nothing has gone out
        assert server.of("text") == server.of("answer") == []
        server.connections[-1].takes.set()
        await sending

    server, _, _ = run(scenario)
    assert [message["kind"] for message in server.received] == ["hello", "text", "answer"]


def test_what_is_for_the_next_connection_does_not_go_to_the_one_before():
    async def scenario(server, model, heard):
        sending = await send_into_the_wall(server, model)
        before = server.connections[-1]
        server.break_off("gone")
        await heard.until(BidiConnectionRestartEvent)
        await running_clock().sleep_s(1.0)
        assert len(server.connections) == 2
        before.closed = False  # it would still take what it is given
        before.takes.set()
        await sending
        await heard.until(BidiConnectionStartEvent, 2)

    server, _, _ = run(scenario)
    hellos = [message["told"] for message in server.of("hello")]
    assert hellos == [[], ["First."]]
    assert [connection.sent for connection in server.connections] == [["hello", "text"], ["hello"]]


def test_a_session_that_owes_nothing_has_settled_at_once_and_an_answer_is_waited_for():
    async def scenario(server, model, heard):
        await model.settled()
        assert running_clock().now_s() == 0
        await model.send(BidiTextInputEvent("Hello."))
        waiting = asyncio.create_task(model.settled())
        await running_clock().sleep_s(10.0)
        assert not waiting.done()
        server.say(kind="begin", id="r1")
        server.say(kind="done", id="r1")
        await waiting
        assert running_clock().now_s() == pytest.approx(10.0)

    _, _, rows = run(scenario)
    assert "settle_timeout" not in [kind for kind, _ in rows]


def test_a_service_that_says_nothing_for_long_is_not_waited_for():
    async def scenario(server, model, heard):
        await running_clock().sleep_s(100.0)  # counted from when it is asked
        await model.send(BidiTextInputEvent("Hello."))
        await model.settled()
        assert running_clock().now_s() == pytest.approx(107.0)

    _, _, rows = run(scenario, timeout_s=7.0)
    assert ("settle_timeout", {"source": "error", "detail": {"timeout_s": 7.0}}) in rows


async def lose_after(server, heard, seconds):
    """Let the connection stand and say something, then break it."""
    n = len(heard.of(BidiConnectionRestartEvent))
    await running_clock().sleep_s(seconds)
    server.say(kind="begin", id=f"r{n}")
    server.say(kind="done", id=f"r{n}")
    await running_clock().sleep_s(0.01)
    server.break_off("gone")
    await heard.until(BidiConnectionRestartEvent, n + 1)


def test_connections_that_do_not_last_use_up_the_attempts_though_each_stood_and_spoke():
    # lost  at 9 s   +1+9    +2+9    +4+9: the fourth loss finds no attempt left
    async def scenario(server, model, heard):
        for n in range(2, 5):
            await lose_after(server, heard, 9.0)
            await heard.until(BidiConnectionStartEvent, n)
        await lose_after(server, heard, 9.0)
        await heard.task
        assert running_clock().now_s() == pytest.approx(4 * 9.01 + 1 + 2 + 4)

    server, heard, _ = run(scenario, reconnect_attempts=3, reconnect_delay_s=1.0, reconnect_reset_s=10.0)
    assert len(server.connections) == 4
    assert str(heard.failure) == (
        "the connection to Toy is lost: 3 attempts to reconnect gave no connection that lasted 10 s"
    )


def test_a_connection_that_lasts_gives_all_attempts_again():
    async def scenario(server, model, heard):
        for n in range(2, 12):
            await lose_after(server, heard, 10.0)
            await heard.until(BidiConnectionStartEvent, n)
        assert running_clock().now_s() == pytest.approx(10 * (10.01 + 1.0))

    server, heard, _ = run(scenario, reconnect_attempts=1, reconnect_delay_s=1.0, reconnect_reset_s=10.0)
    assert heard.failure is None
    assert len(server.connections) == 11


def test_clients_that_lost_a_service_together_come_back_apart(monkeypatch):
    drawn = iter([0.0, 0.5, 0.99])
    monkeypatch.setattr(ToyModel, "_jitter", lambda self: next(drawn))

    async def scenario(server, model, heard):
        server.refuse = 3
        server.break_off("gone")
        await heard.task
        assert running_clock().now_s() == pytest.approx(1 + 2 * 0.75 + 4 * 0.505)

    run(scenario, reconnect_attempts=3, reconnect_delay_s=1.0)


def test_stopping_wakes_who_waits_for_settling():
    async def scenario(server, model, heard):
        await model.send(BidiTextInputEvent("Hello."))
        waiting = asyncio.create_task(model.settled())
        await running_clock().sleep_s(1.0)
        await model.stop()
        await waiting
        assert running_clock().now_s() == pytest.approx(1.0)

    run(scenario)


def test_what_start_does_not_know_and_a_model_that_does_not_run():
    async def main():
        model = ToyModel()
        with pytest.raises(InvalidParameterError, match="got \\['voice'\\]"):
            await model.start(voice="x")
        for unstarted in (model.send(BidiTextInputEvent("x")), model.end_of_audio(), anext(model.receive())):
            with pytest.raises(SessionError, match="not running"):
                await unstarted
        await model.settled()
        await model.truncate("r1", 0, 16_000)
        await model.stop()

    run_virtual(main())
    with pytest.raises(InvalidParameterError, match="model_id"):
        ToyModel(model_id="")
