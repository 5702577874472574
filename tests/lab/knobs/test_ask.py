"""A provider asked over the wire; and what cannot be asked."""

import json

import pytest
from typer.testing import CliRunner

import bidilab as bl
from bidilab.cli.app import app
from bidilab.core.audiofile import write_audio
from bidilab.core.errors import CredentialsError, InvalidParameterError
from bidilab.lab.knobs import knob_speech
from tests.agreement.test_openai_realtime import ServerThread

pytestmark = pytest.mark.realtime


@pytest.mark.slow
def test_a_server_is_asked_from_the_command_line(tmp_path):
    """14 s of speech are too little to tell a threshold, and enough to see that the server obeys the rest."""
    speech = knob_speech(14, seed=1)
    write_audio(tmp_path / "user.wav", speech.samples, speech.sample_rate)
    with ServerThread(1, tmp_path / "server") as url:
        asked = ["--threshold", "0.4", "--silence-duration-ms", "320", "--audio", str(tmp_path / "user.wav")]
        done = CliRunner().invoke(
            app, ["probe-provider", f"{url}/realtime", *asked, "--out", str(tmp_path / "fit.json")]
        )
    assert done.exit_code == 0, done.output
    assert "320 ms was asked for: obeyed" in done.output
    found = json.loads((tmp_path / "fit.json").read_text())
    assert found["ours"]
    assert found["agreement"] > 0.95
    assert found["in_force"]["silence_duration_ms"] == 320


def test_nova_sonic_tells_no_positions():
    with pytest.raises(InvalidParameterError, match="tells no positions"):
        bl.probe_provider("nova")


def test_a_provider_that_nobody_knows():
    with pytest.raises(InvalidParameterError, match="a URL that begins with ws://"):
        bl.probe_provider("http://localhost")


def test_a_key_is_needed(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(CredentialsError):
        bl.probe_provider("openai")
