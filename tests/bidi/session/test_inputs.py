"""Several inputs as one stream."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.session.inputs import InputMixer
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.errors import AudioError


def chunk(values, sample_rate=1000):
    return BidiAudioInputEvent.from_pcm(np.array(values, dtype="<i2").tobytes(), sample_rate=sample_rate)


def pcm(event):
    return [] if event is None else event.pcm.tolist()


def test_one_input_passes_untouched():
    mixer = InputMixer()
    event = chunk([1, 2, 3])
    assert mixer.push(0, event) is event
    assert mixer.end(0) is None


def test_two_inputs_are_summed_and_clipped():
    # input 0   1 1 1 . 2 2 2
    # input 1         5 5 5 32767 ...   begins where the stream stands
    mixer = InputMixer()
    assert pcm(mixer.push(0, chunk([1, 1, 1]))) == [1, 1, 1]
    assert pcm(mixer.push(1, chunk([5, 5, 5, 32767]))) == []
    assert pcm(mixer.push(0, chunk([2, 2, 2]))) == [7, 7, 7]
    assert pcm(mixer.push(0, chunk([2]))) == [32767]
    assert mixer.end(1) is None
    assert pcm(mixer.push(0, chunk([9]))) == [9]


def test_an_input_that_stalls_or_ends_holds_nobody_up():
    mixer = InputMixer()
    mixer.push(0, chunk([1] * 10))
    mixer.push(1, chunk([1] * 10))
    # Input 1 stalls: at 1000 Hz the first may be 200 samples ahead.
    assert pcm(mixer.push(0, chunk([3] * 250))) == [4] * 10 + [3] * 40
    assert pcm(mixer.end(1)) == [3] * 200


def test_inputs_share_a_rate():
    mixer = InputMixer()
    mixer.push(0, chunk([1]))
    with pytest.raises(AudioError, match="share rate"):
        mixer.push(1, chunk([1], sample_rate=8000))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40)), max_size=60))
def test_nothing_is_lost_or_made_up(pushes):
    mixer = InputMixer()
    given_sum = passed_sum = 0
    for source, n in pushes:
        given_sum += n
        passed_sum += sum(pcm(mixer.push(source, chunk([1] * n, sample_rate=1_000_000))))
    for source in range(3):
        passed_sum += sum(pcm(mixer.end(source)))
    assert passed_sum == given_sum
