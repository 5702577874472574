import asyncio
import subprocess
import sys
import threading

import pytest

from bidilab.bidi.background import BackgroundSession
from bidilab.core.errors import SessionError


def test_it_ends_in_order_when_stopped_and_leaves_no_thread():
    ended = threading.Event()

    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(int)  # what must still be done may wait
            ended.set()

    session = BackgroundSession(main, name="bidilab-test")
    session.start()
    session.start()
    assert session.running
    assert not session.wait(0.01)
    session.stop()
    session.stop()
    assert ended.is_set()
    assert not session.running
    assert session.failure is None
    assert session.wait()
    assert "bidilab-test" not in {thread.name for thread in threading.enumerate()}


def test_a_failure_is_kept():
    async def main():
        raise ValueError("broken")

    session = BackgroundSession(main)
    session.start()
    assert session.wait()
    assert str(session.failure) == "broken"


def test_calls_are_made_in_its_loop_while_it_has_one():
    called = []

    async def main():
        ready.set()
        await done.wait()

    done, ready = asyncio.Event(), threading.Event()
    session = BackgroundSession(main)
    assert not session.post(called.append, 1)
    session.start()
    assert ready.wait(10)
    assert session.post(lambda: (called.append(threading.current_thread().name), done.set()))
    assert session.wait()
    assert called == ["bidilab-session"]
    assert not session.post(called.append, 1)


def test_stopping_from_within_only_asks():
    async def main():
        session.stop()
        await asyncio.Event().wait()

    session = BackgroundSession(main)
    session.start()
    assert session.wait(10)
    assert session.failure is None


def test_stopped_before_it_begins():
    ran = []

    async def main():
        ran.append(1)

    session = BackgroundSession(main)
    session.stop()
    session.start()
    assert session.wait(10)
    assert ran == []


def test_one_that_does_not_end_is_an_error():
    release = threading.Event()

    async def main():
        stuck.set()
        release.wait()  # the loop itself

    stuck = threading.Event()
    session = BackgroundSession(main)
    session.start()
    assert stuck.wait(10)
    with pytest.raises(SessionError, match="not ended"):
        session.stop(limit_s=0.05)
    release.set()
    session.stop()


def test_only_what_was_started_is_waited_for():
    with pytest.raises(SessionError):
        BackgroundSession(lambda: None).wait()


def test_the_interpreter_ends_what_still_runs():
    program = """
import asyncio
from bidilab.bidi.background import BackgroundSession
async def main():
    try:
        print("begun", flush=True)
        await asyncio.Event().wait()
    finally:
        print("ended in order", flush=True)
session = BackgroundSession(main)
session.start()
while not session.post(int): pass
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split("\n")[-2] == "ended in order"
    assert done.stderr == ""
