"""No step of the mix moves a sound, and levels are what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.dsp.line import telephone, through_codec
from bidilab.detect.dsp.mixing import (
    active_level_dbfs,
    add_at,
    bandpass,
    db_to_gain,
    level_dbfs,
    lowpass,
    resample,
    to_active_level,
    whisper,
)
from bidilab.detect.dsp.room import convolve_room, echo_of, room_impulse_response
from tests.sizes import examples

RATE = 16_000


def click(at, n=16_000, amplitude=0.5):
    out = np.zeros(n)
    out[at] = amplitude
    return out


def peak(samples):
    return int(np.argmax(np.abs(samples)))


@settings(max_examples=examples(30), deadline=None)
@given(at=st.integers(1000, 7000).map(lambda k: 2 * k))
def test_filters_and_the_telephone_move_nothing_by_a_sample(at):
    sound = click(at)
    assert peak(lowpass(sound, RATE, 900)) == at
    assert peak(bandpass(sound, RATE, 300, 3400)) == at
    assert peak(telephone(sound, RATE)) == at // 2
    assert peak(resample(sound, RATE, 48_000)) == at * 3
    assert peak(resample(sound, RATE, 8_000)) == at // 2


def test_a_filtered_click_is_symmetric_about_its_place():
    for out in (lowpass(click(8000), RATE, 1200), bandpass(click(8000), RATE, 300, 3400)):
        assert out[8000 - 200 : 8000] == pytest.approx(out[8200:8000:-1], abs=1e-12)


def test_sounds_shorter_than_the_filter_stay_in_place():
    out = lowpass(click(40, n=100), RATE, 2000)
    assert (len(out), peak(out)) == (100, 40)


def test_bands_keep_what_is_in_them_and_take_the_rest():
    t = np.arange(RATE) / RATE

    def through(hz, process):
        tone = 0.1 * np.sin(2 * np.pi * hz * t)
        return level_dbfs(process(tone)[2000:-2000]) - level_dbfs(tone)

    assert through(500, lambda x: lowpass(x, RATE, 1000)) == pytest.approx(0, abs=0.1)
    assert through(2000, lambda x: lowpass(x, RATE, 1000)) < -45
    assert through(1000, lambda x: bandpass(x, RATE, 300, 3400)) == pytest.approx(0, abs=0.1)
    assert through(100, lambda x: bandpass(x, RATE, 300, 3400)) < -30
    assert through(5000, lambda x: bandpass(x, RATE, 300, 3400)) < -45


def test_a_room_keeps_the_onset_and_rings_on():
    room = room_impulse_response(np.random.default_rng(1), RATE, rt60_ms=300, direct_to_reverberant_db=3)
    assert (len(room), room[0]) == (4800, 1.0)
    assert 10 * np.log10(1 / np.sum(room[1:] ** 2)) == pytest.approx(3)
    early, late = np.sum(room[1:1600] ** 2), np.sum(room[3200:] ** 2)
    assert 10 * np.log10(late / early) < -30
    out = convolve_room(click(500, n=1000), room)
    assert len(out) == 1000 + 4800 - 1
    assert np.abs(out[:500]).max() < 1e-12
    assert out[500] == pytest.approx(0.5)


@settings(max_examples=examples(20), deadline=None)
@given(delay_samples=st.integers(0, 4000), gain_db=st.floats(-45, 0))
def test_echo_is_late_by_its_delay_to_the_sample(delay_samples, gain_db):
    room = room_impulse_response(np.random.default_rng(1), RATE, rt60_ms=200, direct_to_reverberant_db=6)
    echo = echo_of(click(5000), RATE, gain_db=gain_db, delay_ms=delay_samples * 1000 / RATE, impulse_response=room)
    assert len(echo) == 16_000
    assert peak(echo) == 5000 + delay_samples
    assert echo[5000 + delay_samples] == pytest.approx(0.5 * db_to_gain(gain_db))
    assert np.abs(echo[: 5000 + delay_samples]).max() < 1e-12


def test_echo_later_than_the_recording_is_silence():
    assert not echo_of(click(0, n=100), RATE, gain_db=0, delay_ms=100, impulse_response=np.ones(1)).any()


def test_mu_law_is_the_table_of_g711():
    # ITU-T G.711, table 2a: the decoder's values next to 0, and its largest, on a 16-bit scale (x 4).
    levels = through_codec(np.array([0, 8, -8, 32_767, -32_768, 1000]) / 32_768, 8000, "pcmu") * 32_768
    assert levels[:5].tolist() == [0, 8, -8, 32_124, -32_124]
    assert levels[5] == pytest.approx(1000, rel=0.04)


def test_whisper_has_no_voice_and_stays_in_place():
    rng = np.random.default_rng(0)
    voiced = np.zeros(RATE)
    voiced[4000:12_000:100] = 0.5  # 160 Hz pulses
    out = whisper(voiced, RATE, rng)
    assert len(out) == RATE
    window = 256  # 16 ms
    assert np.abs(out[: 4000 - window]).max() < 1e-3 * np.abs(out).max()
    assert np.abs(out[12_000 + window :]).max() < 1e-3 * np.abs(out).max()

    def periodicity(x):
        part = x[5000:11_000]
        return np.dot(part[:-100], part[100:]) / np.dot(part, part)

    assert periodicity(voiced) > 0.9
    assert abs(periodicity(out)) < 0.2


# s          0        1        2        3
# samples    [ 0.1    )[ 0     )[ 0.1    )
# RMS of all: 0.1 * sqrt(2/3); while active: 0.1, that is -20 dBFS
def test_active_level_leaves_the_pauses_out():
    samples = np.concatenate([np.full(RATE, 0.1), np.zeros(RATE), np.full(RATE, 0.1)])
    assert active_level_dbfs(samples, RATE) == pytest.approx(-20)
    assert level_dbfs(samples) == pytest.approx(-20 + 10 * np.log10(2 / 3))
    assert active_level_dbfs(to_active_level(samples, RATE, -26), RATE) == pytest.approx(-26)


def test_silence_has_no_level():
    assert level_dbfs(np.zeros(10)) == -np.inf
    assert active_level_dbfs(np.zeros(RATE), RATE) == -np.inf
    with pytest.raises(AudioError, match="door: nothing in it is loud enough"):
        to_active_level(np.zeros(RATE), RATE, -26, name="door")


@pytest.mark.parametrize(
    ("position", "expected"), [(1, [0, 1, 2, 0]), (-1, [2, 0, 0, 0]), (3, [0, 0, 0, 1]), (9, [0] * 4)]
)
def test_what_lies_outside_of_the_timeline_is_cut_off(position, expected):
    timeline = np.zeros(4)
    add_at(timeline, np.array([1.0, 2.0]), position)
    assert timeline.tolist() == expected


def test_impossible_bands_and_rates():
    with pytest.raises(InvalidParameterError, match=r"cutoff_hz must be a frequency in \(0, 8000\) Hz"):
        lowpass(np.zeros(10), RATE, 8000)
    with pytest.raises(InvalidParameterError, match="high_hz must be above low_hz"):
        bandpass(np.zeros(10), RATE, 400, 400)
    with pytest.raises(InvalidParameterError, match="at least 8000 Hz for the telephone"):
        telephone(np.zeros(10), 6000)
    with pytest.raises(InvalidParameterError, match="delay_ms"):
        echo_of(np.zeros(10), RATE, gain_db=0, delay_ms=-1, impulse_response=np.ones(1))
