"""Pauses: the compiled form counts what the readable one says, for any tracks, settings and pauses."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.timeline import Interval
from bidilab.detect.turns import TurnParams, detect_turns
from bidilab.detect.turns.kernels import turns_in_frames
from bidilab.lab.metrics.pauses import Pause, cut_offs
from bidilab.lab.sweep.kernels.pauses import count_cut_offs
from tests.sizes import examples

FRAME, RATE, N = 512, 16_000, 160
COMMON = {"frame_samples": FRAME, "sample_rate": RATE}
RECORD = np.dtype([("n_cut_offs", np.int32)])

tracks = st.lists(st.tuples(st.sampled_from([0.02, 0.4, 0.6, 0.95]), st.integers(1, 14)), min_size=1, max_size=30).map(
    lambda runs: np.concatenate([np.full(n, p, np.float32) for p, n in runs])[:N]
)
# Often on the grid of frames, so that decisions fall on the ends of pauses; sometimes beyond the track.
edges = st.lists(
    st.integers(0, N + 10).map(lambda k: k * FRAME) | st.integers(0, N * FRAME), max_size=14, unique=True
).map(sorted)
rules = st.builds(
    TurnParams, threshold=st.sampled_from([0.3, 0.5, 0.9]), silence_duration_ms=st.sampled_from([0, 32, 96, 320])
)


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(tracks, edges), min_size=1, max_size=3), rules, st.sampled_from([0, 0, 240, 1000]))
def test_compiled_equals_readable(recordings, params, ahead):
    rule = params.in_frames(**COMMON)
    expected, rows, bounds, frames = [], [], [0], [0]
    for p, marks in recordings:
        pauses = [
            Pause(Interval(a, b), before, "words")
            for before, a, b in zip([0, *marks[1::2]], marks[::2], marks[1::2], strict=False)
        ]
        expected.append(sum(cut_offs(pauses, detect_turns(p, params, **COMMON, lookahead_samples=ahead))))
        rows += [(*pause.interval, pause.since) for pause in pauses]
        bounds.append(len(rows))
        frames.append(frames[-1] + len(p))
    table = turns_in_frames(
        np.concatenate([p for p, _ in recordings]),
        np.array(frames),
        threshold=rule.threshold,
        deactivation_threshold=rule.deactivation_threshold,
        min_speech_frames=rule.min_speech_frames,
        silence_frames=rule.silence_frames,
    )
    counts = np.zeros(len(recordings), RECORD)
    count_cut_offs(*table, FRAME, ahead, np.array(rows, np.int64).reshape(-1, 3), np.array(bounds), counts)
    assert counts["n_cut_offs"].tolist() == expected
