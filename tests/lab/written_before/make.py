"""Make what `kept.zip` holds, in an empty folder, with the version of the format: here format 2, commit 03960c3.

The sweeps of format 1 were made in the same way by the parent of commit d50a123. Of the replays, sound and figures are
left out. Not to be run with a later version: the point is what an earlier one wrote.
"""

import json
from pathlib import Path

import numpy as np
import soundfile

import bidilab as bl
from bidilab.bidi.models import BidiLocalModel
from bidilab.detect.vad import audio_sha256

RATE = 8_000


def tone(n, level):
    return level * np.sign(np.sin(2 * np.pi * 250 * (np.arange(n) + 0.5) / RATE))


root = Path("dataset")
(root / "audio").mkdir(parents=True)
lines = []
for k, kind in enumerate(("interruption", "backchannel", "interruption", "noise")):
    n = 5 * RATE
    user, agent = np.zeros(n), np.zeros(n)
    agent[int(1.6 * RATE) : int(4.6 * RATE)] = tone(3 * RATE, 0.02)
    start = 2.4 + 0.1 * k
    for a, b, level in ((0.3, 1.2, 0.1), (start, start + 0.7, (0.1, 0.02, 0.0011, 0.01)[k])):
        span = slice(int(a * RATE), int(b * RATE))
        user[span] = tone(span.stop - span.start, level)
    path = root / "audio" / f"r{k}.flac"
    soundfile.write(path, np.stack([user, agent], 1), RATE)
    lines.append(
        {
            "id": f"r{k}",
            "audio": f"audio/r{k}.flac",
            "sample_rate": RATE,
            "channels": ["user", "agent"],
            "duration_s": 5.0,
            "sha256": audio_sha256(path),
            "tags": {"voice": "ab"[k % 2]},
            "segments": [
                {"channel": "user", "start_s": 0.3, "end_s": 1.2, "kind": "turn", "text": "hello there"},
                {"channel": "agent", "start_s": 1.6, "end_s": 4.6, "kind": "response"},
                {
                    "channel": "user",
                    "start_s": round(start, 2),
                    "end_s": round(start + 0.7, 2),
                    "kind": kind,
                    "text": "wait",
                    "origin": "given",
                },
            ],
        }
    )
facts = {"name": "kept", "version": "1", "licence": "CC0-1.0", "source": "made up", "how_made": "bursts"}
(root / "dataset.json").write_text(json.dumps(facts, indent=1) + "\n")
(root / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
dataset = bl.load_dataset("dataset")
how = {"vad": "energy", "cache": False, "jobs": 1, "n_resamples": 50, "progress": False}
grid = bl.Grid(threshold=[0.3, 0.6], prefix_padding_ms=300, silence_duration_ms=[200, 500])
bl.sweep(dataset, grid, **how).save("recorded-2")
bl.sweep(
    dataset,
    bl.Grid(
        threshold=[0.3, 0.6],
        prefix_padding_ms=300,
        silence_duration_ms=200,
        min_interruption_ms=[0, 250],
        conditions=[None, "gain_db=-12"],
    ),
    **how,
).save("conditions-2")
bl.sweep(dataset, grid, evaluation="simulated", **how).save("simulated-2")

for k in (0, 1):
    model = BidiLocalModel(
        bl.TurnParams(threshold=0.5, silence_duration_ms=300), vad=bl.VadSpec.of("energy"), responses=[3000.0]
    )
    made = bl.replay(dataset[f"r{k}"], model, tail_ms=3000, out=f"replay-r{k}")
    assert made.summary
