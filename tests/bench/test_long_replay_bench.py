"""What a long replay takes: `BIDILAB_LONG_HOURS=2 pytest tests/bench/test_long_replay_bench.py --benchmark-only -s`.

Budget: what it holds grows by no more than twice the bytes of the file, saving included. Each replay is a process of
its own, and what it holds is its greatest resident set (Linux), the mapped parts of files among it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bidilab.lab.datasets import Dataset
from tests.conftest import ROOT

HOURS = float(os.environ.get("BIDILAB_LONG_HOURS", "0.1"))
DETECTOR = os.environ.get("BIDILAB_LONG_VAD", "energy")
RATE = 24_000
REPLAY = """
import json, re, sys, time
import bidilab as bl
_, path, vad, out = sys.argv
began = time.process_time()
bl.replay(path, vad=vad, out=out)
peak_kb = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
print(json.dumps({"peak": 1024 * peak_kb, "cpu_s": time.process_time() - began}))
"""


def replayed(folder, samples, seconds):
    """Size of a file of so many seconds, and what its replay takes."""
    path = folder / f"{seconds}-{samples.shape[1]}.wav"
    soundfile.write(path, np.resize(samples, (seconds * RATE, samples.shape[1])), RATE)
    command = [sys.executable, "-c", REPLAY, str(path), DETECTOR, str(folder / path.stem)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"bytes": path.stat().st_size, **json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the resident set from /proc")
@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_long_replay(benchmark, tmp_path, n_channels):
    audio = Dataset.load(ROOT / "datasets" / "overlap-mini")["one-word-clean-02"].audio()
    samples = np.rint(audio.samples[:, :n_channels] * 32767).astype(
        np.int16
    )  # at another rate, which is no matter here
    replayed(tmp_path, samples, 10)  # what is compiled is then at hand
    short = replayed(tmp_path, samples, 130)
    long = benchmark.pedantic(replayed, args=(tmp_path, samples, round(3600 * HOURS)), rounds=1)
    grown = (long["peak"] - short["peak"]) / (long["bytes"] - short["bytes"])
    print(
        f"\n{HOURS:g} h, {n_channels} channels, {long['bytes'] / 1e6:.0f} MB: {long['peak'] / 1e6:.0f} MB at most, "
        f"{short['peak'] / 1e6:.0f} MB of 130 s; {grown:.2f} bytes for each that the file is longer; "
        f"{long['cpu_s']:.0f} s CPU"
    )
    assert grown <= 2
