"""Scanning a file refuses what reading it refuses, in the same words."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bidilab.core.audiofile import audio_info, read_audio, scan_audio
from bidilab.core.errors import AudioError

SAMPLES = np.random.default_rng(1).integers(-9000, 9000, (150_000, 2), dtype=np.int16)  # more than two blocks


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, SAMPLES, 16_000)
    return path


def test_a_sound_file_gives_its_header(file):
    info = scan_audio(file)
    assert (info.frames, info.channels, info.samplerate) == (150_000, 2, 16_000)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def with_nan(path):
    samples = np.zeros((150_000, 2), np.float32)
    samples[140_000, 1] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")


def cut_flac(path):
    soundfile.write(path, SAMPLES, 16_000, format="FLAC")
    path.write_bytes(path.read_bytes()[:-10_000])


def emptied(path):
    soundfile.write(path, SAMPLES[:0], 16_000)


def no_audio(path):
    path.write_text("x")


@pytest.mark.parametrize("spoil", [cut, with_nan, cut_flac, emptied, no_audio, Path.unlink])
def test_what_cannot_be_read_cannot_be_scanned(file, spoil):
    spoil(file)
    with pytest.raises(AudioError) as read:
        read_audio(file)
    with pytest.raises(AudioError) as scanned:
        scan_audio(file)
    assert str(scanned.value) == str(read.value)


@pytest.mark.parametrize("read", [read_audio, scan_audio, audio_info])
def test_a_header_that_promises_more_than_any_file_of_its_size_holds_is_refused(tmp_path, read):
    path = tmp_path / "a.flac"
    soundfile.write(path, SAMPLES, 16_000)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # STREAMINFO: 36 bits of the total of samples, all ones
    data[22:26] = b"\xff" * 4
    path.write_bytes(data)
    with pytest.raises(AudioError, match="promises 68719476735 samples, but a file of this size"):
        read(path)


def test_ten_minutes_of_silence_in_flac_are_no_such_promise(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros((9_600_000, 2), np.int16), 16_000)
    assert scan_audio(path).frames == 9_600_000
