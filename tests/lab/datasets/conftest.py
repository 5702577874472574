"""A small sound dataset folder, and one line of its manifest to spoil."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

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
