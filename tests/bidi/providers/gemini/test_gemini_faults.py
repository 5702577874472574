"""What fails in the service becomes the right event, and a clean end or a new connection: never a hang."""

import asyncio

import pytest

from bidilab.bidi.providers.gemini import connection
from bidilab.bidi.providers.gemini.connection import ClientSettings
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from bidilab.core.errors import CredentialsError, ProviderConnectionError, ProviderError
from tests.bidi.providers.gemini.loopback import (
    GENERATED,
    KEY,
    OUTPUT_RATE,
    RATE,
    TURN_COMPLETE,
    Client,
    HandClock,
    StandIn,
    answer,
    audio,
    content,
    run,
)


def start_of(on_setup=None, *, refuse=None, **client_config):
    """Start a client against a stand-in that misbehaves; return what it raised."""

    async def main():
        async with StandIn(HandClock()) as service:
            service.on_setup, service.refuse = on_setup, refuse
            client = Client(service, client_config=client_config)
            with pytest.raises(ProviderError) as raised:
                await client.start()
            await client.model.stop()
            return raised.value

    return asyncio.run(asyncio.wait_for(main(), 20))


def closes(code, reason):
    async def on_setup(socket, setup):
        await socket.close(code, reason)
        return True

    return on_setup


def test_a_bad_key():
    error = start_of(api_key="AIzaSyWrong0123456789abcdefghijklmnopqr")
    assert type(error) is CredentialsError
    assert "API key not valid" in str(error)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (1007, "Request contains an invalid argument.", ProviderError),
        (1008, "models/nothing is not found for API version v1beta", ProviderError),
        (1008, "API key expired. Please renew the API key.", CredentialsError),
        (1011, "You exceeded your current quota, please check your plan", ProviderConnectionError),
        (1011, "Deadline expired before operation could complete.", ProviderConnectionError),
        (1011, "Internal error occurred.", ProviderConnectionError),
    ],
)
def test_a_session_refused(code, reason, kind):
    error = start_of(closes(code, reason))
    assert type(error) is kind
    assert reason in str(error)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, CredentialsError), (403, CredentialsError), (404, ProviderError), (400, ProviderError)]
)
def test_a_handshake_refused(status, kind):
    error = start_of(refuse=status)
    assert isinstance(error, kind)
    assert KEY not in str(error)


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_too_busy(status):
    assert type(start_of(refuse=status, timeout_s=0.2)) is ProviderConnectionError


def test_a_session_that_is_never_confirmed():
    async def on_setup(socket, setup):
        await socket.wait_closed()
        return True

    error = start_of(on_setup, timeout_s=0.2)
    assert type(error) is ProviderConnectionError
    assert "timed out" in str(error)


def test_a_field_that_this_service_does_not_take():
    async def main():
        async with StandIn(HandClock()) as service:
            client = Client(service, provider_config={"inference": {"explicit_vad_signal": True}})
            with pytest.raises(ProviderError, match="explicit_vad_signal"):
                await client.model.start()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_nothing_listens():
    async def main():
        async with StandIn(HandClock()) as service:
            client = Client(service)
        with pytest.raises(ProviderConnectionError):
            await client.model.start()

    asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize("how", ["abort", "deadline"])
def test_a_connection_lost_in_mid_response(how):
    async def scenario(server, client):
        await server.say(audio(OUTPUT_RATE))
        await client.barrier()
        if how == "abort":
            server.abort()
        else:
            await server.close(1011, "Deadline expired before operation could complete.")
        await client.until(BidiConnectionStartEvent, 2)
        await client.model.send(BidiTextInputEvent("Go on."))
        await server.got("text")

    server, client = run(scenario, server={"answers": {"text": answer()}})
    assert [e.reason for e in client.of(BidiInterruptionEvent)] == ["error"]
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)][:1] == ["error"]
    assert len(client.of(BidiConnectionRestartEvent)) == 1
    assert server.setups[1]["sessionResumption"] == {"handle": "handle-1"}
    assert client.failure is None


def test_audio_without_a_connection_is_told_to_be_dropped():
    async def scenario(server, client):
        await client.say(bytes(640))
        server.refuse = 503
        server.abort()
        await client.until(BidiConnectionRestartEvent)
        await client.model.send(BidiAudioInputEvent.from_pcm(bytes(640), sample_rate=RATE))
        server.refuse = None
        await client.until(BidiConnectionStartEvent, 2)

    _, client = run(scenario, client_config={"reconnect_attempts": 50})
    (row,) = client.rows("input_dropped")
    assert '"dropped_samples":320' in row.detail


def test_a_handle_that_is_not_taken_any_more_begins_anew_with_the_history():
    async def refuse_handles(socket, setup):
        if "handle" not in setup["sessionResumption"]:
            return False
        await socket.close(1008, "BidiGenerateContent session not found")
        return True

    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("I am Ada."))
        await client.until(BidiResponseCompleteEvent)
        await client.barrier()
        server.on_setup = refuse_handles
        server.abort()
        await client.until(BidiConnectionStartEvent, 2)
        (told,) = await server.got("clientContent")
        assert [turn["parts"][0]["text"] for turn in told["turns"]] == ["I am Ada.", "Hello."]

    server, _ = run(scenario, server={"answers": {"text": answer(text="Hello.")}})
    assert [setup["sessionResumption"] for setup in server.setups] == [{}, {"handle": "handle-1"}, {}]


def test_words_that_wait_for_an_answer_are_said_again():
    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("Are you there?"))
        await server.got("text")
        server.abort()
        assert await server.got("text", 2) == ["Are you there?"] * 2

    run(scenario)


def test_a_tool_result_of_a_lost_connection_is_told_in_words():
    async def scenario(server, client):
        await server.say({"toolCall": {"functionCalls": [{"id": "c1", "name": "weather", "args": {}}]}})
        await client.until(ToolUseStreamEvent)
        server.abort()
        await client.until(BidiConnectionStartEvent, 2)
        result = {"toolUseId": "c1", "status": "success", "content": [{"text": "18 degrees"}]}
        await client.model.send(ToolResultEvent(result))
        (said,) = await server.got("text")
        assert "weather" in said
        assert "18 degrees" in said

    run(scenario)


def test_the_quota_is_used_up_in_mid_session():
    async def scenario(server, client):
        await server.say(audio(2400))
        await client.barrier()
        server.on_setup = closes(1011, "You exceeded your current quota")
        await server.close(1011, "You exceeded your current quota")
        error = await client.until_end()
        assert isinstance(error, ProviderConnectionError)

    _, client = run(scenario, client_config={"reconnect_attempts": 3})
    assert client.of(BidiErrorEvent)[0].code == "close_1011"
    assert client.of(BidiConnectionCloseEvent)[-1].reason == "error"
    assert len(client.rows("reconnect_failed")) == 3
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["error"]


def test_a_service_that_takes_a_session_and_ends_it_at_once_is_not_tried_for_ever():
    async def scenario(server, client):
        await client.barrier()

        async def take_and_end(socket, setup):
            await socket.send('{"setupComplete": {}}')
            await socket.close(1011, "Internal error occurred.")
            return True

        server.on_setup = take_and_end
        await server.close(1011, "Internal error occurred.")
        assert isinstance(await client.until_end(), ProviderConnectionError)

    server, _ = run(scenario, client_config={"reconnect_attempts": 3})
    assert len(server.setups) == 4


def test_an_invalid_argument_in_mid_session_ends_it():
    async def scenario(server, client):
        await server.say(audio(2400))
        await client.barrier()
        await server.close(1007, "Request contains an invalid argument.")
        error = await client.until_end()
        assert type(error) is ProviderError

    server, client = run(scenario)
    assert "invalid argument" in client.of(BidiErrorEvent)[0].message
    assert client.of(BidiConnectionCloseEvent)[-1].reason == "error"
    assert len(server.setups) == 1


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        '{"serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": "%%%"}}]}}}',
        '{"serverContent": {"modelTurn": 5}}',
        '{"serverContent": 5}',
        '{"toolCall": {"functionCalls": [{"name": "no id"}]}}',
        '{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}',
        '{"somethingNew": {}}',
        content(modelTurn={"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=16000", "data": "AAAA"}}]}),
        "[]",
    ],
)
def test_a_malformed_message_is_logged_and_the_session_goes_on(message):
    async def scenario(server, client):
        await server.say(message)
        for reply in answer():
            await server.say(reply)
        await client.barrier()

    _, client = run(scenario)
    assert len(client.rows("malformed_message")) == 1
    assert client.rows("malformed_message")[0].source == "error"
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["complete"]


PLAIN_KEY = "correct-horse-battery"
"""A key that looks like none."""


@pytest.mark.parametrize("key", ["any", "API", PLAIN_KEY])
def test_the_key_is_in_no_error_and_what_the_service_says_is_as_it_came(key):
    said = f"The company has {key} plans, {key}thing goes."

    async def scenario(server, client):
        for message in answer(text=said):
            await server.say(message)
        await client.barrier()
        assert [e.text for e in client.of(BidiTranscriptStreamEvent) if e.is_final] == [said]
        await server.close(1007, f"API key not valid: '{key}'")
        assert type(await client.until_end()) is CredentialsError

    _, client = run(scenario, server={"key": key}, client_config={"api_key": key})
    struck = "API key" if key != "API" else "[redacted] key"  # it is read before it is struck out
    told = client.of(BidiErrorEvent)[0].message
    assert told == str(client.failure) == f"Gemini does not take the key: {struck} not valid: '[redacted]' (close_1007)"
    assert "[redacted]" in client.rows("connection_over")[0].detail


def test_headers_are_shown_nowhere():
    options = {"headers": {"X-Proxy-Token": f"Bearer {PLAIN_KEY}", "Accept-Language": "application/json"}}
    settings = ClientSettings(api_key=KEY, http_options=options)
    assert settings.secrets == (KEY, PLAIN_KEY)
    assert PLAIN_KEY not in repr(settings)


def test_the_server_goes_away_in_mid_response_without_waiting():
    async def scenario(server, client):
        await server.say(audio(2400))
        await server.say({"goAway": {"timeLeft": "0.5s"}})
        await client.barrier()
        await server.close(1008, "The operation was aborted.")
        await client.until(BidiConnectionStartEvent, 2)
        await server.say(audio(2400))
        await server.say(GENERATED)
        await server.say(TURN_COMPLETE)
        await client.barrier()

    _, client = run(scenario)
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["error", "complete"]


def test_stopping_in_the_middle_of_a_reconnection_ends():
    async def scenario(server, client):
        await client.barrier()
        server.refuse = 503
        server.abort()
        await client.until(BidiConnectionRestartEvent)
        await client.stop()

    run(scenario, client_config={"reconnect_attempts": 1000})


@pytest.mark.realtime
def test_a_half_open_line_is_noticed_and_told(monkeypatch):
    # The service reads nothing more, answers no ping, and TCP stays open. Everything here is a tenth of what it is.
    tenth = {name: value / 10 for name, value in connection.LINE_OPTIONS.items()}
    monkeypatch.setattr(connection, "LINE_OPTIONS", tenth)

    async def scenario(server, client):
        await client.barrier()
        silent = server.connections[-1].socket
        silent.transport.pause_reading()
        async with asyncio.timeout(5):
            restart = await client.until(BidiConnectionRestartEvent)
            assert "half open: nothing came for 8 s" in restart.message
            await client.until(BidiConnectionStartEvent, 2)
        silent.transport.abort()

    run(scenario)
