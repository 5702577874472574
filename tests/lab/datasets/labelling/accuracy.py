"""How well the labeller finds speech whose truth is known: two-channel recordings mixed by the builder.

`python -m tests.lab.datasets.labelling.accuracy [tune|report]` prints the table of docs/labelling.md. Only the voices
of `TUNE` were listened to while the numbers of `LabelRule` were chosen; what is reported comes from the others.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from bidilab.core.audio import Audio
from bidilab.core.timeline import Interval
from bidilab.detect.dsp.mixing import db_to_gain, level_dbfs
from bidilab.lab.datasets.building.builder import build_recordings
from bidilab.lab.datasets.building.recipe_yaml import load_recipe
from bidilab.lab.datasets.building.synth import synthesize
from bidilab.lab.datasets.labelling.labeller import find_speech
from bidilab.lab.datasets.labelling.rule import LabelRule

CLIPS = Path(__file__).parents[4] / "datasets" / "clips"
TUNE = {"user": ["anna", "bram", "carl", "dora"], "agent": ["nova"]}
REPORT = {"user": ["emil", "fay", "gus", "hugh"], "agent": ["otto"]}
_BABBLE = {"talkers": 6, "rt60_ms": 600, "direct_db": -6}
CONDITIONS = {
    "clean": {"floor_dbfs": -90},
    **{f"babble {snr_db} dB": {"background": {"snr_db": snr_db, **_BABBLE}} for snr_db in (20, 10, 5, 0)},
    "babble 20 dB, telephone": {"background": {"snr_db": 20, **_BABBLE}, "telephone": True},
    "echo -20 dB": {"floor_dbfs": -75, "echo": {"gain_db": -20}},
    "echo -10 dB": {"floor_dbfs": -75, "echo": {"gain_db": -10}},
}
BURSTS_DB = {"bursts 0 dB": 0.0, "bursts -20 dB": -20.0}  # the level of each relative to what the user says
BURST_SOUNDS = ("chair_scrape", "door_slam", "keyboard", "phone_ring", "siren")  # none that a throat makes
BURST_S, BURST_GAP_S = 1.4, 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Counts and errors of one channel under one condition; errors in ms, found less true."""

    n_true: int
    n_missed: int
    n_found: int
    n_invented: int
    onset_errors_ms: np.ndarray
    offset_errors_ms: np.ndarray

    @property
    def onset_p50_p95_ms(self) -> tuple[float, float]:
        p50, p95 = np.quantile(np.abs(self.onset_errors_ms), [0.5, 0.95])
        return float(p50), float(p95)

    def row(self) -> str:
        p50, p95 = self.onset_p50_p95_ms
        off50, off95 = np.quantile(np.abs(self.offset_errors_ms), [0.5, 0.95])
        return (
            f"{self.n_true} | {self.n_missed} ({self.n_missed / self.n_true:.1%}) | "
            f"{self.n_invented} of {self.n_found} ({self.n_invented / max(self.n_found, 1):.1%}) | "
            f"{p50:.0f} / {p95:.0f} | {off50:.0f} / {off95:.0f} | {np.median(self.onset_errors_ms):+.0f}"
        )


def recipe_of(voices: dict[str, list[str]], condition: dict, count: int, seed: int) -> dict:
    """Turns, interruptions, one-word interruptions and backchannels, all at the user's normal level."""
    return {
        "dataset": {"name": "a", "version": "1", "licence": "CC0-1.0", "source": "clips", "how_made": "by a test"},
        "seed": seed,
        "voices": {role: {voice: voice for voice in names} for role, names in voices.items()},
        "scenarios": {
            "talk": {
                "exchanges": [
                    {"turn": {}, "response_s": [2, 3], "events": [{"kind": "interruption", "at": [0.2, 0.6]}]},
                    {"turn": {}, "response_s": [3, 4], "events": [{"kind": "backchannel", "at": [0.2, 0.6]}]},
                    {"response_s": [2, 3], "events": [{"kind": "interruption", "role": "one_word", "at": [0.3, 0.6]}]},
                ]
            }
        },
        "conditions": {"c": condition},
        "recordings": [{"scenario": "talk", "condition": "c", "count": count}],
    }


def add_bursts(samples: np.ndarray, rate: int, truth: list[Interval], gain_db: float, seed: int) -> None:
    """Loud noise before or after what is said, in turn, never over it: 0.3 s from it."""
    rng = np.random.default_rng(seed)
    said_dbfs = level_dbfs(np.concatenate([samples[t.start : t.end] for t in truth]))
    longest, gap = round(BURST_S * rate), round(BURST_GAP_S * rate)
    edges = [-gap, *(edge for t in truth for edge in (t.start, t.end)), len(samples) + gap]
    for index, (low, high) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        low, high = low + gap, high - gap
        start, end = (low, min(low + longest, high)) if index % 2 else (max(low, high - longest), high)
        name = BURST_SOUNDS[int(rng.integers(len(BURST_SOUNDS)))]
        sound = synthesize(name, rng, rate)
        if end > start:
            sound = np.resize(sound, end - start)
            samples[start:end] += db_to_gain(said_dbfs + gain_db - level_dbfs(sound)) * sound


def measure(
    recipe_file: Path,
    recipe: dict,
    channel: str = "user",
    rule: LabelRule | None = None,
    bursts_db: float | None = None,
) -> Accuracy:
    """Label what a recipe makes, with bursts of noise where a level is given, and compare with its labels."""
    recipe_file.write_text(yaml.safe_dump(recipe))
    onsets, offsets = [], []
    n_true = n_missed = n_found = n_invented = 0
    for index, built in enumerate(build_recordings(load_recipe(recipe_file), CLIPS)):
        truth = [s.interval(built.sample_rate) for s in built.segments if s.channel == channel and s.kind != "echo"]
        samples = built.samples / 32768
        if bursts_db is not None:
            add_bursts(samples[:, 0 if channel == "user" else 1], built.sample_rate, truth, bursts_db, index)
        audio = Audio(samples=samples.astype(np.float32), sample_rate=built.sample_rate)
        units = find_speech(audio, {"user": 0, "agent": 1}, rule)[channel].units
        to_ms = 1000 / built.sample_rate
        n_true, n_found = n_true + len(truth), n_found + len(units)
        n_invented += sum(not any(unit.overlap(true) for true in truth) for unit in units)
        for true in truth:
            there = [unit for unit in units if unit.overlap(true)]
            if not there:
                n_missed += 1
                continue
            onsets.append((there[0].start - true.start) * to_ms)
            offsets.append((there[-1].end - true.end) * to_ms)
    return Accuracy(
        n_true=n_true,
        n_missed=n_missed,
        n_found=n_found,
        n_invented=n_invented,
        onset_errors_ms=np.array(onsets),
        offset_errors_ms=np.array(offsets),
    )


def main(which: str, count: int, folder: Path) -> None:
    voices, seed = (TUNE, 1) if which == "tune" else (REPORT, 2)
    out = sys.stdout.write
    out("| condition | n | missed | invented | onset p50 / p95 ms | offset p50 / p95 ms | median onset error ms |\n")
    out("|---|---|---|---|---|---|---|\n")
    for name, condition in CONDITIONS.items():
        recipe = recipe_of(voices, condition, count, seed)
        out(f"| {name} | {measure(folder / 'recipe.yaml', recipe).row()} |\n")
    for name, bursts_db in BURSTS_DB.items():
        recipe = recipe_of(voices, {"floor_dbfs": -75}, count, seed)
        out(f"| {name} | {measure(folder / 'recipe.yaml', recipe, bursts_db=bursts_db).row()} |\n")
    agent = measure(folder / "recipe.yaml", recipe_of(voices, CONDITIONS["clean"], count, seed), "agent")
    out(f"| clean, agent's channel | {agent.row()} |\n")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 40, Path(folder))
