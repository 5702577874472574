"""A file appears whole or not at all, and an earlier one stays until then."""

import errno
import shutil
import subprocess
import sys

import pytest

from bidilab.core.errors import DiskFullError, ResultError
from bidilab.core.files import GENERATION_FILE, check_together, files_in, settle, written_together, written_whole


def test_it_takes_its_name_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old", "utf-8")
    with written_whole(path) as partial:
        partial.write_text("new", "utf-8")
        assert path.read_text("utf-8") == "old"
    assert path.read_text("utf-8") == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def fails(path, *, begun):
    with written_whole(path) as partial:
        if begun:
            partial.write_text("ne", "utf-8")
        raise OSError("the disk is full")


@pytest.mark.parametrize("begun", [True, False])
def test_an_error_leaves_the_earlier_file_and_nothing_else(tmp_path, begun):
    path = tmp_path / "a.txt"
    path.write_text("old", "utf-8")
    with pytest.raises(OSError, match="full"):
        fails(path, begun=begun)
    assert path.read_text("utf-8") == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def written(folder, **texts):
    with written_together(folder) as stage:
        for name, text in texts.items():
            (stage / f"{name}.txt").write_text(text, "utf-8")


def lies_there(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def texts_in(folder):
    return {name: (folder / name).read_text("utf-8") for name in lies_there(folder) - {GENERATION_FILE}}


def test_a_generation_takes_the_place_of_the_earlier_one_and_leaves_what_is_nobodys(tmp_path):
    folder = tmp_path / "found"
    written(folder, a="1", b="1")
    (folder / "notes.txt").write_text("mine", "utf-8")
    written(folder, a="2", c="2")
    assert texts_in(folder) == {"a.txt": "2", "c.txt": "2", "notes.txt": "mine"}
    check_together(folder, "a.txt", "c.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["found"]


@pytest.mark.parametrize("earlier", [True, False])
def test_an_error_leaves_the_earlier_generation(tmp_path, earlier):
    folder = tmp_path / "found"
    if earlier:
        written(folder, a="1")

    def fail():
        with written_together(folder) as stage:
            (stage / "a.txt").write_text("2", "utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert folder.exists() == earlier
    if earlier:
        assert texts_in(folder) == {"a.txt": "1"}
        check_together(folder, "a.txt")


def test_a_mixture_is_refused(tmp_path):
    written(tmp_path / "one", a="1", b="1")
    written(tmp_path / "two", a="2", b="2", c="2")
    for name in ("a.txt", "c.txt"):
        (tmp_path / "one" / name).write_bytes((tmp_path / "two" / name).read_bytes())
    check_together(tmp_path / "one", "b.txt")
    with pytest.raises(ResultError, match=r"a\.txt: is not the file"):
        check_together(tmp_path / "one", "a.txt", "b.txt")
    with pytest.raises(ResultError, match=r"c\.txt: belongs to a different save"):
        check_together(tmp_path / "one", "c.txt")
    (tmp_path / "two" / "b.txt").unlink()
    with pytest.raises(ResultError, match=r"b\.txt: is missing"):
        check_together(tmp_path / "two", "b.txt")


@pytest.mark.parametrize("said", ["", "[]", '{"sha256": ["a"]}', '{"sha256": {"../a": "0"}}', "[" * 100_000])
def test_a_list_that_is_none_is_said(tmp_path, said):
    (tmp_path / GENERATION_FILE).write_text(said, "utf-8")
    with pytest.raises(ResultError, match=GENERATION_FILE):
        check_together(tmp_path, "a.txt")


def test_a_folder_of_before_there_were_generations_is_taken_as_it_is(tmp_path):
    (tmp_path / "a.txt").write_text("1", "utf-8")
    check_together(tmp_path, "a.txt", "b.txt")


KILLED = """
import os, sys
from pathlib import Path
from bidilab.core import files
calls = 0
replace, rename = Path.replace, Path.rename
def dying(does):
    def call(self, target):
        global calls
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), 9)
        calls += 1
        return does(self, target)
    return call
Path.replace, Path.rename = dying(replace), dying(rename)
with files.written_together(Path(sys.argv[1])) as stage:
    for name in "abc":
        (stage / f"{name}.txt").write_text("2")
"""


@pytest.mark.parametrize("n", range(6))
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_killed_at_any_step_it_is_all_old_or_all_new(tmp_path, n):
    written(tmp_path, a="1", b="1", d="1")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(n)], check=False, timeout=60)
    assert done.returncode == (-9 if n < 5 else 0)
    settle(tmp_path)
    old, new = {f"{k}.txt": "1" for k in "abd"}, {f"{k}.txt": "2" for k in "abc"}
    assert {k: v for k, v in texts_in(tmp_path).items() if not k.startswith(".writing")} == (old if n == 0 else new)
    check_together(tmp_path, *(old if n == 0 else new))
    assert {path.name for path in files_in(tmp_path)} == {*(old if n == 0 else new), GENERATION_FILE}
    written(tmp_path, z="3")
    assert texts_in(tmp_path) == {"z.txt": "3"}


@pytest.mark.parametrize("how", [OSError(errno.ENOSPC, "No space left on device"), AssertionError(), RuntimeError("?")])
def test_a_full_disk_is_told_with_file_and_disk_however_it_shows(tmp_path, monkeypatch, how):
    if not isinstance(how, OSError):
        monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))

    def fill(folder):
        with written_together(folder) as stage:
            (stage / "b.txt").write_text("b", "utf-8")
            with written_whole(stage / "a.txt"):
                raise how

    with pytest.raises(DiskFullError) as told:
        fill(tmp_path / "found")
    assert told.value.path == tmp_path / "found" / "a.txt"
    assert str(told.value.disk) in str(told.value)
    assert told.value.errno == errno.ENOSPC
    assert not (tmp_path / "found").exists()


def test_another_error_stays_itself(tmp_path):
    def fail():
        with written_whole(tmp_path / "a.txt"):
            raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        fail()
