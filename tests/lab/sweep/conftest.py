"""A small dataset of noise bursts for 'speech', which the energy VAD hears: fast, and without any model."""

import json

import numpy as np
import pytest
import soundfile

from bidilab.detect.vad import audio_sha256
from bidilab.lab.datasets import Dataset

RATE = 16_000
KINDS = ("interruption", "backchannel", "noise", "turn", "echo", "side_speech")


def write_dataset(root, n=6, seed=0, kinds=KINDS):
    """``n`` recordings of 8 s: a turn, a response, and a burst in it whose level varies."""
    rng = np.random.default_rng(seed)
    (root / "audio").mkdir(parents=True)
    lines = []
    for k in range(n):
        user = rng.normal(0, 1e-4, 8 * RATE)
        agent = np.zeros(8 * RATE)
        agent[2 * RATE : 7 * RATE] = rng.normal(0, 0.05, 5 * RATE)
        start = 3 + rng.random()
        for a, b, level in ((0.5, 1.5, 0.1), (start, start + 0.8, 10 ** rng.uniform(-3, -1))):
            user[int(a * RATE) : int(b * RATE)] += rng.normal(0, level, int(b * RATE) - int(a * RATE))
        path = root / "audio" / f"r{k}.flac"
        soundfile.write(path, np.stack([user, agent], 1), RATE)
        segments = [
            {"channel": "user", "start_s": 0.5, "end_s": 1.5, "kind": "turn"},
            {"channel": "agent", "start_s": 2.0, "end_s": 7.0, "kind": "response"},
            {"channel": "user", "start_s": start, "end_s": start + 0.8, "kind": kinds[k % len(kinds)]},
        ]
        lines.append(
            {
                "id": f"r{k}",
                "audio": f"audio/r{k}.flac",
                "sample_rate": RATE,
                "channels": ["user", "agent"],
                "duration_s": 8.0,
                "sha256": audio_sha256(path),
                "segments": segments,
                "tags": {"condition": "loud" if k % 2 else "soft"},
            }
        )
    facts = {"name": "bursts", "version": "1", "licence": "CC0-1.0", "source": "made by a test", "how_made": "numpy"}
    (root / "dataset.json").write_text(json.dumps(facts))
    (root / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


@pytest.fixture(scope="session")
def bursts_folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("bursts") / "bursts")


@pytest.fixture(scope="session")
def bursts(bursts_folder):
    return Dataset.load(bursts_folder)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))
