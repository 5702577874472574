"""Turn detection against timelines worked out by hand."""

import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import (
    Turn,
    TurnParams,
    default_deactivation_threshold,
    detect_turns,
)

KW = {"frame_samples": 512, "sample_rate": 16_000}  # one frame is 32 ms


def test_a_turn_with_a_pause_and_a_second_turn():
    # frame    0   1   2   3   4   5   6   7   8   9  10  11
    # p       .0  .0  .9  .9  .2  .4  .2  .9  .2  .2  .2  .9      threshold .5, deactivation .35
    # high             #   #               #               #
    # low      -   -           -       -       -   -   -
    # silence of 3 frames: frames 4-6 hold one of three frames (5 lies between the two thresholds and does not cancel
    # it), so at the end of frame 6 the turn ends, offset at the start of frame 4. The next turn starts in frame 7 and
    # ends with frame 10, offset at frame 8; the last is open when the stream ends.
    p = [0.0, 0.0, 0.9, 0.9, 0.2, 0.4, 0.2, 0.9, 0.2, 0.2, 0.2, 0.9]
    turns = detect_turns(p, TurnParams(silence_duration_ms=96, prefix_padding_ms=48), **KW)
    assert turns == (
        Turn(2 * 512, 3 * 512, 2 * 512 - 768, 4 * 512, 7 * 512, 7 * 512, False),
        Turn(7 * 512, 8 * 512, 7 * 512, 8 * 512, 11 * 512, 11 * 512, False),  # prefix cut at the previous audio_end
        Turn(11 * 512, 12 * 512, 11 * 512, 12 * 512, 12 * 512, 12 * 512, True, "flush"),
    )


def test_silence_is_cancelled_by_speech_and_decided_only_on_a_low_frame():
    # frame    0   1   2   3   4   5   6
    # p       .9  .2  .9  .2  .4  .4  .2        silence 2 frames: the one of frame 1 is cancelled by frame 2;
    # the one from frame 3 has lasted two frames at the end of frame 4, but 4 and 5 are not low: decided on 6.
    turns = detect_turns([0.9, 0.2, 0.9, 0.2, 0.4, 0.4, 0.2], TurnParams(silence_duration_ms=64), **KW)
    assert [(t.offset, t.stopped_at, t.flushed) for t in turns] == [(3 * 512, 7 * 512, False)]


def test_min_speech_counts_an_unbroken_run_and_keeps_its_start_as_onset():
    # frame    0   1   2   3   4   5   6
    # p       .9  .9  .4  .9  .9  .9  .9        80 ms of speech are 3 frames: the run of 0-1 is too short, and 2,
    # though not low, breaks it; the run from 3 reaches three frames at the end of frame 5.
    turns = detect_turns([0.9, 0.9, 0.4, 0.9, 0.9, 0.9, 0.9], TurnParams(min_speech_ms=80), **KW)
    assert [(t.onset, t.started_at) for t in turns] == [(3 * 512, 6 * 512)]


def test_prefix_padding_does_not_reach_before_the_stream():
    assert detect_turns([0.0, 0.9], TurnParams(prefix_padding_ms=300), **KW)[0].audio_start == 0


@pytest.mark.parametrize(("threshold", "degenerate"), [(0.05, True), (0.15, True), (0.16, False), (0.5, False)])
def test_degenerate_settings_are_legal_and_flagged(threshold, degenerate):
    assert TurnParams(threshold=threshold).degenerate is degenerate


def test_replace_derives_the_deactivation_threshold_anew_unless_it_was_given():
    assert TurnParams().replace(threshold=0.8).deactivation_threshold == default_deactivation_threshold(0.8)
    assert TurnParams(deactivation_threshold=0.2).replace(threshold=0.8).deactivation_threshold == 0.2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": 1.5}, r"threshold must be a number in \[0, 1\], got 1.5"),
        ({"threshold": "0.5"}, "threshold must be"),
        ({"threshold": True}, "threshold must be"),
        ({"threshold": float("nan")}, "threshold must be"),
        ({"deactivation_threshold": 0.6}, r"not above threshold \(0.5\)"),
        ({"silence_duration_ms": -1}, "silence_duration_ms must be"),
        ({"prefix_padding_ms": float("inf")}, "prefix_padding_ms must be"),
    ],
)
def test_bounds(values, message):
    with pytest.raises(InvalidParameterError, match=message):
        TurnParams(**values)
