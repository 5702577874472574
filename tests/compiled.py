"""Compile the kernels into numba's cache, once for all workers of a test run: ``python -m tests.compiled``."""

from __future__ import annotations

import sys
from pathlib import Path

import bidilab as bl
from tests.conftest import ROOT
from tests.scorers import DigestSpec


def compile_kernels() -> None:
    """Sweep two recordings in every way that has kernels of its own."""
    dataset = bl.load_dataset(ROOT / "datasets" / "overlap-mini")[:2]
    knobs = {"threshold": [0.3, 0.6], "prefix_padding_ms": 100, "silence_duration_ms": [200, 400]}
    guards = {"min_interruption_ms": [0, 250], "min_words": [0, 1], "false_interruption_timeout_ms": 400}
    how = {"vad": "energy", "cache": False, "progress": False, "n_resamples": 2, "word_times": "spread"}
    scores = {"eot": DigestSpec(), "eot_threshold": [None, 0.5]}
    scores |= {"interrupt": DigestSpec(8000), "interrupt_threshold": [None, 0.5]}
    for evaluation in ("recorded", "simulated"):
        bl.sweep(dataset, bl.Grid(**knobs), evaluation=evaluation, **how)
        bl.sweep(dataset, bl.Grid(**knobs, **guards), evaluation=evaluation, **how)
        bl.sweep(dataset, bl.Grid(**knobs, **scores), evaluation=evaluation, **how)


if __name__ == "__main__":
    compile_kernels()
    Path(sys.argv[1]).touch()
