"""Levels are what they are said to be; what is random hangs on seed, recording and stage alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.bidi.realtime.protocol.audio import AUDIO_FORMATS
from bidilab.core.audio import Audio
from bidilab.core.audiofile import write_audio
from bidilab.core.bundled import bundled_clips
from bidilab.core.errors import AudioError, DatasetError, InvalidParameterError
from bidilab.detect.dsp.line import lost_packets, with_lost_packets
from bidilab.detect.dsp.mixing import active_level_dbfs, bandpass, level_dbfs
from bidilab.lab.conditions import Condition, apply_condition, check_channels
from bidilab.lab.conditions.noise import noise_of
from tests.sizes import examples

from .strategies import conditions

RATE = 16_000


def audio_of(user, agent=None, rate=RATE):
    channels = [user] if agent is None else [user, agent]
    return Audio(samples=np.stack(channels, axis=1).astype(np.float32), sample_rate=rate)


def tone(hz, n=RATE, amplitude=0.1, rate=RATE):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(n) / rate)


@settings(max_examples=examples(25), deadline=None)
@given(conditions(), st.integers(0, 2))
def test_the_same_seed_and_key_give_the_same_samples(condition, seed):
    rng = np.random.default_rng(seed)
    audio = audio_of(rng.normal(0, 0.05, 8000), rng.normal(0, 0.05, 8000))
    once, again = (apply_condition(audio, condition, agent=1, key="a") for _ in range(2))
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize(
    "given", [{"snr_db": 5, "noise": "white"}, {"snr_db": 5, "noise": "pink"}, {"packet_loss": 0.3}]
)
def test_another_seed_or_key_gives_others(given):
    audio = audio_of(tone(500))
    first = apply_condition(audio, Condition(**given), key="a")
    assert not np.array_equal(first, apply_condition(audio, Condition(**given, seed=1), key="a"))
    assert not np.array_equal(first, apply_condition(audio, Condition(**given), key="b"))


def test_another_snr_has_the_same_noise_and_the_same_packets():
    audio = audio_of(tone(500))
    made = {
        snr: apply_condition(audio, Condition(snr_db=snr, noise="white"), key="a") - audio.channel(0)
        for snr in (20, 14)
    }
    np.testing.assert_allclose(made[14], made[20] * 10 ** (6 / 20), atol=4.6e-5)  # half a 16-bit step, and twice that
    lossy = apply_condition(audio, Condition(packet_loss=0.3, concealment="silence"), key="a")
    both = apply_condition(audio, Condition(snr_db=20, noise="white", packet_loss=0.3, concealment="silence"), key="a")
    frames_lossy, frames_both = (x[: len(x) // 320 * 320].reshape(-1, 320) for x in (lossy, both))
    np.testing.assert_array_equal((frames_lossy == 0).all(axis=1), (frames_both == 0).all(axis=1))


@pytest.mark.parametrize("noise", ["white", "pink", "file", "folder"])
@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 30.0])
def test_snr_is_active_speech_level_over_noise_level(tmp_path, noise, snr_db):
    # One second of tone in four: active level 20 log10(0.1 / sqrt 2) = -23.01 dBFS, however much silence there is.
    user = np.concatenate([np.zeros(RATE), tone(500), np.zeros(2 * RATE)])
    assert active_level_dbfs(user, RATE) == pytest.approx(-23.01, abs=0.05)
    if noise == "file":
        write_audio(tmp_path / "n.wav", np.random.default_rng(0).normal(0, 0.05, 9000).astype(np.float32), 8000)
        noise = tmp_path / "n.wav"
    elif noise == "folder":
        noise = bundled_clips() / "anna" / "turn"
    changed = apply_condition(audio_of(user), Condition(snr_db=snr_db, noise=noise), key="a")
    added = level_dbfs(changed - user)
    assert -23.01 - added == pytest.approx(snr_db, abs=0.15)


def test_gain_moves_speech_and_noise_together_but_not_the_echo():
    user, agent = np.concatenate([tone(500), np.zeros(RATE)]), np.concatenate([np.zeros(RATE), tone(900)])
    condition = Condition(gain_db=-20, echo_db=-10, echo_delay_ms=0)
    changed = apply_condition(audio_of(user, agent), condition, agent=1)
    np.testing.assert_allclose(changed[:RATE], user[:RATE] * 0.1, atol=2e-5)
    np.testing.assert_allclose(changed[RATE:], agent[RATE:] * 10**-0.5, atol=2e-5)


def test_echo_is_the_agent_later_and_softer():
    agent = np.zeros(RATE)
    agent[1000] = 0.5
    changed = apply_condition(audio_of(np.zeros(RATE), agent), Condition(echo_db=-6.0206, echo_delay_ms=25), agent=1)
    assert np.flatnonzero(changed).tolist() == [1000 + 400]  # 25 ms at 16 kHz
    assert changed[1400] == pytest.approx(0.25, abs=2e-5)


def test_a_telephone_keeps_its_band():
    # ITU-T G.712's pass band; 100 Hz and 5 kHz lie outside by more than the filter's transition of 100 Hz.
    heard = {}
    for hz in (100, 1000, 3000, 5000):
        changed = apply_condition(audio_of(tone(hz)), Condition(bandwidth="telephone"))
        middle = slice(RATE // 4, 3 * RATE // 4)
        heard[hz] = level_dbfs(changed[middle].astype(float)) - level_dbfs(tone(hz)[middle])
    assert abs(heard[1000]) < 0.5
    assert abs(heard[3000]) < 0.5
    assert heard[100] < -30
    assert heard[5000] < -40


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
def test_g711_at_its_own_rate_is_the_wires_table(codec):
    samples = np.arange(-32768, 32768, 7).astype(np.int16)
    changed = apply_condition(audio_of(samples / 32768, rate=8000), Condition(codec=codec))
    wire = AUDIO_FORMATS[f"audio/{codec}"]
    np.testing.assert_array_equal(np.rint(changed * 32768), wire.decode(wire.encode(samples)))


def test_opus_keeps_the_sound_and_loses_with_the_rate():
    rng = np.random.default_rng(0)
    user = bandpass(rng.normal(0, 0.1, 2 * RATE), RATE, 300, 3000)
    error = {}
    for kbps in (8, 24, 96):
        changed = apply_condition(audio_of(user), Condition(codec="opus", bitrate_kbps=kbps))
        error[kbps] = level_dbfs(changed - user) - level_dbfs(user)
    assert error[96] < error[24] < error[8] < 3


@pytest.mark.parametrize("burst", [None, 1.0, 4.0])
def test_packets_are_lost_as_often_and_in_runs_as_long_as_said(burst):
    n, loss = 200_000, 0.2
    lost = lost_packets(n, loss, burst, np.random.default_rng(0))
    starts = np.count_nonzero(lost[1:] & ~lost[:-1])
    # Mean run: 1 / (1 - loss) = 1.25 where losses are independent; the parameter itself where Gilbert's model rules.
    expected = 1 / (1 - loss) if burst is None else burst
    assert lost.mean() == pytest.approx(loss, rel=0.04)
    assert lost.sum() / starts == pytest.approx(expected, rel=0.04)


def test_concealment():
    """Packets of 20 ms = 4 samples at 200 Hz; with loss 0.5 and this seed, the pattern is asked for first."""
    rate, samples = 200, np.arange(1.0, 41.0) / 100
    lost = lost_packets(10, 0.5, None, np.random.default_rng(1))
    assert lost.any()
    assert not lost.all()
    silent, repeated = (
        with_lost_packets(
            samples, rate, loss=0.5, burst_packets=None, concealment=how, rng=np.random.default_rng(1)
        ).reshape(10, 4)
        for how in ("silence", "repetition")
    )
    packets = samples.reshape(10, 4)
    last, run = np.zeros(4), 0
    for k in range(10):
        if not lost[k]:
            np.testing.assert_array_equal(silent[k], packets[k])
            np.testing.assert_array_equal(repeated[k], packets[k])
            last, run = packets[k], 0
            continue
        assert not silent[k].any()
        # Full until 10 ms, then down to nothing at 60 ms: a sample is 5 ms.
        fades = [1, 1, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1] + [0] * 40
        np.testing.assert_allclose(repeated[k], last * fades[4 * run : 4 * run + 4], atol=1e-12)
        run += 1


def test_what_is_too_loud_is_clipped_and_all_is_16_bit():
    changed = apply_condition(audio_of(tone(500, amplitude=0.5)), Condition(gain_db=20))
    assert changed.max() == 32767 / 32768
    assert changed.min() == -1
    np.testing.assert_array_equal(changed * 32768, np.rint(changed * 32768))


def test_pink_noise_falls_by_3_db_an_octave():
    noise = noise_of("pink", 20 * RATE, RATE, np.random.default_rng(0))
    low, high = (level_dbfs(bandpass(noise, RATE, f, 2 * f)) for f in (500, 2000))
    assert low == pytest.approx(high, abs=0.5)  # as much in one octave as in another


def test_a_silent_user_has_no_snr():
    with pytest.raises(AudioError, match="no SNR"):
        apply_condition(audio_of(np.zeros(RATE)), Condition(snr_db=10, noise="white"))


def test_an_echo_needs_an_agent(bursts):
    with pytest.raises(InvalidParameterError, match="agent"):
        apply_condition(audio_of(tone(500)), Condition(echo_db=-20))
    from dataclasses import replace

    alone = [replace(bursts[0], channels=("user", "other"), segments=bursts[0].segments_of("user"))]
    with pytest.raises(DatasetError, match=bursts[0].id):
        check_channels(alone, Condition(echo_db=-20))
    check_channels(alone, Condition(gain_db=-20))


def test_no_condition_without_the_array_of_its_hash():
    condition = Condition(snr_db=5, noise="array:0123")
    with pytest.raises(InvalidParameterError, match="Audio itself"):
        apply_condition(audio_of(tone(500)), condition)
