"""One process at a time writes in a place; the next is told at once who does."""

import contextvars
import errno
import json
import os
import threading
from pathlib import Path

import pytest

from bidilab.core.errors import PlaceHeldError
from bidilab.core.places import held
from tests.places import holder


def take(place, **how):
    with held(place, **how):
        pass


def test_the_second_is_told_who_holds_it_and_comes_in_when_that_one_is_gone(tmp_path):
    place = tmp_path / "found"
    other = holder(place)
    with pytest.raises(PlaceHeldError, match=rf"found: held by process {other.pid} on .* since ") as told:
        take(place)
    assert told.value.holder["pid"] == other.pid
    take(tmp_path / "another")
    other.kill()  # it can clean up nothing
    other.wait()
    assert [path.name for path in tmp_path.iterdir()] == [".found.lock"]
    take(place)
    assert list(tmp_path.iterdir()) == []
    other.communicate()


def test_one_who_waits_comes_in(tmp_path):
    other = holder(tmp_path / "found")
    threading.Timer(0.2, other.communicate, ("",)).start()
    take(tmp_path / "found", wait_s=30.0)
    with pytest.raises(PlaceHeldError), held(tmp_path / "found"):
        contextvars.Context().run(take, tmp_path / "found", wait_s=0.1)
    other.wait()


def test_it_is_held_once_by_who_holds_it_already_and_not_by_another_thread(tmp_path):
    told = []

    def elsewhere():
        try:
            take(tmp_path / "found")
        except PlaceHeldError as error:
            told.append(error.holder["pid"])

    with held(tmp_path / "found"), held(tmp_path / "x" / ".." / "found"):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert told == [os.getpid()]


def test_many_who_come_and_go_are_never_two(tmp_path):
    place, inside, most, failed = tmp_path / "found", [], [], []

    def work():
        try:
            for _ in range(40):
                with held(place, wait_s=60.0):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failed, max(most), len(most)) == ([], 1, 160)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_nobody_locks_holds_nothing(tmp_path):
    (tmp_path / ".found.lock").write_text("[" * 10_000)
    take(tmp_path / "found")


def test_the_command_is_told_without_its_secrets(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/bidilab", "serve", "sk-abcdefgh12345678"])
    with held(tmp_path / "found"):
        said = json.loads((tmp_path / ".found.lock").read_text())
    assert said["command"] == "bidilab serve [redacted]"


def test_where_nothing_may_be_beside_the_place_the_lock_lies_in_it(tmp_path, monkeypatch):
    opened = os.open

    def refusing(path, *how):
        if Path(path).parent == tmp_path:
            raise PermissionError(errno.EACCES, "no", str(path))
        return opened(path, *how)

    monkeypatch.setattr("os.open", refusing)
    place = tmp_path / "found"
    with pytest.raises(PermissionError):
        take(place)
    place.mkdir()
    with held(place):
        assert [path.name for path in place.iterdir()] == [".bidilab.lock"]
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "free"), [({"pid": 2**22 + 1}, True), ({"pid": 1}, False), ({"host": "other"}, False)]
)
def test_without_locks_of_the_system_the_file_is_believed_as_far_as_it_can_be_tried(tmp_path, monkeypatch, said, free):
    import socket

    monkeypatch.setattr("bidilab.core.places.lock_descriptor", lambda _: None)
    told = {"pid": 1, "host": socket.gethostname(), "command": "bidilab", "since": "now", **said}
    Path(tmp_path, ".found.lock").write_text(json.dumps(told))
    if free:
        take(tmp_path / "found")
    else:
        with pytest.raises(PlaceHeldError):
            take(tmp_path / "found")
