"""No stage, and no composition of stages, moves a sound: the lag of the greatest cross-correlation is 0."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.audio import Audio
from bidilab.detect.dsp.line import through_codec
from bidilab.detect.dsp.room import room_response
from bidilab.lab.conditions import Condition, Room, apply_condition
from tests.sizes import examples

from .strategies import conditions

RATES = (8_000, 16_000, 24_000, 44_100)


def recording(rate, seed=0, seconds=2.0):
    """Bursts in the telephone band, which any stage lets through, on the user's channel, others on the agent's."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    spectrum = np.fft.rfft(rng.standard_normal((2, n)))
    hz = np.fft.rfftfreq(n, 1 / rate)
    spectrum[:, (hz < 400) | (hz > 3000)] = 0
    sound = np.fft.irfft(spectrum, n=n)
    sound *= 0.1 / sound.std()
    gates = np.repeat(rng.random((2, 20)) < 0.6, -(-n // 20), axis=1)[:, :n]
    gates[0, : n // 10] = True  # something is said, always
    return Audio(samples=(sound * gates).T.astype(np.float32), sample_rate=rate)


def lag(original, changed):
    """Samples by which ``changed`` is late, by the greatest cross-correlation."""
    n = len(original)
    product = np.fft.rfft(changed, 2 * n) * np.conj(np.fft.rfft(original, 2 * n))
    k = int(np.argmax(np.fft.irfft(product)))
    return k if k < n else k - 2 * n


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("text", "tolerance"),
    [
        ({"gain_db": -6}, 0),
        ({"snr_db": 10, "noise": "white"}, 0),
        ({"snr_db": 10, "noise": "pink"}, 0),
        ({"echo_db": -20}, 0),
        ({"bandwidth": "telephone"}, 0),
        ({"codec": "pcmu"}, 0),
        ({"codec": "pcma"}, 0),
        ({"packet_loss": 0.1}, 0),
        ({"room": "car"}, 0),
        ({"room": "office"}, 0),
        # Opus keeps no waveform; its coding blurs the lag by half a sample at 16 kHz (31 µs).
        ({"codec": "opus"}, 31.3e-6),
        ({"codec": "opus", "bitrate_kbps": 64}, 31.3e-6),
    ],
)
def test_each_stage(rate, text, tolerance):
    audio = recording(rate)
    changed = apply_condition(audio, Condition(**text), user=0, agent=1)
    assert changed.shape == (audio.n_samples,)
    assert changed.dtype == np.float32
    assert abs(lag(audio.channel(0), changed)) <= np.ceil(tolerance * rate)


@settings(max_examples=examples(40), deadline=None)
@given(conditions(), st.sampled_from(RATES), st.integers(0, 3))
def test_any_composition(condition, rate, seed):
    audio = recording(rate, seed, seconds=1.5)
    changed = apply_condition(audio, condition, user=0, agent=1, key="a")
    assert changed.shape == (audio.n_samples,)
    assert np.isfinite(changed).all()
    assert np.abs(changed).max() <= 1
    heard = condition.echo_db is None or condition.echo_db <= -10
    loud = condition.gain_db is None or condition.gain_db >= -10  # 8 bits, and the echo, keep what is not too soft
    clear = condition.snr_db is None or condition.snr_db >= 5
    if heard and loud and clear:
        assert abs(lag(audio.channel(0), changed)) <= (np.ceil(31.3e-6 * rate) if condition.codec == "opus" else 0)


@pytest.mark.parametrize("n", [1, 7, 159, 160, 161, 4001])
@pytest.mark.parametrize("codec", ["pcmu", "pcma", "opus"])
def test_any_length_is_kept(n, codec):
    samples = np.full(n, 0.25)
    for rate in RATES:
        assert len(through_codec(samples, rate, codec)) == n


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    "room", [Room.parse("car"), Room.parse("office"), Room(size_m=(8, 6, 3), rt60_ms=250, distance_m=2)]
)
def test_a_room_begins_with_the_direct_path(rate, room):
    response = room_response(room, rate)
    assert response[0] == 1
    assert np.abs(response[1:]).max() < 1
    # Sabine's own formula holds for diffuse sound only: the decay (Schroeder 1965) is of its order.
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    decay_db = 10 * np.log10(energy / energy[0])
    fell_by = np.searchsorted(-decay_db, [5.0, 25.0])
    rt60_ms = 3 * 1000 * (fell_by[1] - fell_by[0]) / rate
    assert 0.4 * room.rt60_ms < rt60_ms < 2.5 * room.rt60_ms
