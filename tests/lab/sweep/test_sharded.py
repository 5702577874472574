"""A sweep by parts finds what one in memory finds, and goes on where it was stopped."""

import numpy as np
import pandas as pd
import pytest

import bidilab as bl
from bidilab.core.errors import CacheError
from bidilab.lab.sweep import InProcess, sharded
from bidilab.lab.sweep.sharded import shards_of
from bidilab.lab.sweep.shardfile import _pack, _unpack

GRID = bl.Grid(threshold=[0.1, 0.5, 0.9], prefix_padding_ms=[0, 300], silence_duration_ms=[100, 500])


def run(dataset, grid=GRID, **kwargs):
    return bl.sweep(dataset, grid, vad="energy", progress=False, n_resamples=20, **kwargs)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Two recordings of 8 s in a part, and two evaluations in a block."""
    monkeypatch.setattr(sharded, "SMALLEST_SHARD_S", 16.0)
    monkeypatch.setattr(sharded, "_BLOCK_BYTES", 1_500)


def same(one, other):
    pd.testing.assert_frame_equal(one.settings, other.settings, check_exact=True)
    pd.testing.assert_frame_equal(one.recordings, other.recordings, check_exact=True)
    for name, of in (("delays", "event_of"), ("false_hits", "event_of"), ("waits", "turn_of"), ("states", "turn_of")):
        rows, others = getattr(one.verdicts, name), getattr(other.verdicts, name)
        assert np.array_equal(rows[getattr(one.verdicts, of)], others[getattr(other.verdicts, of)])
    assert one.recommend(1.0, 1.0).message == other.recommend(1.0, 1.0).message


class Counting(InProcess):
    """Counts what it works on, and can be killed in the middle."""

    def __init__(self, stop_after=None):
        self.n, self.stop_after = 0, stop_after

    def map(self, function, tasks, *, shared):
        for found in super().map(function, tasks, shared=shared):
            if self.n == self.stop_after:
                raise KeyboardInterrupt
            self.n += 1
            yield found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "how"),
    [
        ({}, {}),
        ({"min_interruption_ms": [0, 250]}, {"evaluation": "simulated"}),
        ({"conditions": [None, bl.Condition(snr_db=5, noise="white")]}, {}),
    ],
    ids=["recorded", "simulated with guards", "conditions"],
)
def test_parts_agree_with_the_whole(bursts, tmp_path, more, how):
    grid = bl.Grid(threshold=[0.1, 0.5, 0.9], prefix_padding_ms=[0, 300], silence_duration_ms=[100, 500], **more)
    whole = run(bursts, grid, **how)
    parts = run(bursts, grid, checkpoint=tmp_path, **how)
    same(parts, whole)
    pd.testing.assert_frame_equal(parts.under(None).counts_at(3), whole.under(None).counts_at(3))
    assert parts.events(3).equals(whole.events(3))
    pd.testing.assert_frame_equal(parts.compare(0, 3), whole.compare(0, 3))


def test_what_was_stopped_goes_on(bursts, tmp_path):
    kept = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        run(bursts, checkpoint=kept, executor=Counting(stop_after=2))
    (torn, whole) = sorted(kept.iterdir())
    torn.write_bytes(torn.read_bytes()[:-1])
    again = Counting()
    same(run(bursts, checkpoint=kept, executor=again), run(bursts))
    assert again.n == 2  # of three: one was whole
    assert len(list(kept.iterdir())) == 3
    other = Counting()
    run(bursts, GRID.only(0), checkpoint=kept, executor=other)
    assert other.n == 3  # nothing of another grid is taken
    assert whole.exists()


def test_a_large_sweep_goes_by_parts_and_leaves_nothing_behind(bursts, tmp_path, monkeypatch):
    monkeypatch.setattr(sharded.tempfile, "tempdir", str(tmp_path))
    whole = run(bursts)
    monkeypatch.setattr("bidilab.lab.sweep.run.MOST_IN_MEMORY_BYTES", 0)
    parts = run(bursts)
    assert len(list(tmp_path.glob("bidilab-sweep-*/*.bin"))) == 3
    assert parts.settings.equals(whole.settings)
    parts.save(tmp_path / "saved")
    same(bl.SweepResult.load(tmp_path / "saved"), whole)
    del parts
    assert not list(tmp_path.glob("bidilab-sweep-*"))


def test_a_folder_that_cannot_be_made_is_told(bursts, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="parts of a sweep"):
        run(bursts, checkpoint=tmp_path / "file" / "folder")


def test_parts_hang_on_the_recordings_alone():
    assert shards_of([8.0] * 5) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert shards_of([3600.0] * 6400)[:2] == [slice(0, 5), slice(5, 10)]  # five hours at most
    assert shards_of([40_000.0, 1.0]) == [slice(0, 1), slice(1, 2)]  # a recording stays whole


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint8])
def test_packed_arrays_come_back(dtype):
    limits = np.iinfo(dtype)
    table = np.array([[limits.max, 0, 3], [limits.min, limits.max, 3], [1, limits.min, 4]], dtype)
    for array in (table, table[:0], table[:, :0], table[0]):
        back = _unpack(_pack(array))
        assert back.dtype == dtype
        assert np.array_equal(back, array)
