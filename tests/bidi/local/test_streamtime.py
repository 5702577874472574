import pytest

from bidilab.bidi.local.decider import StreamTime
from bidilab.bidi.types.events import BidiAudioInputEvent

RATE = 1000
CHUNK = 100  # 0.1 s


class Clock:
    s = 5.0

    def now_s(self):
        return self.s


def chunk(captured_s=None):
    return BidiAudioInputEvent.from_pcm(bytes(2 * CHUNK), sample_rate=RATE, captured_s=captured_s)


def test_a_microphone_that_dates_its_audio_takes_the_positions_with_it():
    # Its device stands still for 20 ms in each 0.1 s: 4 s in all, and never is that a gap.
    time = StreamTime(Clock(), sample_rate=RATE)
    for k in range(200):
        captured_s = 3.0 + 0.12 * k
        assert not time.jumps_at(chunk(captured_s), k * CHUNK)
        assert time.keep(chunk(captured_s), k * CHUNK) == 0
        assert time.of(k * CHUNK) == pytest.approx(captured_s)
    assert time.offset == 0
    # Closed for 2 s, it is one: positions jump to where the clock is.
    assert time.jumps_at(chunk(3.0 + 0.12 * 199 + 0.1 + 2.0), 200 * CHUNK)
    assert time.keep(chunk(3.0 + 0.12 * 199 + 0.1 + 2.0), 200 * CHUNK) == 2000
    assert time.offset == 2000


def test_where_the_dates_only_jitter_nothing_moves():
    time = StreamTime(Clock(), sample_rate=RATE)
    for k in range(50):
        time.keep(chunk(3.0 + 0.1 * k + (0.0009 if k % 2 else 0.0)), k * CHUNK)
        assert time.of(0) == 3.0


def test_of_a_microphone_without_dates_samples_are_counted():
    clock = Clock()
    time = StreamTime(clock, sample_rate=RATE)
    for k in range(50):
        clock.s = 5.1 + 0.1 * k + (0.5 if k % 7 == 3 else 0.0)  # chunks that arrive late
        assert time.keep(chunk(), k * CHUNK) == 0
    assert time.of(0) == pytest.approx(5.0)


def test_audio_that_begins_after_a_text_has_no_gap_before_it():
    clock = Clock()
    time = StreamTime(clock, sample_rate=RATE)
    assert time.position_now() == 0  # a text is typed at 5 s
    clock.s = 8.0
    assert time.keep(chunk(), 0) == 0  # captured from 7.9 s on
    assert (time.offset, time.begins_at) == (2900, 2900)
    assert time.of(time.begins_at) == pytest.approx(7.9)
    clock.s = 11.0
    assert time.keep(chunk(), CHUNK) == 2900  # closed from 8 s to 10.9 s: a gap
    assert (time.offset, time.begins_at) == (5800, 2900)
