"""Distributions that are installed for a test alone: modules and metadata in a folder that is put on ``sys.path``."""

from __future__ import annotations

from pathlib import Path

TOY_VAD = '''
"""A toy detector: how loud a frame of 10 ms is."""
import numpy as np
from bidilab.detect.vad.base import BackendInTurn, Framer, check_vad_rate


class ToyVad(BackendInTurn):
    name = "toy-vad"

    def __init__(self, *, sample_rate=16_000, gain=200.0):
        self.sample_rate = check_vad_rate(sample_rate)
        self.frame_samples = sample_rate // 100
        self.gain = float(gain)
        self.version = f"1.2;gain={self.gain!r}"

    def stream(self):
        return ToyStream(self)


class ToyStream:
    def __init__(self, vad):
        self.vad, self.framer = vad, Framer(vad.frame_samples)

    def reset(self):
        self.framer.reset()

    def feed(self, samples):
        frames = self.framer.push(samples)
        return np.minimum(1, self.vad.gain * np.abs(frames).mean(axis=1)).astype(np.float32)
'''

TOY_EOT = '''
"""A toy scorer: the turn is over when the last 100 ms are quiet."""
import numpy as np


class ToyEot:
    name, version = "toy-eot", "0.3;quiet"
    window_samples, preroll_samples, latency_ms = 16_000, 0, 10.0

    def __init__(self, *, sample_rate=16_000, quiet=0.01):
        self.sample_rate, self.quiet = sample_rate, quiet

    def scores(self, windows):
        loud = [float(np.abs(window[-self.sample_rate // 10 :]).mean()) for window in windows]
        return np.array([0.9 if each < self.quiet else 0.1 for each in loud], np.float32)


class ToyInterruption(ToyEot):
    name = "toy-int"

    def scores(self, windows, agent=None):
        return super().scores(windows)
'''


class Distributions:
    """A folder on ``sys.path``; `install` puts a distribution there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, version: str, *, module: str, code: str, points: dict[str, dict[str, str]]) -> Path:
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [
            line
            for group, names in points.items()
            for line in (f"[{group}]", *(f"{each} = {target}" for each, target in names.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        return info

    def install_toys(self) -> None:
        points = {"bidilab.vad": {"toy-vad": "toy_vad_module:ToyVad"}}
        self.install("toy-vad", "1.2", module="toy_vad_module", code=TOY_VAD, points=points)
        points = {
            "bidilab.eot": {"toy-eot": "toy_eot_module:ToyEot"},
            "bidilab.interruption": {"toy-int": "toy_eot_module:ToyInterruption"},
        }
        self.install("toy-eot", "0.3", module="toy_eot_module", code=TOY_EOT, points=points)
