"""Keys of ten shapes through every failure of a connection; then every artefact is searched for them."""

import asyncio
import base64
import json
import logging
import traceback
from urllib.parse import quote

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bidilab.bidi.io.browser import LoopbackSocket
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.models import BidiGeminiLiveModel, BidiOpenAIRealtimeModel, SessionContext
from bidilab.bidi.realtime import ScriptedResponder
from bidilab.bidi.realtime.server import ServerSettings
from bidilab.bidi.types.events import BidiConnectionRestartEvent, BidiErrorEvent
from bidilab.core import redaction
from bidilab.core.errors import CredentialsError, ProviderError
from bidilab.core.redaction import conceal, redact_text
from tests.bidi.providers.gemini import loopback as gemini
from tests.bidi.providers.openai.loopback import Client, HandClock, Loopback
from tests.bidi.realtime.server_client import client as socket_client
from tests.bidi.realtime.server_client import running

KEYS = {
    "of OpenAI": "sk-proj-" + "aB3_" * 12,
    "of Google": "AIza" + "Sy-1" * 9,
    "hex": "0123456789abcdef" * 2,
    "a UUID": "3f2b8c1e-7a64-4d0e-9b55-1c2d3e4f5a6b",
    "base64 with padding": "q83vEjRWeJq83+/xI0VniavN7w==",
    "a JWT": "eyJhbGciOi.eyJzdWIiOiIx.SflKxwRJSMeKKF2QT4fw",
    "words": "correct horse battery staple",
    "with quotes": 'it\'s "quoted\\" 100% & more?',
    "long": "k" * 50 + "Z9" * 100,
    "short": "tin-7",
}


def ways(key):
    """How a service, or a library on the way, may write the key."""
    yield key
    yield json.dumps({"key": key})
    yield repr(key)
    yield f"https://example.org/?key={quote(key, safe='')}&x=1"
    if len(key) >= 8:
        yield f"Basic {base64.b64encode(key.encode()).decode()}"


def traces_of(key):
    """What must be nowhere: the key, how others write it, and a good part of it."""
    if len(key) < 8:
        return [f"'{key}'", f'"{key}"', f" {key} ", f"={key}&"]
    shapes = [key, quote(key, safe=""), json.dumps(key)[1:-1], repr(key)[1:-1], base64.b64encode(key.encode()).decode()]
    return [*shapes, key[: max(12, len(key) // 2)]]


@pytest.fixture(autouse=True)
def _nothing_concealed(monkeypatch):
    monkeypatch.setattr(redaction, "_concealed", ())


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_no_shape_of_a_key_is_in_any_artefact_of_any_failure(key, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    shown = []

    async def main():
        async with Loopback(HandClock(), ScriptedResponder(["Yes."]), key=key) as server:
            config = {"client_config": {"api_key": key, "reconnect_delay_s": 0.01}}
            client = Client(server, **config)
            client.log = EventLog(tmp_path / "log.jsonl", clock=server.clock)
            client.model.bind(SessionContext(clock=server.clock, log=client.log.append))
            async with client:
                for n, said in enumerate(ways(key), start=1):
                    error = {"type": "server_error", "code": "hiccup", "message": f"bad key {said} ", "param": said}
                    await server.say({"type": "error", "event_id": "e", "error": error})
                    await client.until(BidiErrorEvent, n)
                    await server.say({"type": "brand.new", "event_id": "e2", "text": f"for {said} here"})
                    await server.say(f"no JSON: {said} ")
                    reason = f"{'x' * 60} bad key {said} "
                    await server.sockets[-1].close(1011, reason.encode()[:120].decode())
                    restart = await client.until(BidiConnectionRestartEvent, n)
                    shown.append(restart)
                    await server.got("session.update", n + 1)
                shown.extend([*client.events, client.model, vars(client.model), client.model.config])
            client.log.close()
            server.key = "another"
            refused = Client(server, **config)
            with pytest.raises(CredentialsError) as caught:
                await refused.model.start()
            shown.append("".join(traceback.format_exception(caught.value)))
            for url in ("ws://127.0.0.1:9/v1", f"ws://{quote(key, safe='')}/v1", f"nonsense {key} "):
                gone = BidiOpenAIRealtimeModel(client_config={**config["client_config"], "websocket_base_url": url})
                with pytest.raises(Exception, match="OpenAI") as caught:
                    await gone.start()
                shown.append("".join(traceback.format_exception(caught.value)))

    asyncio.run(asyncio.wait_for(main(), 60))
    ours = [record for record in caplog.records if record.name != "websockets.server"]  # the server is the test's own
    text = "\n".join([*map(repr, shown), *map(str, shown), *map(logging.Formatter().format, ours)])
    text += (tmp_path / "log.jsonl").read_text("utf-8")
    assert "hiccup" in text
    assert not [trace for trace in traces_of(key) if trace in text]


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_no_shape_of_a_key_is_in_any_artefact_of_gemini(key, caplog):
    caplog.set_level(logging.DEBUG)
    shown = []

    async def main():
        async with gemini.StandIn(HandClock(), key=key) as server:
            for said in ways(key):
                for code in (1007, 1011):

                    async def close(socket, _setup, code=code, said=said):
                        await socket.close(code, f"{'x' * 60} bad key {said} ".encode()[:120].decode())
                        return True

                    server.on_setup = close
                    client = gemini.Client(server, client_config={"api_key": key})
                    with pytest.raises(ProviderError) as caught:
                        await client.start()
                    shown.append("".join(traceback.format_exception(caught.value)))
                    shown.extend([*client.log.rows, client.model, vars(client.model)])

    asyncio.run(asyncio.wait_for(main(), 60))
    ours = [record for record in caplog.records if record.name != "websockets.server"]  # the server is the test's own
    text = "\n".join([*map(repr, shown), *map(str, shown), *map(logging.Formatter().format, ours)])
    assert "xxx" in text
    assert not [trace for trace in traces_of(key) if trace in text]


@pytest.mark.parametrize("key", ["sk-abcdefgh12345678\n", "ключ-ключ-ключ", "a\x00b-0123456789", "k\r\nX-Evil: 1"])
@pytest.mark.parametrize("model", [BidiOpenAIRealtimeModel, BidiGeminiLiveModel])
def test_a_key_that_no_header_can_hold_is_told_without_it(model, key):
    with pytest.raises(CredentialsError, match="remove them") as caught:
        model(client_config={"api_key": key})
    assert key.strip() not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("cut", range(8, 29))
def test_a_key_that_a_close_reason_cuts_off_is_struck_out_as_far_as_it_came(cut):
    key = KEYS["words"]
    conceal(key)
    for end in ("", "…", "...", "'"):
        assert key[:8] not in redact_text(f"this key is wrong: {key[:cut]}{end}")
    assert redact_text(f"for {key[:8]} only") == f"for {key[:8]} only"  # words that go on are words


TOKEN = "server-token-0123456789"


def test_tokens_and_tickets_are_in_no_log_at_any_level(caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    quiet = logging.getLogger("websockets.client")  # the client is the test's own
    quiet.setLevel(logging.INFO)
    secret = []

    async def main():
        settings = {"token": TOKEN, "log_dir": tmp_path}
        async with running(**settings) as server:
            async with socket_client(server, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as user:
                await user.receive()
            wrong = {"Authorization": "Bearer wrong-token-9876543210"}
            with pytest.raises(InvalidStatus, match="401"):
                await socket_client(server, additional_headers=wrong).__aenter__()
        socket = LoopbackSocket(on_open=lambda _: None, on_message=lambda *_: None, on_close=lambda _: None)
        await socket.start()
        told = socket.ticket("http://127.0.0.1:8888")
        secret.extend([told["greeting"], told["ticket"]])
        for ticket in (told["ticket"], "another-ticket-0123456789"):
            async with connect(told["url"], origin="http://127.0.0.1:8888", compression=None) as page:
                await page.recv()
                await page.send(ticket)
        await socket.stop()

    try:
        asyncio.run(asyncio.wait_for(main(), 30))
    finally:
        quiet.setLevel(logging.NOTSET)
    text = "\n".join(map(logging.Formatter().format, caplog.records))
    text += "".join(path.read_text() for path in tmp_path.iterdir())
    assert TOKEN not in repr(ServerSettings(token=TOKEN))
    assert "session" in text
    assert not [one for one in (TOKEN, "wrong-token-9876543210", "another-ticket-0123456789", *secret) if one in text]
