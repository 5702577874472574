"""How a sweep of 1,000 settings grows with the recordings: seconds and memory in one process, and ``docs/cluster.png``.

overlap-mini is laid together to calls of some minutes, whose probabilities and labels are repeated to the hours asked
for; each size runs in a process of its own, by parts and (up to 100 h) in memory.

Run: ``uv run python -m tests.bench.scale measure FOLDER 1 10 100 1000``, then ``... draw FOLDER``
"""

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

import bidilab as bl
from bidilab.detect.vad import VadTracks, audio_sha256, speech_probabilities
from tests.conftest import ROOT

GRID = {"threshold": "0.05:1:0.05", "prefix_padding_ms": "0:400:100", "silence_duration_ms": "200:1100:100"}
CALLS = 3
MOST_IN_MEMORY_H = 100


def long_calls(folder):
    """overlap-mini as three calls, each with every third recording behind the one before."""
    if (folder / "manifest.jsonl").exists():
        return bl.load_dataset(folder)
    (folder / "audio").mkdir(parents=True)
    recordings = [r for r in bl.load_dataset("overlap-mini") if r.sample_rate == 16_000 and "agent" in r.channels]
    lines = []
    for k in range(CALLS):
        sound, segments, at = [], [], 0
        for recording in recordings[k::CALLS]:
            samples = np.stack([recording.user(), recording.agent()], 1)
            samples = samples[: len(samples) // 512 * 512]
            for s in recording.segments:
                start, end = s.start_s + at / 16_000, min(s.end_s, len(samples) / 16_000) + at / 16_000
                segments.append({"channel": s.channel, "start_s": start, "end_s": end, "kind": s.kind})
            sound.append(samples)
            at += len(samples)
        path = folder / "audio" / f"long-{k}.flac"
        soundfile.write(path, np.concatenate(sound), 16_000)
        facts = {"sample_rate": 16_000, "channels": ["user", "agent"], "duration_s": at / 16_000, "tags": {}}
        of = {"id": f"long-{k}", "audio": f"audio/{path.name}", "sha256": audio_sha256(path), "segments": segments}
        lines.append(json.dumps({**of, **facts}) + "\n")
    (folder / "manifest.jsonl").write_text("".join(lines))
    about = {
        "name": "long",
        "version": "1",
        "licence": "CC0-1.0",
        "source": "overlap-mini",
        "how_made": "laid together",
    }
    (folder / "dataset.json").write_text(json.dumps(about))
    return bl.load_dataset(folder)


def tiled(folder, hours):
    """The calls repeated, each recording with labels of its own, and their tracks."""
    calls = long_calls(folder / "calls")
    n = max(1, round(hours * 3600 / calls.duration_s))
    tracks = folder / f"tracks-{hours:g}"
    if not (tracks / "tracks.json").exists():
        tracks.mkdir()
        for call in calls:
            np.save(tracks / f"{call.id}-0.npy", speech_probabilities(call))
            for k in range(1, n):
                os.link(tracks / f"{call.id}-0.npy", tracks / f"{call.id}-{k}.npy")
        facts = {"name": "silero-tiled", "version": "6.2", "sample_rate": 16_000, "frame_samples": 512}
        (tracks / "tracks.json").write_text(json.dumps(facts))
    copies = (
        replace(call, id=f"{call.id}-{k}", segments=tuple(replace(s) for s in call.segments))
        for k in range(n)
        for call in calls
    )
    return replace(calls, recordings=tuple(copies)), VadTracks(tracks)


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(folder, hours, mode):
    """One line of ``scale.jsonl``, in a process that does nothing else."""
    from bidilab.lab.sweep import run

    run.MOST_IN_MEMORY_BYTES = 0 if mode == "parts" else 1 << 60
    dataset, tracks = tiled(folder, hours)
    first = bl.Grid(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
    bl.sweep(dataset[:1], first, vad=tracks, progress=False)  # compile
    before, started, cpu = peak_mb(), time.perf_counter(), time.process_time()
    result = bl.sweep(dataset, bl.Grid(**GRID), vad=tracks, jobs=1, progress=False)
    line = {
        "hours": hours,
        "mode": mode,
        "recordings": len(dataset),
        "wall_s": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu,
        "before_mb": before,
        "peak_mb": peak_mb(),
        "settings": hashlib.sha256(pd.util.hash_pandas_object(result.settings).to_numpy().tobytes()).hexdigest(),
    }
    result.recommend()
    line["with_choice_mb"] = peak_mb()
    with (folder / "scale.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(line)


def draw(folder):
    import matplotlib.pyplot as plt

    table = pd.read_json(folder / "scale.jsonl", lines=True)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    looks = {"parts": ("#0072B2", "o", "by parts"), "memory": ("#D55E00", "s", "in memory")}
    for mode, rows in table.sort_values("hours").groupby("mode"):
        colour, marker, words = looks[mode]
        for ax, name in zip(axes, ("cpu_s", "peak_mb"), strict=True):
            ax.plot(rows["hours"], rows[name], color=colour, marker=marker, label=words)
    axes[1].axhline(2000, color="0.4", linestyle="--", linewidth=1)
    axes[1].annotate("budget: 2 GB", (table["hours"].min(), 2000), (0, 4), textcoords="offset points", color="0.3")
    for ax, label in zip(axes, ("CPU time of the sweep (s)", "largest resident memory (MB)"), strict=True):
        ax.set(xscale="log", yscale="log", xlabel="recordings (h)", ylabel=label)
        ax.grid(visible=True, alpha=0.3)
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.yaxis.set_major_formatter("{x:,.4g}")
    axes[1].set_ylim(100, 4000)
    axes[0].legend(frameon=False)
    figure.suptitle("1,000 settings in one process, probabilities at hand", fontsize=11)
    figure.savefig(ROOT / "docs" / "cluster.png", dpi=150)


def main():
    verb, folder, *rest = sys.argv[1:]
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if verb == "draw":
        draw(folder)
    elif verb == "one":
        one(folder, float(rest[0]), rest[1])
    else:
        for hours in map(float, rest):
            for mode in ("parts", "memory") if hours <= MOST_IN_MEMORY_H else ("parts",):
                command = [sys.executable, "-m", "tests.bench.scale", "one", str(folder), str(hours), mode]
                subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
