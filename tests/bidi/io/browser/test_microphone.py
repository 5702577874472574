"""At 1000 Hz a sample is a millisecond, and no resampler stands between."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.io.browser import BrowserMicrophone
from bidilab.core.errors import EndOfInput, EventError, InvalidParameterError, SessionError
from tests.bidi.io.browser.conftest import make_agent


def pcm(start, n):
    return np.arange(start, start + n, dtype="<i2").tobytes()


def heard(microphone):
    """Everything that waits, as one list of samples, and when each block was captured."""

    async def read():
        samples, dates = [], []
        while microphone._blocks:
            event = await microphone()
            dates.append((len(samples), event.captured_s))
            samples += event.pcm.tolist()
        return samples, dates

    return asyncio.run(read())


def started(agent):
    microphone = BrowserMicrophone()
    asyncio.run(microphone.start(agent))
    return microphone


def gaps(agent):
    return [(row.reason, row.input_samples, row.detail) for row in agent.log if row.type == "input_gap"]


def test_frames_become_a_stream_dated_when_it_was_captured(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    agent.clock.s = 7.02
    microphone.take(500, pcm(0, 20))  # frames 500 to 520 have just been spoken: frame 500 at 7.00 s
    agent.clock.s = 8.0
    microphone.take(520, pcm(20, 20))  # this one waited
    assert microphone.late_s == pytest.approx(8.0 - 7.04, abs=1e-3)
    samples, dates = heard(microphone)
    assert samples == list(range(40))
    assert [position for position, _ in dates] == [0, 20]
    assert [at_s for _, at_s in dates] == pytest.approx([7.0, 7.02], abs=1e-3)
    assert gaps(agent) == []


def test_a_lost_message_is_filled_with_silence_and_logged(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    microphone.take(0, pcm(1, 3))
    microphone.take(5, pcm(6, 2))
    assert heard(microphone)[0] == [1, 2, 3, 0, 0, 6, 7]
    assert gaps(agent) == [("lost", 3, '{"samples":2,"sample_rate":1000}')]


def test_where_messages_may_be_swapped_what_is_missing_is_waited_for(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    microphone.take(0, pcm(1, 3), may_swap=True)
    microphone.take(5, pcm(6, 4998))  # to frame 5003: as far as is waited
    assert heard(microphone)[0] == [1, 2, 3]
    assert gaps(agent) == []
    microphone.take(5003, pcm(5004, 1))
    assert heard(microphone)[0] == [0, 0, *range(6, 5005)]
    assert gaps(agent) == [("lost", 3, '{"samples":2,"sample_rate":1000}')]
    microphone.take(3, pcm(4, 2))  # too late
    assert heard(microphone)[0] == []


def test_swapped_messages_are_put_in_order(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    for frame in (0, 40, 20, 80, 100, 60):
        microphone.take(frame, pcm(frame, 20), may_swap=True)
    assert heard(microphone)[0] == list(range(120))
    assert gaps(agent) == []


def test_what_waited_when_the_page_goes_is_kept(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    microphone.take(0, pcm(1, 3), may_swap=True)
    microphone.take(5, pcm(6, 2), may_swap=True)
    microphone.close()
    assert heard(microphone)[0] == [1, 2, 3, 0, 0, 6, 7]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=12))
def test_whatever_comes_twice_or_swapped_or_not_at_all_a_position_stays_a_time(pieces):
    # Pieces of one ramp in any order, some overlapping, some missing: sample n is n, or 0 where none had it.
    microphone = started(make_agent())
    microphone.open(sample_rate=1000)
    first = min(frame for frame, _ in pieces)
    microphone.take(first, pcm(first, 1), may_swap=True)
    for frame, n in pieces:
        microphone.take(frame, pcm(frame, n), may_swap=True)
    microphone.close()
    samples, _ = heard(microphone)
    asyncio.run(microphone.stop())
    there = {k for frame, n in pieces for k in range(frame, frame + n)}
    assert samples == [k if k in there else 0 for k in range(first, max(there) + 1)]


def test_the_time_without_a_page_is_silence(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    agent.clock.s = 1.0
    microphone.take(0, pcm(1, 4))  # ends at 1.0 s
    microphone.close()
    microphone.open(sample_rate=1000)
    agent.clock.s = 3.5
    microphone.take(100, pcm(9, 10))  # began at 3.49 s
    samples, dates = heard(microphone)
    assert samples == [1, 2, 3, 4, *[0] * 2490, *range(9, 19)]
    assert dates[-1] == (4 + 2490, pytest.approx(3.49))
    assert gaps(agent) == [("no_page", 4, '{"samples":2490,"sample_rate":1000}')]


def test_silence_without_a_page_has_the_date_at_which_it_passed(agent):
    # Undated it was taken for just captured, two seconds late: a gap of the session's own, which nobody had.
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    agent.clock.s = 1.0
    microphone.take(0, pcm(1, 1000))
    microphone.close()
    agent.clock.s = 4.5
    microphone._keep_time(agent.clock.s)  # 1 s of silence, from 1 s on: later audio of the page may still come
    agent.clock.s = 5.2
    _, dates = heard(microphone)
    assert dates == [(0, pytest.approx(0.0)), (1000, pytest.approx(1.0))]


HOURS_S = 3 * 3600


def test_a_page_that_is_back_after_hours_finds_no_backlog(agent):
    # page |0 ... 1 s|                    |3 h ...
    # read            |silence as it passes|
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    agent.clock.s = 1.0
    microphone.take(0, pcm(1, 1000))
    microphone.close()
    assert len(heard(microphone)[0]) == 1000
    n_read = 1000
    for second in range(2, HOURS_S, 60):  # the session looks once per second: here, once per minute
        agent.clock.s = float(second)
        microphone._keep_time(agent.clock.s)
        assert len(microphone._blocks) <= 1  # a length, and no audio
        n_read += len(heard(microphone)[0])
    assert agent.clock.s - 3 <= n_read / 1000 <= agent.clock.s
    agent.clock.s = float(HOURS_S)
    microphone.open(sample_rate=1000)
    microphone.take(500, pcm(7, 20))
    backlog, dates = heard(microphone)
    assert backlog[-20:] == list(range(7, 27))
    assert len(backlog) < 65_000  # what passed since it last looked
    assert dates[-1][1] == pytest.approx(HOURS_S - 0.02)
    assert (n_read + len(backlog)) / 1000 == pytest.approx(HOURS_S)
    samples = (HOURS_S - 1) * 1000 - 20
    assert gaps(agent) == [("no_page", 1000, f'{{"samples":{samples},"sample_rate":1000}}')]


def test_a_page_whose_clock_jumps_is_heard_on_without_a_flood(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    agent.clock.s = 1.0
    microphone.take(0, pcm(1, 20))
    for n, frame in enumerate((40_000_000_000, 60)):  # a year ahead, and back
        agent.clock.s += 0.5
        microphone.take(frame, pcm(100 * n, 20))
        agent.clock.s += 0.02
        microphone.take(frame + 20, pcm(100 * n + 20, 20))
    assert len(microphone._blocks) <= 8
    samples, dates = heard(microphone)
    assert samples == [*range(1, 21), *[0] * 480, *range(40), *[0] * 480, *range(100, 140)]
    assert dates[-1][1] == pytest.approx(2.02, abs=0.01)
    assert [reason for reason, _, _ in gaps(agent)] == ["clock_jump", "clock_jump"]


def test_a_page_that_stalls_for_hours_goes_on_where_it_is(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    agent.clock.s = 1.0
    microphone.take(0, pcm(1, 1000))
    agent.clock.s = 59.0
    microphone._keep_time(agent.clock.s)
    assert len(microphone._blocks) == 1  # it may only be late
    agent.clock.s = 3601.0
    microphone._keep_time(agent.clock.s)
    assert len(microphone._blocks) == 2
    microphone.take(1_000, pcm(5, 20))  # its clock stood still
    samples, dates = heard(microphone)
    assert samples[-20:] == list(range(5, 25))
    assert len(samples) == 3601 * 1000
    assert dates[-1][1] == pytest.approx(3600.98)


def test_an_hour_that_is_lost_takes_no_memory(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    agent.clock.s = 1.0
    microphone.take(0, pcm(1, 1000))
    agent.clock.s = 3601.0
    microphone.take(3_600_000, pcm(5, 1000))
    assert len(microphone._blocks) == 3
    samples, _ = heard(microphone)
    assert len(samples) == 3_601_000
    assert samples[-1000:] == list(range(5, 1005))


def test_more_audio_than_there_was_time_for_is_refused(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    for second in range(11):
        microphone.take(1000 * second, bytes(2000))
    with pytest.raises(EventError, match="11 s more audio than it can have captured"):
        microphone.take(11_000, bytes(2000))
    assert microphone.received_samples == 11_000
    with pytest.raises(EventError, match="frame"):
        microphone.take(10**400, bytes(2))


def test_the_log_follows_the_sound_card(agent):
    microphone = started(agent)
    microphone.open(sample_rate=1000)
    agent.clock.s = 10.0
    microphone.take(0, pcm(0, 1000))
    assert len(heard(microphone)[0]) == 1000
    for second in range(1, 400):  # 100 ppm fast: after 400 s the card is 40 ms ahead of the machine's clock
        agent.clock.s = 10.0 + second * (1 - 1e-4)
        microphone.take(second * 1000, bytes(2000))
    agent.log.append("now", source="input")
    assert agent.log.rows[-1].t_s == pytest.approx(400.0, abs=0.002)  # 400 s of samples have come


def test_wrong_use(agent):
    microphone = BrowserMicrophone()
    with pytest.raises(SessionError, match="not started"):
        microphone.open(sample_rate=1000)
    asyncio.run(microphone.start(agent))
    with pytest.raises(InvalidParameterError, match="stopped"):
        asyncio.run(microphone.start(agent))
    with pytest.raises(SessionError, match="not opened"):
        microphone.take(0, b"")
    microphone.open(sample_rate=1000)
    for frame, data in ((-1, b"\0\0"), (0, b"\0")):
        with pytest.raises(EventError):
            microphone.take(frame, data)


def test_who_waits_when_it_is_stopped_gets_the_end(agent):
    async def main():
        microphone = BrowserMicrophone()
        await microphone.start(agent)
        waiting = asyncio.create_task(microphone())
        await asyncio.to_thread(int)
        await microphone.stop()
        with pytest.raises(EndOfInput):
            await waiting
        await microphone.stop()

    asyncio.run(main())
