"""A made-up settings table with the shape of a real one: monotone curves, a small n, no data, not reached."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from bidilab.core.audiofile import write_audio
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.manifest import DatasetInfo, manifest_line
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.sweep import Grid, SweepResult, sweep

mpl.use("Agg")

THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
PREFIXES = (100.0, 300.0, 500.0)
SILENCES = (200.0, 400.0, 600.0, 800.0, 1000.0)
KINDS = {"backchannel": 60, "noise": 45, "echo": 30, "side_speech": 25}


def _wilson(k: float, n: float) -> tuple[float, float]:
    if n == 0:
        return np.nan, np.nan
    z, p = 1.96, k / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def _row(threshold: float, prefix: float, silence: float) -> dict[str, float]:
    row: dict[str, float] = {
        "threshold": threshold,
        "prefix_padding_ms": prefix,
        "silence_duration_ms": silence,
        "degenerate": threshold <= 0.15,
    }
    n_true = 120 if threshold > 0.25 else 6  # no such sweep: to have cells of a small n
    row |= {"n_true_opportunities": n_true}
    missed = round(n_true * (0.02 + 0.75 * threshold**3))
    _rate(row, "stopped_within_500ms_rate", n_true - round(missed * 1.1), n_true)
    row |= {"n_detected": n_true - missed, "n_missed": missed}
    _rate(row, "missed_rate", missed, n_true)
    for p, ms in ((50, 90 + 260 * threshold**2), (90, 250 + 700 * threshold**2)):
        reached = missed / n_true < 1 - p / 100
        value = ms if reached else np.inf
        row |= {
            f"latency_detected_ms_p{p}": value,
            f"latency_detected_ms_p{p}_lo": ms * 0.85,
            f"latency_detected_ms_p{p}_hi": ms * 1.2 if missed / n_true < 0.8 * (1 - p / 100) else np.inf,
        }
    row["agent_speech_min"] = 18.5
    total_k = total_n = 0
    for i, (kind, n) in enumerate(KINDS.items()):
        n_kind = n if not (kind == "echo" and silence == 1000.0) else 0
        k = round(n_kind * max(0.0, 0.95 - 0.12 * i - threshold * (0.7 + 0.1 * i)))
        row[f"n_false_{kind}"], row[f"n_false_opportunities_{kind}"] = k, n_kind
        _rate(row, f"false_interruption_rate_{kind}", k, n_kind)
        total_k, total_n = total_k + k, total_n + n_kind
    premature = round(60 * np.exp(-silence / 350))
    row |= {"n_stops_continued": premature // 4, "n_false_none": 2, "n_false_opportunities": total_n}
    row["n_false"] = total_k + 2 + round(silence / 100)
    _rate(row, "false_interruption_rate", total_k, total_n)
    rate = row["n_false"] / 18.5
    row |= {"false_per_min": rate, "false_per_min_lo": rate * 0.8, "false_per_min_hi": rate * 1.25}
    row |= {"n_turns": 80, "n_premature_endpoints": premature}
    _rate(row, "premature_endpoint_rate", premature, 80)
    row |= {"n_endpoints": 76, "n_endpoints_open": 2}
    for p, ms in ((50, silence + 40), (90, silence + 90)):
        row |= {f"endpoint_latency_ms_p{p}": ms, f"endpoint_latency_ms_p{p}_lo": ms - 30}
        row[f"endpoint_latency_ms_p{p}_hi"] = ms + 60 if silence < 1000 else np.inf
    row |= {"n_onsets": 150, "onset_clipped_ms_p50": max(0.0, 200 - prefix)}
    row |= {"onset_clipped_ms_p90": max(0.0, 480 - prefix), "talk_over_s": 20 + 60 * threshold}
    return row


def _rate(row: dict[str, float], name: str, k: float, n: float) -> None:
    low, high = _wilson(k, n)
    row |= {name: k / n if n else np.nan, f"{name}_lo": low, f"{name}_hi": high}


@pytest.fixture(scope="session")
def _settings() -> pd.DataFrame:
    rows = [_row(*values) for values in itertools.product(THRESHOLDS, PREFIXES, SILENCES)]
    return pd.DataFrame(rows).rename_axis("setting")


@pytest.fixture
def settings(_settings: pd.DataFrame) -> pd.DataFrame:
    return _settings.copy()


@pytest.fixture(autouse=True)
def untouched_rc_params() -> Iterator[None]:
    """No plot changes the caller's style; figures that pyplot holds are closed by their owner, the test."""
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    yield
    after = dict(mpl.rcParams)
    plt.close("all")
    assert after == before


RATE = 16_000
NASTY = 'over"lap <script>alert(1)</script> & søn'


def _bursts(segments: list[Segment], channel: str, levels: dict[str, float], seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    samples = 1e-4 * rng.standard_normal(n)
    for segment in segments:
        if segment.channel == channel:
            start, end = segment.interval(RATE)
            samples[start:end] += levels[segment.kind] * rng.standard_normal(end - start)
    return samples


def _recording(root: Path, index: int) -> Recording:
    """Twelve seconds: a turn, then a response over which the user makes five sounds, the last an interruption.

    ::

        user   |TTTT.......b.b....n...e...s...IIIII.|
        agent  |......RRRRRRRRRRRRRRRRRRRRRRRRRRRR..|
    """
    quiet = 0.5 ** (index % 3)
    levels = {"turn": 0.1, "interruption": 0.02 * quiet**3, "backchannel": 0.004 * quiet, "noise": 0.001}
    levels |= {"echo": 0.0005 * quiet, "side_speech": 0.0009, "response": 0.1}
    shift = 0.05 * index
    plan = [
        ("user", "turn", 0.5, 2.0),
        ("user", "backchannel", 3.0 + shift, 3.3 + shift),
        ("user", "noise", 4.5 + shift, 4.7 + shift),
        ("user", "echo", 5.5 + shift, 6.0 + shift),
        ("user", "side_speech", 6.5 + shift, 7.0 + shift),
        ("user", "interruption", 8.0 + shift, 9.2 + shift),
        ("agent", "response", 2.5, 10.5),
    ]
    segments = [Segment(channel=c, kind=k, start_s=a, end_s=b, text=f"{k} <b>") for c, k, a, b in plan]
    n = 12 * RATE
    channels = [_bursts(segments, channel, levels, 2 * index + k, n) for k, channel in enumerate(("user", "agent"))]
    path = write_audio(root / "audio" / f"r{index}.wav", np.stack(channels, axis=1).astype(np.float32), RATE)
    return Recording(
        id=f"r{index}",
        path=path,
        sample_rate=RATE,
        channels=("user", "agent"),
        duration_s=12.0,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        segments=tuple(segments),
        tags={"condition": ("clean", "soft", "faint <i>")[index % 3], "index": index},
    )


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """A real sweep, by the energy VAD, of six recordings of noise bursts at graded levels."""
    root = tmp_path_factory.mktemp("dataset")
    (root / "audio").mkdir()
    info = DatasetInfo(name=NASTY, version="1", licence="CC0-1.0", source="made up", how_made="noise bursts")
    (root / "dataset.json").write_text(info.to_json(), "utf-8")
    recordings = [_recording(root, index) for index in range(6)]
    lines = [manifest_line(r, f"audio/{r.path.name}") for r in recordings]
    (root / "manifest.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    grid = Grid(threshold="0.3:0.9:0.1", prefix_padding_ms=[100, 300], silence_duration_ms=[200, 500, 800])
    return sweep(root, grid, vad="energy", cache=False, jobs=1, n_resamples=50, progress=False)
