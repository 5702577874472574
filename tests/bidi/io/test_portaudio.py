"""Which devices there are, as PortAudio tells it."""

import sys

import pytest

import bidilab as bl
from bidilab.bidi.io.portaudio import list_devices, refuses
from bidilab.core.errors import DeviceError, MissingExtraError
from tests.soundcard import SoundCard, device


@pytest.fixture
def card(monkeypatch):
    made = SoundCard([device("Mic", inputs=1), device("Both", inputs=2, outputs=8, rate=44_100.4, api=1)], (0, 1))
    monkeypatch.setitem(sys.modules, "sounddevice", made.module)
    return made


def test_devices_have_index_channels_rate_and_interface(card):
    mic, both = list_devices()
    assert (mic.index, mic.name, mic.host_api, mic.default_rate_hz) == (0, "Mic", "ALSA", 48_000)
    assert (mic.channels("input"), mic.channels("output")) == (1, 0)
    assert (both.index, both.host_api, both.default_rate_hz) == (1, "pulse", 44_100)
    assert (both.channels("input"), both.channels("output")) == (2, 8)
    assert [(one.is_default("input"), one.is_default("output")) for one in (mic, both)] == [
        (True, False),
        (False, True),
    ]


def test_the_table_of_devices(card):
    table = bl.devices()
    assert table.index.tolist() == [0, 1]
    assert table.loc[1, ["name", "output_channels", "is_default_output"]].tolist() == ["Both", 8, True]
    assert table.query("output_channels > 0")["name"].tolist() == ["Both"]


def test_no_device_at_all(card):
    card.devices.clear()
    assert list_devices() == ()
    assert len(bl.devices()) == 0
    assert "default_rate_hz" in bl.devices()


def test_a_list_that_cannot_be_had_is_an_error(card):
    def fail():
        raise card.module.PortAudioError("PortAudio not initialized")

    card.module.query_devices = fail
    with pytest.raises(DeviceError, match="cannot list the sound devices: PortAudio not initialized"):
        list_devices()


def test_a_rate_is_asked_for_and_nothing_opened(card):
    card.refused_rates = (24_000,)
    assert refuses("input", device=0, sample_rate=16_000) is None
    assert "Invalid sample rate" in refuses("output", device=1, sample_rate=24_000)
    assert card.opened == []


def test_without_sounddevice(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match="audio"):
        list_devices()


def test_portaudio_that_does_not_start(monkeypatch):
    def broken(*_, **__):
        raise type("PortAudioError", (Exception,), {})("Error initializing PortAudio")

    monkeypatch.setattr("bidilab.bidi.io.portaudio.require_extra", broken)
    with pytest.raises(DeviceError, match="cannot start PortAudio: Error initializing"):
        list_devices()

    def wrong(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("bidilab.bidi.io.portaudio.require_extra", wrong)
    with pytest.raises(ZeroDivisionError):
        list_devices()
