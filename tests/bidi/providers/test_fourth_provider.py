"""A fourth provider is one folder and one line: then every list names it, and the shell holds its sessions."""

import asyncio

import numpy as np
import pytest
from typer.testing import CliRunner

import bidilab as bl
from bidilab.bidi import BidiAgent
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.providers import registry
from bidilab.bidi.providers.registry import PROVIDERS, model_providers, register_provider
from bidilab.bidi.providers.table import provider_document
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
)
from bidilab.cli.app import app
from bidilab.core.audio import Audio
from bidilab.core.clock import run_virtual, running_clock
from bidilab.core.errors import InvalidParameterError, ProviderConnectionError
from bidilab.detect.turns import EXPORT_TARGETS, ServerVad, TurnParams, providers
from bidilab.detect.turns import export as targets
from bidilab.lab.sessions.replay import model_names
from bidilab.show.widgets.live import LiveSession
from tests.bidi.providers.toy import provider as toy
from tests.bidi.providers.toy.provider import RATE, TOY, ToyModel, ToyServer, ToyVad


@pytest.fixture(autouse=True)
def server(monkeypatch):
    for known in (registry._providers, registry._on_network, providers._all, providers._swept, targets._TARGETS):
        monkeypatch.setitem(known, "toy", None)  # it is forgotten after the test
        del known["toy"]
    register_provider(TOY)
    monkeypatch.setattr(toy, "SERVER", ToyServer())
    return toy.SERVER


def test_every_list_names_it():
    assert list(PROVIDERS) == ["openai", "gemini", "nova", "toy"]
    assert list(model_providers())[-1] == model_names()[-1] == list(EXPORT_TARGETS)[-1] == "toy"
    assert providers.provider_params("toy") is ToyVad
    assert bl.export_setting(TurnParams(silence_duration_ms=640), "toy").text == "640"
    assert LiveSession("toy").providers[-1] == {"name": "toy", "title": "Toy", "unusable": None}
    document = provider_document()
    assert "| Amazon Nova Sonic | Toy |" in document
    assert "### toy: `ToyVad`" in document
    for command in ("replay", "sweep"):
        shown = " ".join(CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output.split())
        assert "or toy" in shown, command
    with pytest.raises(InvalidParameterError, match='"toy", got'):
        bl.replay(Audio(samples=np.zeros(160, np.float32), sample_rate=RATE), "none")


def test_its_models_are_made_like_those_of_the_others():
    assert model_providers()["toy"].build(ServerVad(silence_duration_ms=320)).config["turn_detection"] == {
        "patience_ms": 320
    }
    assert PROVIDERS["toy"].canonical({"patience_ms": 64}).silence_duration_ms == 64
    assert PROVIDERS["toy"].canonical(None) is None
    with pytest.raises(InvalidParameterError, match="ToyVad or its dict for toy"):
        PROVIDERS["toy"].make(3)


class Listener:
    """Reads a session's events."""

    def __init__(self, source):
        self.events, self.changed, self.failure = [], asyncio.Condition(), None
        self.task = asyncio.create_task(self._collect(source))

    async def _collect(self, source):
        try:
            async for event in source.receive():
                self.events.append(event)
                async with self.changed:
                    self.changed.notify_all()
        except ProviderConnectionError as error:
            self.failure = error

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind, n=1):
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: len(self.of(kind)) >= n)
        return self.of(kind)[n - 1]


def test_a_session_with_an_interruption_and_a_reconnect(server):
    # played  |0.0 … 0.5 s of 2 s, cut|      then the connection breaks twice, and comes back with the history
    async def main():
        agent = BidiAgent(model_providers()["toy"].build(ServerVad()), log=(log := EventLog()))
        await agent.start()
        heard = Listener(agent)
        await agent.send("Count.")
        server.say(kind="begin", id="r1")
        server.say(kind="say", id="r1", pcm=bytes(4 * RATE))
        await heard.until(BidiAudioStreamEvent)
        await running_clock().sleep_s(0.5)
        server.say(kind="speech")
        cut = await heard.until(BidiInterruptionEvent)
        assert (cut.reason, cut.interrupted_response_id) == ("user_speech", "r1")
        assert (cut.heard_samples, cut.generated_samples) == (RATE // 2, 2 * RATE)
        server.say(kind="say", id="r1", pcm=bytes(RATE))  # nothing of it is handed on any more
        server.say(nothing="known")
        server.refuse = 1
        server.break_off("worn out")
        restart = await heard.until(BidiConnectionRestartEvent)
        assert restart.message == "the connection to Toy was closed: worn out (Broken)"
        await heard.until(BidiConnectionStartEvent, 2)
        server.say(kind="begin", id="r2")
        server.say(kind="done", id="r2")
        await heard.until(BidiResponseCompleteEvent, 2)
        await agent.stop()
        await heard.task
        return heard, log

    heard, log = run_virtual(main())
    assert len(heard.of(BidiAudioStreamEvent)) == 1
    assert [e.stop_reason for e in heard.of(BidiResponseCompleteEvent)] == ["interrupted", "complete"]
    assert server.of("hello") == [{"kind": "hello", "told": []}, {"kind": "hello", "told": ["Count."]}]
    types = [row.type for row in log.rows]
    for kind in ("speech_started", "malformed_message", "connection_over", "reconnect_failed", "reconnected"):
        assert kind in types, kind
    assert server.connections[0].closed
    assert server.connections[1].closed


def test_a_service_that_stays_away_ends_the_session(server):
    async def main():
        model = ToyModel(client_config={"reconnect_attempts": 3})
        await model.start()
        heard = Listener(model)
        await heard.until(BidiConnectionStartEvent)
        begun_s = running_clock().now_s()
        server.refuse = 3
        server.break_off("gone")
        await heard.task
        return heard, running_clock().now_s() - begun_s

    heard, took_s = run_virtual(main())
    assert str(heard.failure) == "the connection to Toy is lost: 3 attempts to reconnect failed"
    assert heard.events[-1] == BidiConnectionCloseEvent("toy_1", "error")
    assert took_s == pytest.approx(0.5 + 1 + 2)


def test_what_is_typed_without_a_connection_is_told_from_the_history(server):
    async def main():
        model = ToyModel()
        await model.start(messages=[{"role": "user", "content": [{"text": "Before."}]}])
        heard = Listener(model)
        await heard.until(BidiConnectionStartEvent)
        server.break_off("gone")
        await heard.until(BidiConnectionRestartEvent)
        await model.send(BidiTextInputEvent("Meanwhile."))
        await heard.until(BidiConnectionStartEvent, 2)
        server.say(kind="begin", id="r1")
        await model.stop()
        await heard.task
        await model.stop()

    run_virtual(main())
    assert server.of("hello")[-1]["told"] == ["Before.", "Meanwhile."]
