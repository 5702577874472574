"""A backend is one class and one line in the registry: with these it sweeps, holds a session and has a name on the
command line.
"""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import bidilab as bl
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.cli.app import app
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import VadSpec, detector_name, registry
from tests.detect.vad.toys import LoudVad
from tests.lab.sweep.conftest import write_dataset


@pytest.fixture(autouse=True)
def registered(monkeypatch, tmp_path):
    monkeypatch.setitem(registry.BACKENDS, "loud", LoudVad)
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("toy") / "bursts")


def test_it_is_a_backend():
    backend = bl.get_vad("loud", 8_000, gain=5.0)
    assert (backend.frame_samples, detector_name(backend.name, backend.version)) == (80, "loud 3")
    samples = np.linspace(0, 0.3, 1_000, dtype=np.float32)
    whole, stream = backend.probabilities(samples), backend.stream()
    np.testing.assert_array_equal(np.concatenate([stream.feed(samples[:33]), stream.feed(samples[33:])]), whole)
    done = []
    (track,) = backend.probabilities_batch([samples], lambda index, _: done.append(index), done.append)
    np.testing.assert_array_equal(track, whole)
    assert done == [0, 1_000]
    with pytest.raises(InvalidParameterError, match="one of gain, got 'gian'"):
        VadSpec.of("loud", gian=3)
    with pytest.raises(InvalidParameterError, match="one of silero, webrtc, energy, firered, loud, got 'laud'"):
        VadSpec(name="laud")


def test_it_sweeps_and_holds_a_session_with_the_same_turns(folder):
    dataset = bl.load_dataset(folder)
    spec = VadSpec(name="loud", options={"gain": 200.0})
    result = bl.sweep(dataset, bl.Grid(threshold=[0.3, 0.6]), vad=spec, progress=False, n_resamples=20)
    assert "loud 3, 16000 Hz, 160 samples per frame" in repr(result)
    assert result.settings["n_detected"].sum() > 0
    again = bl.SweepResult.load(result.save(folder.parent / "saved"))
    assert (again.detector, again.detector_changed, again.has_recordings) == ("loud 3", "", True)

    recording = dataset[0]
    made = bl.replay(recording, BidiLocalModel(result.params(0), vad=spec, input_rate=recording.sample_rate))
    assert made.summary.startswith(f"{recording.id}: ")
    assert made.summary.endswith("; detector loud 3")
    assert made.turns == result.turns(recording.id, 0)


@pytest.mark.usefixtures("undrawn")
def test_it_has_a_name_on_the_command_line(folder, tmp_path):
    grid = ("--threshold", "0.3,0.6", "--silence-duration-ms", "500", "--prefix-padding-ms", "300")
    toy = ("--vad", "loud", "--vad-option", "gain=10")
    done = CliRunner().invoke(app, ["sweep", str(folder), *grid, *toy, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "loud 3, 16000 Hz" in done.output
    saved = json.loads((tmp_path / "out" / "sweep.json").read_text())["vad"]
    assert (saved["detector"], saved["options"]) == ("loud 3", {"gain": 10})
    assert "loud 3 as the VAD" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_result_of_a_backend_that_is_not_there_can_be_read(folder, tmp_path, monkeypatch):
    dataset = bl.load_dataset(folder)
    saved = bl.sweep(dataset, bl.Grid(threshold=0.3), vad="loud", progress=False, n_resamples=20).save(tmp_path / "s")
    monkeypatch.delitem(registry.BACKENDS, "loud")
    result = bl.SweepResult.load(saved)
    assert not result.has_recordings
    assert "It was heard by loud 3, which cannot be had here: vad must be one of silero" in repr(result)
    assert "which cannot be had here" in result.report(tmp_path / "report.html").read_text()
