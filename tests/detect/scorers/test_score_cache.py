"""The cache of scores: every part of the key counts, writers beside each other, damage dropped with a word."""

import logging
import pickle
import subprocess
import sys

import pytest

from bidilab.core.errors import CacheError
from bidilab.detect.scorers import ScoreCache

SHA = "ab" * 32


class Scorer:
    window_samples, preroll_samples, latency_ms = 1000, 100, 32.0

    def __init__(self, name="hash", version="1", sample_rate=16_000):
        self.name, self.version, self.sample_rate = name, version, sample_rate

    def scores(self, windows):
        raise AssertionError("a cache does not ask")


@pytest.fixture
def cache(tmp_path):
    return ScoreCache(tmp_path / "scores")


def files(cache):
    return sorted(cache.root.glob("*/*.scores"))


def test_what_was_added_is_there_and_every_part_of_the_key_counts(cache):
    cache.recording(SHA, 0, Scorer()).add({(0, 100): 0.25, (50, 100): 1.0})
    again = cache.recording(SHA, 0, Scorer())
    assert (again.get((0, 100)), again.get((50, 100)), again.get((0, 101)), len(again)) == (0.25, 1.0, None, 2)
    for other in (
        cache.recording("cd" * 32, 0, Scorer()),
        cache.recording(SHA, 1, Scorer()),
        cache.recording(SHA, None, Scorer()),
        cache.recording(SHA, 0, Scorer(name="other")),
        cache.recording(SHA, 0, Scorer(version="2")),
        cache.recording(SHA, 0, Scorer(sample_rate=8000)),
        cache.recording(SHA, 0, Scorer(), change="noise"),
    ):
        assert other.get((0, 100)) is None


def test_two_writers_of_a_recording_keep_what_either_adds(cache):
    one, two = cache.recording(SHA, 0, Scorer()), cache.recording(SHA, 0, Scorer())
    one.add({(0, 1): 0.1})
    two.add({(0, 2): 0.2})
    one.add({(0, 3): 0.3})
    assert len(files(cache)) == 2
    assert len(cache.recording(SHA, 0, Scorer())) == 3


def test_many_files_are_joined_and_nothing_is_lost(cache):
    for k in range(8):
        cache.recording(SHA, 0, Scorer()).add({(0, k + 1): k / 10})
    early = cache.recording(SHA, 0, Scorer())  # has read all eight
    assert len(files(cache)) == 8
    cache.recording(SHA, 0, Scorer()).add({(0, 9): 0.9})
    assert len(files(cache)) == 1
    early.add({(0, 10): 1.0})
    assert len(files(cache)) == 2
    last = cache.recording(SHA, 0, Scorer())
    kept = [round(last.get((0, k + 1)), 6) for k in range(10)]
    assert kept == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9, 1.0]


def test_adding_what_is_known_writes_nothing(cache):
    rows = cache.recording(SHA, 0, Scorer())
    rows.add({(0, 1): 0.5})
    (path,) = files(cache)
    before = path.stat().st_mtime_ns
    rows.add({(0, 1): 0.5})
    cache.recording(SHA, 0, Scorer()).add({(0, 1): 0.5})
    assert files(cache) == [path]
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", [lambda c: c[:-4], lambda c: b"", lambda c: c[:-2] + bytes([c[-2] ^ 1]) + c[-1:]])
def test_a_damaged_file_is_dropped_with_a_word_and_the_others_are_kept(cache, caplog, damage):
    cache.recording(SHA, 0, Scorer()).add({(0, 1): 0.5})
    (path,) = files(cache)
    cache.recording(SHA, 0, Scorer()).add({(0, 2): 0.5})
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING, logger="bidilab"):
        rows = cache.recording(SHA, 0, Scorer())
    assert path.name in caplog.text
    assert "the scores are computed again" in caplog.text
    assert not path.exists()
    assert (rows.get((0, 1)), rows.get((0, 2))) == (None, 0.5)


WRITER = """
import sys
from bidilab.detect.scorers import ScoreCache

class Scorer:
    name, version, sample_rate = "hash", "1", 16_000

cache, me = ScoreCache(sys.argv[1]), int(sys.argv[2])
for round_ in range(10):
    rows = cache.recording("ab" * 32, 0, Scorer())
    for k in range(5):
        rows.add({(me, 1 + 5 * round_ + k): 0.5, (0, 1 + 5 * round_ + k): 0.25})
"""


def test_processes_write_the_same_recording_beside_each_other(cache):
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WRITER, str(cache.root), str(me)], stderr=subprocess.PIPE, text=True
        )
        for me in (1, 2)
    ]
    for process in writers:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    rows = cache.recording(SHA, 0, Scorer())
    assert all(rows.get((me, at)) == (0.5 if me else 0.25) for me in (0, 1, 2) for at in range(1, 51))
    assert not list(cache.root.glob("*/*.part"))


def test_it_can_be_sent_to_a_worker_counts_shows_and_clears_itself(cache):
    cache.recording(SHA, 0, Scorer()).add({(0, 1): 0.5})
    sent = pickle.loads(pickle.dumps(cache))
    assert sent.recording(SHA, 0, Scorer()).get((0, 1)) == 0.5
    assert (len(cache), bool(ScoreCache(cache.root / "empty"))) == (1, True)
    assert "1 files" in repr(cache)
    cache.clear()
    assert len(cache) == 0


def test_an_unusable_folder_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    cache = ScoreCache(tmp_path / "file" / "scores")
    with pytest.raises(CacheError, match=r"file.scores cannot be written .*BIDILAB_CACHE_DIR"):
        cache.recording(SHA, 0, Scorer()).add({(0, 1): 0.5})
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert ScoreCache().root == tmp_path / "elsewhere" / "scores"
