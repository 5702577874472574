"""A grid of 10,000 settings over 10 h of (tiled) probabilities (DESIGN §12).

Beside it in the same run: the VAD pass over those 10 h (bare onnxruntime on a part, scaled up), and Silero's own plain
Python timestamp loop over a part of the settings, scaled up. Grid and VAD are compared by processor time, so that the
ratio is not that of whoever else uses the machine. Memory is that of a process that does nothing else.

Run: ``uv run pytest -o addopts= -s --benchmark-only tests/bench/test_sweep_bench.py``
"""

import pickle
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from bidilab.detect.turns import TurnParams
from bidilab.detect.vad import get_vad
from bidilab.lab.datasets import Dataset
from bidilab.lab.sweep import Grid
from bidilab.lab.sweep.engine import labels_of, sweep_grid
from bidilab.lab.sweep.problem import SweepProblem
from tests.conftest import ROOT
from tests.detect.turns.silero_loop import load_get_speech_timestamps, timestamps_of_track

HOURS = 10
GRID = Grid(threshold="0.05:1:0.05", prefix_padding_ms="0:900:100", silence_duration_ms="100:1668:32")


@pytest.fixture(scope="module")
def tiled():
    """overlap-mini's labels and probabilities, repeated to ten hours."""
    dataset = Dataset.load(ROOT / "datasets" / "overlap-mini")
    backend = get_vad("silero")
    dataset = replace(dataset, recordings=tuple(r for r in dataset if r.sample_rate == backend.sample_rate))
    samples = [r.user() for r in dataset]
    labels = labels_of(dataset, backend.sample_rate)
    started = time.process_time()
    tracks = backend.probabilities_batch(samples)
    seconds = sum(len(s) for s in samples) / 16_000
    vad_s = (time.process_time() - started) * HOURS * 3600 / seconds
    times = round(HOURS * 3600 / seconds)
    problem = SweepProblem.build(labels * times, tracks * times, frame_samples=512, sample_rate=16_000)
    return problem, vad_s


@pytest.mark.benchmark(timer=time.process_time)
def test_ten_thousand_settings_over_ten_hours(benchmark, tiled):
    problem, vad_s = tiled
    assert len(GRID) == 10_000
    sweep_grid(problem, Grid(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500))  # compile
    benchmark.pedantic(lambda: sweep_grid(problem, GRID), rounds=3)
    grid_s = benchmark.stats.stats.median
    ratio = (vad_s + grid_s) / vad_s
    hours = len(problem.probabilities) * 512 / 16_000 / 3600
    benchmark.extra_info.update(vad_s=vad_s, with_grid_over_vad=ratio)
    print(f"\n{hours:.1f} h: VAD {vad_s:.1f} s, 10,000 settings {grid_s:.2f} s: {ratio:.3f} of the VAD alone")
    assert ratio <= 1.05


def test_beside_sileros_python_loop(benchmark, tiled):
    """The whole evaluation of a setting beside no more than Silero's timestamps for it."""
    problem, _ = tiled
    loop = load_get_speech_timestamps()
    n = 60
    tracks = [problem.probabilities[a:b] for a, b in zip(problem.frame_bounds, problem.frame_bounds[1:n], strict=False)]
    frames = sum(len(track) for track in tracks)
    started = time.perf_counter()
    for track in tracks:
        timestamps_of_track(loop, track, TurnParams(), 16)
    loop_s = (time.perf_counter() - started) * len(GRID) * len(problem.probabilities) / frames
    benchmark.pedantic(lambda: sweep_grid(problem, GRID), rounds=2)
    ratio = loop_s / benchmark.stats.stats.median
    benchmark.extra_info["times_faster_than_silero_loop"] = ratio
    print(f"\nSilero's loop over the same would take {loop_s / 3600:.1f} h: {ratio:,.0f} × as long")
    assert ratio >= 500


MEMORY = """
import pickle, resource, sys
from tests.bench.test_sweep_bench import GRID
from bidilab.lab.sweep.engine import sweep_grid
with open(sys.argv[1], "rb") as file:
    problem = pickle.load(file)
sweep_grid(problem, GRID)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory(benchmark, tiled, tmp_path):
    problem, _ = tiled
    (tmp_path / "problem.pickle").write_bytes(pickle.dumps(problem))

    def run():
        args = [sys.executable, "-c", MEMORY, str(tmp_path / "problem.pickle")]
        return float(subprocess.run(args, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    megabytes = benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["resident_mb"] = megabytes
    print(f"\nresident: {megabytes:.0f} MB")
    assert megabytes < 1000


def test_import_time(benchmark):
    def run(code):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - started

    bare = min(run("pass") for _ in range(5))
    taken = [run("import bidilab") for _ in range(5)]
    benchmark.pedantic(lambda: run("import bidilab"), rounds=5)
    benchmark.extra_info["import_s"] = min(taken) - bare
    print(f"\nimport bidilab: {min(taken) - bare:.3f} s beyond a bare interpreter")
    assert min(taken) - bare < 0.3
