"""The streaming detector, the readable reference and the kernel are one semantics."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bidilab.detect.turns import (
    TurnDetector,
    TurnParams,
    detect_turns,
    detect_turns_reference,
    turns_from_events,
)
from bidilab.detect.turns.kernels import _turns_frame_by_frame, high_runs, turns_in_frames
from tests.sizes import examples

# Probabilities on a coarse grid, so that ties with a threshold are common.
probability = st.one_of(st.sampled_from([i / 20 for i in range(21)]), st.floats(0, 1, width=32))
tracks = st.lists(probability, max_size=120).map(lambda p: np.array(p, dtype=np.float32))
thresholds = st.one_of(st.sampled_from([i / 20 for i in range(21)]), st.floats(0, 1))
durations = st.one_of(st.integers(0, 400), st.floats(0, 400))
frames = st.sampled_from([(512, 16_000), (256, 8_000), (320, 16_000), (480, 48_000)])


@st.composite
def turn_params(draw):
    threshold = draw(thresholds)
    lower = draw(st.none() | st.floats(0, threshold))
    return TurnParams(
        threshold=threshold,
        deactivation_threshold=lower,
        min_speech_ms=draw(durations),
        prefix_padding_ms=draw(durations),
        silence_duration_ms=draw(durations),
    )


def stream(track, params, **grain):
    detector = TurnDetector(params, **grain)
    events = [event for p in track if (event := detector.feed(p)) is not None]
    last = detector.flush()
    return turns_from_events([*events, last] if last else events)


@settings(max_examples=examples(500))
@given(tracks, turn_params(), frames, st.sampled_from([0, 1, 240, 1500]))
@example(np.array([0.7, 0.0], np.float32), TurnParams(threshold=0.7), (512, 16_000), 0)  # 0.7 as float32 is below 0.7
@example(np.full(9, 0.008, np.float32), TurnParams(threshold=0.005, silence_duration_ms=0), (512, 16_000), 0)
def test_forms_agree(track, params, frame, ahead):
    grain = {"frame_samples": frame[0], "sample_rate": frame[1]}
    kwargs = {**grain, "lookahead_samples": ahead}
    reference = detect_turns_reference(track, params, **kwargs)
    assert stream(track, params, **kwargs) == reference
    assert detect_turns(track, params, **kwargs) == reference
    for turn, at_once in zip(reference, detect_turns(track, params, **grain), strict=True):
        assert turn.onset == at_once.onset
        assert turn.offset == at_once.offset
        assert (turn.started_at - ahead, turn.stopped_at - ahead) == (at_once.started_at, at_once.stopped_at)


@given(st.lists(tracks, max_size=5), turn_params())
def test_recordings_do_not_touch_each_other(parts, params):
    rule = params.in_frames(frame_samples=512, sample_rate=16_000)
    bounds = np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)
    track = np.concatenate([np.empty(0, np.float32), *parts])
    table = turns_in_frames(
        track,
        bounds,
        threshold=rule.threshold,
        deactivation_threshold=rule.deactivation_threshold,
        min_speech_frames=rule.min_speech_frames,
        silence_frames=rule.silence_frames,
    )
    for r, part in enumerate(parts):
        expected = detect_turns_reference(part, params, frame_samples=512, sample_rate=16_000)
        rows = table.turns[table.bounds[r] : table.bounds[r + 1]]
        assert [tuple(row[:4] * 512) for row in rows] == [
            (t.onset, t.started_at, t.offset, t.stopped_at) for t in expected
        ]


@given(tracks, turn_params())
def test_run_kernel_equals_frame_kernel(track, params):
    rule = params.in_frames(frame_samples=512, sample_rate=16_000)
    if rule.deactivation_threshold > rule.threshold:
        return
    bounds = np.array([0, len(track)])
    runs = high_runs(track, bounds, rule.threshold, rule.deactivation_threshold)
    by_runs = turns_in_frames(
        track,
        bounds,
        threshold=rule.threshold,
        deactivation_threshold=rule.deactivation_threshold,
        min_speech_frames=rule.min_speech_frames,
        silence_frames=rule.silence_frames,
        runs=runs,
    )
    by_frames, _ = _turns_frame_by_frame(
        track,
        bounds,
        rule.threshold,
        rule.deactivation_threshold,
        rule.min_speech_frames,
        rule.silence_frames,
    )
    np.testing.assert_array_equal(by_runs.turns, by_frames)


@given(tracks, turn_params(), st.integers(0, 120), turn_params())
def test_update_takes_effect_with_the_next_frame(track, before, at, after):
    """Changing to the same values changes nothing; frames already decided keep their events."""
    kwargs = {"frame_samples": 512, "sample_rate": 16_000}
    plain = TurnDetector(before, **kwargs)
    same = TurnDetector(before, **kwargs)
    changed = TurnDetector(before, **kwargs)
    for k, p in enumerate(track):
        if k == at:
            same.update(before)
            changed.update(after)
        event = plain.feed(p)
        assert same.feed(p) == event
        if k < at:
            assert changed.feed(p) == event
        else:
            changed.feed(p)
    assert changed.params == (after if at < len(track) else before)


def test_probability_outside_the_unit_interval_is_refused():
    with pytest.raises(ValueError, match="probability must be a number in"):
        TurnDetector(TurnParams(), frame_samples=512, sample_rate=16_000).feed(float("nan"))
    with pytest.raises(ValueError, match="frame 1 is not"):
        detect_turns([0.5, 1.5], frame_samples=512, sample_rate=16_000)
