"""Sessions of the model with the stand-in: the real SDK, real frames, virtual time."""

import io
import json
import logging

import pytest

pytest.importorskip("aws_sdk_bedrock_runtime", reason="needs the extra nova, and Python 3.12 or newer")

from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from bidilab.core.clock import run_virtual, running_clock
from bidilab.core.errors import SessionError
from bidilab.detect.turns.simulation import ResponsePlan
from tests.nova.sessions import SECRET, TOKEN, TURN, BotoSession, model, running
from tests.nova.standin.connection import KEY_ID, Backend
from tests.nova.standin.service import Script

PLAN = ResponsePlan(response_delay_ms=300, response_ms=2000)


def backend(**script):
    return Backend(Script(vad="energy", **{"plan": PLAN, **script}))


def kinds(made):
    return [next(iter(message["event"])) for message in made.received if "audioInput" not in message["event"]]


def test_a_session_from_start_to_end():
    made = backend()

    async def main():
        async with running(model(made), system_prompt="Be brief.") as client:
            await client.speak(*TURN)
            await client.model.end_of_audio()
            await client.model.settled()
        return client

    client = run_virtual(main())
    block = ["contentStart", "textInput", "contentEnd"]
    assert kinds(made) == [
        "sessionStart",
        "promptStart",
        *block,
        "contentStart",
        "contentEnd",
        "promptEnd",
        "sessionEnd",
    ]
    assert made.services[0].order.system == ["Be brief."]
    assert made.services[0].order.ended
    assert made.services[0].order.session["turnDetectionConfiguration"] == {"endpointingSensitivity": "HIGH"}
    assert [type(e) for e in client.events if not isinstance(e, BidiAudioStreamEvent)] == [
        BidiConnectionStartEvent,
        BidiTranscriptStreamEvent,
        BidiResponseStartEvent,
        BidiTranscriptStreamEvent,
        BidiResponseCompleteEvent,
        BidiTranscriptStreamEvent,
        BidiUsageEvent,
        BidiConnectionCloseEvent,
    ]
    user, planned, spoken = client.of(BidiTranscriptStreamEvent)
    assert [(e.role, e.is_final) for e in (user, planned, spoken)] == [
        ("user", True),
        ("assistant", False),
        ("assistant", True),
    ]
    assert sum(len(e.data) for e in client.of(BidiAudioStreamEvent)) == 2 * 2 * 16_000
    assert client.events[-1].reason == "user_request"
    assert client.rows("settle_timeout") == []


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_the_agents_audio_has_the_rate_that_was_asked_for(rate):
    made = backend()

    async def main():
        config = {"audio": {"output_rate": rate}}
        async with running(model(made, provider_config=config)) as client:
            await client.speak(*TURN)
            await client.until(BidiResponseCompleteEvent)
        return client

    heard = run_virtual(main()).of(BidiAudioStreamEvent)
    assert {e.sample_rate for e in heard} == {rate}
    assert sum(len(e.data) for e in heard) == 2 * 2 * rate


@pytest.mark.parametrize(("marker", "stop_reason"), [(True, True), (True, False), (False, True)])
def test_either_sign_interrupts(marker, stop_reason):
    made = backend(marker=marker, stop_reason=stop_reason, plan=ResponsePlan(response_ms=6000))

    async def main():
        async with running(model(made)) as client:
            await client.speak(*TURN, (1.0, 0), (1.0, 3000))
        return client

    client = run_virtual(main())
    (told,) = client.of(BidiInterruptionEvent)
    assert (told.reason, told.interrupted_response_id) == ("user_speech", "response_1")
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["interrupted"]
    # The user's first frame of speech of the second turn, [4.5 s, 4.532 s), ends the response. Its audio had begun at
    # the end of the frame that ended the first turn, plus 300 ms; nobody reports play-out, so it is estimated.
    stopped, started = made.services[0].decisions[1:3]
    audible = stopped.decided_at + 0.3 * 16_000
    assert abs(told.heard_samples - (started.decided_at - audible)) <= 1
    index = client.events.index(told)
    assert not [e for e in client.events[index:] if isinstance(e, BidiAudioStreamEvent)]


def test_typed_words_are_answered():
    made = backend()

    async def main():
        async with running(model(made)) as client:
            await client.model.send(BidiTextInputEvent("good morning"))
            await client.until(BidiResponseCompleteEvent)

    run_virtual(main())
    assert made.services[0].answered == ["good morning"]


def test_a_tool_is_called_and_its_result_told():
    made = backend(tools=(("call-1", "weather", {"city": "Utrecht"}),))
    tool = {"name": "weather", "description": "", "inputSchema": {"json": {"type": "object"}}}

    async def main():
        async with running(model(made), tools=[tool]) as client:
            await client.speak(*TURN)
            (use,) = await client.until(ToolUseStreamEvent)
            result = {"toolUseId": "call-1", "status": "success", "content": [{"json": {"sky": "grey"}}]}
            await client.model.send(ToolResultEvent(result))
            await running_clock().sleep_s(0.1)
        return client, use

    client, use = run_virtual(main())
    assert use.current_tool_use == {"toolUseId": "call-1", "name": "weather", "input": {"city": "Utrecht"}}
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["tool_use"]
    assert made.services[0].order.results == {"call-1": {"json": {"sky": "grey"}}}


def test_the_connection_is_renewed_before_its_limit_with_the_history():
    made = backend()
    earlier = [{"role": "user", "content": [{"text": "hello"}]}]

    async def main():
        async with running(model(made), messages=earlier) as client:
            await client.speak(*TURN)
            await client.speak(*[(10.0, 0)] * 41)
            await client.until(BidiConnectionStartEvent, 2)
            await client.speak(*TURN, (3.0, 0))
            again = running_clock().now_s()
        return client, again

    client, _ = run_virtual(main())
    (why,) = client.of(BidiConnectionRestartEvent)
    assert "limit of 8 minutes" in why.message
    assert client.rows("reconnected")[0].t_s == pytest.approx(420, abs=0.2)
    assert made.services[0].order.ended  # told in order, not broken off
    assert made.services[1].order.history == [
        ("USER", "hello\nwhat the user said"),
        ("ASSISTANT", "this is the reply"),
    ]
    assert len(client.of(BidiResponseStartEvent)) == 2
    assert not client.of(BidiErrorEvent)
    assert client.failure is None


def test_a_renewal_waits_until_the_agent_is_silent_but_not_past_the_limit():
    made = backend(plan=ResponsePlan(response_ms=90_000))  # on the speaker from 7 s before until long after

    async def main():
        async with running(model(made)) as client:
            await client.speak(*[(10.0, 0)] * 41, *TURN, *[(10.0, 0)] * 6, chunk=2048)
        return client

    client = run_virtual(main())
    assert client.rows("reconnected")[0].t_s == pytest.approx(470, abs=0.5)


def test_stopping_twice_or_before_the_start_and_starting_twice():
    made = backend()

    async def main():
        m = model(made)
        await m.stop()
        async with running(m):
            with pytest.raises(SessionError, match="already running"):
                await m.start()
        await m.stop()
        with pytest.raises(SessionError, match="not running"):
            await m.send(BidiTextInputEvent("x"))
        async with running(m) as client:  # and once more
            await client.until(BidiConnectionStartEvent)

    run_virtual(main())
    assert len(made.services) == 2


def test_credentials_are_shown_nowhere(monkeypatch):
    made, stream = backend(), io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    try:
        m = model(made)

        async def main():
            async with running(m) as client:
                await client.speak(*TURN)
            return client

        client = run_virtual(main())
    finally:
        logging.getLogger().removeHandler(handler)
    shown = stream.getvalue() + repr(m) + repr(m._client) + repr(m.config) + json.dumps([str(r) for r in client.log])
    assert "Preparing to publish event" in stream.getvalue()  # the SDK did log
    assert made.requests[0][1]["x-amz-security-token"] == TOKEN
    assert SECRET not in shown
    assert TOKEN not in shown
    assert SECRET not in repr(BotoSession())


def test_the_region_and_the_address():
    made = backend()

    async def main():
        async with running(model(made)):
            pass

    run_virtual(main())
    path, headers = made.requests[0]
    assert path == "/model/amazon.nova-2-sonic-v1%3A0/invoke-with-bidirectional-stream"
    assert f"Credential={KEY_ID}/" in headers["authorization"]
    assert "/us-east-1/bedrock/aws4_request" in headers["authorization"]
