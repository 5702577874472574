"""The earliest play-out, beside a loudspeaker that is simulated tick by tick."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.realtime.playout import PlayoutQueue

TICK_S = 1 / 64  # a power of two, so that sums are exact

sends = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abc"), st.integers(1, 12)), max_size=12)


def loudspeaker(messages, n_ticks):
    """What sounds in each tick; nothing where nothing was queued."""
    queue, played = [], []
    for tick in range(n_ticks):
        queue += [item for at, item, length in messages if at == tick for _ in range(length)]
        played.append(queue.pop(0) if queue else None)
    return played


@given(waits=sends, asked=st.integers(0, 200), split=st.booleans())
def test_it_is_a_loudspeaker_that_plays_at_once_and_in_order(waits, asked, split):
    messages, at = [], 0
    for wait, item, length in waits:
        at += wait
        messages.append((at, item, length))
    queue = PlayoutQueue()
    for at, item, length in messages:
        for piece in [1] * length if split else [length]:
            queue.audio(item, at_s=at * TICK_S, length_s=piece * TICK_S)
    played = loudspeaker(messages, 400)
    for item in "abc":
        assert queue.heard_s(item, asked * TICK_S) == played[:asked].count(item) * TICK_S
    assert queue.waiting(asked * TICK_S) == list(dict.fromkeys(filter(None, played[asked:])))
    if messages:
        assert queue.end_s == (max(k for k, item in enumerate(played) if item) + 1) * TICK_S


def test_after_a_cut_the_next_item_sounds_at_once():
    queue = PlayoutQueue()
    queue.audio("a", at_s=0.0, length_s=4.0)
    queue.audio("b", at_s=0.5, length_s=1.0)
    queue.cut(1.0)
    assert queue.waiting(1.0) == []
    assert queue.end_s == 1.0
    queue.audio("c", at_s=1.5, length_s=1.0)
    assert queue.end_s == 2.5
    assert queue.waiting(2.0) == ["c"]
    # A client that did not stop went on with a: that much it can have heard.
    assert queue.heard_s("a", 3.0) == 3.0
    assert queue.heard_s("c", 2.0) == 0.5


def test_cutting_and_forgetting_what_is_over_changes_nothing():
    queue = PlayoutQueue()
    queue.audio("a", at_s=0.0, length_s=1.0)
    queue.audio("b", at_s=0.0, length_s=1.0)
    queue.cut(5.0)
    assert queue.end_s == 2.0
    queue.forget(1.5)
    assert queue.heard_s("a", 1.5) == 0.0
    assert queue.heard_s("b", 1.5) == 0.5
    assert queue.end_s == 2.0
