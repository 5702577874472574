"""What a sweep with Smart Turn finds is what a session with Smart Turn does, to the sample.

The model is fragile: a window that begins or ends a sample aside has another score. So equal turns mean equal windows,
which the session cuts from what its ear has kept of the stream, and the sweep from the whole recording.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bidilab as bl
from bidilab.core.audio import Audio
from bidilab.core.audiofile import read_audio, write_audio
from tests.conftest import ROOT
from tests.detect.scorers.test_smartturn import needs_weights

OVERLAP_MINI = ROOT / "datasets" / "overlap-mini"
CALLS = ROOT.parent / "shared" / "audio" / "calls"
GRID = bl.Grid(
    threshold=[0.4, 0.7],
    prefix_padding_ms=300,
    silence_duration_ms=200,
    eot="smart-turn",
    eot_threshold=[0.2, 0.8],
    eot_action_delay_ms=[0, 400],
    eot_timeout_ms=1_000,
)
pytestmark = [needs_weights, pytest.mark.slow]


def swept(path: Path, cache: Path) -> bl.SweepResult:
    return bl.sweep(path, GRID, user_channel=1, jobs=1, progress=False, cache=bl.ProbabilityCache(cache))


def compared(result: bl.SweepResult, settings: list[int], chunk_ms: int) -> dict[str, int]:
    """Compare sweep and session of a recording under some settings; count why turns ended."""
    (recording,) = result.source.dataset
    causes = dict.fromkeys(("score", "timeout", "flush"), 0)
    for k in settings:
        params, policy = GRID.params(k), GRID.end_of_turn(k)
        predicted = result.source.turns(recording.id, params, policy)
        how = {"turn_detection": params, "end_of_turn": policy, "scorer": "smart-turn", "chunk_ms": chunk_ms}
        assert bl.replay(recording, **how).turns == predicted, k
        for turn in predicted:
            causes[turn.cause] += 1
    return causes


@pytest.mark.slow
@pytest.mark.parametrize(("name", "chunk_ms"), [("early-clean-01", 20), ("late-clean-01", 32)])
def test_on_recordings_of_overlap_mini(shared_cache, name, chunk_ms):
    path = bl.load_dataset(OVERLAP_MINI)[name].path
    result = swept(path, shared_cache)
    causes = compared(result, [0, 3, 5, 6], chunk_ms)
    assert causes["score"] > 0
    assert causes["timeout"] > 0


@pytest.mark.slow
@pytest.mark.real_audio
def test_on_a_telephone_call_at_8_khz(shared_cache, tmp_path: Path):
    if not CALLS.is_dir():
        pytest.skip("../shared/audio is not here")
    name = "hv_01cefd6f5c044a6f"
    tracks = [read_audio(CALLS / f"{name}_{speaker}.flac") for speaker in ("caller", "agent")]
    n = min(30 * 8_000, *(track.n_samples for track in tracks))
    both = Audio(samples=np.stack([track.channel(0)[:n] for track in tracks], axis=1), sample_rate=8_000)
    call = tmp_path / "call.wav"
    write_audio(call, both.samples, both.sample_rate)
    causes = compared(swept(call, shared_cache), [1, 2, 4, 7], chunk_ms=50)
    assert sum(causes.values()) >= 8
    assert causes["score"] > 0


def test_an_inference_for_each_distinct_window_and_none_the_second_time(tmp_path, monkeypatch):
    from bidilab.detect.scorers import smartturn

    heard: list[bytes] = []
    real = smartturn._score
    monkeypatch.setattr(smartturn, "_score", lambda session, w: heard.append(w.tobytes()) or real(session, w))
    smartturn._packaged_model()  # the probe of the version is no question of the sweep
    recording = bl.load_dataset(OVERLAP_MINI)["early-clean-01"]
    heard.clear()
    first = swept(recording.path, tmp_path)
    assert 0 < len(heard) == len(set(heard))
    n_ends = len({window[-4_000:] for window in heard})
    assert n_ends <= len(heard) < len(GRID) * n_ends  # settings share what they ask
    heard.clear()
    again = swept(recording.path, tmp_path)
    assert heard == []
    pd.testing.assert_frame_equal(again.settings, first.settings)
