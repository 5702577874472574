"""A part of the table in docs/agreement.md, drawn anew from a fixed seed."""

import random

import pytest

from tests.agreement.comparison import CHUNKS_MS, Setting, compare, recordings


@pytest.mark.parametrize("chunk_ms", CHUNKS_MS)
@pytest.mark.parametrize(("vad", "n"), [("energy", 8), ("silero", 1)])
def test_sessions_do_what_is_predicted(vad, n, chunk_ms):
    rng = random.Random(f"{vad} {chunk_ms}")
    n_interruptions = 0
    for _ in range(n):
        drawn = Setting.draw(rng)
        setting = Setting(**{name: getattr(drawn, name) for name in drawn.__slots__} | {"chunk_ms": chunk_ms})
        for path in rng.sample(recordings(), 2):
            found = compare(path, setting, vad)
            assert not found.differences
            n_interruptions += found.n_interruptions
    assert n_interruptions > 0 or vad == "silero"
