"""The hash of audio in memory: that of its samples, their shape and their rate, whatever lies behind the array."""

import hashlib

import numpy as np

from bidilab.core.audio import Audio, audio_digest


def test_the_digest_is_that_of_shape_rate_and_little_endian_samples():
    """``float32`` of 0.5 and -1 is 0x3F000000 and 0xBF800000."""
    made = Audio(samples=np.array([0.5, -1.0], dtype=np.float32), sample_rate=8000)
    told = b"(2,) 8000 " + bytes.fromhex("0000003f" + "000080bf")
    assert audio_digest(made) == hashlib.sha256(told).hexdigest()[:32]


def test_what_is_heard_decides_and_nothing_else():
    samples = np.linspace(-1, 1, 12, dtype=np.float32)
    known = audio_digest(Audio(samples=samples, sample_rate=8000))
    strided = np.repeat(samples, 2)[::2]
    assert audio_digest(Audio(samples=strided, sample_rate=8000, name="elsewhere.wav")) == known
    others = [
        Audio(samples=samples, sample_rate=16_000),
        Audio(samples=samples.reshape(6, 2), sample_rate=8000),
        Audio(samples=samples[:-1], sample_rate=8000),
    ]
    assert known not in {audio_digest(other) for other in others}
