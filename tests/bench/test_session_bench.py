"""How fast a session runs on the virtual clock, beside the detector alone: `pytest tests/bench --benchmark-only -s`.

Budget (DESIGN §12): at least 200 times real time for one session. The detector's stream alone, one frame at a time, is
the greater part of it, and differs from machine to machine: the ratio to it is what the session itself costs.
"""

import time

import pytest

from bidilab.bidi.agent import BidiAgent
from bidilab.bidi.io import WavInput
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.core.clock import run_virtual
from bidilab.detect.vad import KnownTrack, VadSpec
from tests.agreement.comparison import audio_of, recordings


def session(audio, vad, chunk_ms, known=None):
    async def main():
        model = BidiLocalModel(responses=[4000.0], vad=known or VadSpec(name=vad))
        await BidiAgent(model).run(inputs=[WavInput(audio, chunk_ms=chunk_ms)], outputs=[])

    run_virtual(main())


def best_of(call, n=7):
    def timed():
        began = time.perf_counter()
        call()
        return time.perf_counter() - began

    return min(timed() for _ in range(n))


@pytest.mark.parametrize("chunk_ms", [20, 32])
@pytest.mark.parametrize("vad", ["energy", "silero"])
def test_a_session_on_the_virtual_clock(benchmark, vad, chunk_ms):
    audio = audio_of(recordings()[0])
    backend = VadSpec(name=vad).build()

    def detector():
        stream = backend.stream()
        for start in range(0, audio.n_samples, 512):
            stream.feed(audio.samples[start : start + 512])

    session(audio, vad, chunk_ms)
    alone, whole = best_of(detector), best_of(lambda: session(audio, vad, chunk_ms))
    print(
        f"\n{vad}, chunks of {chunk_ms} ms: {audio.duration_s / whole:.0f} times real time; "
        f"the detector alone {audio.duration_s / alone:.0f}; the session costs {whole / alone:.2f} of it"
    )
    benchmark.pedantic(session, args=(audio, vad, chunk_ms), rounds=3)


def test_a_session_that_a_sweep_has_prepared(benchmark):
    """Silero's probabilities are known, as they are after a sweep: what `replay` then takes from the cache."""
    audio = audio_of(recordings()[0])
    backend = VadSpec().build()
    known = KnownTrack(backend, audio.samples, backend.probabilities(audio.samples))
    session(audio, "silero", 20, known)
    whole = best_of(lambda: session(audio, "silero", 20, known))
    print(f"\nknown probabilities, chunks of 20 ms: {audio.duration_s / whole:.0f} times real time")
    benchmark.pedantic(session, args=(audio, "silero", 20, known), rounds=3)
    assert audio.duration_s / whole >= 200
