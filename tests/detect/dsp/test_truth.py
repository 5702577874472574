"""The energy rule that segment truth comes from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.detect.dsp.truth import TruthRule, active_stretches, speech_extent
from tests.sizes import examples

RATE = 16_000


def bursts(*stretches_ms, total_ms=1500, amplitude=0.1, rate=RATE):
    """Constant samples: the RMS of any part of a burst is its amplitude."""
    out = np.zeros(total_ms * rate // 1000)
    for start, end in stretches_ms:
        out[start * rate // 1000 : end * rate // 1000] = amplitude
    return out


def in_ms(stretches, rate=RATE):
    return [(stretch.start * 1000 / rate, stretch.end * 1000 / rate) for stretch in stretches]


# ms      0    100       400  550   750      1000  1100     1500
# energy        [=========)    [=====)         [====)
# gap                     150        250
# truth         [===================)         [====)
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_gaps_below_200_ms_belong_to_speech_and_longer_ones_are_pauses(rate):
    samples = bursts((100, 400), (550, 750), (1000, 1100), rate=rate)
    assert in_ms(active_stretches(samples, rate), rate) == [(100, 750), (1000, 1100)]
    assert speech_extent(samples, rate) == Interval(rate // 10, 1100 * rate // 1000)


def test_a_gap_of_exactly_the_pause_is_a_pause():
    # The windows around a gap reach up to 10 ms into it from either side, so the gap is taken between windows.
    rule = TruthRule(pause_ms=190)
    samples = bursts((100, 400), (610, 750))
    assert in_ms(active_stretches(samples, RATE, rule)) == [(100, 400), (610, 750)]
    assert in_ms(active_stretches(samples, RATE, TruthRule(pause_ms=191))) == [(100, 750)]


@pytest.mark.parametrize(("below_db", "end_ms"), [(34, 900), (36, 500)])
def test_speech_may_be_35_db_below_the_loudest_window(below_db, end_ms):
    samples = bursts((100, 500))
    samples[500 * 16 : 900 * 16] = 0.1 * 10 ** (-below_db / 20)
    assert in_ms(active_stretches(samples, RATE)) == [(100, end_ms)]


@pytest.mark.parametrize(("level_dbfs", "n"), [(-59, 1), (-61, 0)])
def test_nothing_below_the_floor_is_speech(level_dbfs, n):
    samples = bursts((100, 500), amplitude=10 ** (level_dbfs / 20))
    assert len(active_stretches(samples, RATE)) == n


def test_silence_and_nothing_hold_no_speech():
    assert active_stretches(np.zeros(1000), RATE) == ()
    assert active_stretches(np.zeros(0), RATE) == ()
    assert speech_extent(np.zeros(1000), RATE) is None


def test_clicks_are_dropped():
    assert in_ms(active_stretches(bursts((100, 110), (600, 700)), RATE)) == [(600, 700)]
    assert in_ms(active_stretches(bursts((100, 110), (600, 700)), RATE, TruthRule(min_ms=0))) == [
        (100, 110),
        (600, 700),
    ]


def test_speech_up_to_the_last_sample():
    assert in_ms(active_stretches(bursts((1400, 1500)), RATE)) == [(1400, 1500)]


@settings(max_examples=examples(40), deadline=None)
@given(
    start_ms=st.integers(0, 80).map(lambda k: 10 * k),
    length_ms=st.integers(2, 30).map(lambda k: 20 * k),
    amplitude_db=st.floats(-50, -1),
)
def test_a_burst_on_the_10_ms_grid_is_found_to_the_sample_at_any_level(start_ms, length_ms, amplitude_db):
    samples = bursts((start_ms, start_ms + length_ms), amplitude=10 ** (amplitude_db / 20))
    assert in_ms(active_stretches(samples, RATE)) == [(start_ms, start_ms + length_ms)]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"below_peak_db": 0}, r"below_peak_db must be a level difference in \(0, 90\] dB, got 0"),
        ({"floor_dbfs": 3}, "floor_dbfs must be a level"),
        ({"pause_ms": -1}, "pause_ms must be milliseconds"),
        ({"min_ms": float("nan")}, "min_ms must be milliseconds"),
    ],
)
def test_numbers_out_of_bounds(numbers, message):
    with pytest.raises(InvalidParameterError, match=message):
        TruthRule(**numbers)


def test_one_channel_only():
    with pytest.raises(InvalidParameterError, match="samples must be a"):
        active_stretches(np.zeros((10, 2)), RATE)
