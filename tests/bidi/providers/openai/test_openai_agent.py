"""A whole session: `BidiAgent` with the OpenAI model, the real ``openai`` package and the server on the loopback."""

import asyncio

import numpy as np

from bidilab.bidi import BidiAgent
from bidilab.bidi.hooks.events import BidiInterruptionEvent as InterruptionHookEvent
from bidilab.bidi.models import BidiOpenAIRealtimeModel
from bidilab.bidi.realtime import Delivery, FunctionCall, Reply, ScriptedResponder, Speech
from bidilab.bidi.types.events import BidiAudioInputEvent, BidiAudioStreamEvent
from bidilab.core.audio import Audio
from tests.bidi.providers.openai.loopback import KEY, RATE, HandClock, Loopback, noise


class Listener:
    """Reads the agent's events."""

    def __init__(self, agent):
        self.agent, self.events, self.changed = agent, [], asyncio.Condition()
        self.task = asyncio.create_task(self._collect())

    async def _collect(self):
        async for event in self.agent.receive():
            self.events.append(event)
            async with self.changed:
                self.changed.notify_all()

    def of(self, kind):
        return [e for e in self.events if (e.type == kind if isinstance(kind, str) else isinstance(e, kind))]

    async def until(self, kind, n=1):
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: len(self.of(kind)) >= n)
        return self.of(kind)[n - 1] if n else None


class Tracker:
    def __init__(self):
        self.heard = []

    async def on_interruption(self, event: InterruptionHookEvent) -> None:
        self.heard.append(event.heard_samples)


def run(scenario, replies, **agent):
    async def main():
        clock = HandClock()
        async with Loopback(clock, ScriptedResponder(replies)) as server:
            client_config = {"api_key": KEY, "websocket_base_url": server.url}
            model = BidiOpenAIRealtimeModel(client_config=client_config)
            session = BidiAgent(model, clock=clock, **agent)
            await session.start()
            listener = Listener(session)
            await scenario(server, session, listener)
            await session.stop()
            await listener.task
            return server, session, listener

    return asyncio.run(asyncio.wait_for(main(), 20))


def test_barge_in_after_generation_reaches_application_hook_log_and_server():
    # generated (8x)  |0 .. 0.375 s|        3 s of audio, complete
    # played          |0.0 ......... 1.0 s|
    # user                                |speech: heard 24000 samples, 1000 ms
    three_seconds = Audio(samples=np.full(3 * RATE, 0.1, np.float32), sample_rate=RATE)
    delivery = Delivery(first_output_delay_ms=0, chunk_ms=100, pace=8)
    tracker = Tracker()

    async def scenario(server, agent, listener):
        await agent.send("Count.")
        await listener.until("bidi_response_start")
        await server.advance(0.5, listener)
        assert (await listener.until("bidi_response_complete")).stop_reason == "complete"
        server.clock.t = 1.0
        await agent.send(BidiAudioInputEvent.from_pcm(noise(300), sample_rate=RATE))
        interruption = await listener.until("bidi_interruption")
        assert (interruption.heard_samples, interruption.generated_samples) == (24000, 72000)
        assert (await listener.until("bidi_response_complete", 2)).stop_reason == "interrupted"
        (truncation,) = await server.got("conversation.item.truncate")
        assert truncation["audio_end_ms"] == 1000

    reply = Reply(outputs=(Speech(text="One two three.", audio=three_seconds),), delivery=delivery)
    server, agent, listener = run(scenario, [reply], hooks=[tracker])
    assert tracker.heard == [24000]
    assert len(listener.of(BidiAudioStreamEvent)) == 30
    (row,) = agent.log.interruptions().itertuples()
    assert (row.reason, row.heard_ms, row.generated_ms) == ("user_speech", 1000.0, 3000.0)
    assert not [m for m in server.sent if m["type"] == "error"]
    assert KEY not in agent.log.to_frame().to_csv()


def test_a_tool_of_the_agent_answers_the_model():
    def weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"18 degrees in {city}"

    async def scenario(server, agent, listener):
        await agent.send("How is it in Bern?")
        await listener.until("bidi_response_start")
        await server.advance(1.0)
        output = await server.got("conversation.item.create", 2)
        assert output[1]["item"]["output"] == "18 degrees in Bern"
        await listener.until("bidi_response_start", 2)
        await server.advance(10.0)
        assert (await listener.until("bidi_response_complete", 2)).stop_reason == "complete"

    replies = [Reply(outputs=(FunctionCall(name="weather", arguments={"city": "Bern"}),)), "It is 18 degrees."]
    server, _, listener = run(scenario, replies, tools=[weather])
    assert [e.stop_reason for e in listener.of("bidi_response_complete")] == ["tool_use", "complete"]
    assert server.of("session.update")[0]["session"]["tools"][0]["parameters"]["required"] == ["city"]


def test_an_agent_that_is_started_again_knows_the_call_and_its_result():
    def weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"sunny in {city}"

    replies = [Reply(outputs=(FunctionCall(name="weather", arguments={"city": "Rome"}),)), "Sunny.", "Rainy."]

    async def scenario(server, agent, listener):
        await agent.send("What is the weather in Rome?")
        await listener.until("bidi_response_start")
        await server.advance(1.0)
        await listener.until("bidi_response_start", 2)
        await server.advance(10.0)
        await listener.until("bidi_response_complete", 2)
        await agent.stop()
        await listener.task
        server.received.clear()
        await agent.start()
        again = Listener(agent)
        await agent.send("And tomorrow?")
        await again.until("bidi_response_start")
        await server.advance(20.0)
        await again.until("bidi_response_complete")
        assert again.of("bidi_error") == []
        listener.task = again.task

    server, _, _ = run(scenario, replies, tools=[weather])
    told = [m["item"] for m in server.of("conversation.item.create")]
    assert [item["type"] for item in told] == [
        *("message", "function_call", "function_call_output", "message", "message"),
    ]
    assert told[1]["call_id"] == told[2]["call_id"]
    assert not [m for m in server.sent if m["type"] == "error"]


def test_a_lost_connection_does_not_end_the_session():
    async def scenario(server, agent, listener):
        await agent.send("Hello.")
        await listener.until("bidi_response_start")
        server.refuse = 1
        server.sockets[-1].transport.abort()
        await listener.until("bidi_connection_restart")
        await server.got("session.update", 2)
        await agent.send("Are you there?")
        await listener.until("bidi_response_start", 2)

    _, _, listener = run(scenario, ["Yes."])
    assert [e.stop_reason for e in listener.of("bidi_response_complete")] == ["error"]
