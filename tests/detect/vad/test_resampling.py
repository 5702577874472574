"""The resampler: same bits for any chunking, no delay, no drift, soxr as the oracle."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.vad.resampling import StreamResampler, _filter_table, resample, resampled_part
from tests.sizes import ATTACK, examples

PAIRS = [(24_000, 16_000), (48_000, 16_000), (44_100, 16_000), (8_000, 16_000), (16_000, 8_000), (22_050, 8_000)]


def in_chunks(samples, from_rate, to_rate, sizes):
    resampler = StreamResampler(from_rate, to_rate)
    out, position = [], 0
    for size in sizes:
        out.append(resampler.feed(samples[position : position + size]))
        position += size
    out.append(resampler.feed(samples[position:]))
    out.append(resampler.flush())
    return np.concatenate(out)


@settings(max_examples=examples(40), deadline=None)
@given(
    pair=st.sampled_from([*PAIRS, (16_000, 16_000), (11_025, 16_000), (96_000, 16_000)]),
    n=st.integers(0, 5_000),
    sizes=st.lists(st.integers(0, 700), max_size=20),
    seed=st.integers(0, 2**16),
)
def test_any_chunking_gives_the_same_bits_and_the_stated_length(pair, n, sizes, seed):
    from_rate, to_rate = pair
    samples = np.random.default_rng(seed).standard_normal(n).astype(np.float32)
    whole = resample(samples, from_rate, to_rate)
    assert whole.dtype == np.float32
    assert len(whole) == int(np.floor(n * to_rate / from_rate + 0.5))
    np.testing.assert_array_equal(in_chunks(samples, from_rate, to_rate, sizes), whole)


def by_definition(samples, from_rate, to_rate):
    """The readable reference: output k is the filter of its phase over the inputs around time k from / to."""
    table = _filter_table(from_rate, to_rate).astype(np.float64)
    phases, taps = table.shape
    divisor = to_rate // phases
    out = []
    for k in range(int(np.floor(len(samples) * to_rate / from_rate + 0.5))):
        before, phase = divmod(k * (from_rate // divisor), phases)
        inputs = range(before - taps // 2 + 1, before + taps // 2 + 1)
        out.append(sum(h * samples[i] for h, i in zip(table[phase], inputs, strict=True) if 0 <= i < len(samples)))
    return np.array(out)


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_it_equals_its_definition(from_rate, to_rate):
    samples = np.random.default_rng(3).standard_normal(701).astype(np.float32)
    np.testing.assert_allclose(
        resample(samples, from_rate, to_rate), by_definition(samples, from_rate, to_rate), atol=2e-6, rtol=0
    )


def test_one_sample_at_a_time_and_across_the_internal_block():
    samples = np.random.default_rng(1).standard_normal((1 << 17) + 999).astype(np.float32)
    np.testing.assert_array_equal(in_chunks(samples, 24_000, 16_000, []), resample(samples, 24_000, 16_000))
    short = samples[:2_000]
    np.testing.assert_array_equal(in_chunks(short, 44_100, 16_000, [1] * 2_000), resample(short, 44_100, 16_000))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("from_rate", "to_rate", "minutes"),
    [(*pair, 60 if pair == (44_100, 16_000) else min(60, 10 * ATTACK)) for pair in PAIRS],
)
def test_an_impulse_stays_in_its_place_at_the_start_and_after_an_hour(from_rate, to_rate, minutes):
    """An hour at the rates without a small common ratio, ten minutes at the others: a drift is of every sample."""
    late = 60 * minutes * from_rate
    resampler = StreamResampler(from_rate, to_rate)
    places = [0, from_rate // 100, from_rate // 2, late + from_rate // 3]
    found, n_out = {}, 0
    second = np.zeros(from_rate, np.float32)
    for start in range(0, late + 2 * from_rate, from_rate):
        inside = [p for p in places if start <= p < start + from_rate]
        chunk = second.copy()
        for place in inside:
            chunk[place - start] = 1
        out = resampler.feed(chunk)
        for place in places:
            expected = place * to_rate / from_rate
            low, high = max(0, int(expected) - 30 - n_out), int(expected) + 30 - n_out
            if low < len(out) and high > 0:
                window = np.abs(out[low : max(high, 0)])
                if window.size and window.max() > found.get(place, (0, 0))[0]:
                    found[place] = (window.max(), n_out + low + int(window.argmax()))
        n_out += len(out)
    for place in places:
        assert abs(found[place][1] - place * to_rate / from_rate) <= 0.5


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_soxr_hears_the_same(from_rate, to_rate):
    # Tones below 0.9 of the lower Nyquist frequency: inside both pass bands, so both are the identity there.
    nyquist = min(from_rate, to_rate) / 2

    def tones(rate):
        time_s = np.arange(2 * rate) / rate
        return sum(np.sin(2 * np.pi * f * nyquist * time_s) for f in (0.01, 0.3, 0.71, 0.89)) / 4

    samples = tones(from_rate).astype(np.float32)
    ours, theirs = resample(samples, from_rate, to_rate), soxr.resample(samples, from_rate, to_rate, quality="HQ")
    inner = slice(to_rate // 10, -to_rate // 10)
    assert np.abs(ours - tones(to_rate))[inner].max() < 2e-5  # 96 dB
    assert np.abs(ours - theirs[: len(ours)])[inner].max() < 1e-3  # soxr itself is 7e-4 off at 44.1 -> 16 kHz


def spectrum_db(frequency, from_rate, to_rate):
    """Level of each frequency of a resampled tone, of whole hertz, so that it falls on one bin."""
    tone = np.sin(2 * np.pi * frequency * np.arange(3 * from_rate) / from_rate).astype(np.float32)
    inner = resample(tone, from_rate, to_rate)[to_rate : 2 * to_rate]
    return 20 * np.log10(2 * np.abs(np.fft.rfft(inner.astype(float))) / to_rate + 1e-12)


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
def test_the_band_is_whole_up_to_its_stated_edge(from_rate, to_rate):
    for share in (0.5, 0.9, 0.95, 0.97, 0.974):
        frequency = round(share * min(from_rate, to_rate) / 2)
        assert abs(spectrum_db(frequency, from_rate, to_rate)[frequency]) < 0.001


@pytest.mark.parametrize(("from_rate", "to_rate"), [(24_000, 16_000), (48_000, 16_000), (44_100, 16_000)])
def test_what_cannot_be_kept_is_removed(from_rate, to_rate):
    for frequency in (1.026 * to_rate / 2, 1.1 * to_rate / 2, 0.7 * to_rate, 0.49 * from_rate):
        assert spectrum_db(round(frequency), from_rate, to_rate).max() < -80


@pytest.mark.parametrize(("from_rate", "to_rate"), [(24_000, 16_000), (48_000, 16_000), (44_100, 16_000)])
def test_only_the_edge_of_the_band_is_folded_and_weaker_than_it_was(from_rate, to_rate):
    nyquist = to_rate // 2
    for share, most_db in ((1.001, -6), (1.005, -8), (1.01, -12), (1.02, -40)):
        frequency = round(share * nyquist)
        levels = spectrum_db(frequency, from_rate, to_rate)
        folded = to_rate - frequency  # the mirror image, the only thing that is left of it
        assert levels[folded] < most_db
        levels[folded] = -np.inf
        assert levels.max() < -80


@pytest.mark.parametrize(
    ("from_rate", "to_rate", "most_ms"), [(24_000, 16_000, 8.0), (48_000, 16_000, 8.0), (8_000, 16_000, 16.0)]
)
def test_feed_holds_back_the_lookahead_and_no_more(from_rate, to_rate, most_ms):
    resampler = StreamResampler(from_rate, to_rate)
    assert resampler.lookahead_ms <= most_ms
    n_in = n_out = 0
    for _ in range(300):
        n_out += len(resampler.feed(np.zeros(from_rate // 1_000, np.float32)))
        n_in += from_rate // 1_000
        # Every output whose window is complete is out: the next one would reach past the input.
        assert n_out * from_rate // to_rate + resampler.lookahead_samples >= n_in
        assert n_in / from_rate - n_out / to_rate <= resampler.lookahead_ms / 1_000 + 1e-9


def test_equal_rates_pass_through():
    samples = np.linspace(-1, 1, 100, dtype=np.float32)
    assert resample(samples, 16_000, 16_000) is samples
    assert StreamResampler(16_000, 16_000).lookahead_ms == 0


def test_flush_makes_it_ready_for_the_next_stream():
    samples = np.random.default_rng(2).standard_normal(3_000).astype(np.float32)
    resampler = StreamResampler(24_000, 16_000)
    first = np.concatenate([resampler.feed(samples), resampler.flush()])
    again = np.concatenate([resampler.feed(samples), resampler.flush()])
    np.testing.assert_array_equal(first, again)


def test_bad_callers_are_told():
    with pytest.raises(InvalidParameterError, match="from_rate"):
        StreamResampler(0, 16_000)
    with pytest.raises(AudioError, match=r"\(2, 3\)"):
        StreamResampler(24_000, 16_000).feed(np.zeros((2, 3), np.float32))
    with pytest.raises(AudioError, match="sample 1"):
        resample(np.array([0, np.nan], np.float32), 24_000, 16_000)
    with pytest.raises(AudioError, match="int16"):
        resample(np.zeros(4, np.int16), 24_000, 16_000)


@given(st.sampled_from([(48_000, 24_000), (44_100, 24_000), (8_000, 24_000), (24_000, 24_000)]), st.data())
def test_a_part_has_the_bits_of_the_whole(rates, data):
    n = data.draw(st.integers(0, 3000))
    samples = np.random.default_rng(n).uniform(-1, 1, n).astype(np.float32)
    whole = resample(samples, *rates)
    first = data.draw(st.integers(0, len(whole)))
    last = data.draw(st.integers(first, len(whole) + 5))
    np.testing.assert_array_equal(resampled_part(samples, *rates, first, last), whole[first:last])
