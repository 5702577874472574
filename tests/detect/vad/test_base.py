"""Framing: every whole frame once, in order; the rest waits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.vad.base import Framer, check_samples


@given(frame_samples=st.integers(1, 40), n=st.integers(0, 300), sizes=st.lists(st.integers(0, 60), max_size=10))
def test_frames_are_the_stream_cut_at_multiples(frame_samples, n, sizes):
    samples = np.arange(n, dtype=np.float32)
    framer, out, position = Framer(frame_samples), [], 0
    for size in [*sizes, n]:
        out.append(framer.push(samples[position : position + size]))
        position += size
    whole = n // frame_samples * frame_samples
    np.testing.assert_array_equal(np.concatenate(out), samples[:whole].reshape(-1, frame_samples))
    assert framer.carried_samples == n - whole
    framer.reset()
    assert framer.carried_samples == 0


def test_a_reused_buffer_does_not_change_what_was_carried():
    framer, buffer = Framer(4), np.array([1, 2, 3], np.float32)
    framer.push(buffer)
    buffer[:] = 9
    assert framer.push(buffer[:1]).tolist() == [[1, 2, 3, 9]]


def test_refused_samples_are_not_taken():
    framer = Framer(2)
    with pytest.raises(AudioError, match="sample 0"):
        framer.push(np.array([np.nan]))
    assert framer.carried_samples == 0
    with pytest.raises(InvalidParameterError, match="frame_samples"):
        Framer(0)
    assert check_samples(np.zeros(3, np.float64)).dtype == np.float32
