"""Detectors of the tests, which hear more than their own frame."""

from __future__ import annotations

import numpy as np

from bidilab.detect.vad.base import BackendInTurn, Framer, check_samples, check_vad_rate


class AheadVad(BackendInTurn):
    """How loud a frame and what comes after it are: a detector with a lookahead of any number of samples."""

    name = "ahead"

    def __init__(self, *, sample_rate=16_000, ahead=240, frame=160, gain=4.0):
        self.sample_rate = check_vad_rate(sample_rate)
        self.frame_samples, self.lookahead_samples, self.gain = frame, ahead, gain
        self.version = f"1;ahead={ahead};frame={frame};gain={gain!r}"

    def stream(self):
        return AheadStream(self)


class AheadStream:
    def __init__(self, vad):
        self.vad = vad
        self.reset()

    def reset(self):
        self.heard = np.zeros(0, np.float32)

    def feed(self, samples):
        n, ahead = self.vad.frame_samples, self.vad.lookahead_samples
        self.heard = np.concatenate([self.heard, check_samples(samples)])
        frames = max(0, len(self.heard) - ahead) // n
        values = [np.abs(self.heard[k * n : (k + 1) * n + ahead]).mean(dtype=np.float64) for k in range(frames)]
        self.heard = self.heard[frames * n :]
        return np.minimum(1, self.vad.gain * np.array(values)).astype(np.float32)


class LoudVad(BackendInTurn):
    """A toy: how loud a frame of 10 ms is, against full scale."""

    name = "loud"

    def __init__(self, *, sample_rate=16_000, gain=20.0):
        self.sample_rate = check_vad_rate(sample_rate)
        self.frame_samples = sample_rate // 100
        self.gain = gain
        self.version = f"3;gain={gain!r}"

    def stream(self):
        return LoudStream(self)


class LoudStream:
    def __init__(self, vad):
        self.vad, self.framer = vad, Framer(vad.frame_samples)

    def reset(self):
        self.framer.reset()

    def feed(self, samples):
        frames = self.framer.push(samples)
        return np.minimum(1, self.vad.gain * np.abs(frames).mean(axis=1)).astype(np.float32)
