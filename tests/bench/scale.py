"""How a sweep of 1,000 settings grows with the recordings: seconds and memory in one process and on a cluster of two
workers, and ``docs/cluster.png``.

overlap-mini is laid together to calls of some minutes. ``measure`` repeats their probabilities and labels to the hours
asked for; each size runs in a process of its own, by parts and (up to 100 h) in memory. ``cluster`` makes audio of it,
each call with a noise of its own, and sweeps it with the VAD, here and on a Dask cluster of two worker processes, and
refuses tables that are not equal.

Run: ``uv run python -m tests.bench.scale measure FOLDER 1 10 100 1000``, ``... cluster FOLDER 2 20`` and
``... draw FOLDER``
"""

import contextlib
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


def generated(folder, hours):
    """The calls as audio of so many hours, no two alike: each has a faint noise of its own on the user's channel."""
    calls, root = long_calls(folder / "calls"), folder / f"audio-{hours:g}"
    n = max(1, round(hours * 3600 / calls.duration_s))
    if (root / "dataset.json").exists():
        return bl.load_dataset(root)
    (root / "audio").mkdir(parents=True, exist_ok=True)
    lines = []
    for call, line in zip(calls, (folder / "calls" / "manifest.jsonl").read_text().splitlines(), strict=True):
        samples, facts = np.stack([call.user(), call.agent()], 1), json.loads(line)
        for k in range(n):
            noise = np.random.default_rng([k, len(lines)]).standard_normal(len(samples), np.float32)
            path = root / "audio" / f"{call.id}-{k}.wav"
            soundfile.write(path, samples + 1e-3 * np.stack([noise, 0 * noise], 1), 16_000, subtype="PCM_16")
            own = {"id": f"{call.id}-{k}", "audio": f"audio/{path.name}", "sha256": audio_sha256(path)}
            lines.append(json.dumps({**facts, **own}) + "\n")
    (root / "manifest.jsonl").write_text("".join(lines))
    (root / "dataset.json").write_bytes((folder / "calls" / "dataset.json").read_bytes())
    return bl.load_dataset(root)


def digest(result):
    """What two results share if their tables of settings and of recordings are equal."""
    found = hashlib.sha256()
    for table in (result.settings, result.recordings):
        found.update(pd.util.hash_pandas_object(table).to_numpy().tobytes())
    return found.hexdigest()


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
        "load": os.getloadavg()[0],
    }
    result.recommend()
    line["with_choice_mb"] = peak_mb()
    put(folder / "scale.jsonl", line)


def put(path, line):
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)


def on_two_workers(folder, hours, mode):
    """One line of ``cluster.jsonl``: the sweep of generated audio, VAD and all, in this process or on a cluster."""
    dataset = generated(folder, hours)
    first = bl.Grid(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
    with contextlib.ExitStack() as stack:
        client = None
        if mode == "cluster":
            from distributed import Client, LocalCluster

            options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
            client = stack.enter_context(Client(stack.enter_context(LocalCluster(processes=True, **options))))
        executor = None if client is None else bl.DaskExecutor(client)
        plain = {"executor": executor, "jobs": 1, "cache": False, "progress": False}
        bl.sweep(dataset[:2], first, **plain)  # compile

        def cpu_s():
            return time.process_time() + sum(() if client is None else client.run(time.process_time).values())

        started, cpu, load = time.perf_counter(), cpu_s(), os.getloadavg()[0]
        result = bl.sweep(dataset, bl.Grid(**GRID), **plain)
        line = {
            "hours": hours,
            "mode": mode,
            "recordings": len(dataset),
            "wall_s": time.perf_counter() - started,
            "cpu_s": cpu_s() - cpu,
            "peak_mb": peak_mb(),
            "workers_mb": [] if client is None else list(client.run(peak_mb).values()),
            "result": digest(result),
            "load": [load, os.getloadavg()[0]],
        }
    put(folder / "cluster.jsonl", line)


def draw(folder):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    looks = {
        "parts": ("#0072B2", "o", "by parts"),
        "memory": ("#D55E00", "s", "in memory"),
        "process": ("#0072B2", "o", "one process"),
        "cluster": ("#009E73", "^", "Dask, two workers"),
    }

    def lines(ax, table, name):
        for mode, rows in table.sort_values("hours").groupby("mode", sort=False):
            colour, marker, words = looks[mode]
            ax.plot(rows["hours"], rows[name], color=colour, marker=marker, label=words)

    tiled_table = pd.read_json(folder / "scale.jsonl", lines=True)
    lines(axes[0], tiled_table, "cpu_s")
    lines(axes[1], tiled_table, "peak_mb")
    lines(axes[2], pd.read_json(folder / "cluster.jsonl", lines=True), "wall_s")
    axes[1].axhline(2000, color="0.4", linestyle="--", linewidth=1)
    axes[1].annotate("budget: 2 GB", (1, 2000), (0, 4), textcoords="offset points", color="0.3")
    titles = ("probabilities at hand", "probabilities at hand", "audio, with the VAD")
    labels = ("CPU time of the sweep (s)", "largest resident memory (MB)", "time of the sweep (s)")
    for ax, title, label in zip(axes, titles, labels, strict=True):
        ax.set_title(title, fontsize=10)
        ax.set(xscale="log", yscale="log", xlabel="recordings (h)", ylabel=label)
        ax.grid(visible=True, alpha=0.3)
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.yaxis.set_major_formatter("{x:,.4g}")
        ax.xaxis.set_minor_formatter("")
        ax.yaxis.set_minor_formatter("")
    axes[1].set_ylim(100, 4000)
    axes[2].set(xlim=(1, 40), ylim=(10, 2000), xticks=(1, 10))
    for ax in (axes[0], axes[2]):
        ax.legend(frameon=False)
    figure.suptitle("A sweep of 1,000 settings", fontsize=11)
    figure.savefig(ROOT / "docs" / "cluster.png", dpi=150)


MODES = {"measure": ("parts", "memory"), "cluster": ("process", "cluster")}


def main():
    verb, folder, *rest = sys.argv[1:]
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if verb == "draw":
        draw(folder)
    elif verb == "one":
        hours, mode = float(rest[0]), rest[1]
        (one if mode in MODES["measure"] else on_two_workers)(folder, hours, mode)
    else:
        for hours in map(float, rest):
            for mode in MODES[verb]:
                if mode == "memory" and hours > MOST_IN_MEMORY_H:
                    continue
                if verb == "cluster":
                    generated(folder, hours)  # not in the process that is measured
                command = [sys.executable, "-m", "tests.bench.scale", "one", str(folder), str(hours), mode]
                subprocess.run(command, cwd=ROOT, check=True)
    if verb == "cluster":
        found = pd.read_json(folder / "cluster.jsonl", lines=True)
        assert (found.groupby("hours")["result"].nunique() == 1).all(), "the tables are not equal"


if __name__ == "__main__":
    main()
