import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.io.browser import ArrivalClock
from bidilab.core.errors import InvalidParameterError, SessionError


def test_the_earliest_arrival_counts_and_a_burst_of_late_ones_changes_nothing_much():
    clock = ArrivalClock(sample_rate=100)
    assert not clock.known
    with pytest.raises(SessionError, match="nothing has arrived"):
        clock.time_s(0)
    clock.observe(100, arrived_s=5.25)  # frame 100 is 1 s of audio: frame 0 lay at 4.25 s at the latest
    clock.observe(200, arrived_s=6.01)
    assert clock.time_s(0) == pytest.approx(4.01)
    # A cell ran for three seconds; 300 frames come at once. Their own time is still that of their capture.
    for frame in range(210, 510, 10):
        clock.observe(frame, arrived_s=9.01)
    assert clock.time_s(500) == pytest.approx(9.01)
    assert clock.late_s(200, arrived_s=9.01) == pytest.approx(3.0)


@given(drift=st.floats(-1e-4, 1e-4), seed=st.integers(0, 1000))
def test_a_clock_that_drifts_is_followed(drift, seed):
    # Ten messages a second for two minutes, from a sound card that runs at 1 + drift; each is 1 to 50 ms on its way.
    clock = ArrivalClock(sample_rate=48_000)
    delays = np.random.default_rng(seed).uniform(0.001, 0.05, 1200)
    slips = [clock.observe(round(k * 4800 * (1 + drift)), k / 10 + delay) for k, delay in enumerate(delays)]
    error_s = clock.time_s(1199 * 4800 * (1 + drift)) - 119.9
    assert -0.001 < error_s < 0.02  # of twenty messages, the quickest is under 20 ms but in one case of 10,000
    assert not any(slips)


def test_a_device_that_stood_still_is_found_out_and_a_busy_kernel_is_not():
    # 20 ms of audio a message. After 3 s the device stands still for 0.3 s; after 8 s the kernel is busy for 1.5 s.
    clock = ArrivalClock(sample_rate=1000)
    slips = []
    for k in range(1, 600):
        spoken_s = k * 0.02
        arrived_s = spoken_s + (0.3 if spoken_s > 3 else 0.0)
        if 8 < arrived_s < 9.5:
            arrived_s = 9.5
        if slip := clock.observe(k * 20, arrived_s):
            slips.append((arrived_s, slip))
    ((found_at_s, slip),) = slips
    assert slip == pytest.approx(0.3)
    assert 3.3 + 2 <= found_at_s <= 3.3 + 2 * 2 + 0.1
    assert clock.time_s(10_000) == pytest.approx(10.3)


def test_a_queue_that_is_worked_off_slowly_is_no_device_that_stood_still():
    # After 3 s the kernel is busy for 4 s; what waited is then handled at one and a half times the speed of speech.
    clock = ArrivalClock(sample_rate=1000)
    for k in range(1, 1000):
        spoken_s = k * 0.02
        arrived_s = max(spoken_s, 7 + (spoken_s - 3) / 1.5) if spoken_s > 3 else spoken_s
        assert clock.observe(k * 20, arrived_s) == 0
        assert clock.time_s(k * 20) == pytest.approx(spoken_s)


def test_a_rate_is_checked():
    with pytest.raises(InvalidParameterError, match="sample_rate"):
        ArrivalClock(sample_rate=0)
