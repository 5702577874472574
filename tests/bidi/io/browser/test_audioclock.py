import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.io.browser import ArrivalClock
from bidilab.bidi.io.browser.audioclock import MAX_DRIFT
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
    assert clock.time_s(500) == pytest.approx(9.01, abs=4 * MAX_DRIFT)
    assert clock.late_s(200, arrived_s=9.01) == pytest.approx(3.0, abs=4 * MAX_DRIFT)


@given(
    drift=st.floats(-1e-4, 1e-4),
    delays=st.lists(st.floats(0.001, 0.05), min_size=300, max_size=300),
)
def test_a_clock_that_drifts_is_followed(drift, delays):
    # One message a second for five minutes, from a sound card that runs at 1 + drift; each is 1 to 50 ms on its way.
    clock = ArrivalClock(sample_rate=48_000)
    for second, delay in enumerate(delays):
        clock.observe(round(second * 48_000 * (1 + drift)), arrived_s=second + delay)
    error_s = clock.time_s(299 * 48_000 * (1 + drift)) - 299
    assert -0.001 < error_s < 0.051 + 0.001


def test_a_rate_is_checked():
    with pytest.raises(InvalidParameterError, match="sample_rate"):
        ArrivalClock(sample_rate=0)
