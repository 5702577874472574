"""docs/plugins.md: the plug-in that it prints is built, installed, checked and named as it says."""

import re
import shlex
import tomllib

import pytest
from typer.testing import CliRunner

import bidilab as bl
from bidilab.cli.app import app
from tests.conftest import ROOT
from tests.lab.sweep.conftest import write_dataset

PAGE = (ROOT / "docs" / "plugins.md").read_text()


@pytest.fixture
def toy(distributions, tmp_path, monkeypatch):
    """The page's plug-in, installed; returns its test."""
    module, test = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    project = tomllib.loads(toml)["project"]
    distributions.install(
        project["name"], project["version"], module="bidilab_toy", code=module, points=project["entry-points"]
    )
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))
    return test


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("page") / "bursts", n=3)


def test_it_passes_its_own_test(toy):
    names = {}
    exec(compile(toy, "test_toy.py", "exec"), names)
    names["test_the_contract"]()
    assert "loudness" in bl.vad_names()


@pytest.mark.usefixtures("undrawn", "toy")
def test_its_commands_run_as_printed(folder, tmp_path, monkeypatch):
    commands = [line for line in PAGE.splitlines() if line.startswith("bidilab ") and "--vad loudness" in line]
    assert len(commands) == 2
    monkeypatch.chdir(tmp_path)
    for line in commands:
        words = [
            word.replace("datasets/overlap-mini", str(folder)).replace("early-clean-01", "r0")
            for word in shlex.split(line)[1:]
        ]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        assert "loudness 1.0" in done.output
    log = bl.EventLog.read(next(tmp_path.glob("replay-*/events.jsonl")))
    (detail,) = [row.said() for row in log if row.type == "turn_detection"]
    assert (detail["vad"], detail["vad_distribution"]) == ("loudness", "bidilab-toy 1.0")


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn", "toy")
def test_a_saved_result_outlives_the_plug_in(folder, tmp_path, distributions):
    dataset = bl.load_dataset(folder)
    made = bl.sweep(dataset, bl.Grid(threshold=0.3), vad="loudness", progress=False, n_resamples=10)
    assert made.meta["vad"]["distribution"] == "bidilab-toy 1.0"
    assert "bidilab-toy 1.0" in made.report(tmp_path / "report.html").read_text()
    saved = made.save(tmp_path / "saved")
    for info in distributions.folder.glob("*.dist-info"):
        (info / "entry_points.txt").unlink()
        info.rename(tmp_path / info.name)
    again = bl.SweepResult.load(saved)
    assert not again.has_recordings
    assert "the plug-in 'loudness' of the distribution bidilab-toy 1.0 is not installed" in repr(again)
    assert again.settings.equals(made.settings)


@pytest.mark.usefixtures("toy")
def test_a_wrong_name_or_option_lists_what_there_is(folder):
    done = CliRunner().invoke(app, ["sweep", str(folder), "--vad", "loudnes"])
    assert "one of silero, webrtc, energy, firered, loudness, got 'loudnes'" in str(done.exception or done.output)
    done = CliRunner().invoke(app, ["sweep", str(folder), "--vad", "loudness", "--vad-option", "gian=3"])
    assert "option of the loudness VAD must be one of gain, got 'gian'" in str(done.exception or done.output)
