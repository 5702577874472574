"""``bidilab datasets import``: what it says, and what it refuses."""

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from bidilab.cli.datasets import app
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.datasets import load_dataset
from bidilab.lab.importoptions import IMPORT_OPTIONS


def run(*arguments):
    return CliRunner().invoke(app, ["import", *map(str, arguments), "--no-progress"])


@pytest.fixture
def calls(tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.random.default_rng(1).integers(-99, 99, (8000, 2), dtype=np.int16), 8000)
    return folder


def test_says_what_it_imported(calls, tmp_path):
    result = run("calls", calls, tmp_path / "made", "--user-channel", 2, "--name", "mine", "--licence", "CC0-1.0")
    assert result.exit_code == 0, result.output
    assert "imported 1 recording" in result.stdout
    dataset = load_dataset(tmp_path / "made")
    assert (dataset.name, dataset.licence, dataset[0].channels) == ("mine", "CC0-1.0", ("agent", "user"))


def test_a_fault_is_told_and_is_the_exit_code(calls, tmp_path):
    (calls / "b.wav").write_text("x")
    result = run("calls", calls, tmp_path / "made", "--user-channel", 1)
    assert result.exit_code == 1
    assert "1 problem:\n  b.wav: not an audio file" in result.stdout
    assert len(load_dataset(tmp_path / "made")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wav"], "FORMAT must be one of calls, rttm"),
        (["calls", "--agent", "A"], "options of calls must be --user-channel, --user-files, --agent-files, --regions"),
        (["clips", "--name", "x"], "options of clips must be --full-scale, --limit, --licence, got '--name'"),
        (["calls", "--kinds", "a=noise"], "got '--kinds'"),
        (["rttm", "--kinds", "a"], "--kinds must be LABEL=KIND with commas between, each label once, got 'a'"),
        (["rttm", "--kinds", "a=noise,a=echo"], "each label once"),
        (["rttm", "--kinds", "a=bird"], "kinds['a'] must be one of turn, interruption"),
        (["rttm", "--limit", 0], "--limit must be a whole number >= 1, got 0"),
        (["rttm", "--full-scale", 1], "--full-scale must be a finite number > 1, got 1.0"),
        (["rttm", "--regions", "none.uem"], "--regions must be a UEM file that exists, got 'none.uem'"),
        (["fdb", "--user-channel", 1], "got '--user-channel'"),
    ],
)  # fmt: skip
def test_no_option_is_ignored(calls, tmp_path, arguments, message):
    result = run(arguments[0], calls, tmp_path / "made", *arguments[1:])
    assert isinstance(result.exception, InvalidParameterError)
    assert message in str(result.exception)
    assert not (tmp_path / "made").exists()


def test_help_names_every_format():
    from bidilab.lab.datasets.corpora import FORMATS

    text = CliRunner().invoke(app, ["import", "--help"]).stdout
    for name in FORMATS:
        assert name in text


def test_each_option_is_declared_once_and_is_in_the_help():
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["import", "--help"]).stdout
    assert [o.flag for o in IMPORT_OPTIONS.values() if not o.only_in_python and o.flag not in shown] == []
    assert "--rule" not in shown
