import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core import audioroom
from bidilab.core.audioroom import Room, blocks

PUTS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 1), st.integers(0, 10), st.integers(1, 100)), max_size=20)


@given(puts=PUTS, mapped=st.booleans())
def test_it_is_an_array_wherever_its_samples_lie(puts, mapped):
    kept = audioroom._IN_MEMORY_BYTES, audioroom._KEPT_BYTES
    audioroom._IN_MEMORY_BYTES, audioroom._KEPT_BYTES = (0, 100) if mapped else kept
    try:
        room, plain = Room(100, 2), np.zeros((100, 2), np.float32)
        assert (room._map is not None) == mapped
        for at, channel, n, value in puts:
            room.put(at, channel, np.full(n, value, np.float32))
            plain[at : at + n, channel] = value
        np.testing.assert_array_equal(room.samples, plain)
    finally:
        audioroom._IN_MEMORY_BYTES, audioroom._KEPT_BYTES = kept


def test_nothing_has_room():
    assert Room(0, 2).samples.shape == (0, 2)


@given(n=st.integers(1, 3000), length=st.integers(1, 700), mapped=st.booleans())
def test_a_walk_sees_every_sample_once_and_leaves_it_where_it_is(n, length, mapped):
    kept = audioroom._IN_MEMORY_BYTES, audioroom._KEPT_BYTES
    audioroom._IN_MEMORY_BYTES, audioroom._KEPT_BYTES = (0, 100) if mapped else kept
    try:
        room, samples = Room(n, 2), np.arange(2 * n, dtype=np.float32)
        room.put(0, 0, samples[:n])
        room.put(0, 1, samples[n:])
        channel = room.samples[:, 1]
        assert (audioroom._map_of(channel) is not None) == mapped
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate(list(blocks(channel, length))), samples[n:])
    finally:
        audioroom._IN_MEMORY_BYTES, audioroom._KEPT_BYTES = kept
