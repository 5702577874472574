"""``bidilab doctor --machine`` on a sound card in memory."""

import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from bidilab.cli.app import app
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.doctor import machine
from bidilab.lab.knobs.effective import EffectiveSettings
from tests.soundcard import SoundCard


@pytest.fixture
def card(monkeypatch):
    made = SoundCard()
    monkeypatch.setitem(sys.modules, "sounddevice", made.module)
    monkeypatch.setattr(machine, "RealClock", lambda: made.clock)
    return made


def run(*arguments):
    return CliRunner().invoke(app, ["doctor", *arguments])


def test_a_sound_machine_exits_with_0(card, tmp_path):
    card.path = (24 * 150, 0.001)
    card.mic = lambda n_from, n, rate: 1e-4 * card.rng.standard_normal(n)
    done = run("--machine", "--out", str(tmp_path / "machine.json"))
    assert done.exit_code == 0, done.output
    assert "listening to 0: Mic" in done.output
    assert "-60 dB, 150 ms" in done.output
    found = json.loads((tmp_path / "machine.json").read_text())
    assert found["echo"]["delay_ms"] == pytest.approx(150, abs=0.5)
    assert found["inputs"][0]["facts"]["real_rate_hz"] == pytest.approx(24_000, rel=1e-3)


def test_a_cause_exits_with_1(card):
    card.mic = lambda n_from, n, rate: np.zeros(n)
    done = run("--machine", "--input-device", "0", "--no-play")
    assert done.exit_code == 1
    assert "mic-dead" in done.output
    assert "No sweep was played" in done.output
    assert [stream.side for stream in card.opened] == ["input"]


def test_a_machine_without_a_sound_card_exits_with_3(card, monkeypatch):
    asked = []

    def tell(provider, *, api_key):
        asked.append((provider, api_key))
        return EffectiveSettings(provider=provider, turn_detection={"threshold": 0.7}, differences=())

    monkeypatch.setattr(machine, "effective_settings", tell)
    monkeypatch.setenv("SOME_KEY", "hidden-value")
    monkeypatch.setattr(card.module, "query_devices", list)
    done = run("--machine", "--provider", "ws://127.0.0.1:1/v1/realtime", "--key-env", "SOME_KEY")
    assert done.exit_code == 3
    assert "no microphone that PortAudio sees" in done.output
    assert "its turn detection is threshold=0.7; as asked" in done.output
    assert asked == [("ws://127.0.0.1:1/v1/realtime", "hidden-value")]
    assert "hidden-value" not in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "or give --machine, got None"),
        (["call.wav", "--machine"], "CALL must be left out with --machine"),
        (["--trace", "log.jsonl", "--machine"], "--trace must be left out with --machine"),
        (["call.wav", "--input-device", "1"], "--input-device must be left out without --machine, got 1"),
        (["call.wav", "--no-play"], "--no-play must be left out without"),
        (["call.wav", "--provider", "openai"], "--provider must be left out without"),
        (["--machine", "--input-device", "7"], r"input_device_index must be .* 0 \(Mic\), got 7"),
        (["--machine", "--key-env", "HOME"], "--key-env must be left out unless"),
        (["--machine", "--provider", "openai", "--key-env", "HOME"], "--key-env must be left out unless"),
    ],
)
def test_options_that_do_not_go_together(card, arguments, said):
    with pytest.raises(InvalidParameterError, match=said):
        CliRunner().invoke(app, ["doctor", *arguments], catch_exceptions=False)
    assert card.opened == []
