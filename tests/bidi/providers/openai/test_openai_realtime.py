"""The model with the real ``openai`` package, over a WebSocket on the loopback, against the pure server session."""

import asyncio
import logging

import numpy as np
import pytest

from bidilab.bidi.models import BidiOpenAIRealtimeModel, PlaybackReport
from bidilab.bidi.providers.openai import connection
from bidilab.bidi.realtime import (
    Delivery,
    FunctionCall,
    RealtimeSettings,
    Reply,
    ScriptedResponder,
    Speech,
)
from bidilab.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from bidilab.core.audio import Audio
from bidilab.core.errors import (
    CredentialsError,
    InvalidParameterError,
    ProviderConnectionError,
    ProviderError,
    SessionError,
)
from tests.bidi.providers.openai.loopback import KEY, RATE, Client, HandClock, Loopback, noise, silence

THREE_SECONDS = Audio(samples=np.full(3 * RATE, 0.1, np.float32), sample_rate=RATE)


def speech(text="One two three four five six.", *, pace, chunk_ms=100):
    delivery = Delivery(first_output_delay_ms=0, chunk_ms=chunk_ms, pace=pace)
    return Reply(outputs=(Speech(text=text, audio=THREE_SECONDS),), delivery=delivery)


def run(scenario, replies=("Yes.",), *, settings=None, **config):
    """Run a scenario with a server and a started client."""

    async def main():
        clock = HandClock()
        async with Loopback(clock, ScriptedResponder(list(replies)), settings=settings) as server:
            async with Client(server, **config) as client:
                await scenario(server, client)
            return server, client

    return asyncio.run(asyncio.wait_for(main(), 20))


async def say(client, pcm, rate=RATE):
    await client.model.send(BidiAudioInputEvent.from_pcm(pcm, sample_rate=rate))


def test_barge_in_while_generating():
    # generated (1x)  |0.0 ... 1.0 s: eleven chunks of 100 ms|
    # played          |0.0 ......... 1.0 s|
    # user                                |speech: heard 1.0 s = 24000 samples
    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("Count."))
        await server.got("response.create")
        await client.until(BidiResponseStartEvent)
        for tenth in range(11):
            await server.advance(tenth / 10)
            await client.until(BidiAudioStreamEvent, tenth + 1)
        await say(client, noise(300))
        interruption = await client.until(BidiInterruptionEvent)
        assert interruption.reason == "user_speech"
        assert (interruption.heard_samples, interruption.generated_samples) == (24000, 26400)
        await client.until(BidiResponseCompleteEvent)
        await client.model.truncate(interruption.interrupted_response_id, 24000, RATE)
        (truncation,) = await server.got("conversation.item.truncate")
        assert truncation["audio_end_ms"] == 1000
        await server.advance(1.5)
        await client.model.send(BidiTextInputEvent("ping"))  # everything before it has been handled, then
        await server.got("conversation.item.create", 2)

    server, client = run(scenario, [speech(pace=1)])
    assert server.of("response.cancel") == []  # the server cancelled by itself
    assert not [m for m in server.sent if m["type"] == "error"]
    assert len(client.of(BidiAudioStreamEvent)) == 11
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)][:1] == ["interrupted"]
    (row,) = client.rows("speech_started")
    assert row.source == "detector"
    assert row.input_samples == 7200
    assert "truncated" in {m["type"].split(".")[-1] for m in server.sent}


def test_barge_in_after_generation_while_it_still_plays():
    # generated (8x)  |0 .. 0.375 s|        3 s of audio, complete
    # played          |0.0 ......... 1.0 s|
    # user                                |speech: nothing to cancel, 2 s must still be stopped
    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("Count."))
        await client.until(BidiResponseStartEvent)
        await server.advance(0.5, client)
        assert (await client.until(BidiResponseCompleteEvent)).stop_reason == "complete"
        server.clock.t = 1.0
        await say(client, noise(300))
        interruption = await client.until(BidiInterruptionEvent)
        assert (interruption.heard_samples, interruption.generated_samples) == (24000, 72000)
        assert (await client.until(BidiResponseCompleteEvent, 2)).stop_reason == "interrupted"
        await client.model.truncate(interruption.interrupted_response_id, 24000, RATE)
        (truncation,) = await server.got("conversation.item.truncate")
        assert truncation["audio_end_ms"] == 1000

    server, _ = run(scenario, [speech(pace=8)])
    assert server.of("response.cancel") == []
    assert not [m for m in server.sent if m["type"] == "error"]


def test_speech_after_play_out_is_a_turn():
    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("Count."))
        await client.until(BidiResponseStartEvent)
        await server.advance(0.5, client)
        await client.until(BidiResponseCompleteEvent)
        server.clock.t = 4.0
        await say(client, noise(300) + silence(900))
        await server.advance(5.0)
        await client.until(BidiResponseStartEvent, 2)

    _, client = run(scenario, [speech(pace=8)])
    assert client.of(BidiInterruptionEvent) == []
    assert [t.role for t in client.of(BidiTranscriptStreamEvent) if t.role == "user" and t.is_final] == ["user"]


def test_reports_of_the_loudspeaker_outweigh_the_estimate():
    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("Count."))
        response_id = (await client.until(BidiResponseStartEvent)).response_id
        await server.advance(0.5, client)
        await client.until(BidiResponseCompleteEvent)
        report = {"response_id": response_id, "sample_rate": RATE}
        client.model.playback(PlaybackReport(kind="started", heard_samples=0, at_s=2.0, **report))
        server.clock.t = 4.0  # by the estimate it would be silent since 3.0; it began late, at 2.0
        await say(client, noise(300))
        assert (await client.until(BidiInterruptionEvent)).heard_samples == 48000

    run(scenario, [speech(pace=8)])


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_input_of_any_rate_is_resampled(rate):
    async def scenario(server, client):
        for _ in range(10):
            await say(client, noise(50, rate), rate)
        await client.model.end_of_audio()
        await client.until(BidiResponseStartEvent)
        await server.advance(20)
        await client.model.settled()

    server, _ = run(scenario, provider_config={"turn_detection": None, "audio": {"input_rate": rate}})
    assert server.audio_bytes() == 24000
    assert len(server.of("input_audio_buffer.commit")) == 1


def test_the_end_of_a_file_ends_the_turn():
    async def scenario(server, client):
        await say(client, silence(200) + noise(600))
        await client.model.end_of_audio()
        await client.until(BidiResponseStartEvent)
        await server.advance(20)
        await client.model.settled()
        assert client.of(BidiResponseCompleteEvent)

    run(scenario)


def test_every_turn_detection_key_reaches_the_server_and_comes_back():
    wanted = {
        "type": "server_vad",
        "threshold": 0.7,
        "prefix_padding_ms": 120,
        "silence_duration_ms": 640,
        "create_response": False,
        "interrupt_response": False,
        "idle_timeout_ms": 6000,
    }

    async def scenario(server, client):
        assert client.model.effective_session["audio"]["input"]["turn_detection"] == wanted
        semantic = {"type": "semantic_vad", "eagerness": "high", "create_response": True, "interrupt_response": False}
        await client.model.update(turn_detection=semantic)
        await client.model.send(BidiTextInputEvent("x"))
        await client.until(BidiResponseStartEvent)
        assert client.model.effective_session["audio"]["input"]["turn_detection"] == semantic
        await client.model.update(turn_detection=None)
        await client.model.commit()
        await client.until(BidiErrorEvent)  # nothing was said: the commit is refused, and told
        assert client.model.effective_session["audio"]["input"]["turn_detection"] is None

    server, client = run(scenario, provider_config={"turn_detection": wanted})
    assert server.of("session.update")[0]["session"]["audio"]["input"]["turn_detection"] == wanted
    assert [len(client.rows(kind)) for kind in ("session_requested", "session_effective")] == [3, 3]
    assert client.rows("session_difference") == []
    assert client.of(BidiErrorEvent)[0].code == "input_audio_buffer_commit_empty"


def test_idle_timeout():
    vad = {"type": "server_vad", "idle_timeout_ms": 5000}

    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("Hello."))
        await client.until(BidiResponseStartEvent)
        for second in range(1, 16):
            server.clock.t = float(second)
            await say(client, silence(1000))
            await server.got("input_audio_buffer.append", second)
            await server.advance(float(second))
        await client.until(BidiResponseStartEvent, 2)

    _, client = run(scenario, provider_config={"turn_detection": vad})
    assert client.rows("timeout_triggered")


def test_tools_go_round():
    spec = {"name": "weather", "description": "The weather.", "inputSchema": {"json": {"type": "object"}}}
    answer = {"toolUseId": "", "status": "success", "content": [{"text": "18 degrees"}]}
    replies = [Reply(outputs=(FunctionCall(name="weather", arguments={"city": "Bern"}),)), "It is 18 degrees."]

    async def main():
        clock = HandClock()
        async with Loopback(clock, ScriptedResponder(replies)) as server:
            client = Client(server)
            await client.__aenter__(tools=[spec], system_prompt="Be brief.")
            await client.model.send(BidiTextInputEvent("How is it in Bern?"))
            await client.until(BidiResponseStartEvent)
            await server.advance(1.0)
            use = (await client.until(ToolUseStreamEvent)).current_tool_use
            assert (use["name"], use["input"]) == ("weather", {"city": "Bern"})
            assert (await client.until(BidiResponseCompleteEvent)).stop_reason == "tool_use"
            await client.model.send(ToolResultEvent({**answer, "toolUseId": use["toolUseId"]}))
            await client.until(BidiResponseStartEvent, 2)
            await server.advance(10.0)
            assert (await client.until(BidiResponseCompleteEvent, 2)).stop_reason == "complete"
            await client.__aexit__()
            session = server.of("session.update")[0]["session"]
            assert session["instructions"] == "Be brief."
            assert session["tools"][0]["name"] == "weather"
            assert not [m for m in server.sent if m["type"] == "error"]

    asyncio.run(asyncio.wait_for(main(), 20))


def test_an_image_goes_into_the_conversation():
    png = bytes.fromhex("89504e470d0a1a0a")

    async def scenario(server, client):
        await client.model.send(BidiImageInputEvent(png, "image/png"))
        (item,) = await server.got("conversation.item.create")
        assert item["item"]["content"][0]["type"] == "input_image"

    run(scenario)


def test_a_lost_connection_is_made_anew_with_the_history():
    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("My name is Ada."))
        await client.until(BidiResponseStartEvent)
        await server.advance(0.5, client)

        server.refuse = 2
        server.sockets[-1].transport.abort()
        restart = await client.until(BidiConnectionRestartEvent)
        assert "closed" in restart.message
        await server.got("session.update", 2)
        items = await server.got("conversation.item.create", 2)
        assert items[1]["item"] == items[0]["item"]
        await client.model.send(BidiTextInputEvent("What is it?"))
        await client.until(BidiResponseStartEvent, 2)

    _, client = run(scenario, [speech(pace=1)])
    assert len(client.rows("reconnect_failed")) == 2
    assert len(client.rows("reconnected")) == 1
    first = client.of(BidiResponseStartEvent)[0].response_id
    kinds = [type(e) for e in client.events]
    assert kinds.index(BidiInterruptionEvent) < kinds.index(BidiConnectionRestartEvent)
    assert client.of(BidiResponseCompleteEvent)[0] == BidiResponseCompleteEvent(first, "error")
    assert client.of(BidiInterruptionEvent)[0].reason == "error"
    assert type(client.events[0]) is BidiConnectionStartEvent
    started = [e.connection_id for e in client.of(BidiConnectionStartEvent)]
    assert len(set(started)) == 2
    assert client.events[-1].connection_id == started[-1]
    assert client.events[-1].reason == "user_request"


def test_an_expired_session_is_made_anew():
    async def scenario(server, client):
        await server.advance(1.0)
        error = {"type": "invalid_request_error", "code": "session_expired", "message": "Your session hit the limit."}
        await server.say({"type": "error", "event_id": "event_x", "error": error})
        restart = await client.until(BidiConnectionRestartEvent)
        assert "too old" in restart.message
        await server.got("session.update", 2)
        assert client.of(BidiErrorEvent)[0].code == "session_expired"

    run(scenario)


def test_a_connection_lost_for_good_is_an_error():
    async def scenario(server, client):
        server.refuse = 3
        server.sockets[-1].transport.abort()
        assert (await client.until(BidiConnectionCloseEvent)).reason == "error"
        await client.task

    _, client = run(scenario, client_config={"reconnect_attempts": 3})
    assert isinstance(client.failure, ProviderConnectionError)
    assert "3 attempts" in str(client.failure)


def test_server_errors_are_told_and_nothing_ends():
    async def scenario(server, client):
        error = {"type": "server_error", "code": "hiccup", "message": f"leaked {KEY}"}
        await server.say({"type": "error", "event_id": "event_y", "error": error})
        told = await client.until(BidiErrorEvent)
        assert told.code == "hiccup"
        await server.say("no json at all")
        await server.say("[1, 2]")
        await server.say({"type": "brand.new", "event_id": "event_z"})
        await client.model.send(BidiTextInputEvent("Still there?"))
        await client.until(BidiResponseStartEvent)

    _, client = run(scenario)
    assert len(client.rows("malformed_message")) == 2
    assert len(client.rows("unknown_message")) == 1
    assert KEY not in client.events[1].message


def test_the_key_is_nowhere_to_be_seen(caplog):
    caplog.set_level(logging.DEBUG)

    async def scenario(server, client):
        await client.model.send(BidiTextInputEvent("Hello."))
        await client.until(BidiResponseStartEvent)
        shown = [repr(client.model), str(client.model.config), repr(vars(client.model)), repr(client.events)]
        shown += [str(row) for row in client.log.rows]
        assert not [text for text in shown if KEY in text or KEY[8:] in text]

    run(scenario)
    assert "Authorization" in caplog.text or "websocket" in caplog.text.lower()  # something was logged
    client_side = [r.getMessage() for r in caplog.records if r.name != "websockets.server"]
    assert not [text for text in client_side if KEY in text]


def test_a_key_that_is_not_taken():
    async def main():
        async with Loopback(HandClock(), ScriptedResponder(["Yes."]), key="sk-another-key-0123456789") as server:
            client = Client(server)
            with pytest.raises(CredentialsError, match="401") as caught:
                await client.model.start()
            assert KEY not in str(caught.value)
            assert caught.value.__cause__ is caught.value.__context__ is None  # the answer quotes the key
            with pytest.raises(SessionError):
                await client.model.send(BidiTextInputEvent("x"))

    asyncio.run(asyncio.wait_for(main(), 20))


def test_no_key_and_a_key_of_the_environment(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(CredentialsError, match="OPENAI_API_KEY"):
        BidiOpenAIRealtimeModel()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = BidiOpenAIRealtimeModel()
    assert KEY not in repr(model)
    assert model.config["audio"] == {"input_rate": 24000, "output_rate": 24000, "channels": 1, "format": "pcm"}
    assert model.config["turn_detection"]["silence_duration_ms"] == 500


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"provider_config": {"turn_detection": {"type": "server_vad", "treshold": 0.5}}}, "threshold"),
        ({"provider_config": {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}}, "eagerness"),
        ({"provider_config": {"turn_detection": {"type": "psychic_vad"}}}, "semantic_vad"),
        ({"provider_config": {"turn_detection": {"type": ["server_vad"]}}}, "semantic_vad"),
        ({"provider_config": {"turn_detection": {"type": "server_vad", "threshold": 2}}}, "threshold"),
        ({"provider_config": {"turn_detection": {"type": "semantic_vad", "eagerness": "keen"}}}, "low"),
        ({"provider_config": {"turn_detection": "server_vad"}}, "turn_detection"),
        ({"provider_config": {"audio": {"volume": 11}}}, "voice"),
        ({"provider_config": {"audio": {"output_rate": 16000}}}, "24000"),
        ({"provider_config": {"audio": {"speed": 9}}}, "speed"),
        ({"provider_config": {"inference": {"temperature": 0.8}}}, "max_output_tokens"),
        ({"provider_config": {"inference": {"output_modalities": ["smell"]}}}, "output_modalities"),
        ({"provider_config": {"sound": {}}}, "turn_detection"),
        ({"client_config": {"timeout": 3}}, "timeout_s"),
        ({"client_config": {"timeout_s": 0}}, "timeout_s"),
        ({"client_config": {"reconnect_attempts": 1.5}}, "reconnect_attempts"),
        ({"model_id": ""}, "model_id"),
    ],
)
def test_what_is_not_allowed_is_an_error_that_names_what_is(monkeypatch, config, name):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(InvalidParameterError, match=name):
        BidiOpenAIRealtimeModel(**config)


def test_a_key_that_is_no_string_is_not_shown():
    with pytest.raises(InvalidParameterError) as caught:
        BidiOpenAIRealtimeModel(client_config={"api_key": KEY.encode()})
    assert KEY not in str(caught.value)


def test_starting_twice_and_stopping_twice():
    async def scenario(server, client):
        with pytest.raises(SessionError, match="already"):
            await client.model.start()
        await client.until(BidiConnectionStartEvent)
        await client.model.stop()
        await client.model.stop()
        with pytest.raises(SessionError):
            await client.model.respond()
        await client.task
        assert client.events[-1] == BidiConnectionCloseEvent(client.events[0].connection_id, "user_request")
        client.task = asyncio.ensure_future(asyncio.sleep(0))  # noqa: TID251 - nothing, awaited at the end
        await client.model.start()  # again is allowed

    server, _ = run(scenario)
    assert len(server.sessions) == 2
    assert server.paths[0] == "/v1/realtime?model=gpt-realtime"


def test_a_session_that_is_refused_fails_the_start():
    async def main():
        async with Loopback(HandClock(), ScriptedResponder(["Yes."])) as server:
            client = Client(server, provider_config={"audio": {"voice": 400 * "x"}, "inference": {"include": "all"}})
            with pytest.raises(ProviderError, match="refused the session"):
                await client.model.start()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_server_that_is_not_there():
    async def main():
        clock = HandClock()
        async with Loopback(clock, ScriptedResponder(["Yes."])) as server:
            pass
        with pytest.raises(ProviderConnectionError, match="cannot be reached"):
            await Client(server).model.start()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_session_that_ends_by_itself_is_made_anew():
    async def scenario(server, client):
        await server.sockets[-1].close(1001, "too old")
        await client.until(BidiConnectionRestartEvent)
        await server.got("session.update", 2)

    run(scenario, settings=RealtimeSettings(session_name="x"))


def with_key(scenario, key, **config):
    """Run a scenario with a client whose key is that, against a server that takes it."""

    async def main():
        async with Loopback(HandClock(), ScriptedResponder(["Yes."]), key=key) as server:
            async with Client(server, client_config={"api_key": key, **config}) as client:
                await scenario(server, client)
            return client

    return asyncio.run(asyncio.wait_for(main(), 20))


PLAIN_KEY = "correct-horse-battery"
"""A key that looks like none."""


@pytest.mark.parametrize("key", ["any", "A", PLAIN_KEY])
def test_what_the_server_says_is_never_altered(key):
    said = f"The company has {key} plans and can answer {key}thing, on {key} day."
    place = {"response_id": "r1", "item_id": "i1", "content_index": 0, "output_index": 0}

    async def scenario(server, client):
        await server.say({"type": "response.created", "response": {"id": "r1", "output": []}})
        audio = "AAAAanyA"  # base64 that holds short keys
        await server.say({"type": "response.output_audio.delta", "delta": audio, **place})
        await server.say({"type": "response.output_audio_transcript.done", "transcript": said, **place})
        transcript = await client.until(BidiTranscriptStreamEvent)
        assert transcript.text == said
        assert client.of(BidiAudioStreamEvent)[0].audio == audio

    with_key(scenario, key)


@pytest.mark.parametrize("key", ["any", "A", PLAIN_KEY])
def test_the_key_is_in_no_error_and_no_row_of_one(key):
    async def scenario(server, client):
        error = {"type": "server_error", "code": "hiccup", "message": f"no such key: {key}", "param": key}
        await server.say({"type": "error", "event_id": "e1", "error": error})
        told = await client.until(BidiErrorEvent)
        assert told.message == "no such key: [redacted]"
        assert "'[redacted]'" in repr(told)
        await server.say({"type": "brand.new", "event_id": "e2", "key": key})
        await server.sockets[-1].close(1011, f"bad key '{key}'")
        restart = await client.until(BidiConnectionRestartEvent)
        assert "bad key '[redacted]' (close_1011)" in restart.message
        assert restart.timeout_error.__cause__ is restart.timeout_error.__context__ is None  # websockets quotes it
        await server.got("session.update", 2)

    client = with_key(scenario, key)
    (over,) = client.rows("connection_over")
    (unknown,) = client.rows("unknown_message")
    assert "bad key '[redacted]'" in over.detail
    assert '"key":"[redacted]"' in unknown.detail


def test_a_key_said_in_a_conversation_is_in_no_row():
    async def scenario(server, client):
        await server.say({"type": "conversation.item.retrieved", "event_id": "e1", "item": {"text": f"-{PLAIN_KEY}-"}})
        await client.model.send(BidiTextInputEvent("Hello."))
        await client.until(BidiResponseStartEvent)
        client.log.append_event(BidiTranscriptStreamEvent({"text": PLAIN_KEY}, PLAIN_KEY, "user", True), source="model")

    client = with_key(scenario, PLAIN_KEY)
    assert [row.text for row in client.rows("bidi_transcript_stream")] == ["[redacted]"]
    assert not [row for row in client.log.rows if PLAIN_KEY in str(row)]


def test_a_config_that_is_no_object_is_not_shown():
    with pytest.raises(InvalidParameterError, match="got 'str'"):
        BidiOpenAIRealtimeModel(client_config=KEY)


def test_a_server_that_confirms_a_session_and_ends_it_at_once_is_not_tried_for_ever():
    async def scenario(server, client):
        await client.until(BidiConnectionStartEvent)
        drain = server._drain

        async def drain_and_end(session, socket):
            await drain(session, socket)
            if any(message["type"] == "session.update" for message in server.received):
                server.received.clear()
                await socket.close(1011, "not you")

        server._drain = drain_and_end
        await server.sockets[-1].close(1011, "not you")
        async with asyncio.timeout(10):
            await client.task

    _, client = run(scenario, client_config={"reconnect_attempts": 3, "reconnect_delay_s": 0.01})
    assert isinstance(client.failure, ProviderConnectionError)
    assert client.events[-1].reason == "error"


@pytest.mark.realtime
def test_a_half_open_line_is_noticed_and_told(monkeypatch):
    # The service reads nothing more, answers no ping, and TCP stays open. Everything here is a tenth of what it is.
    real = dict(connection.LINE_OPTIONS)
    assert sum(real.values()) < 10
    monkeypatch.setattr(connection, "LINE_OPTIONS", {name: value / 10 for name, value in real.items()})

    async def scenario(server, client):
        await client.until(BidiConnectionStartEvent)
        silent = server.sockets[-1]
        silent.transport.pause_reading()
        async with asyncio.timeout(5):
            restart = await client.until(BidiConnectionRestartEvent)
            assert "half open: nothing came for 8 s" in restart.message
            await client.until(BidiConnectionStartEvent, 2)
        silent.transport.abort()

    _, client = run(scenario)
    (row,) = client.rows("connection_over")
    assert "half open" in row.detail
