"""When the user interrupts, and how many samples were heard. Positions are worked out by hand.

Frames of 512 samples (32 ms); silence of 3 frames ends a turn; the agent is heard 3200 samples (200 ms) after that, for
16,000 samples (1 s). The user's first turn is in frames 10 to 19::

    frame    10        20     23                                              samples at 16 kHz
    user     ██████████▁▁▁
    decided  ^ 5632        ^ 11776 = (20 + 3) * 512
    agent                          ░░░░░████████████████████████
                               11776   14976 = 11776 + 3200     30976 = 14976 + 16000

A burst that starts in frame k is decided at (k + 1) * 512; the agent's audio has 24 kHz, so that
``heard = ((k + 1) * 512 - 14976) * 3 / 2``.
"""

import json
import math

import numpy as np
import pytest

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.hooks.events import BidiBeforeInvocationEvent
from bidilab.bidi.io import WavInput, WavOutput
from bidilab.bidi.reply import Reply, ToolRequest
from bidilab.bidi.types.events import (
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
)
from bidilab.bidi.types.io import PlaybackReport
from bidilab.core.clock import run_virtual
from bidilab.core.errors import EndOfInput
from bidilab.detect.turns import TurnParams
from tests.sessions import Taken, bursts, hold, local_model

FIRST = (10, 19)


def heard(taken):
    return [(e.interrupted_response_id, e.heard_samples, e.generated_samples) for e in taken.of(BidiInterruptionEvent)]


def ends(taken):
    return [(e.response_id, e.stop_reason) for e in taken.of(BidiResponseCompleteEvent)]


def agent_side(recorder):
    return recorder.recording.samples[:, 1]


def assert_silent_after(recorder, sample_at_24_khz, until=None):
    assert not agent_side(recorder)[sample_at_24_khz:until].any()


@pytest.mark.parametrize("pace", [1, 4, math.inf])
def test_while_it_is_heard(pace):
    # k = 40: decided at 20992 = 1.312 s; heard (20992 - 14976) * 3 / 2 = 9024. At pace 1 two chunks of 4800 samples
    # have been generated: at 0 and 200 ms; 376 ms are heard.
    agent, recorder, taken = hold(bursts(FIRST, (40, 45)), model=local_model(generation_pace=pace))
    generated = {1: 9600, 4: 4800 * 8, math.inf: 24000}[pace]
    assert heard(taken) == [("resp_0", 9024, min(24000, generated))]
    interrupted = ("resp_0", "interrupted")
    assert ends(taken)[: 1 if pace == 1 else 2] == (
        [interrupted] if pace == 1 else [("resp_0", "complete"), interrupted]
    )
    # Not one old sample: the agent is silent from 20992 * 3 / 2 to the second response, 3 + 100 ms later.
    side = agent_side(recorder)
    assert np.flatnonzero(side)[0] >= 14976 * 3 // 2
    assert_silent_after(recorder, 31488, (49 * 512 + 3200) * 3 // 2)
    assert [t for t, e in taken.events if isinstance(e, BidiInterruptionEvent)] == [1.312]
    frame = agent.log.interruptions()
    assert frame["heard_ms"].tolist() == [376.0]
    assert frame[["onset_to_detected_ms", "detected_to_event_ms", "event_to_silent_ms"]].to_numpy().tolist() == [
        pytest.approx([32.0, 0.0, 0.0], abs=1e-6)
    ]


def test_order_of_what_is_told():
    _, _, taken = hold(bursts(FIRST, (40, 45)), model=local_model(generation_pace=1))
    kinds = [type(event) for _, event in taken.events]
    at = kinds.index(BidiInterruptionEvent)
    assert kinds[at + 1] is BidiResponseCompleteEvent
    assert kinds[at + 2] is BidiResponseStartEvent  # of the turn that interrupted: ready for new input


def test_before_the_first_sample():
    # k = 25: decided at 13312, before 14976.
    _, recorder, taken = hold(bursts(FIRST, (25, 30)))
    assert heard(taken) == [("resp_0", 0, 0)]
    assert ends(taken)[0] == ("resp_0", "interrupted")
    assert_silent_after(recorder, 0, 34 * 512 * 3 // 2)


def test_two_in_a_row():
    # Frames 40 to 45, stopped at (46 + 3) * 512 = 25088, heard again from 28288; frame 60 is decided at 31232:
    # (31232 - 28288) * 3 / 2 = 4416.
    _, _, taken = hold(bursts(FIRST, (40, 45), (60, 61)), model=local_model(generation_pace=math.inf))
    assert heard(taken) == [("resp_0", 9024, 24000), ("resp_1", 4416, 24000)]


def test_two_bursts_in_one_response_interrupt_once():
    _, _, taken = hold(bursts(FIRST, (40, 41), (43, 44)))
    assert len(heard(taken)) == 1


@pytest.mark.parametrize(("length", "expected"), [(15745, 15744), (15744, None)])
def test_at_the_very_end(length, expected):
    # k = 59: decided at 30720. A response of 15745 samples ends at 30721, one sample later; one of 15744 is over.
    model = local_model([length / 16], generation_pace=math.inf)
    _, _, taken = hold(bursts(FIRST, (59, 62)), model=model)
    generated = round(length * 1.5 + 1e-9)
    assert heard(taken) == ([("resp_0", expected * 3 // 2, generated)] if expected is not None else [])


def test_in_a_tool_call():
    done = []

    async def look_up() -> str:
        """Look something up."""
        await agent_box[0].clock.sleep_s(1.0)
        done.append(True)
        return "found"

    answers = [Reply(length_ms=1000.0, tool_calls=(ToolRequest(name="look_up"),)), 500.0]
    agent_box = []
    model = local_model(answers, generation_pace=math.inf)

    def keep(event: BidiBeforeInvocationEvent) -> None:
        agent_box.append(event.agent)

    agent, _, taken = hold(bursts(FIRST, (40, 45), total=140), model=model, tools=[look_up], hooks=[keep])
    assert heard(taken) == [("resp_0", 9024, 24000)]
    assert done == [True]
    # The tool's result is kept, but what is answered is the user's new turn: one response more, not two.
    assert ends(taken) == [("resp_0", "tool_use"), ("resp_0", "interrupted"), ("resp_1", "complete")]
    results = [json.loads(row.detail) for row in agent.log if row.type == "tool_result"]
    assert [r["tool_result"]["content"] for r in results] == [[{"text": "found"}]]


def test_from_two_inputs_at_once():
    # The second input begins a chunk later in the stream: its frame 39 is the stream's frame 40.
    agent, _, taken = hold(bursts(FIRST), bursts((39, 44)), model=local_model(generation_pace=math.inf))
    assert heard(taken) == [("resp_0", 9024, 24000)]
    assert agent.log.turns()["onset_samples"].tolist() == [5120, 20480]


def test_text_while_the_agent_speaks_waits_and_does_not_interrupt():
    class Typed:
        def __init__(self):
            self.left = 1

        async def start(self, agent):
            self.clock = agent.clock

        async def stop(self):
            pass

        async def __call__(self):
            if not self.left:
                raise EndOfInput("no more")
            self.left -= 1
            await self.clock.sleep_until_s(1.2)
            return BidiTextInputEvent("and?")

    async def main():
        taken = Taken()
        agent = BidiAgent(local_model(generation_pace=math.inf))
        spoken = WavInput(bursts(FIRST, total=40), 16_000, chunk_ms=32)
        await agent.run(inputs=[spoken, Typed()], outputs=[WavOutput(None), taken])
        return taken

    taken = run_virtual(main())
    assert heard(taken) == []
    # 30976 samples are 1.936 s: the text is answered then, and heard 200 ms later.
    assert [t for t, e in taken.events if isinstance(e, BidiResponseStartEvent)] == [0.736, 1.936]


def test_speech_without_a_response_is_a_turn():
    model = local_model(turn_detection={"type": "server_vad", "silence_duration_ms": 96, "create_response": False})
    agent, _, taken = hold(bursts(FIRST, (40, 45)), model=model)
    assert heard(taken) == []
    assert len(agent.log.turns()) == 2
    assert not taken.of(BidiResponseStartEvent)


def test_interruptions_can_be_off():
    model = local_model(turn_detection={"silence_duration_ms": 96, "interrupt_response": False})
    _, _, taken = hold(bursts(FIRST, (40, 45)), model=model)
    assert heard(taken) == []
    assert ends(taken) == [("resp_0", "complete")]


def test_a_failing_responder_ends_the_response_not_the_session():
    def answer(transcript, history):
        if len(asked) == 0:
            asked.append(1)
            raise ValueError("no idea")
        return 500.0

    asked = []
    _, _, taken = hold(bursts(FIRST, (60, 65)), model=local_model(answer))
    (error,) = taken.of(BidiErrorEvent)
    assert error.message == "no idea"
    assert [e.reason for e in taken.of(BidiInterruptionEvent)] == ["error"]
    assert ends(taken) == [("resp_0", "error"), ("resp_1", "complete")]


def test_two_turns_in_one_chunk_each_keep_their_own_interruption():
    """Chunks of 16 frames; a turn ends with its first silent frame, and is answered at once.

    ::

        frame  10    19     32 33    40 41
        user   ███████      ███      ███        32 to 47 come in one chunk
        agent          resp_0 ^ cut  ^ cut      resp_0 from 21 (10752) on, resp_1 from 35 (17920) on
    """
    params = TurnParams(silence_duration_ms=32, prefix_padding_ms=0)
    model = local_model([3000.0], turn_detection=params, response_delay_ms=0.0)
    agent, _, _ = hold(bursts((10, 19), (32, 33), (40, 41)), model=model, chunk_ms=512)
    frame = agent.log.interruptions()
    assert frame["response_id"].tolist() == ["resp_0", "resp_1"]
    assert frame["onset_samples"].tolist() == [32 * 512, 40 * 512]
    assert frame["decided_at_samples"].tolist() == [33 * 512, 41 * 512]
    turns = agent.log.turns()
    assert turns["interrupted_response_id"].fillna("").tolist() == ["", "resp_0", "resp_1"]


class Loudspeaker(Taken):
    """An output that says of any cut response that ``heard`` samples of it, at ``sample_rate``, had been audible."""

    def __init__(self, heard, sample_rate):
        super().__init__()
        self.heard, self.sample_rate = heard, sample_rate

    def report_playback_to(self, listener):
        pass

    def cut(self, response_id):
        return PlaybackReport(
            kind="cleared",
            response_id=response_id,
            heard_samples=self.heard,
            sample_rate=self.sample_rate,
            at_s=self.agent.clock.now_s(),
        )


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_loudspeakers_the_one_that_played_most_counts(order):
    # 800 samples at 16 kHz are 1200 at 24 kHz: longer than 1000, though the number is smaller.
    async def main():
        outputs = [Loudspeaker(1000, 24_000), Loudspeaker(800, 16_000)][::order]
        user = WavInput(bursts(FIRST, (40, 45)), 16_000, chunk_ms=32)
        await BidiAgent(local_model(generation_pace=math.inf)).run(inputs=[user], outputs=outputs)
        return outputs[0]

    assert heard(run_virtual(main())) == [("resp_0", 1200, 24000)]


class Paused(WavInput):
    """A microphone that is closed for 3 s before its chunk ``after``."""

    after = 40

    async def start(self, agent):
        await super().start(agent)
        self._agent, self._given = agent, 0

    async def __call__(self):
        if self._given == self.after:
            await self._agent.clock.sleep_s(3.0)
            self._zero_s += 3.0
        self._given += 1
        return await super().__call__()


def test_latencies_are_right_behind_a_gap_of_the_microphone():
    """Closed from 1.28 s to 4.28 s; the burst of frame 60 begins at 1.92 s of its samples, at 4.92 s of the session."""

    async def main():
        agent = BidiAgent(local_model([8000.0]))
        recorder = WavOutput(None)
        user = Paused(bursts(FIRST, (60, 66), total=130), 16_000, chunk_ms=32)
        await agent.run(inputs=[recorder.listen_to(user)], outputs=[recorder])
        return agent.log

    log = run_virtual(main())
    (gap,) = [row for row in log if row.type == "input_gap"]
    assert json.loads(gap.detail) == {"samples": 48_000, "sample_rate": 16_000}
    (cut,) = log.interruptions().to_dict("records")
    assert cut["onset_s"] == pytest.approx(4.92)
    assert cut["onset_to_detected_ms"] == pytest.approx(32)
    assert cut["detected_to_event_ms"] == pytest.approx(0, abs=1e-6)
    assert cut["onset_to_silent_ms"] == pytest.approx(32)
    assert log.turns()["onset_s"].tolist() == pytest.approx([0.32, 4.92])
