"""A Strands agent as a model, on the virtual clock. The agent is a script; the real ones are in tests/clients."""

import asyncio
import base64
from types import SimpleNamespace

import numpy as np
import pytest

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.io import WavInput, WavOutput
from bidilab.bidi.models import StrandsAgentModel
from bidilab.core.clock import run_virtual, running_clock
from bidilab.core.errors import InvalidParameterError, ProviderConnectionError, SessionError

RATE = 16_000
CONNECTED = (0.0, {"type": "bidi_connection_start", "connection_id": "c", "model": "scripted"})


def event(at_s, kind, **fields):
    return (at_s, {"type": kind, **fields})


def audio(at_s, seconds, kind="bidi_audio_stream", **fields):
    encoded = base64.b64encode(np.full(round(seconds * RATE), 1000, "<i2").tobytes()).decode()
    return event(at_s, kind, audio=encoded, format="pcm", sample_rate=RATE, channels=1, **fields)


class Scripted:
    """The public methods of a Strands agent of 1.54; it tells its script, each entry at its second."""

    def __init__(self, *script, fails=None):
        self.script, self.fails = (CONNECTED, *script), fails
        self.calls, self.heard = [], []
        rates = {"input_rate": RATE, "output_rate": RATE, "channels": 1, "format": "pcm"}
        self.model = SimpleNamespace(config={"audio": rates}, stop=self._stop_model)

    async def _stop_model(self):
        self.calls.append("model.stop")

    async def start(self):
        self.calls.append("start")
        if self.fails is not None:
            raise self.fails
        self.zero_s = running_clock().now_s()

    async def stop(self):
        self.calls.append("stop")

    async def send(self, content):
        self.heard.append(content)

    async def receive(self):
        for at_s, said in self.script:
            await running_clock().sleep_until_s(self.zero_s + at_s)
            if isinstance(said, Exception):
                raise said
            yield said
        await asyncio.Event().wait()


StandIn = type("BidiAgent", (Scripted,), {"__module__": "strands.standin"})


def hold(agent, seconds=4.0):
    """A session with a silent user; `t_s` is 0 at its first sample, which is the script's 0."""

    async def main():
        session = BidiAgent(StrandsAgentModel(agent))
        recorder = WavOutput(None)
        user = WavInput(np.zeros(round(seconds * RATE), np.float32), RATE)
        await session.run(inputs=[recorder.listen_to(user)], outputs=[recorder])
        return session.log

    return run_virtual(main())


def types(log):
    return [row.type for row in log if row.type not in ("bidi_audio_input", "bidi_audio_stream")]


def test_an_interruption_and_what_was_heard():
    """3 s of audio come at 0.5 s and are cut at 1.5 s: 1 s was heard; what comes late is never played."""
    agent = StandIn(
        event(0.2, "bidi_interruption", reason="user_speech"),
        event(0.5, "bidi_response_start", response_id="r"),
        audio(0.5, 3.0),
        event(1.5, "bidi_interruption", reason="user_speech"),
        audio(1.6, 0.5),
        event(1.6, "bidi_response_complete", response_id="r", stop_reason="interrupted"),
    )
    log = hold(agent)
    (cut,) = log.interruptions().to_dict("records")
    assert (cut["t_s"], cut["response_id"]) == (pytest.approx(1.5), "r")
    assert (cut["heard_ms"], cut["generated_ms"]) == (1000.0, 3000.0)
    assert np.isnan(cut["onset_s"])  # Strands does not tell it
    assert types(log) == [
        "bidi_connection_start",
        "input_started",
        "idle_interruption",
        "bidi_response_start",
        "playback_started",
        "playback_cleared",
        "bidi_interruption",
        "bidi_response_complete",
        "late_audio",
        "late_completion",
        "bidi_connection_close",
    ]
    assert agent.calls == ["start", "stop"]
    assert sum(len(base64.b64decode(said["audio"])) for said in agent.heard) == 2 * 4 * RATE


def test_a_barge_in_after_generation_cuts_what_is_audible():
    """2 s come at 0.5 s, complete at once; told at 1 s: 0.5 s was heard."""
    agent = StandIn(
        event(0.5, "bidi_response_start", response_id="r"),
        audio(0.5, 2.0, "bidi_audio_delta", content_id="c"),
        event(0.5, "bidi_response_stop", response_id="r"),
        event(1.0, "bidi_barge_in"),
        event(3.0, "bidi_barge_in"),
    )
    log = hold(agent)
    assert log.interruptions()["heard_ms"].tolist() == [500.0]
    assert types(log).count("idle_interruption") == 1


def test_responses_that_are_not_named_end_when_they_were_played():
    """1 s at 0.5 s, played until 1.5 s and over 1 s later; the next, 0.4 s at 3 s, is another."""
    log = hold(StandIn(audio(0.5, 0.6), audio(0.8, 0.4), audio(3.0, 0.4)), seconds=3.5)
    responses = log.responses()
    assert responses["response_id"].tolist() == ["strands_1", "strands_2"]
    assert responses["heard_ms"].tolist() == [1000.0, 400.0]
    assert responses["stop_reason"].tolist() == ["complete", "complete"]
    assert responses["completed_s"].tolist() == pytest.approx([2.5, 4.4])


def test_a_tool_that_strands_runs_is_waited_for():
    use = {"toolUseId": "t", "name": "clock", "input": {}}
    agent = StandIn(
        event(0.5, "bidi_response_start", response_id="r"),
        event(0.5, "tool_use_stream", delta={}, current_tool_use=use),
        event(0.5, "bidi_response_complete", response_id="r", stop_reason="tool_use"),
        event(60.0, "tool_result", tool_result={"toolUseId": "t", "status": "success", "content": []}),
        event(61.0, "bidi_response_start", response_id="s"),
        audio(61.0, 1.0),
        event(61.0, "bidi_response_complete", response_id="s", stop_reason="complete"),
    )
    log = hold(agent, seconds=1.0)
    assert log.responses()["response_id"].tolist() == ["r", "s"]
    assert log.responses()["heard_ms"].tolist() == [0.0, 1000.0]
    assert {"tool_use_stream", "tool_result"} <= set(types(log))


def test_what_fails_in_strands_ends_the_session():
    with pytest.raises(ConnectionError, match="gone"):
        hold(StandIn((1.0, ConnectionError("gone"))))
    with pytest.raises(ProviderConnectionError, match="nothing for 30 s"):
        hold(StandIn(event(0.5, "bidi_response_start", response_id="r")), seconds=1.0)
    lost = StandIn(fails=OSError("no route"))
    with pytest.raises(OSError, match="no route"):
        hold(lost)
    assert lost.calls == ["start", "model.stop"]
    running = StandIn(fails=RuntimeError("agent already started"))
    with pytest.raises(RuntimeError, match="already started"):
        hold(running)
    assert running.calls == ["start"]  # whoever started it has it still


def test_what_is_no_strands_agent_or_is_the_agents_own():
    for wrong in (object(), Scripted(), None):
        with pytest.raises(InvalidParameterError, match=r"pip install 'strands-agents\[bidi\]'"):
            StrandsAgentModel(wrong)

    async def main():
        model = StrandsAgentModel(StandIn())
        with pytest.raises(InvalidParameterError, match="system_prompt"):
            await BidiAgent(model, system_prompt="Be brief.").start()
        with pytest.raises(SessionError, match="not running"):
            await model.send("Hello")
        await model.stop()
        await model.start()
        with pytest.raises(SessionError, match="already"):
            await model.start()
        await model.stop()
        await model.stop()
        assert model.agent.calls == ["start", "stop"]
        assert "strands.standin" in repr(model)

    run_virtual(main())


def test_a_response_that_ran_dry_was_audible_from_its_first_sample():
    """0.2 s at 0.5 s, dry from 0.7 s, 0.4 s more at 1 s: audible 0.5 s to 1.4 s, of which 0.6 s was heard."""
    start = event(0.5, "bidi_response_start", response_id="r")
    done = event(1.0, "bidi_response_stop", response_id="r")
    log = hold(StandIn(start, audio(0.5, 0.2), audio(1.0, 0.4), done))
    assert [row.type for row in log].count("playback_started") == 2
    (response,) = log.responses().to_dict("records")
    assert (response["audible_s"], response["silent_s"]) == (pytest.approx(0.5), pytest.approx(1.4))
    assert response["heard_ms"] == pytest.approx(600.0)
