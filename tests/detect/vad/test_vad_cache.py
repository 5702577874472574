"""The cache: right or absent, whoever writes and whoever is killed."""

import hashlib
import logging
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from bidilab.core.errors import AudioError, CacheError, InvalidParameterError
from bidilab.detect.vad import EnergyVad, ProbabilityCache, audio_sha256

BACKEND = EnergyVad()
SHA = "ab" * 32


def track(seed, n=200):
    return np.random.default_rng(seed).random(n).astype(np.float32)


@pytest.fixture
def cache(tmp_path):
    return ProbabilityCache(tmp_path / "vad")


def entries(cache):
    return sorted(cache.root.glob("*/*.vad"))


def test_what_was_put_is_got_and_every_part_of_the_key_counts(cache):
    assert cache.get(SHA, 0, BACKEND) is None
    values = track(0)
    cache.put(SHA, 0, BACKEND, values)
    got = cache.get(SHA, 0, BACKEND)
    assert got.dtype == np.float32
    assert got.flags.writeable
    np.testing.assert_array_equal(got, values)
    assert cache.get("cd" * 32, 0, BACKEND) is None
    assert cache.get(SHA, 1, BACKEND) is None
    assert cache.get(SHA, None, BACKEND) is None
    assert cache.get(SHA, 0, EnergyVad(sample_rate=8_000)) is None
    assert cache.get(SHA, 0, EnergyVad(offset_db=13)) is None


def test_an_empty_track_is_an_entry(cache):
    cache.put(SHA, None, BACKEND, track(0, 0))
    assert cache.get(SHA, None, BACKEND).shape == (0,)


def test_it_counts_weighs_shows_and_clears_itself(cache):
    assert (len(cache), cache.size_bytes, bool(cache)) == (0, 0, True)
    for channel in range(3):
        cache.put(SHA, channel, BACKEND, track(channel))
    cache.put(SHA, 2, BACKEND, track(9))  # in place of the last
    assert len(cache) == 3
    assert 3 * 800 < cache.size_bytes < 3 * 1_500
    assert "3 tracks" in repr(cache)
    cache.clear()
    assert len(cache) == 0
    assert cache.get(SHA, 0, BACKEND) is None


@pytest.mark.parametrize("damage", ["cut", "cut to header", "empty", "flipped bit", "other content", "other key"])
def test_a_damaged_entry_is_reported_and_replaced(cache, caplog, damage):
    values = track(1)
    cache.put(SHA, 0, BACKEND, values)
    (path,) = entries(cache)
    content = path.read_bytes()
    if damage == "other key":
        cache.put(SHA, 1, BACKEND, values)
        other = next(p for p in entries(cache) if p != path)
        path.write_bytes(other.read_bytes())
    else:
        path.write_bytes(
            {
                "cut": content[:-4],
                "cut to header": content[:50],
                "empty": b"",
                "flipped bit": content[:-100] + bytes([content[-100] ^ 1]) + content[-99:],
                "other content": b"not ours at all\n",
            }[damage]
        )
    with caplog.at_level(logging.WARNING, logger="bidilab"):
        assert cache.get(SHA, 0, BACKEND) is None
    assert path.name in caplog.text
    assert "computed again" in caplog.text
    cache.put(SHA, 0, BACKEND, values)
    np.testing.assert_array_equal(cache.get(SHA, 0, BACKEND), values)


WRITER = """
import sys, numpy as np
from bidilab.detect.vad import EnergyVad, ProbabilityCache
cache, backend, rounds = ProbabilityCache(sys.argv[1]), EnergyVad(), int(sys.argv[2])
n = round_ = 0
while round_ != rounds:
    for channel in range(20):
        values = np.random.default_rng(channel).random(200_000).astype(np.float32)
        got = cache.get("ab" * 32, channel, backend)
        assert got is None or np.array_equal(got, values), channel
        cache.put("ab" * 32, channel, backend, values)
        n += 1
        if n == 25:
            print("running", flush=True)
    round_ += 1
"""


def writer(cache, rounds):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WRITER, str(cache.root), str(rounds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_may_write_the_same_entries(cache):
    both = [writer(cache, 3), writer(cache, 3)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert len(cache) == 20
    assert not list(cache.root.glob("*/*.part"))


def test_a_kill_half_way_leaves_whole_entries_only(cache, caplog):
    for _ in range(3):
        process = writer(cache, -1)
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        for channel in range(20):
            expected = np.random.default_rng(channel).random(200_000).astype(np.float32)
            np.testing.assert_array_equal(cache.get(SHA, channel, BACKEND), expected)
    assert not caplog.records


def test_leftovers_are_swept_when_old_and_left_alone_when_another_may_be_writing(cache):
    cache.put(SHA, 0, BACKEND, track(0))
    folder = entries(cache)[0].parent
    old, fresh = folder / "old.part", folder / "fresh.part"
    for path in (old, fresh):
        path.write_bytes(b"half")
    stamp = fresh.stat().st_mtime - 2 * 3_600
    os.utime(old, (stamp, stamp))
    ProbabilityCache(cache.root).put(SHA, 1, BACKEND, track(1))
    assert not old.exists()
    assert fresh.exists()
    cache.clear()
    assert not fresh.exists()


def test_an_unusable_folder_is_named_with_the_variable_that_moves_it(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    cache = ProbabilityCache(tmp_path / "file" / "vad")
    for call in (
        cache.prepare,
        lambda: cache.put(SHA, 0, BACKEND, track(0)),
        lambda: cache.get(SHA, 0, BACKEND),
    ):
        with pytest.raises(CacheError, match=r"file.vad cannot be (read|written) .*BIDILAB_CACHE_DIR"):
            call()


def test_a_folder_that_nobody_chose_is_done_without_and_that_is_said_once(tmp_path, monkeypatch, caplog):
    (tmp_path / "home").touch()
    monkeypatch.delenv("BIDILAB_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    for _ in range(2):
        cache = ProbabilityCache()
        cache.prepare()
        cache.put(SHA, 0, BACKEND, track(1))
        assert cache.get(SHA, 0, BACKEND) is None
        assert cache.parts("key") == []
    (record,) = caplog.records
    assert "home/bidilab/vad cannot be written" in record.getMessage()
    assert "BIDILAB_CACHE_DIR" in record.getMessage()
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "home"))
    with pytest.raises(CacheError, match="cannot be written"):
        ProbabilityCache().prepare()


def test_the_variable_moves_it(monkeypatch, tmp_path):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert ProbabilityCache().root == tmp_path / "elsewhere" / "vad"
    monkeypatch.delenv("BIDILAB_CACHE_DIR")
    assert ProbabilityCache().root.parts[-2:] == ("bidilab", "vad")


def test_only_tracks_are_stored(cache):
    for bad in (np.zeros(3), np.zeros((2, 2), np.float32)):
        with pytest.raises(InvalidParameterError, match="probabilities"):
            cache.put(SHA, 0, BACKEND, bad)


def test_audio_sha256_is_that_of_the_bytes(tmp_path):
    content = b"x" * ((1 << 20) + 17)
    (tmp_path / "a").write_bytes(content)
    assert audio_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    with pytest.raises(AudioError, match="no such audio file"):
        audio_sha256(tmp_path / "b")
