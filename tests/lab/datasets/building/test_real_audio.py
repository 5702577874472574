"""Building from recordings of real people and real noise, by the same command."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from bidilab.cli.datasets import app
from bidilab.core.audiofile import read_audio, write_audio
from bidilab.detect.dsp.mixing import level_dbfs
from bidilab.detect.dsp.truth import TruthRule, active_stretches
from bidilab.lab.datasets import Dataset, validate

AUDIO = Path(__file__).parents[5] / "shared" / "audio"

pytestmark = [
    pytest.mark.real_audio,
    pytest.mark.skipif(not AUDIO.is_dir(), reason="no ../shared/audio beside the project"),
]

RECIPE = {
    "dataset": {"name": "real", "version": "1", "licence": "as its sources", "source": "AMI", "how_made": "test"},
    "seed": 5,
    "truth": {"below_peak_db": 25, "floor_dbfs": -55},
    "voices": {
        "user": {
            "speaker": {"turn": "cut/monologue", "interruption": "cut/monologue", "backchannel": "cut/monologue"},
            "meeting": {"turn": "cut/meeting", "interruption": "cut/meeting", "backchannel": "cut/meeting"},
        },
        "agent": {"reader": {"response": "cut/agent"}},
    },
    "scenarios": {
        "talk": {
            "exchanges": [
                {
                    "turn": {"parts": 2, "pause_ms": [300, 900]},
                    "response_s": [4, 6],
                    "events": [
                        {"kind": "noise", "folder": "noise", "at": 0.1, "longest_s": 1.0},
                        {"kind": "interruption", "at": [0.4, 0.7], "gain_db": [-6, 0]},
                    ],
                },
                {
                    "response_s": [4, 6],
                    "events": [{"kind": "side_speech", "at": 0.5, "gain_db": -15, "rt60_ms": 400}],
                },
            ]
        }
    },
    "conditions": {
        "babble10": {"background": {"snr_db": 10, "folder": "babble"}},
        "echo": {"floor_dbfs": -75, "echo": {"gain_db": -25}},
    },
    "recordings": [
        {"scenario": "talk", "condition": "babble10", "count": 2},
        {"scenario": "talk", "condition": "echo", "count": 2},
    ],
}  # fmt: skip


def cut(source: Path, out: Path, name: str, *, longest_s: float) -> None:
    """The stretches of a recording as clips."""
    out.mkdir(parents=True, exist_ok=True)
    audio = read_audio(source)
    samples = audio.channel()
    rule = TruthRule(below_peak_db=25, floor_dbfs=-55, min_ms=300)
    for index, (start, end) in enumerate(active_stretches(samples, audio.sample_rate, rule)[:12]):
        end = min(end, start + round(longest_s * audio.sample_rate))
        clip = np.concatenate([np.zeros(800, np.float32), samples[start:end], np.zeros(800, np.float32)])
        write_audio(out / f"{name}-{index:02d}.wav", clip, audio.sample_rate)


@pytest.fixture
def clips(tmp_path):
    root = tmp_path / "clips"
    cut(AUDIO / "speech" / "monologue_60s.flac", root / "cut" / "monologue", "m", longest_s=2.5)
    cut(AUDIO / "ami" / "trn03.flac", root / "cut" / "meeting", "a", longest_s=2.5)
    cut(AUDIO / "speech" / "clean_48k.flac", root / "cut" / "agent", "r", longest_s=4.0)
    (root / "noise").mkdir()
    (root / "babble").mkdir()
    for file in (AUDIO / "noise").glob("*.flac"):
        folder = "babble" if file.stem == "people_talking" else "noise"
        (root / folder / file.name).symlink_to(file)
    return root


def test_a_dataset_of_real_voices_and_noise(tmp_path, clips):
    recipe, out = tmp_path / "real.yaml", tmp_path / "real"
    recipe.write_text(yaml.safe_dump(RECIPE))
    result = CliRunner().invoke(app, ["build", str(recipe), "--clips", str(clips), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert validate(out) == []
    dataset = Dataset.load(out)
    assert len(dataset) == 4
    noises = {s.text for recording in dataset for s in recording.segments_of("user", "noise")}
    assert noises <= {"car_horn", "dog_bark", "engine_idling", "ringing_phone", "siren"}
    for recording in dataset:
        samples, rate = recording.user().astype(float), recording.sample_rate
        (turn,) = recording.segments_of("user", "turn")
        start, _ = turn.interval(rate)
        louder = level_dbfs(samples[start : start + rate // 5]) - level_dbfs(samples[: start - rate // 50])
        assert louder > 3, recording.id
    for recording in dataset.filter(condition="echo"):
        assert len(recording.segments_of("user", "echo")) == 2
