"""Recordings that are heard again in each round are read once, as long as they fit."""

import os

import numpy as np
import pytest

from bidilab.core.audiofile import write_audio
from bidilab.core.errors import AudioError
from bidilab.detect.scorers.heard import HeardAudio
from bidilab.detect.vad.probabilities import samples_heard

SECOND_BYTES = 16_000 * 4


class Reading:
    def __init__(self):
        self.paths = []

    def __call__(self, item, sample_rate, change=None):
        self.paths.append(item[0].name)
        return samples_heard(item, sample_rate, change)


class Louder:
    key = "twice"

    def __call__(self, audio, channel):
        return 2 * audio.channel(channel)


@pytest.fixture
def files(tmp_path):
    made = []
    for k in range(6):
        samples = (0.1 * np.random.default_rng(k).standard_normal((16_000, 2))).astype(np.float32)
        write_audio(tmp_path / f"{k}.wav", samples, 16_000)
        made.append(tmp_path / f"{k}.wav")
    return made


def test_a_recording_is_read_once_and_is_what_it_was(files):
    read = Reading()
    heard = HeardAudio(read=read)
    first = heard.samples((files[0], 1, None), 16_000)
    np.testing.assert_array_equal(first, samples_heard((files[0], 1, None), 16_000))
    assert heard.samples((files[0], 1, "aa"), 16_000) is first
    assert read.paths == ["0.wav"]
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_channels_rates_and_changes_are_kept_apart(files):
    heard = HeardAudio()
    made = [
        heard.samples((files[0], 0, None), 16_000),
        heard.samples((files[0], 1, None), 16_000),
        heard.samples((files[0], 0, None), 8_000),
        heard.samples((files[0], 0, None), 16_000, Louder()),
    ]
    assert len({samples.tobytes() for samples in made}) == 4
    np.testing.assert_array_equal(made[3], 2 * made[0])


def test_a_file_that_was_written_again_is_read_again(files):
    read = Reading()
    heard = HeardAudio(read=read)
    before = heard.samples((files[0], 0, None), 16_000)
    write_audio(files[0], np.zeros((16_000, 2), np.float32), 16_000)
    os.utime(files[0], ns=(0, 12_345))
    assert not np.array_equal(heard.samples((files[0], 0, None), 16_000), before)
    assert len(read.paths) == 2


def test_no_more_is_kept_than_fits_and_rounds_still_find_some(files):
    read = Reading()
    heard = HeardAudio(3 * SECOND_BYTES, read)
    for _ in range(20):
        for path in files:
            heard.samples((path, 0, None), 16_000)
            assert heard.n_bytes <= 3 * SECOND_BYTES
    assert 6 < len(read.paths) < 110  # of 120; the oldest thrown out first it would be all
    tiny = HeardAudio(100, read)
    assert tiny.samples((files[0], 0, None), 16_000).shape == (16_000,)
    assert tiny.n_bytes == 0


def test_an_absent_file_is_told(tmp_path):
    with pytest.raises(AudioError, match="no-such"):
        HeardAudio().samples((tmp_path / "no-such.wav", 0, None), 16_000)
