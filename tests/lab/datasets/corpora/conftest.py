"""Tiny corpora: audio of known samples and label files in the exact layouts of the formats."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 8000


def ramp(seconds: float, *, channels: int = 1, seed: int = 1, rate: int = RATE) -> np.ndarray:
    """Noise in 16-bit integers, ``(n, channels)``, so that any altered sample shows."""
    n = round(seconds * rate)
    return np.random.default_rng(seed).integers(-9000, 9000, (n, channels), dtype=np.int16)


class Corpus:
    """A source folder to be filled, and where it is imported to."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "corpus"
        self.root.mkdir()
        self._folder = folder
        self._numbers = itertools.count()

    @property
    def dest(self) -> Path:
        """A new destination each time."""
        return self._folder / f"made{next(self._numbers)}"

    def audio(
        self, name: str, seconds: float = 10.0, *, channels: int = 1, seed: int = 1, rate: int = RATE, **how
    ) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = ramp(seconds, channels=channels, seed=seed, rate=rate)
        as_float = how.get("subtype") == "FLOAT"
        soundfile.write(path, (samples / 32768).astype(np.float32) if as_float else samples, rate, **how)
        return path

    def text(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    @staticmethod
    def said(recording) -> list[tuple]:
        """A recording's segments in short."""
        return [(s.channel, s.kind, s.start_s, s.end_s, s.text, s.speaker, s.origin) for s in recording.segments]

    @staticmethod
    def complaints(result) -> list[str]:
        return [str(problem) for problem in result.problems]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path)
