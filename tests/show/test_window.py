import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.show.window import WIDEST_S, Window

SPANS = [(0.0, 9.0), (5.0, 12.0), (12.0, 14.0), (20.0, 25.0), (25.1, 26.0), (11.0, 30.0)]


def test_what_is_in_a_window():
    window = Window.of((10, 25), 40.0)
    assert window.select(SPANS, lambda span: span) == [SPANS[1], SPANS[2], SPANS[3], SPANS[5]]
    assert not window.is_whole
    assert window.steps(2.0, 100) == slice(5, 13)  # the step from 24 to 26 s is in it in part
    assert window.steps(2.0, 7) == slice(5, 7)
    assert window.steps(2.0, 3) == slice(3, 3)


@pytest.mark.parametrize(("duration_s", "end_s"), [(3.0, 3.0), (WIDEST_S, WIDEST_S), (7200.0, WIDEST_S)])
def test_a_short_recording_is_shown_whole_and_a_long_one_from_its_start(duration_s, end_s):
    window = Window.of(None, duration_s)
    assert (window.start_s, window.end_s) == (0.0, end_s)
    assert window.is_whole == (duration_s == end_s)


def test_a_window_that_does_not_rise():
    with pytest.raises(InvalidParameterError, match="xlim must be a pair of seconds"):
        Window.of((5, 5), 10.0)
