"""The life of a session: started and stopped in any order, cancelled, failing, killed. Nothing lost, nothing left."""

import asyncio
import base64
import gc
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.hooks.events import (
    BidiAfterInvocationEvent,
    BidiAgentInitializedEvent,
    BidiBeforeInvocationEvent,
    BidiHookEvent,
    BidiInterruptionEvent,
    BidiMessageAddedEvent,
)
from bidilab.bidi.io import WavInput, WavOutput
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.states import SessionMachine, SessionState
from bidilab.bidi.types import events
from bidilab.core.clock import run_virtual
from bidilab.core.errors import EventError, InvalidParameterError, SessionError
from tests.sessions import Taken, bursts, hold, local_model


def test_the_table_of_states():
    machine = SessionMachine()
    with pytest.raises(SessionError, match="not started and cannot stop"):
        machine.take("stop")
    for step, state in [("start", "starting"), ("ready", "running"), ("stop", "stopping"), ("done", "stopped")]:
        machine.take(step)
        assert machine.state is SessionState(state)
    machine.take("start")
    with pytest.raises(SessionError, match="starting and cannot start: stop it"):
        machine.take("start")


async def first(agent, kind):
    async for event in agent.receive():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind}")


def test_start_and_stop_in_any_order():
    async def main():
        agent = BidiAgent(local_model())
        with pytest.raises(SessionError, match="not started"):
            await agent.send("too early")
        with pytest.raises(SessionError, match="not started"):
            await first(agent, events.BidiConnectionStartEvent)
        with pytest.raises(SessionError, match="no clock"):
            _ = agent.clock
        await agent.stop()
        await agent.start()
        with pytest.raises(SessionError, match="running and cannot start"):
            await agent.start()
        with pytest.raises(SessionError, match="cannot start"):
            await agent.run(inputs=[], outputs=[])
        await agent.stop()
        await agent.stop()
        assert agent.state is SessionState.STOPPED
        with pytest.raises(SessionError, match="stopped"):
            await agent.send("too late")
        first_log = agent.log
        await agent.start()  # a new session
        assert agent.log is not first_log
        await agent.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_text_in_events_out():
    async def main():
        async with BidiAgent(local_model([1000.0])) as agent:
            await agent.send("Hello")
            complete = await first(agent, events.BidiResponseCompleteEvent)
        assert complete.stop_reason == "complete"
        assert agent.messages == [{"role": "user", "content": [{"text": "Hello"}]}]
        # What was told but not taken can still be read; then it is over.
        rest = [event async for event in agent.receive()]
        assert [event.type for event in rest] == ["bidi_connection_close"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_send_takes_events_and_the_dicts_of_the_wire():
    async def main():
        async with BidiAgent(local_model()) as agent:
            pcm = base64.b64encode(bytes(640)).decode()
            wire = {"type": "bidi_audio_input", "audio": pcm, "format": "pcm", "sample_rate": 16000, "channels": 1}
            await agent.send(wire)
            await agent.send(events.BidiAudioInputEvent.from_pcm(bytes(640), sample_rate=16000))
            await agent.send({"type": "bidi_text_input", "text": "hi", "role": "user"})
            with pytest.raises(EventError, match="cannot be sent"):
                await agent.send({"type": "bidi_interruption", "reason": "error"})
            with pytest.raises(EventError, match="type must be"):
                await agent.send({"type": "something"})
            with pytest.raises(InvalidParameterError, match="input_data"):
                await agent.send(3)
            with pytest.raises(InvalidParameterError, match="cannot see images"):
                await agent.send(events.BidiImageInputEvent(b"x", "image/png"))
        (row,) = [row for row in agent.log if row.type == "bidi_audio_input"]
        assert row.input_samples == 640

    run_virtual(main())


def test_wrong_parameters():
    with pytest.raises(InvalidParameterError, match="model"):
        BidiAgent(object())
    with pytest.raises(InvalidParameterError, match="hook"):
        BidiAgent(local_model(), hooks=[object()])
    with pytest.raises(InvalidParameterError, match="given with different names"):
        BidiAgent(local_model(), tools=[len_of, len_of])


def len_of(text: str) -> int:
    """Length of a text."""
    return len(text)


class Broken:
    """A device that fails where it is told to, and counts its stops."""

    def __init__(self, where):
        self.where, self.stops = where, 0

    async def start(self, agent):
        if self.where == "start":
            raise OSError("broken")

    async def stop(self):
        self.stops += 1
        if self.where == "stop":
            raise OSError("broken")

    async def __call__(self, event=None):
        raise OSError("broken")


@pytest.mark.parametrize("where", ["start", "call", "stop"])
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_a_broken_device_ends_the_run_with_its_error(where, side):
    async def main():
        broken, other = Broken(where), Broken("")
        agent = BidiAgent(local_model())
        devices = {"inputs": [WavInput(bursts((10, 19)), 16_000)], "outputs": [Taken()]}
        devices[side].append(broken)
        with pytest.raises(OSError, match="broken"):
            await agent.run(**devices)
        assert (broken.stops, other.stops) == (1, 0)
        assert agent.state is (SessionState.IDLE if where == "start" else SessionState.STOPPED)
        if where == "call":
            assert [row.source for row in agent.log if row.type == "bidi_error"] == ["error"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


class FailingModel:
    """A model as one written for Strands: the required half only. It answers, and then the connection breaks."""

    def __init__(self, fails="receive"):
        self.config = {"audio": {"input_rate": 16000, "output_rate": 24000, "channels": 1, "format": "pcm"}}
        self.fails, self.stops = fails, 0

    async def start(self, system_prompt=None, tools=None, messages=None, **kwargs):
        if self.fails == "start":
            raise ConnectionError("refused")

    async def stop(self):
        self.stops += 1

    async def send(self, content):
        pass

    async def receive(self):
        yield {"type": "bidi_connection_start", "connection_id": "c", "model": "m"}
        yield events.BidiResponseStartEvent("r")
        yield events.BidiAudioStreamEvent.from_pcm(bytes(48000), sample_rate=24000)
        await self.agent.clock.sleep_s(0.25)
        raise ConnectionError("lost")


def test_a_model_that_fails():
    async def main():
        model = FailingModel()
        agent = model.agent = BidiAgent(model)
        await agent.start()
        told = []

        async def take_all():
            async for event in agent.receive():
                told.append(event)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(ConnectionError, match="lost"):
            await take_all()
        kinds = [event.type for event in told[3:]]
        assert kinds == ["bidi_interruption", "bidi_response_complete", "bidi_error", "bidi_connection_close"]
        assert (told[3].reason, told[3].heard_samples, told[3].generated_samples) == ("error", 6000, 24000)
        assert (told[4].stop_reason, told[6].reason) == ("error", "error")
        await agent.stop()
        assert model.stops == 1
        refused = FailingModel("start")
        agent = BidiAgent(refused)
        with pytest.raises(ConnectionError, match="refused"):
            await agent.start()
        assert (refused.stops, agent.state) == (1, SessionState.IDLE)

    run_virtual(main())


def test_a_cancelled_run_leaves_nothing(tmp_path):
    async def main():
        agent = BidiAgent(local_model(generation_pace=1), log=tmp_path / "log.jsonl")
        recorder = WavOutput(tmp_path / "session.wav")
        user = WavInput(bursts((10, 19), total=1000), 16_000)
        task = asyncio.create_task(agent.run(inputs=[recorder.listen_to(user)], outputs=[recorder]))
        while not any(row.type == "bidi_audio_stream" for row in (agent._log or [])):
            await asyncio.wait([task], timeout=0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert agent.state is SessionState.STOPPED
        return agent

    threads = threading.active_count()
    agent = run_virtual(main())
    assert threading.active_count() == threads
    assert (tmp_path / "session.wav").exists()
    read = EventLog.read(tmp_path / "log.jsonl")
    assert list(read) == list(agent.log)
    assert read.rows[-1].type in ("bidi_connection_close", "playback_silent")
    del agent
    gc.collect()  # warnings are errors: nothing was left un-awaited


def test_stop_from_a_hook_and_from_a_tool():
    async def main():
        async def enough(event: BidiInterruptionEvent) -> None:
            await event.agent.stop()

        agent = BidiAgent(local_model(), hooks=[enough])
        source = WavInput(bursts((10, 19), (40, 45), total=10_000), 16_000)
        await agent.run(inputs=[source], outputs=[Taken()])
        assert agent.clock.now_s() < 2
        assert agent.state is SessionState.STOPPED

    run_virtual(main())


def test_hooks_are_told_and_a_failing_one_is_logged():
    told = []

    class Tracker:
        def on_anything(self, event: BidiHookEvent):
            told.append(event)
            if isinstance(event, BidiInterruptionEvent):
                raise RuntimeError("hook bug")  # noqa: TRY004

    agent, _, taken = hold(bursts((10, 19), (40, 45)), hooks=[Tracker()])
    kinds = [type(event) for event in told]
    assert kinds[:2] == [BidiAgentInitializedEvent, BidiBeforeInvocationEvent]
    assert kinds[-1] is BidiAfterInvocationEvent
    (interruption,) = [event for event in told if isinstance(event, BidiInterruptionEvent)]
    assert interruption.agent is agent
    assert (interruption.response_id, interruption.heard_ms, interruption.reason) == ("resp_0", 376.0, "user_speech")
    (row,) = [row for row in agent.log if row.source == "error"]
    assert "hook bug" in row.text
    assert taken.of(events.BidiResponseCompleteEvent)[-1].stop_reason == "complete"


def test_messages_and_transcripts_of_labels():
    from bidilab.lab.datasets.labels import Segment

    told = []

    def keep(event: BidiMessageAddedEvent) -> None:
        told.append(event.message["content"][0]["text"])

    labels = [Segment(start_s=0.3, end_s=0.6, channel="user", kind="turn", text="hello there")]
    asked = []

    def answer(transcript, history):
        asked.append((transcript, len(history)))
        return "Is there anything else that I can do for you?"

    agent, _, _ = hold(bursts((10, 19)), model=local_model(answer, transcripts=labels), hooks=[keep])
    assert asked == [("hello there", 1)]
    assert told == ["hello there", "Is there anything else that I can do for you?"]
    assert agent.log.turns()["text"].tolist() == ["hello there"]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_transcriber_gets_the_audio_of_the_turn(is_async):
    got = []

    def transcribe(audio, sample_rate):
        got.append((audio, sample_rate))
        return "la"

    async def later(audio, sample_rate):
        return transcribe(audio, sample_rate)

    user = bursts((10, 19), (60, 65))
    agent, _, _ = hold(user, model=local_model(transcripts=later if is_async else transcribe), chunk_ms=10)
    assert [len(audio) for audio, _ in got] == [13 * 512, 9 * 512]
    expected = np.rint(user[10 * 512 : 23 * 512] * 32768) / 32768
    assert np.array_equal(got[0][0], expected.astype(np.float32))
    assert agent.log.turns()["text"].tolist() == ["la", "la"]


def test_settings_change_while_running():
    model = local_model()

    class Knob:
        def __init__(self):
            self.events = []

        async def start(self, agent):
            self.agent = agent

        async def stop(self):
            pass

        async def __call__(self, event):
            if event.type == "bidi_response_start":
                model.update({"type": "server_vad", "silence_duration_ms": 320, "prefix_padding_ms": 0})

    async def main():
        agent = BidiAgent(model)
        await agent.run(inputs=[WavInput(bursts((10, 19), (60, 65)), 16_000)], outputs=[Knob()])
        return agent.log.turns()

    turns = run_virtual(main())
    assert ((turns["stopped_at_samples"] - turns["offset_samples"]) // 512).tolist() == [3, 10]
    with pytest.raises(InvalidParameterError, match="idle_timeout_ms"):
        model.update({"idle_timeout_ms": 6000})
    with pytest.raises(InvalidParameterError, match="turn_detection"):
        model.update({"silence": 6000})


KILLED = """
import asyncio, os, signal, sys
from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.io import WavInput, WavOutput
from bidilab.core.clock import run_virtual
from tests.sessions import bursts, local_model

class Killer:
    async def start(self, agent): self.agent = agent
    async def stop(self): pass
    async def __call__(self, event):
        if event.type == "bidi_interruption":
            print(len(self.agent.log), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

async def main():
    agent = BidiAgent(local_model(), log=sys.argv[1])
    await agent.run(inputs=[WavInput(bursts((10, 19), (40, 45)), 16_000)], outputs=[WavOutput(None), Killer()])

run_virtual(main())
"""


def test_a_killed_session_loses_no_row(tmp_path):
    path = tmp_path / "journal.jsonl"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], capture_output=True, text=True, cwd=Path.cwd())
    assert done.returncode == -signal.SIGKILL, done.stderr
    log = EventLog.read(path)
    assert len(log) == int(done.stdout)
    assert not log.dropped
    assert any(row.type == "bidi_interruption" for row in log)
