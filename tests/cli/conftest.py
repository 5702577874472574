"""A small dataset, and the command run in this process."""

import sys

import numpy as np
import pytest
import soundfile

from bidilab.cli import main
from tests.lab.sweep.conftest import write_dataset


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("cli") / "bursts")


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """Run the command in this process, where an interpreter of its own proves nothing; gives code, output, errors."""

    def run(*args, columns=160):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "argv", ["bidilab", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def call(tmp_path):
    """A folder with a stereo call of 5 s."""
    (tmp_path / "calls").mkdir()
    path = tmp_path / "calls" / "call.wav"
    rng = np.random.default_rng(1)
    soundfile.write(path, rng.uniform(-0.3, 0.3, (5 * 8000, 2)) * (np.arange(40_000) // 8000 % 2)[:, None], 8000)
    return path.parent
