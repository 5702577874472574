"""A machine with a sound card in memory: what is wrong with it is found."""

import json
import sys

import numpy as np
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.doctor import machine
from bidilab.lab.doctor.machine import check_machine
from bidilab.lab.knobs.effective import EffectiveSettings
from tests.soundcard import SoundCard, device


@pytest.fixture
def card(monkeypatch):
    """Put a card in the machine."""

    def put(**settings):
        made = SoundCard(**settings)
        monkeypatch.setitem(sys.modules, "sounddevice", made.module)
        return made

    return put


def checked(card, **options):
    report = check_machine(clock=card.clock, **options)
    assert all(stream.closed.is_set() for stream in card.opened)
    assert json.loads(json.dumps(report.to_dict()))["findings"] == report.to_dict()["findings"]
    for finding in report.findings:
        assert finding.evidence in repr(report)
    return report


def test_a_sound_machine(card):
    made = card()
    steps = []
    report = checked(made, on_step=steps.append)
    assert report.causes == []
    assert report.judged is report.inputs[0]
    (one,) = report.inputs
    assert one.used
    assert one.model_rates_hz == (16_000, 24_000)
    assert one.facts.rate.hertz == pytest.approx(24_000, rel=1e-3)
    assert one.facts.sound.active_dbfs == pytest.approx(-34, abs=0.5)
    assert report.echo.not_checked is None
    assert report.echo.gain_db is None
    assert "echo path        from 1 to 0: none" in repr(report)
    assert "None of the checks shows a cause" in repr(report)
    assert "24000 asked for, accepts 16 and 24 kHz, 0 overruns" in repr(report)
    assert [stream.side for stream in made.opened] == ["input", "input", "output"]
    assert steps == ["listening to 0: Mic for 2.5 s: say something", "playing two sweeps on 1: Speaker"]


@pytest.mark.parametrize(("delay_ms", "gain_db", "found"), [(120, -20, True), (400, -32, True), (60, -46, False)])
def test_an_echo_has_its_delay_and_level(card, delay_ms, gain_db, found):
    made = card()
    made.mic = lambda n_from, n, rate: 10 ** (-70 / 20) * made.rng.standard_normal(n)
    made.path = (24 * delay_ms, 10 ** (gain_db / 20))
    report = checked(made)
    assert report.echo.delay_ms == pytest.approx(delay_ms, abs=0.5)
    assert report.echo.gain_db == pytest.approx(gain_db, abs=1)
    assert report.causes == (["echo"] if found else [])


@pytest.mark.parametrize(
    ("mic", "cause", "evidence"),
    [
        (lambda n_from, n, rate: np.zeros(n), "mic-dead", "100.0% of the samples have the same value"),
        (
            lambda n_from, n, rate: 0.2 * np.sin(2 * np.pi * 50 * np.arange(n_from, n_from + n) / rate),
            "hum",
            "100% of the power",
        ),
        (
            lambda n_from, n, rate: np.clip(3 * np.sin(2 * np.pi * 300 * np.arange(n_from, n_from + n) / rate), -1, 1),
            "clipping",
            "full scale",
        ),
    ],
)
def test_what_a_microphone_gives(card, mic, cause, evidence):
    made = card()
    made.mic = mic
    report = checked(made, play=False)
    assert report.causes == [cause]
    assert evidence in report.findings[0].evidence
    assert "No sweep was played" in report.notes[0]


def test_a_quiet_room_is_no_fault_and_is_said(card):
    made = card()
    made.mic = lambda n_from, n, rate: 1e-4 * np.sin(2 * np.pi * 50 * np.arange(n_from, n_from + n) / rate)
    report = checked(made, play=False)
    assert report.causes == []
    assert "if somebody spoke, that is too quiet" in repr(report)


@pytest.mark.parametrize("speed", [0.5, 2 / 3, 0.92, 1.1, 44_100 / 24_000])
def test_a_rate_that_is_another(card, speed):
    made = card()
    made.speed = speed
    report = checked(made, play=False)
    assert report.causes == ["rate-wrong"]
    assert report.inputs[0].facts.rate.hertz == pytest.approx(24_000 * speed, rel=0.01)


def test_audio_that_comes_as_fast_as_it_is_read(card):
    """As ALSA's null and file devices give it, which no clock drives."""
    made = card()
    made.speed = 1000
    report = checked(made, play=False)
    assert report.causes == ["rate-wrong"]
    assert "20 s of audio arrived in less than a second" in report.findings[0].evidence


def test_overruns_are_counted(card):
    made = card()
    made.overflows = (20, 21, 90)
    report = checked(made, play=False)
    assert report.causes == ["overruns"]
    assert report.findings[0].evidence == "3 times in 2.5 s"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("Unanticipated host error [PaErrorCode -9999]: 'Permission denied' [ALSA error -13]", "permission"),
        ("Device unavailable [PaErrorCode -9985]", "device-busy"),
        ("Invalid number of channels [PaErrorCode -9998]", "device-refused"),
    ],
)
def test_a_microphone_that_cannot_be_opened(card, said, cause):
    made = card()
    made.error = ("input", 0), said
    report = checked(made)
    assert report.causes == [cause]
    assert said in report.findings[0].evidence
    assert report.echo.not_checked == f"the microphone has the cause {cause}"


def test_a_dead_microphone_tells_of_no_echo(card):
    made = card()
    made.mic = lambda n_from, n, rate: np.zeros(n)
    report = checked(made)
    assert report.causes == ["mic-dead"]
    assert "not known: the microphone has the cause mic-dead" in repr(report)
    assert [stream.side for stream in made.opened] == ["input"]


def test_a_loudspeaker_that_cannot_be_opened(card):
    made = card()
    made.error = ("output", 1), "Device unavailable [PaErrorCode -9985]"
    report = checked(made)
    assert report.causes == []
    assert "cannot open output device 1" in report.echo.not_checked


def test_a_microphone_that_stops_by_itself(card):
    made = card()
    made.stops_at_once = True
    report = checked(made, play=False)
    assert report.causes == ["mic-dead"]
    assert report.findings[0].evidence.startswith("0 samples arrived")


def test_a_device_that_takes_no_rate_of_models(card):
    made = card()
    made.refused_rates = (16_000, 24_000)
    made.path = (48 * 100, 0.001)
    made.mic = lambda n_from, n, rate: 1e-4 * made.rng.standard_normal(n)
    report = checked(made)
    assert report.causes == ["rate-refused"]
    assert report.inputs[0].facts.sample_rate == 48_000
    assert "accepts no rate that models use" in repr(report)
    assert report.echo.delay_ms == pytest.approx(100, abs=0.5)


def test_devices_with_no_rate_in_common(card):
    made = card()
    made.speaker_refuses = (16_000, 24_000, 48_000, 44_100)
    report = checked(made)
    assert "have none of 24000, 16000, 48000, 44100 Hz in common" in report.echo.not_checked


def test_a_microphone_that_takes_no_rate_at_all(card):
    made = card()
    made.refused_rates = (16_000, 24_000, 48_000, 44_100)
    report = checked(made)
    assert report.causes == ["device-refused"]
    assert "Invalid sample rate" in report.findings[0].evidence


def test_every_microphone_is_heard_and_the_default_or_the_chosen_is_judged(card):
    three = [
        device("HDMI", inputs=2, api=0),
        device("USB", inputs=1, outputs=2, rate=44_100.0, api=1),
        device("Line", inputs=2),
    ]
    made = card(devices=three, default=(1, 1))
    real = made.mic
    made.mic = lambda n_from, n, rate: np.zeros(n) if made.opened[-1].device == 0 else real(n_from, n, rate)
    report = checked(made, play=False)
    assert [(one.device.index, one.used) for one in report.inputs] == [(0, False), (1, True), (2, False)]
    assert report.causes == []
    assert [finding.cause.name for finding in report.inputs[0].findings] == ["mic-dead"]
    shown = repr(report)
    assert "USB (pulse), channels: 1 input, 2 output, 44100 Hz; the default input and output" in shown
    assert "microphone 0     HDMI: loudest" in shown
    made.opened.clear()
    report = checked(made, input_device_index=0, play=False)
    assert [one.device.index for one in report.inputs] == [0]
    assert report.causes == ["mic-dead"]


def test_a_device_that_is_not_there(card):
    made = card()
    with pytest.raises(InvalidParameterError, match=r"input_device_index must be .*: 0 \(Mic\), got 1"):
        checked(made, input_device_index=1)
    with pytest.raises(InvalidParameterError, match=r"output_device_index must be .*: 1 \(Speaker\), got 0"):
        checked(made, output_device_index=0)
    with pytest.raises(InvalidParameterError, match="a whole number >= 0, or None, got -1"):
        checked(made, input_device_index=-1)
    assert made.opened == []


def told(*differences):
    return EffectiveSettings(
        provider="OpenAI", turn_detection={"type": "server_vad", "threshold": 0.5}, differences=differences
    )


def test_a_machine_without_a_sound_card_says_so_and_asks_the_provider(card, monkeypatch, tmp_path):
    made = card(devices=[], default=(-1, -1))
    monkeypatch.setattr(machine, "_SOUND_FILES", tmp_path)
    monkeypatch.setattr(machine, "effective_settings", lambda *_, **__: told("threshold: asked for 0.7, in effect 0.5"))
    report = checked(made, provider="openai")
    assert report.judged is None
    assert report.causes == ["settings-differ"]
    assert report.notes == (
        "This machine has no microphone that PortAudio sees: nothing was heard.",
        "This machine has no loudspeaker that PortAudio sees: nothing was played.",
    )
    assert "server_vad, threshold=0.5; not as asked; bidilab probe-provider" in repr(report)


def test_a_system_without_defaults_asks_for_an_index(card):
    made = card(default=(-1, -1))
    report = checked(made)
    assert report.judged is None
    assert len(report.inputs) == 1
    assert [note.split(": ")[1] for note in report.notes] == ["choose one by its index."] * 2
    assert checked(made, input_device_index=0, output_device_index=1).notes == ()


def test_a_sound_card_that_this_user_may_not_open(card, monkeypatch, tmp_path):
    made = card(devices=[], default=(-1, -1))
    (tmp_path / "pcmC0D0c").touch()
    monkeypatch.setattr(machine, "_SOUND_FILES", tmp_path)
    assert checked(made).causes == []
    monkeypatch.setattr(machine.os, "access", lambda *_: False)
    report = checked(made)
    assert report.causes == ["permission"]
    assert "pcmC0D0c: permission denied" in report.findings[0].evidence


def test_without_sounddevice(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    report = check_machine()
    assert (report.devices, report.inputs, report.echo, report.findings) == ((), (), None, ())
    assert "pip install 'bidilab[audio]'" in report.notes[0]


def test_text_and_html_say_the_same(card):
    made = card(devices=[device("<b>Mic</b>", inputs=1)], default=(0, -1))
    made.mic = lambda n_from, n, rate: np.zeros(n)
    report = checked(made)
    shown = report._repr_html_()
    assert "<b>Mic" not in shown
    assert "no loudspeaker" in shown
    assert "mic-dead" in shown
