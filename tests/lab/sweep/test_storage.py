"""A saved sweep: it loads to what it was, and says where the recordings behind it are gone or changed."""

import pandas as pd
import pytest
import soundfile

import bidilab as bl
from bidilab.core.errors import DatasetError, ResultError
from bidilab.lab.sweep import SweepResult

from .conftest import write_dataset

GRID = bl.Grid(threshold=[0.1, 0.5, 0.9], prefix_padding_ms=[0, 300], silence_duration_ms=[100, 500])


def run(dataset, **kwargs):
    return bl.sweep(dataset, GRID, vad="energy", progress=False, n_resamples=50, **kwargs)


@pytest.fixture
def result(bursts):
    return run(bursts)


def test_save_and_load(bursts_folder, result, tmp_path):
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    pd.testing.assert_frame_equal(loaded.settings, result.settings)
    pd.testing.assert_frame_equal(loaded.recordings, result.recordings)
    assert loaded.meta == result.meta
    assert loaded.grid == result.grid
    pd.testing.assert_frame_equal(loaded.events(3), result.events(3))
    assert repr(loaded) == repr(result)
    again = SweepResult.load(loaded.save(tmp_path / "again"))
    pd.testing.assert_frame_equal(again.recordings, result.recordings)


def test_a_moved_or_changed_dataset_is_noticed(result, tmp_path, bursts):
    result.meta["dataset"]["path"] = str(tmp_path / "gone")
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    with pytest.raises(ResultError, match="attach"):
        loaded.events(0)
    assert len(loaded.attach(bursts).events(0))
    with pytest.raises(ResultError, match="not the one swept"):
        SweepResult.load(tmp_path / "saved").attach(bursts[:3])


def test_audio_that_was_changed_is_neither_swept_nor_taken_for_what_was(tmp_path):
    """The labels of a recording say nothing of another file in its place, and a saved result nothing of both."""
    root = write_dataset(tmp_path / "changed", n=3)
    dataset = bl.load_dataset(root)
    saved = run(dataset).save(tmp_path / "saved")
    assert SweepResult.load(saved).has_recordings
    path = dataset[1].path
    samples, rate = soundfile.read(path)
    soundfile.write(path, 0.5 * samples, rate)
    for cache in (True, False):
        with pytest.raises(DatasetError, match="1 of 3 recordings is not the audio that the manifest describes"):
            run(dataset, cache=cache)
    loaded = SweepResult.load(saved)
    assert not loaded.has_recordings
    with pytest.raises(ResultError, match=r"not the one swept(.|\n)*r1: sha256 of r1\.flac"):
        loaded.events(0)


def test_a_half_written_folder_is_no_result(result, tmp_path):
    folder = result.save(tmp_path / "saved")
    (folder / "sweep.json").unlink()
    with pytest.raises(ResultError, match=r"no sweep\.json"):
        SweepResult.load(folder)
    (folder / "generation.json").unlink()
    (folder / "sweep.json").write_text('{"format": 99, "grid": {}}')
    with pytest.raises(ResultError, match="format 99"):
        SweepResult.load(folder)


def test_tables_of_two_sweeps_are_refused_together(bursts, result, tmp_path):
    other = bl.sweep(bursts, bl.Grid(threshold=[0.4, 0.7]), vad="energy", progress=False, n_resamples=50)
    one, two = result.save(tmp_path / "one"), other.save(tmp_path / "two")
    for name in ("settings.parquet", "recordings.parquet", "verdicts.npz", "sweep.json"):
        mine = (one / name).read_bytes()
        (one / name).write_bytes((two / name).read_bytes())
        with pytest.raises(ResultError, match=f"{name}: is not the file"):
            SweepResult.load(one)
        (one / name).write_bytes(mine)
    assert len(SweepResult.load(one).settings) == len(result.settings)


def test_a_result_that_was_saved_over_is_not_read_on_from_the_other(bursts, result, tmp_path):
    loaded = SweepResult.load(result.save(tmp_path / "one"))
    other = bl.sweep(bursts, bl.Grid(threshold=[0.4, 0.7]), vad="energy", progress=False, n_resamples=50)
    other.save(tmp_path / "one")
    with pytest.raises(ResultError, match="overwritten after it was loaded"):
        len(loaded.recordings)
    assert len(SweepResult.load(tmp_path / "one").recordings)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        *("[]", "{}", '{"format": 4}', '{"format": true}', '{"format": 4, "grid": []}', "\x00"),
        *('{"format": 4, "grid": {"x": 1}}', '{"format": 1, "grid": {}}'),
        *("[" * 100_000, '{"format": ' + "9" * 5000 + "}"),
    ],
)
def test_a_damaged_result_is_told_by_its_file(result, tmp_path, text):
    folder = result.save(tmp_path / "saved")
    (folder / "generation.json").unlink()  # as of before there were digests
    (folder / "sweep.json").write_text(text)
    with pytest.raises(ResultError, match="saved"):
        SweepResult.load(folder)


@pytest.mark.parametrize("name", ["settings.parquet", "recordings.parquet", "verdicts.npz"])
def test_a_damaged_table_is_told_by_its_file(result, tmp_path, name):
    folder = result.save(tmp_path / "saved")
    (folder / "generation.json").unlink()
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ResultError, match="saved"):
        len(SweepResult.load(folder).recordings)


def test_a_sweep_remembers_the_name_and_not_where_the_package_lies(tmp_path, shared_cache, monkeypatch):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(shared_cache))
    dataset = bl.load_dataset("overlap-mini")[:2]
    grid = bl.Grid(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
    result = bl.sweep(dataset, grid, vad="energy", n_resamples=2, progress=False)
    assert result.meta["dataset"]["path"] == "overlap-mini"
    result.save(tmp_path / "saved")
    assert len(bl.SweepResult.load(tmp_path / "saved").recordings_at(0)) == 2
