"""A small dataset, and the command run in this process."""

import sys

import pytest

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
