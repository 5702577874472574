"""Datasets in a bucket: a stand-in of S3 on loopback, which answers GET and HEAD, and a directory by its address."""

import pandas as pd
import pytest

import bidilab as bl
from bidilab.core.errors import DatasetError, ResultError
from tests.buckets import bucket_of

GRID = bl.Grid(threshold=[0.1, 0.5, 0.9], prefix_padding_ms=300, silence_duration_ms=[100, 500])


@pytest.fixture
def bucket(bursts_folder, monkeypatch):
    with bucket_of(bursts_folder, monkeypatch) as server:
        yield server


def run(dataset, **kwargs):
    return bl.sweep(dataset, GRID, vad="energy", progress=False, n_resamples=20, **kwargs)


def test_a_bucket_is_swept_as_the_folder(bucket, bursts, tmp_path):
    there = bl.load_dataset("s3://calls")
    assert there.sha256 == bursts.sha256
    assert {path for _, path in bucket.asked} == {"/calls/dataset.json", "/calls/manifest.jsonl"}  # no audio yet
    result, here = run(there), run(bursts)
    pd.testing.assert_frame_equal(result.settings, here.settings, check_exact=True)
    pd.testing.assert_frame_equal(result.recordings, here.recordings, check_exact=True)
    assert sum(asked == "GET" and "/audio/" in path for asked, path in bucket.asked) == len(bursts)
    assert not result.has_recordings
    result.save(tmp_path / "saved")
    loaded = bl.SweepResult.load(tmp_path / "saved")
    with pytest.raises(ResultError, match="s3://calls: copy the dataset to this machine"):
        loaded.events(0)
    assert loaded.attach(bursts).events(0).equals(here.events(0))


def test_a_directory_by_its_address(bursts, bursts_folder):
    pytest.importorskip("fsspec")
    pd.testing.assert_frame_equal(run(f"file://{bursts_folder}").settings, run(bursts).settings, check_exact=True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://calls/nothing", r"s3://calls/nothing: not a usable dataset, 2 problems"),
        ("nowhere://calls", "nowhere"),
    ],
)
def test_what_is_not_there_is_told(bucket, url, said):
    with pytest.raises(DatasetError, match=said):
        bl.load_dataset(url)


@pytest.mark.slow
def test_an_object_that_is_missing_or_another_is_told(bucket, bursts_folder, tmp_path):
    there = bl.load_dataset("s3://calls")
    bucket.folder = tmp_path
    with pytest.raises(DatasetError, match=r"s3://calls: audio cannot be fetched \(audio/r0.flac and 5 more\)"):
        run(there)
    (tmp_path / "audio").mkdir()
    for path in (bursts_folder / "audio").iterdir():
        (tmp_path / "audio" / path.name).write_bytes((bursts_folder / "audio" / "r0.flac").read_bytes())
    with pytest.raises(DatasetError, match="5 of 6 recordings are not the audio that the manifest describes"):
        run(there)
