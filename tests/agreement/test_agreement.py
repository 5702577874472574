"""A part of the table in docs/agreement.md, drawn anew from a fixed seed."""

import dataclasses
import random

import pytest

from tests.agreement.comparison import (
    CHUNKS_MS,
    Setting,
    compare,
    draw_end_of_turn,
    draw_guards,
    draw_interruption,
    recordings,
)


@pytest.mark.slow
@pytest.mark.parametrize("chunk_ms", CHUNKS_MS)
@pytest.mark.parametrize(("vad", "n"), [("energy", 8), ("silero", 1)])
def test_sessions_do_what_is_predicted(vad, n, chunk_ms):
    rng = random.Random(f"{vad} {chunk_ms}")
    n_interruptions = n_events = 0
    for _ in range(n):
        drawn = Setting.draw(rng)
        setting = Setting(**{name: getattr(drawn, name) for name in drawn.__slots__} | {"chunk_ms": chunk_ms})
        for path in rng.sample(recordings(), 2):
            found = compare(path, setting, vad)
            assert not found.differences
            n_interruptions += found.n_interruptions
            n_events += found.n_events
    assert (n_interruptions > 0 and n_events > 20) or vad == "silero"


@pytest.mark.slow
@pytest.mark.parametrize("chunk_ms", CHUNKS_MS)
def test_sessions_with_guards_do_what_is_predicted(chunk_ms):
    rng = random.Random(f"guards {chunk_ms}")
    n_interruptions = n_resumed = n_events = 0
    for _ in range(12):
        setting = dataclasses.replace(Setting.draw(rng), chunk_ms=chunk_ms, **draw_guards(rng))
        for path in rng.sample(recordings(), 2):
            found = compare(path, setting, "energy")
            assert not found.differences
            n_interruptions += found.n_interruptions
            n_resumed += found.n_resumed
            n_events += found.n_events
    assert n_events > 0
    assert n_interruptions > n_resumed > 0


@pytest.mark.slow
@pytest.mark.parametrize("chunk_ms", CHUNKS_MS)
def test_sessions_whose_turns_end_by_a_score_do_what_is_predicted(chunk_ms):
    """55 settings for each chunk: 220 in all."""
    rng = random.Random(f"scores {chunk_ms}")
    n = dict.fromkeys(("n_by_score", "n_by_timeout", "n_asked", "n_interruptions", "n_events"), 0)
    for _ in range(55):
        setting = dataclasses.replace(Setting.draw(rng), chunk_ms=chunk_ms, **draw_end_of_turn(rng))
        found = compare(rng.choice(recordings()), setting, "energy")
        assert not found.differences
        for name in n:
            n[name] += getattr(found, name)
    assert min(n.values()) > 30, n


def test_sessions_with_scores_guards_and_silero_do_what_is_predicted():
    rng = random.Random("scores and guards")
    n_by_score = n_resumed = 0
    for number in range(16):
        scored = {**draw_guards(rng), **draw_end_of_turn(rng)}
        setting = dataclasses.replace(Setting.draw(rng), **scored)
        found = compare(rng.choice(recordings()), setting, "energy" if number % 4 else "silero")
        assert not found.differences
        n_by_score += found.n_by_score
        n_resumed += found.n_resumed
    assert min(n_by_score, n_resumed) > 0


@pytest.mark.slow
def test_sessions_that_a_score_interrupts_do_what_is_predicted():
    """60 settings: half of them with other guards, half of them with a score at the end of turns too."""
    rng = random.Random("interruptions")
    n_interruptions = n_resumed = 0
    for number in range(60):
        scored = draw_interruption(rng)
        if number % 2:
            scored |= draw_guards(rng)
        if number % 4 > 1:
            scored |= draw_end_of_turn(rng)
        found = compare(rng.choice(recordings()), dataclasses.replace(Setting.draw(rng), **scored), "energy")
        assert not found.differences
        n_interruptions += found.n_interruptions
        n_resumed += found.n_resumed
    assert n_interruptions > 50
    assert n_resumed > 0
