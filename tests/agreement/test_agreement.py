"""A part of the table in docs/agreement.md, drawn anew from a fixed seed."""

import dataclasses
import random

import pytest

from tests.agreement.comparison import CHUNKS_MS, Setting, compare, draw_guards, recordings


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


@pytest.mark.parametrize("chunk_ms", CHUNKS_MS)
def test_sessions_with_guards_do_what_is_predicted(chunk_ms):
    rng = random.Random(f"guards {chunk_ms}")
    n_interruptions = n_resumed = 0
    for _ in range(12):
        setting = dataclasses.replace(Setting.draw(rng), chunk_ms=chunk_ms, **draw_guards(rng))
        for path in rng.sample(recordings(), 2):
            found = compare(path, setting, "energy")
            assert not found.differences
            n_interruptions += found.n_interruptions
            n_resumed += found.n_resumed
    assert n_interruptions > n_resumed > 0
