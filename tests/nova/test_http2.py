"""The whole path on a loopback socket: the SDK's own client, HTTP/2, TLS, real time."""

import asyncio
import threading

import pytest

pytest.importorskip("aws_sdk_bedrock_runtime", reason="needs the extra nova, and Python 3.12 or newer")

import bidilab as bl
from bidilab.bidi.providers.nova import connection
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
)
from bidilab.core.audio import Audio
from bidilab.core.clock import running_clock
from bidilab.core.errors import CredentialsError, ProviderConnectionError, ProviderError
from bidilab.detect.turns.simulation import ResponsePlan
from tests.conftest import ROOT
from tests.nova.sessions import TURN, BotoSession, Client, model, running
from tests.nova.standin.connection import Backend, Faults
from tests.nova.standin.framing import exception
from tests.nova.standin.http2 import LoopbackServer
from tests.nova.standin.service import Script

pytestmark = pytest.mark.realtime


def backend(**faults):
    return Backend(Script(vad="energy", plan=ResponsePlan(response_ms=3000)), Faults(**faults))


def served(server, **client_config):
    return model(server.backend, http_client=server.client, endpoint_uri=server.url, **client_config)


def test_a_barge_in_and_an_orderly_end():
    made = backend()

    async def main():
        async with LoopbackServer(made) as server, running(served(server), system_prompt="Be brief.") as client:
            await client.speak(*TURN, (0.3, 0), (0.6, 3000))
            await client.until(BidiInterruptionEvent, within_s=10)
        return client

    client = asyncio.run(main())
    # Generating is over sooner than playing: on a busy machine the completion may have come before.
    assert client.of(BidiResponseCompleteEvent)[-1].stop_reason == "interrupted"
    cut = client.events.index(client.of(BidiInterruptionEvent)[0])
    assert client.of(BidiAudioStreamEvent)
    assert not [e for e in client.events[cut:] if isinstance(e, BidiAudioStreamEvent)]
    service = made.services[0]
    assert service.order.ended
    assert service.order.system == ["Be brief."]
    # The chunk that decided was the last that the service had heard when it told.
    (row,) = client.rows("interruption_reported")
    decided_at = service.decisions[2].decided_at
    assert 0 <= row.input_samples - decided_at <= 16_000 * 0.5
    assert client.rows("send_failed") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "restarts"),
    [("break", True), ("end", True), (exception("throttlingException", "slow down"), True),
     (exception("validationException", "Invalid input request"), False)],
    ids=["broken", "ended", "throttled", "invalid"],
)  # fmt: skip
def test_a_fault_in_mid_response(fault, restarts):
    made = backend(after_audio={0: (2, fault)})

    async def main():
        async with LoopbackServer(made) as server, running(served(server, reconnect_delay_s=0.05)) as client:
            await client.speak(*TURN)
            if restarts:
                await client.until(BidiConnectionStartEvent, 2, within_s=20)
                await client.speak(*TURN)
                await client.until(BidiResponseCompleteEvent, 2, within_s=20)
            else:
                await client.over(within_s=20)
        return client

    client = asyncio.run(main())
    assert client.of(BidiInterruptionEvent)[0].reason == "error"
    assert len(client.of(BidiConnectionRestartEvent)) == int(restarts)
    assert (type(client.failure) is ProviderError) == (not restarts)
    if restarts:
        assert made.services[1].order.history[0] == ("USER", "what the user said")


def test_a_half_open_line_is_noticed_and_told(monkeypatch):
    # The service reads nothing more, and TCP stays open. The limit is a tenth of what it is.
    monkeypatch.setattr(connection, "STALLED_S", connection.STALLED_S / 10)
    made = backend()

    async def main():
        async with LoopbackServer(made) as server, running(served(server, reconnect_delay_s=0.05)) as client:
            await client.speak((0.5, 0))
            (silent,) = server.connections
            silent.writer.transport.pause_reading()
            clock = running_clock()
            speaking = asyncio.create_task(client.speak((20.0, 0)))
            (restart,) = await client.until(BidiConnectionRestartEvent, within_s=15)
            took_s = clock.now_s()
            await client.until(BidiConnectionStartEvent, 2, within_s=15)
            speaking.cancel()
            silent.writer.transport.abort()
        return restart, took_s

    restart, took_s = asyncio.run(main())
    assert f"half open: an event was not taken within {connection.STALLED_S:g} s" in restart.message
    assert took_s < 10


def test_a_key_that_is_not_taken_and_nobody_there():
    made = backend()

    async def main():
        async with LoopbackServer(made) as server:
            with pytest.raises(CredentialsError):
                await Client(served(server, boto_session=BotoSession(access_key="AKIAUNKNOWN"))).start()
            url, client = server.url, server.client
        with pytest.raises(ProviderConnectionError):
            await Client(model(made, http_client=client, endpoint_uri=url, timeout_s=5)).start()

    asyncio.run(main())


@pytest.mark.slow
def test_a_notebook_hears_a_recording_in_real_time():
    """`bl.replay` as a user calls it, on the first 9 s of a recording: one interruption, predicted within a frame."""
    audio = bl.load_dataset(ROOT / "datasets" / "overlap-mini")["late-clean-01"].user()[: 9 * 16_000]
    made = Backend(Script(plan=ResponsePlan(response_delay_ms=300, response_ms=6000)))

    class Served:
        """The stand-in in a loop of its own, as a service is."""

        def __enter__(self):
            self.loop = asyncio.new_event_loop()
            self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            self.thread.start()
            self.server = LoopbackServer(made)
            asyncio.run_coroutine_threadsafe(self.server.__aenter__(), self.loop).result(10)
            return self.server

        def __exit__(self, *error):
            asyncio.run_coroutine_threadsafe(self.server.__aexit__(), self.loop).result(10)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
            self.loop.close()

    with Served() as server:
        replayed = bl.replay(Audio(samples=audio, sample_rate=16_000), served(server), clock="real", chunk_ms=32)
    (cut,) = [row for row in replayed.log if row.type == "bidi_interruption"]
    decided_at = made.services[0].decisions[2].decided_at
    assert decided_at == 118_272  # as in test_agreement
    # Sent while the word of it was on its way: a few chunks on a busy machine.
    (told,) = [row for row in replayed.log if row.type == "interruption_reported"]
    assert decided_at <= told.input_samples <= decided_at + 16_000 * 0.5
    assert cut.response_id == "response_1"
