"""A Dask cluster of two worker processes: a worker and the client are killed in the middle, and nothing is lost but
what they worked on."""

import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

import bidilab as bl
from bidilab.core.errors import ClusterError
from bidilab.lab.datasets import Dataset
from bidilab.lab.sweep import executors, sharded

from .conftest import write_dataset

pytestmark = pytest.mark.slow

GRID = bl.Grid(threshold=[0.1, 0.5, 0.9], prefix_padding_ms=[0, 300], silence_duration_ms=[100, 500])


def run(dataset, **kwargs):
    return bl.sweep(dataset, GRID, vad="energy", progress=False, n_resamples=20, **kwargs)


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    return Dataset.load(write_dataset(tmp_path_factory.mktemp("twelve") / "twelve", n=12))


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Two recordings of 8 s in a part."""
    monkeypatch.setattr(sharded, "SMALLEST_SHARD_S", 16.0)


class LosesAWorker(bl.DaskExecutor):
    """A worker is killed when the first part has come back and the others are under way."""

    killed = 0

    def map(self, function, tasks, *, shared):
        for found in super().map(function, tasks, shared=shared):
            if not self.killed:
                self.killed = next(iter(self._client.run(os.getpid).values()))
                os.kill(self.killed, signal.SIGKILL)
            yield found


@pytest.mark.slow
def test_a_lost_worker_costs_no_more_than_its_parts(twelve, client):
    executor = LosesAWorker(client)
    parts = run(twelve, executor=executor)
    assert executor.killed
    whole = run(twelve)
    pd.testing.assert_frame_equal(parts.settings, whole.settings, check_exact=True)
    pd.testing.assert_frame_equal(parts.recordings, whole.recordings, check_exact=True)


CLIENT = """
import sys, threading
import bidilab as bl
from bidilab.lab.sweep import sharded
from tests.lab.sweep.test_cluster import run

class Stops(bl.DaskExecutor):
    def map(self, function, tasks, *, shared):
        for n, found in enumerate(super().map(function, tasks, shared=shared)):
            if n == 2:
                print("two are kept", flush=True)
                threading.Event().wait()
            yield found

sharded.SMALLEST_SHARD_S = 16.0
run(bl.load_dataset(sys.argv[1]), executor=Stops(sys.argv[2]), checkpoint=sys.argv[3])
"""


@pytest.mark.slow
def test_a_killed_client_goes_on_with_the_parts_that_are_missing(twelve, client, tmp_path):
    kept = tmp_path / "kept"
    args = [sys.executable, "-c", CLIENT, str(twelve.root), client.scheduler.address, str(kept)]
    killed = subprocess.Popen(args, start_new_session=True, stdout=subprocess.PIPE, text=True)
    try:
        assert killed.stdout.readline() == "two are kept\n"
    finally:
        killed.kill()
        killed.communicate()
    written = {path: path.stat().st_mtime_ns for path in kept.glob("*.bin")}
    assert len(written) == 2
    parts = run(twelve, executor=bl.DaskExecutor(client), checkpoint=kept)
    assert len(list(kept.glob("*.bin"))) == 6
    assert {path: path.stat().st_mtime_ns for path in written} == written
    pd.testing.assert_frame_equal(parts.settings, run(twelve).settings, check_exact=True)


def test_a_worker_with_another_version_is_told_before_anything_is_sent(client, monkeypatch):
    monkeypatch.setattr(executors, "version", lambda _: str(os.getpid()))
    with pytest.raises(ClusterError, match=rf"the worker tcp://\S+ has bidilab \d+, and this machine {os.getpid()}"):
        next(bl.DaskExecutor(client).map(len, [()], shared=None))


def test_a_part_whose_workers_die_again_and_again_is_told(client, monkeypatch):
    monkeypatch.setattr(client.cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(ClusterError, match=r"part of the work cannot be done: .* workers died"):
        list(bl.DaskExecutor(client).map(lambda *_: os._exit(1), [1], shared=None))
