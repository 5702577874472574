"""Kernels are kept in the cache folder, nowhere if nothing can be written, and never run with old parts."""

import os
import subprocess
import sys

import pytest

CALLED = """
from bidilab.core.compiling import kernel

@kernel()
def one():
    return {value}
"""
CALLS = """
from bidilab.core.compiling import kernel
from called import one

@kernel("int64(int64)")
def twice(k):
    return k * one()

print(twice(2))
"""


@pytest.fixture
def run(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "calls.py").write_text(CALLS, "utf-8")

    def of(value, **environment):
        (source / "called.py").write_text(CALLED.format(value=value), "utf-8")
        env = {name: text for name, text in os.environ.items() if name != "NUMBA_CACHE_DIR"} | environment
        command = [sys.executable, "-B", "-c", "import calls, numba; print(repr(numba.config.CACHE_DIR))"]
        done = subprocess.run(command, cwd=source, env=env, capture_output=True, text=True, check=True)
        assert not done.stderr
        product, others = done.stdout.split()
        return int(product), others

    return of


def kept(folder):
    return {path.name.split("-")[0] for path in folder.rglob("*.nbc")}


def test_kernels_are_kept_in_the_cache_folder_and_those_of_others_stay_where_they_are(run, tmp_path):
    cache = tmp_path / "cache"
    assert run(5, BIDILAB_CACHE_DIR=str(cache)) == (10, "''")
    assert kept(cache / "kernels") == {"calls.twice", "called.one"}
    assert not kept(tmp_path / "source")


def test_a_folder_that_is_named_for_numba_holds_them(run, tmp_path):
    own = tmp_path / "own"
    assert run(5, BIDILAB_CACHE_DIR=str(tmp_path / "cache"), NUMBA_CACHE_DIR=str(own)) == (10, repr(str(own)))
    assert kept(own) == {"calls.twice", "called.one"}
    assert not (tmp_path / "cache").exists()


def test_a_kernel_is_compiled_again_when_what_it_calls_has_changed(run, tmp_path):
    cache = str(tmp_path / "cache")
    assert [run(value, BIDILAB_CACHE_DIR=cache)[0] for value in (5, 7)] == [10, 14]


def test_where_nothing_can_be_written_kernels_are_compiled_in_each_process(run, tmp_path):
    """Nobody, root neither, can make a folder below a file."""
    nowhere = tmp_path / "a-file"
    nowhere.touch()
    (tmp_path / "source" / "__pycache__").touch()
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "BIDILAB_CACHE_DIR"), str(nowhere))
    assert run(5, **homes) == (10, "''")
    assert not kept(tmp_path)
