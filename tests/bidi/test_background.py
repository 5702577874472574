import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bidilab.bidi.background import BackgroundSession, run_anywhere
from bidilab.core.errors import SessionError
from tests.sizes import ATTACK, examples


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


def n_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors as Linux tells them")
def test_quick_starts_and_stops_leave_no_descriptor_and_no_thread():
    async def main():
        await asyncio.Event().wait()

    def once(wait_s):
        session = BackgroundSession(main)
        session.start()
        session.wait(wait_s)
        session.stop()

    once(0.01)
    before = n_descriptors(), threading.active_count()
    for n in range(examples(50)):
        once((0.0, 0.0001, 0.002)[n % 3])  # before the loop is there, while it is made, and while it runs
    assert (n_descriptors(), threading.active_count()) == before


def test_one_that_does_not_end_is_an_error():
    release = threading.Event()

    async def main():
        stuck.set()
        release.wait()  # the loop itself

    stuck = threading.Event()
    session = BackgroundSession(main)
    session.start()
    assert stuck.wait(10)
    with pytest.raises(SessionError, match="did not end"):
        session.stop(limit_s=0.05)
    release.set()
    session.stop()


def test_only_what_was_started_is_waited_for():
    with pytest.raises(SessionError):
        BackgroundSession(lambda: None).wait()


def test_the_interpreter_ends_what_still_runs():
    program = """
import asyncio
from bidilab.bidi.background import BackgroundSession, run_anywhere
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


def run_program(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


INTERRUPTING = """
import asyncio, os, signal, threading
from bidilab.bidi.background import BackgroundSession, run_anywhere
begun, waiting, told = threading.Event(), threading.Event(), []
async def main():
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.to_thread(int)
        told.append("ended-in-order")
def interrupt():
    begun.wait()
    waiting.wait()
    threading.Event().wait(0.3)  # until the main thread waits
    os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=interrupt).start()
"""


@pytest.mark.parametrize("_", range(ATTACK))
def test_who_is_interrupted_while_waiting_ends_the_session(_):
    told = run_program(
        INTERRUPTING
        + """
session = BackgroundSession(main)
session.start()
waiting.set()
try:
    session.wait()
except KeyboardInterrupt:
    told.append("interrupted")
print(*told, session.running, [t.name for t in threading.enumerate() if t.name.startswith("bidilab")])
"""
    )
    assert told == ["ended-in-order", "interrupted", "False", "[]"]


def test_interrupting_a_cell_cancels_what_runs_for_it_in_a_thread():
    told = run_program(
        INTERRUPTING
        + """
async def cell():
    waiting.set()
    try:
        run_anywhere(main)
    except KeyboardInterrupt:
        told.append("interrupted")
loop = asyncio.new_event_loop()  # whose SIGINT is Python's own, as in a kernel
loop.run_until_complete(cell())
loop.close()
print(*told, [t.name for t in threading.enumerate() if t.name.startswith("bidilab")])
"""
    )
    assert told == ["ended-in-order", "interrupted", "[]"]


def test_one_that_cannot_end_is_said_to_run_and_is_ended_later():
    told = run_program(
        INTERRUPTING.replace("await asyncio.Event().wait()", "release.wait()")
        + """
release, session = threading.Event(), BackgroundSession(main)
session.start()
begun.wait()
waiting.set()
try:
    session.stop()
except KeyboardInterrupt:
    print(session.running)
try:
    session.stop(limit_s=0.05)
except Exception as error:
    print(session.running, type(error).__name__)
release.set()
session.stop()
print(session.running)
"""
    )
    assert told == ["True", "True", "SessionError", "False"]


def test_stopping_again_what_was_stopped_before_it_began():
    session = BackgroundSession(lambda: pytest.fail("it began"))
    session.stop()
    session.start()
    assert session.wait(10)
    session.stop()
    assert not session.post(int)
    assert session.failure is None


def test_a_result_and_an_error_come_back_from_wherever_it_ran():
    async def main():
        return threading.current_thread().name

    async def broken():
        raise ValueError("broken")

    async def cell():
        assert run_anywhere(main, "virtual") == "bidilab-run"
        with pytest.raises(ValueError, match="broken"):
            run_anywhere(broken)

    assert run_anywhere(main) == threading.current_thread().name
    asyncio.run(cell())
