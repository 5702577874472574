"""A setting tried in ReplayPlayer on a minute of audio: under 50 ms in Python, from the slider's value to what is sent.

Processor time, so that the number is not that of whoever else uses the machine.

Run: ``uv run pytest -o addopts= -s --benchmark-only tests/bench/test_replay_player_bench.py``
"""

import itertools
import time

import numpy as np
import pytest

from bidilab.lab.datasets import Dataset
from bidilab.lab.datasets.labels import Segment
from bidilab.show.widgets.replay.player import ReplayPlayer
from bidilab.show.widgets.replay.subject import Subject
from tests.conftest import ROOT

MINUTE_S = 60.0


@pytest.fixture
def minute(monkeypatch):
    """overlap-mini's first recordings one behind the other, cut at a minute: labels, audio and probabilities."""
    dataset = Dataset.load(ROOT / "datasets" / "overlap-mini")
    parts, segments, at_s = [], [], 0.0
    for recording in dataset:
        if recording.sample_rate != 16_000:
            continue
        parts.append(np.stack([recording.user(), recording.agent()]))
        segments += [
            Segment(start_s=at_s + s.start_s, end_s=at_s + s.end_s, channel=s.channel, kind=s.kind)
            for s in recording.segments
            if at_s + s.end_s <= MINUTE_S
        ]
        at_s += recording.duration_s
        if at_s >= MINUTE_S:
            break
    user, agent = np.concatenate(parts, axis=1)[:, : int(MINUTE_S * 16_000)]

    def subject(given, vad, *, audio=None):
        labels, track = tuple(segments), vad.build().probabilities(user)
        return Subject(name=given, user=user, agent=agent, sample_rate=16_000, segments=labels, probabilities=track)

    monkeypatch.setattr(Subject, "of", subject)
    return "minute"


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("evaluation", ["recorded", "simulated"])
def test_a_setting_on_a_minute(benchmark, minute, evaluation):
    player = ReplayPlayer(minute, evaluation=evaluation)
    thresholds = itertools.cycle(np.arange(0.30, 0.90, 0.01).tolist())

    def move():
        player.threshold = next(thresholds)

    benchmark.pedantic(move, rounds=60, warmup_rounds=3)
    assert player.recording["duration_s"] == MINUTE_S
    print(f"{evaluation}: {1000 * benchmark.stats['median']:.1f} ms median, {len(player.turns)} turns")
    assert benchmark.stats["median"] < 0.050
