"""Turns against an oracle written by someone else: Silero's own timestamp function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.detect.turns import TurnParams, detect_turns
from bidilab.detect.vad import get_vad
from bidilab.lab.datasets import Dataset
from tests.conftest import ROOT
from tests.detect.turns.silero_loop import FRAME, load_get_speech_timestamps, timestamps_of_track
from tests.sizes import examples


@pytest.fixture(scope="module")
def theirs():
    return load_get_speech_timestamps()


grid = st.sampled_from([i / 20 for i in range(21)])


@settings(max_examples=examples(400))
@given(
    st.lists(grid | st.floats(0, 1, width=32), min_size=1, max_size=150),
    st.sampled_from([i / 20 for i in range(1, 21)]) | st.floats(0.02, 1),
    st.integers(1, 25),
)
def test_turns_are_sileros_own(theirs, values, threshold, silence_frames):
    track = np.array(values, np.float32)
    params = TurnParams(threshold=threshold, silence_duration_ms=silence_frames * 32)
    turns = detect_turns(track, params, frame_samples=FRAME, sample_rate=16_000)
    assert [(t.onset, t.offset) for t in turns] == timestamps_of_track(theirs, track, params, silence_frames)


def test_on_the_dataset(theirs):
    """Real probabilities, and every threshold and silence of the default grid."""
    dataset = Dataset.load(ROOT / "datasets" / "overlap-mini")
    samples = [r.user() for r in dataset[::15] if r.sample_rate == 16_000]
    for track in get_vad("silero").probabilities_batch(samples):
        for threshold in (0.2, 0.35, 0.5, 0.65, 0.8, 0.9):
            for silence_ms in range(200, 1001, 100):
                params = TurnParams(threshold=threshold, silence_duration_ms=silence_ms)
                frames = params.in_frames(frame_samples=FRAME, sample_rate=16_000).silence_frames
                turns = detect_turns(track, params, frame_samples=FRAME, sample_rate=16_000)
                assert [(t.onset, t.offset) for t in turns] == timestamps_of_track(theirs, track, params, frames)
