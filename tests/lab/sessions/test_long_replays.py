"""A long replay: what of it is in memory."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from bidilab.core.audiofile import write_audio
from bidilab.lab.sessions import replay

RATE = 24_000


def recording(path, seconds):
    """Half a second of noise in every four, ``seconds`` long; returns its length in bytes."""
    noise = np.random.default_rng(5).integers(-9000, 9000, RATE // 2, dtype=np.int16)
    part = np.concatenate([noise, np.zeros(7 * RATE // 2, np.int16)])
    soundfile.write(path, np.tile(part, seconds // 4), RATE)
    return path.stat().st_size


@pytest.fixture
def files_from_the_first_second(monkeypatch):
    """As if minutes were hours: what is long lies in temporary files."""
    monkeypatch.setattr("bidilab.bidi.io.wav._IN_MEMORY_BYTES", 1 << 16)
    monkeypatch.setattr("bidilab.bidi.io.wav._BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr("bidilab.core.audioroom._IN_MEMORY_BYTES", 1 << 16)


def test_a_long_replay_is_not_in_memory(tmp_path, files_from_the_first_second):
    """Audio and log of each further second take less memory than the file's own bytes (the bound is twice them)."""

    def peak(seconds):
        size = recording(tmp_path / "call.wav", seconds)
        tracemalloc.start()
        try:
            made = replay(tmp_path / "call.wav", vad="energy")
            write_audio(tmp_path / "session.wav", made.audio.samples, made.audio.sample_rate)
            return size, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(4)
    (short, of_short), (long, of_long) = peak(12), peak(36)
    assert of_long - of_short < long - short
