"""When a turn is acted upon: goldens by hand, and one semantics in three forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import (
    Guards,
    SpeechStarted,
    Turn,
    TurnGuard,
    TurnParams,
    acted_at_reference,
    detect_turns,
    words_said,
)
from bidilab.detect.turns.guard_kernels import acted_in_frames, turns_with_words
from bidilab.detect.turns.kernels import turns_in_frames
from tests.sizes import examples

FRAME, RATE = 512, 16_000
KW = {"frame_samples": FRAME, "sample_rate": RATE}


def turn(onset, started, offset, stopped):
    """Frames to a turn in samples."""
    a, b, c, d = (FRAME * k for k in (onset, started, offset, stopped))
    return Turn(a, b, a, c, d, d, False)


# frames   0   2   4   6   8  10  12
#          |.......|###|......|          onset 4, started 5, offset 6, decided 10 (four frames of silence)
SHORT = turn(4, 5, 6, 10)


@pytest.mark.parametrize(
    ("min_ms", "frames"),
    [
        (0, 5),  # on the frame that decides
        (32, 5),  # one frame has passed since the onset when it is decided
        (33, 6),  # two whole frames
        (64, 6),
        (192, 10),  # LiveKit's: the silence counts, up to the frame that ends the turn ...
        (193, None),  # ... and not beyond
    ],
)
def test_debounce(min_ms, frames):
    guards = Guards(min_interruption_ms=min_ms)
    expected = None if frames is None else FRAME * frames
    assert acted_at_reference([SHORT], guards, **KW) == (expected,)


@pytest.mark.parametrize(
    ("word_ends", "min_words", "frames"),
    [
        ([2048, 2600], 1, 6),  # 2048 is the onset: a word that ends there was before it; 2600 ends in frame 5
        ([2048, 2560], 1, 5),  # 2560 is the end of frame 4: known on it
        ([2600, 3073], 2, 7),  # 3072 is the end of frame 5, so one sample later it is known after frame 6
        ([2600], 2, None),
        ([2600, 5121], 2, None),  # 5120 is the end of the turn
        ([2600, 5120], 2, 10),
    ],
)
def test_words(word_ends, min_words, frames):
    expected = None if frames is None else FRAME * frames
    guards = Guards(min_words=min_words)
    assert acted_at_reference([SHORT], guards, word_ends=word_ends, **KW) == (expected,)


def test_words_said_are_those_that_end_inside():
    assert words_said([10, 20, 30], 10, 30) == 2
    assert words_said([], 0, 100) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_interruption_ms": -1},
        {"min_interruption_ms": float("inf")},
        {"min_words": -1},
        {"min_words": 1.5},
        {"min_words": True},
        {"min_words": float("nan")},
        {"false_interruption_timeout_ms": -1},
        {"false_interruption_timeout_ms": float("nan")},
    ],
)
def test_bounds(wrong):
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        Guards(**wrong)


guards = st.builds(
    Guards,
    min_interruption_ms=st.sampled_from([0, 1, 32, 100, 200, 500, 1000]),
    min_words=st.integers(0, 3),
)
words = st.lists(st.integers(0, 100 * FRAME), max_size=12).map(sorted)
tracks = st.lists(st.tuples(st.sampled_from([0.0, 0.4, 0.9]), st.integers(1, 12)), min_size=1, max_size=16).map(
    lambda parts: np.repeat([p for p, _ in parts], [n for _, n in parts]).astype(np.float32)[:100]
)
params = st.builds(
    TurnParams,
    min_speech_ms=st.sampled_from([0, 64, 200]),
    silence_duration_ms=st.sampled_from([0, 64, 200, 500]),
)


def streamed(turns, rule, word_ends, n_frames, step, ahead):
    """Frames in chunks of ``step``; within a chunk only the positions of starts and stops, and its end, are told."""
    guard = TurnGuard(rule, word_ends=word_ends, lookahead_samples=ahead, **KW)
    found = dict.fromkeys(t.onset for t in turns)
    starts, stops = {t.started_at: t for t in turns}, {t.stopped_at for t in turns}
    for frame in range(1, n_frames + 1):
        position = frame * FRAME + ahead
        if position in starts:
            t = starts[position]
            guard.start(SpeechStarted(onset=t.onset, decided_at=t.started_at, audio_start=t.audio_start))
        told = position in stops or frame % step == 0 or frame == n_frames
        if told and (due := guard.advance(position)) is not None:
            assert found[due.onset] is None
            found[due.onset] = due.acted_at
        if position in stops:
            guard.stop()
    return tuple(found.values())


@settings(max_examples=examples(300))
@given(
    st.lists(st.tuples(tracks, words), min_size=1, max_size=3),
    params,
    guards,
    st.integers(1, 7),
    st.sampled_from([0, 0, 240, 1100]),
)
def test_three_forms(recordings, rule, guarded, step, ahead):
    in_frames = rule.in_frames(**KW)
    tracks = [track for track, _ in recordings]
    table = turns_in_frames(
        np.concatenate(tracks),
        np.cumsum([0, *map(len, tracks)]).astype(np.int64),
        threshold=in_frames.threshold,
        deactivation_threshold=in_frames.deactivation_threshold,
        min_speech_frames=in_frames.min_speech_frames,
        silence_frames=in_frames.silence_frames,
    )
    flat = {
        "frame_samples": FRAME,
        "lookahead_samples": ahead,
        "word_ends": np.concatenate([np.array(ends, np.int64) for _, ends in recordings]),
        "word_bounds": np.cumsum([0, *(len(ends) for _, ends in recordings)]).astype(np.int64),
    }
    acted = acted_in_frames(table, guarded.in_frames(lookahead_samples=ahead, **KW), **flat)
    stand = turns_with_words(table, guarded.words_to_stand, **flat)
    for r, (track, word_ends) in enumerate(recordings):
        turns = detect_turns(track, rule, lookahead_samples=ahead, **KW)
        expected = acted_at_reference(turns, guarded, word_ends=word_ends, **KW)
        assert streamed(turns, guarded, word_ends, len(track), step, ahead) == expected
        here = slice(table.bounds[r], table.bounds[r + 1])
        assert [None if a < 0 else a * FRAME + ahead for a in acted[here].tolist()] == list(expected)
        said = [words_said(word_ends, t.onset, t.stopped_at) >= guarded.words_to_stand for t in turns]
        assert stand[here].tolist() == said
