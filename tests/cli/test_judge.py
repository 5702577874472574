"""``bidilab judge`` as its user sees it."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bidilab as bl
from bidilab.cli.app import app
from bidilab.core.audiofile import write_audio
from bidilab.core.errors import AudioError, InvalidParameterError
from tests.lab.judge.calls import a_call


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    audio = a_call()[0].audio()
    (folder / "calls").mkdir()
    write_audio(folder / "calls" / "one.flac", audio.samples, audio.sample_rate)
    return folder


def run(calls, monkeypatch, *arguments):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(calls / "cache"))
    return CliRunner().invoke(app, ["judge", str(calls / "calls"), *map(str, arguments)])


@pytest.mark.slow
def test_a_folder_of_calls(calls, tmp_path, monkeypatch, undrawn):
    monkeypatch.chdir(tmp_path)
    done = run(calls, monkeypatch, "--user-channel", 1, "--dataset", tmp_path / "mine")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "1 interruption (speech of more than 1 s over the agent)" in said
    assert "Listen to the clips" in said
    assert f"bidilab sweep {tmp_path / 'mine'}" in said
    made = tmp_path / "judged-calls"
    assert (made / "report.html").is_file()
    assert len(pd.read_csv(made / "overlaps.csv")) == 3
    assert len(bl.load_dataset(tmp_path / "mine")) == 1


def test_faults_are_told(calls, tmp_path, monkeypatch):
    assert isinstance(run(calls, monkeypatch).exception, InvalidParameterError)
    refused = run(calls, monkeypatch, "--user-channel", 1, "--max-yield-ms", 10, "--out", tmp_path / "out")
    assert isinstance(refused.exception, InvalidParameterError)
    assert not (tmp_path / "out").exists()
    write_audio(tmp_path / "mono.wav", np.zeros(16_000, np.float32), 16_000)
    done = CliRunner().invoke(app, ["judge", str(tmp_path / "mono.wav"), "--user-channel", "1"])
    assert isinstance(done.exception, AudioError)
    assert "num_channels=2" in str(done.exception)
