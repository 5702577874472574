"""What a condition may say, and that its text says it all."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bidilab as bl
from bidilab.core.audio import Audio
from bidilab.core.audiofile import write_audio
from bidilab.core.errors import InvalidParameterError, MissingExtraError
from bidilab.lab.conditions import AS_RECORDED, Condition, condition_label, fingerprint, parse_condition

from .strategies import conditions


@given(conditions())
def test_text_and_dict_make_it_anew(condition):
    assert parse_condition(str(condition)) == condition
    assert Condition.from_dict(condition.to_dict()) == condition
    assert pickle.loads(pickle.dumps(condition)) == condition


@given(conditions(), conditions())
def test_the_text_is_an_identity(first, second):
    assert (str(first) == str(second)) == (first == second)


def test_text_of_none():
    assert parse_condition(AS_RECORDED) is None
    assert condition_label(None) == AS_RECORDED


def test_numbers_are_one_however_written():
    assert str(bl.Condition(gain_db=-6)) == str(bl.Condition(gain_db=-6.0)) == "gain_db=-6"
    assert str(bl.Condition(gain_db=-0.0)) == "gain_db=0"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "Condition"),
        ({"seed": 3}, "Condition"),
        ({"snr_db": 10}, "noise"),
        ({"noise": "pink"}, "snr_db"),
        ({"snr_db": float("nan"), "noise": "pink"}, "snr_db"),
        ({"snr_db": True, "noise": "pink"}, "snr_db"),
        ({"snr_db": "10", "noise": "pink"}, "snr_db"),
        ({"snr_db": 10, "noise": 3}, "noise"),
        ({"echo_delay_ms": 20}, "echo_db"),
        ({"echo_db": 40}, "echo_db"),
        ({"codec": "g729"}, "codec"),
        ({"codec": "pcmu", "bitrate_kbps": 24}, "bitrate_kbps"),
        ({"bitrate_kbps": 24}, "codec"),
        ({"bandwidth": "wide"}, "bandwidth"),
        ({"packet_loss": 1.0}, "packet_loss"),
        ({"packet_loss": 0.8, "loss_burst_packets": 2}, "loss_burst_packets"),
        ({"loss_burst_packets": 2}, "packet_loss"),
        ({"concealment": "silence"}, "packet_loss"),
        ({"packet_loss": 0.1, "concealment": "magic"}, "concealment"),
        ({"room": "cathedral"}, "room"),
        ({"room": 3}, "room"),
        ({"gain_db": 1, "seed": -1}, "seed"),
        ({"gain_db": 1, "seed": 1.5}, "seed"),
    ],
)
def test_what_is_not_allowed(given, named):
    with pytest.raises(InvalidParameterError, match=named):
        bl.Condition(**given)


@pytest.mark.parametrize(
    "text", ["", "snr_db", "snr_db=", "gain_db=1,gain_db=2", "loudness=3", "gain_db=loud", "seed=1.5"]
)
def test_texts_that_are_none(text):
    with pytest.raises(InvalidParameterError):
        parse_condition(text)


def test_fingerprint_goes_by_content(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 4000).astype(np.float32)
    for name in ("a.wav", "b.wav"):
        write_audio(tmp_path / name, noise, 16_000)
    a, b = (bl.Condition(snr_db=5, noise=tmp_path / name) for name in ("a.wav", "b.wav"))
    before = fingerprint(a)
    assert before == fingerprint(b)  # the same noise in another place
    write_audio(tmp_path / "a.wav", noise[::-1].copy(), 16_000)
    assert fingerprint(a) != before
    with pytest.raises(InvalidParameterError, match="noise"):
        fingerprint(bl.Condition(snr_db=5, noise=tmp_path / "absent.wav"))


def test_fingerprint_of_an_array_survives_its_text():
    samples = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)
    condition = bl.Condition(snr_db=5, noise=Audio(samples=samples, sample_rate=16_000))
    again = parse_condition(str(condition))
    assert fingerprint(again) == fingerprint(condition)
    other = bl.Condition(snr_db=5, noise=Audio(samples=samples, sample_rate=8_000))
    assert fingerprint(other) != fingerprint(condition)


@given(st.lists(conditions(rooms=False, opus=False), min_size=2, max_size=4, unique_by=str))
def test_fingerprints_differ(several):
    assert len({fingerprint(condition) for condition in several}) == len(several)


@pytest.mark.parametrize(
    ("given", "module", "extra"), [({"codec": "opus"}, "av", "codecs"), ({"room": "car"}, "pyroomacoustics", "rooms")]
)
def test_absent_extra_names_the_command(monkeypatch, given, module, extra):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'bidilab\[{extra}\]'"):
        fingerprint(bl.Condition(**given))
