"""What cannot be written is told before the work, in one line; nothing is left behind."""

import errno
import sys

import numpy as np
import pytest

from bidilab.cli import app as cli
from bidilab.cli.options import check_folder, check_parent
from bidilab.core.audiofile import write_audio
from bidilab.core.errors import InvalidParameterError


def test_a_folder_that_can_be_made_is_not_made(tmp_path):
    check_folder("--out", tmp_path / "a" / "b")
    check_folder("--out", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_and_a_refusal(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    for bad in ("file", "file/below"):
        with pytest.raises(InvalidParameterError, match="--out must be a"):
            check_folder("--out", tmp_path / bad)
    with pytest.raises(InvalidParameterError, match="a folder that exists"):
        check_parent("--out", tmp_path / "nowhere" / "x.json")
    with pytest.raises(InvalidParameterError, match="not a folder"):
        check_parent("--out", tmp_path)

    def refuse(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr("bidilab.cli.options.tempfile.TemporaryDirectory", refuse)
    with pytest.raises(InvalidParameterError, match=r"--out must be .*Permission denied"):
        check_folder("--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/there"), "bidilab: /there: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "bidilab: No space left on device\n"),
    ],
)
def test_a_disk_that_refuses_is_one_line(monkeypatch, capsys, error, said):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == said


def test_other_failures_keep_their_traceback(monkeypatch):
    def fail():
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(ConnectionResetError):
        cli.main()


def test_audio_says_why_it_is_not_written(tmp_path):
    with pytest.raises(InvalidParameterError, match=r"ends in \.wav"):
        write_audio(tmp_path / "name", np.zeros(3), 8000)
    with pytest.raises(FileNotFoundError):
        write_audio(tmp_path / "nowhere" / "x.wav", np.zeros(3), 8000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (["serve", "--log", "FILE"], "--log must be a folder"),
        (["serve", "--host", "no.such.host.invalid", "--token-env", "PATH", "--vad", "energy"], "--host must be"),
        (["probe-client", "--write-wav", "FILE"], "--write-wav must be a .wav file"),
        (["probe-client", "--out", "FILE/x.json"], "--out must be a file in a folder that exists"),
        (["sweep", "DATA", "--out", "FILE/x"], "--out must be a place that can be written to"),
        (["sweep", "DATA", "--seed", "-1"], "--seed must be a whole number"),
    ],
)
def test_it_is_told_before_the_work(command, word, tmp_path, monkeypatch, capsys):
    from tests.lab.sweep.conftest import write_dataset

    file = tmp_path / "file"
    file.write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))
    data = write_dataset(tmp_path / "data", n=1) if "DATA" in command else tmp_path
    words = [part.replace("FILE", str(file)).replace("DATA", str(data)) for part in command]
    monkeypatch.setattr(sys, "argv", ["bidilab", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert word in said
    assert len(said.splitlines()) == 1  # no progress bar: nothing had begun
