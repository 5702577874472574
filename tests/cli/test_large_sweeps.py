"""``bidilab sweep`` part by part, from a bucket and on a cluster: the same tables as at once, from a folder."""

import re
import sys

import pandas as pd
import pytest

from tests.buckets import bucket_of
from tests.cli.test_sweep import GRID


@pytest.fixture
def swept(folder, tmp_path, here):
    """The table of a sweep with some options; ``said`` is what the last one wrote beside its result."""

    def sweep(dataset, *options):
        code, _, sweep.said = here("sweep", dataset, *GRID, *options, "--out", "found", "--force")
        assert code == 0, sweep.said
        return pd.read_parquet(tmp_path / "found" / "settings.parquet")

    sweep.whole = sweep(folder)
    return sweep


@pytest.mark.usefixtures("undrawn")
def test_a_bucket_is_swept_part_by_part_and_goes_on_where_it_was(folder, tmp_path, swept, monkeypatch):
    with bucket_of(folder, monkeypatch) as bucket:
        options = ("--checkpoint", "parts", "--cache", "none")
        pd.testing.assert_frame_equal(swept("s3://calls", *options), swept.whole, check_exact=True)
        assert sum("/audio/" in path for _, path in bucket.asked) > 0
        (part,) = (tmp_path / "parts").iterdir()
        bucket.asked.clear()
        pd.testing.assert_frame_equal(swept("s3://calls", *options), swept.whole, check_exact=True)
        assert {path for _, path in bucket.asked} == {"/calls/dataset.json", "/calls/manifest.jsonl"}
        part.unlink()
        other = swept(folder, "--validate-on", "s3://calls", "--cache", tmp_path / "vad")
        pd.testing.assert_frame_equal(other, swept.whole, check_exact=True)
        assert list((tmp_path / "vad").rglob("*.vad"))


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_cluster_finds_the_same(folder, tmp_path, swept):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        there = swept(folder, "--dask", address, "--checkpoint", "parts")
        assert f"Dask cluster {address}, workers: 2, threads: 2" in swept.said
    pd.testing.assert_frame_equal(there, swept.whole, check_exact=True)
    assert len(list((tmp_path / "parts").iterdir())) == 1


@pytest.mark.slow
def test_no_scheduler_is_one_line(folder, here):
    dask = pytest.importorskip("dask")
    with dask.config.set({"distributed.comm.timeouts.connect": "200ms"}):
        for address in ("tcp://127.0.0.1:1", "nowhere://x"):
            code, told, errors = here("sweep", folder, *GRID, "--dask", address, "--out", "found")
            assert (code, told) == (2, "")
            assert re.fullmatch(rf"bidilab: {re.escape(address)}: no Dask scheduler answers: .*\n", errors)


@pytest.mark.parametrize(
    ("dataset", "options", "module", "command"),
    [
        ("s3://bucket/calls", (), "fsspec", "pip install 'bidilab[s3]'"),
        ("s3://bucket/calls", (), "s3fs", "pip install 'bidilab[s3]'"),
        (None, ("--dask", "tcp://host:8786"), "distributed", "pip install 'bidilab[dask]'"),
    ],
)
def test_a_missing_extra_is_named(folder, here, monkeypatch, dataset, options, module, command):
    monkeypatch.setitem(sys.modules, module, None)
    if module == "s3fs":  # fsspec keeps what it has imported once
        pytest.importorskip("fsspec")
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    code, told, errors = here("sweep", dataset or folder, *GRID, *options)
    assert (code, told) == (2, "")
    assert errors.rstrip().endswith(command)
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--dask", "tcp://host:1", "--jobs", "2"), "--jobs must be left out with --dask"),
        (("--cluster", "tcp://host:1"), "a Dask cluster is given by --dask"),
        (("--checkpoint", "found", "--out", "found"), "--checkpoint must be another folder than --out"),
        (("--checkpoint", __file__), "--checkpoint must be a folder"),
        (("--cache", __file__), "--cache must be a folder"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(folder, here, options, word):
    code, told, errors = here("sweep", folder, *GRID, *options)
    assert (code, told) == (2, "")
    assert word in errors
    assert len(errors.splitlines()) == 1
