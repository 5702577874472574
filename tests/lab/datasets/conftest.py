"""A small sound dataset folder to spoil, and tiny corpora: audio of known samples and label files in exact layouts."""

import hashlib
import itertools
import json
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import soundfile

from bidilab.core.audiofile import write_audio

INFO = {"name": "tiny", "version": "1", "licence": "CC0-1.0", "source": "noise", "how_made": "by a test"}
SAMPLE_RATE = 16_000


class Folder:
    """A dataset folder under construction."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "audio").mkdir(parents=True)
        self.info(INFO)
        self.lines: list[str] = []

    def info(self, data: object) -> None:
        (self.root / "dataset.json").write_text(json.dumps(data))

    def entry(self, name: str = "a", *, seconds: float = 2.0, seed: int = 1, **changes: object) -> dict:
        path = self.root / "audio" / f"{name}.wav"
        n = round(seconds * SAMPLE_RATE)
        samples = 0.1 * np.random.default_rng(seed).standard_normal((n, 2)).astype(np.float32)
        write_audio(path, samples, SAMPLE_RATE)
        return {
            "id": name,
            "audio": f"audio/{name}.wav",
            "sample_rate": SAMPLE_RATE,
            "channels": ["user", "agent"],
            "duration_s": seconds,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "segments": [
                {"channel": "agent", "start_s": 0.0, "end_s": 1.5, "kind": "response"},
                {"channel": "user", "start_s": 0.5, "end_s": 1.0, "kind": "interruption", "text": "stop"},
            ],
            "tags": {"condition": "clean"},
        } | changes

    def write(self, *entries: dict | str) -> Path:
        lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
        (self.root / "manifest.jsonl").write_text("\n".join(lines) + "\n")
        return self.root


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "tiny")


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

    def sound(
        self, name: str, *spans: tuple[float, float], seconds: float = 10.0, rate: int = RATE, noise: int = 0, **how
    ) -> Path:
        """A mono file in which something is audible in these spans, over noise of that many steps of 16 bits."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(crc32(name.encode()))
        samples = rng.integers(-noise, noise + 1, round(seconds * rate))
        for start, end in spans:
            part = slice(round(start * rate), round(end * rate))
            samples[part] = rng.choice([-1, 1], len(samples[part])) * rng.integers(6000, 9000, len(samples[part]))
        soundfile.write(path, samples.astype(np.int16), rate, **how)
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
