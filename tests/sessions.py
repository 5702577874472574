"""A user made of bursts of tone at known frames, and sessions with it on the virtual clock.

Frames have 512 samples at 16 kHz, as the chunks have, so that a decision acts at the very sample at which it is made.
"""

import numpy as np

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.io import WavInput, WavOutput
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.core.audiofile import write_audio
from bidilab.core.clock import run_virtual
from bidilab.detect.turns import TurnParams
from bidilab.detect.vad import VadSpec

FRAME = 512
PARAMS = TurnParams(silence_duration_ms=96, prefix_padding_ms=0)


def bursts(*frames, total=100):
    """Audio of ``total`` frames with a tone in each ``(first, last)`` pair of frames, both included."""
    samples = np.zeros(total * FRAME, np.float32)
    for first, last in frames:
        n = (last + 1 - first) * FRAME
        samples[first * FRAME : (last + 1) * FRAME] = 0.5 * np.sin(2 * np.pi * 440 * np.arange(n) / 16_000)
    return samples


def local_model(responses=(1000.0,), **options):
    options = {"response_delay_ms": 200.0, "vad": VadSpec(name="energy")} | options
    return BidiLocalModel(options.pop("turn_detection", PARAMS), responses=responses, **options)


class Taken:
    """An output that keeps its events, with the time of each."""

    def __init__(self):
        self.events = []

    async def start(self, agent):
        self.agent = agent

    async def stop(self):
        pass

    async def __call__(self, event):
        self.events.append((round(self.agent.clock.now_s(), 6), event))

    def of(self, *kinds):
        return [event for _, event in self.events if isinstance(event, kinds)]


def hold(*users, model=None, chunk_ms=32, **agent_options):
    """Run a session with users given as arrays; return the agent, the recorder and the events."""

    async def main():
        agent = BidiAgent(model if model is not None else local_model(), **agent_options)
        recorder, taken = WavOutput(None), Taken()
        inputs = [WavInput(user, 16_000, chunk_ms=chunk_ms) for user in users]
        inputs[0] = recorder.listen_to(inputs[0])
        await agent.run(inputs=inputs, outputs=[recorder, taken])
        return agent, recorder, taken

    return run_virtual(main())


def keep(made, folder):
    """Leave a replay's log and audio in a folder, without the figure, which takes most of the time of saving."""
    folder.mkdir(parents=True, exist_ok=True)
    made.log.write(folder / "events.jsonl")
    write_audio(folder / "session.wav", made.audio.samples, made.audio.sample_rate)
    return folder
