"""The VAD that the sessions of a server share: together when they are due together, alone when alone."""

import asyncio
import json

import numpy as np
import pytest

from bidilab.bidi.local.voice import RecordedVoice
from bidilab.bidi.realtime import RealtimeSession, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.memory import append_messages
from bidilab.bidi.realtime.server.connection import SharedVad
from bidilab.core.audio import Audio
from bidilab.core.clock import running_clock
from bidilab.detect.vad import VadSpec, VadWork, get_vad


class CountingVad:
    """Energy detector that counts what it is fed with at one time."""

    def __init__(self):
        self._vad = VadSpec(name="energy").build()
        self.batches = []

    def __getattr__(self, name):
        return getattr(self._vad, name)

    def feed_streams(self, works):
        self.batches.append(len(works))
        return [work.run() for work in works]


SPEECH = np.concatenate([RecordedVoice().speech(30_000, 24_000), np.zeros(24_000, np.float32)] * 2)
CHUNK = np.zeros(1_024, np.float32)


def test_what_is_due_in_one_turn_of_the_loop_is_one_batch():
    vad = CountingVad()

    async def main():
        shared = SharedVad(vad)
        works = [VadWork(vad.stream(), CHUNK) for _ in range(4)]
        tracks = await asyncio.gather(*(shared.run(work) for work in works))
        n_frames = {len(track) for track in tracks}
        await asyncio.gather(*(shared.run(work) for work in works[:2]))
        return n_frames

    n_frames = asyncio.run(main())
    assert n_frames == {len(vad.stream().feed(CHUNK))}
    assert vad.batches == [4, 2]


def test_a_session_that_ends_while_it_waits_is_not_fed():
    vad = CountingVad()

    async def main():
        shared = SharedVad(vad)
        works = [VadWork(vad.stream(), CHUNK) for _ in range(3)]
        tasks = [asyncio.create_task(shared.run(work)) for work in works]
        await running_clock().sleep_s(0)
        tasks[1].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return [type(result).__name__ for result in results]

    assert asyncio.run(main()) == ["ndarray", "CancelledError", "ndarray"]
    assert vad.batches == [2]


def test_a_vad_that_fails_fails_each_session_and_serves_the_next():
    vad = get_vad("silero")

    async def main():
        shared = SharedVad(vad)
        bad = [VadWork(vad.stream(), np.full(512, np.nan, np.float32)) for _ in range(2)]
        errors = await asyncio.gather(*(shared.run(work) for work in bad), return_exceptions=True)
        track = await shared.run(VadWork(vad.stream(), CHUNK))
        return [type(error).__name__ for error in errors], len(track)

    assert asyncio.run(main()) == (["AudioError", "AudioError"], 2)


@pytest.mark.parametrize("chunk_ms", [7, 20, 900, 2_500])
def test_a_session_in_steps_says_what_it_says_in_one(chunk_ms):
    def make():
        responder = ScriptedResponder([Audio(samples=np.full(24_000, 0.1, np.float32), sample_rate=24_000)] * 9)
        return RealtimeSession(RealtimeSettings(), responder, vad=VadSpec(name="silero").build())

    in_one, in_steps, said = make(), make(), []
    for timed in append_messages(SPEECH, chunk_ms=chunk_ms):
        text = json.dumps(timed.message)
        in_one.receive_message(text, timed.at_s)
        steps = in_steps.receive_in_steps(text, timed.at_s)
        answer = None
        while True:
            try:
                work = steps.send(answer)
            except StopIteration:
                break
            answer = work.run()
            assert len(answer)  # it asks only when a frame is complete
        said.append(in_one.messages_to_send())
        assert said[-1] == in_steps.messages_to_send()
    kinds = [message["type"] for messages in said for message in messages]
    assert kinds.count("input_audio_buffer.speech_started") == 2
