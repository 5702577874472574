import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bidilab.core.processes import worker_processes
from tests.sizes import ATTACK

PARENT = """
import signal
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever this test run was started with
import os, sys, threading
from tests.core.test_processes import work
from bidilab.core.processes import worker_processes
if __name__ == "__main__":
    with worker_processes(2) as pool:
        futures = [pool.submit(work) for _ in range(2)]
        print(*(future.result() for future in futures), flush=True)
        pool.submit(work, True)
        threading.Event().wait()
"""


def work(for_ever=False):
    import threading

    if for_ever:
        threading.Event().wait()
    threading.Event().wait(0.2)  # so that each of the two takes one
    return os.getpid()


@pytest.mark.slow
@pytest.mark.parametrize("sign", ["SIGKILL", "SIGHUP"] * ATTACK)
def test_workers_die_with_whom_they_work_for(tmp_path, sign):
    if not hasattr(signal, sign):
        pytest.skip(f"no {sign} here")
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, str(program)], env=environment, stdout=subprocess.PIPE, text=True)
    workers = []
    try:
        assert parent.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in set(parent.stdout.readline().split())]
        assert workers
        parent.send_signal(getattr(signal, sign))
        parent.wait(30)
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert alive == []
    finally:
        parent.kill()
        for worker in workers:
            if worker.is_running():
                worker.kill()
        parent.communicate()


def test_work_not_yet_begun_is_dropped_when_the_block_ends():
    with worker_processes(1) as pool:
        futures = [pool.submit(work) for _ in range(50)]
        futures[0].result()
    assert sum(future.cancelled() for future in futures) > 40
