"""Speech interrupts by a score: the worked example by hand (DETECTORS §9), and one semantics in three forms."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import BidilabError, InvalidParameterError
from bidilab.detect.turns import (
    AdaptiveInterruption,
    Guards,
    ScoreWanted,
    SpeechStarted,
    Turn,
    TurnGuard,
    acted_at_reference,
    detect_turns,
)
from bidilab.detect.turns.guard_kernels import acted_in_frames, interruption_questions
from bidilab.detect.turns.guards import ScoredGuard
from bidilab.detect.turns.kernels import turns_in_frames
from bidilab.detect.turns.score_kernels import ScoreTable
from tests.detect.turns.test_guards import guards, params, tracks, words
from tests.sizes import examples

FRAME, RATE = 512, 16_000
KW = {"frame_samples": FRAME, "sample_rate": RATE}
POLICY = AdaptiveInterruption(first_ms=200, interval_ms=96, window_ms=800, threshold=0.5)
#  onset 20480 | started 20992 | first asked 24064 (200 ms: 23680) | again 25600 | ... | window over 33280 (800 ms)
LONG = Turn(20480, 20992, 20480, 40_448, 40_960, 40_960, False)


def acted(turn, policy, score, guarded=None, **how):
    asked = []

    def noted(question):
        asked.append(question.asked_at)
        return score(question)

    (at,) = acted_at_reference([turn], guarded or Guards(), scored=ScoredGuard(policy, noted, **how), **KW)
    return at, asked


@pytest.mark.parametrize(
    ("turn", "changes", "scores", "expected"),
    [
        (LONG, {}, {24064: 0.3, 25600: 0.8}, (25600, [24064, 25600])),
        (LONG, {}, {}, (33280, [24064, 25600, 27136, 28672, 30208, 31744])),
        (LONG._replace(stopped_at=25088), {}, {24064: 0.3, 25600: 0.8}, (None, [24064])),
        (LONG, {"window_ms": math.inf, "interval_ms": 0}, {24064: 0.3, 25600: 0.8}, (None, [24064])),
        (LONG, {}, {24064: 0.5, 25600: 0.51}, (25600, [24064, 25600])),  # strictly above
        (LONG, {"latency_ms": 40}, {24064: 0.8}, (25088, [24064])),  # known at 24704
        (LONG, {"latency_ms": 600}, {27136: 0.8}, (33280, [24064, 25600, 27136])),  # the window is over before
        (LONG, {"first_ms": 0}, {20992: 0.8}, (20992, [20992])),  # not before the turn has started
    ],
)
def test_by_hand(turn, changes, scores, expected):
    policy = AdaptiveInterruption(**{"first_ms": 200, "interval_ms": 96, "window_ms": 800, "threshold": 0.5, **changes})
    assert acted(turn, policy, lambda question: scores.get(question.asked_at, 0.1)) == expected


def test_other_guards_must_hold_as_well():
    assert acted(LONG, POLICY, lambda question: 0.9, Guards(min_interruption_ms=500)) == (28672, [24064])
    assert acted(LONG, POLICY, lambda question: None, Guards(min_interruption_ms=900))[0] == 35328


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threshold": 1.1}, "interrupt_threshold"),
        ({"first_ms": -1}, "interrupt_first_ms"),
        ({"interval_ms": math.inf}, "interrupt_interval_ms"),
        ({"window_ms": 100}, r"interrupt_window_ms must be not below interrupt_first_ms \(200\), got 100"),
        ({"window_ms": math.nan}, "interrupt_window_ms"),
        ({"latency_ms": -1}, "interrupt_latency_ms"),
    ],
)
def test_bounds(wrong, message):
    with pytest.raises(InvalidParameterError, match=message):
        AdaptiveInterruption(**wrong)


def test_a_guard_is_answered_in_its_place():
    guard = TurnGuard(Guards(), adaptive=AdaptiveInterruption(first_ms=0), **KW)
    with pytest.raises(BidilabError, match="has not asked for a score"):
        guard.answer(0.5)
    assert guard.wanted(512) is None  # no turn
    guard.start(SpeechStarted(onset=512, decided_at=1024, audio_start=0))
    assert guard.wanted(1024) == ScoreWanted(onset=512, pause_start=512, asked_at=1024)
    with pytest.raises(BidilabError, match="not answered yet"):
        guard.advance(1024)
    with pytest.raises(InvalidParameterError, match="score must be a number"):
        guard.answer(2.0)
    guard.answer(None)
    assert guard.advance(1024) is None
    guard.update_adaptive(None)
    assert guard.wanted(1536) is None
    assert guard.advance(1536).acted_at == 1024


def test_the_kernel_is_given_what_its_rule_needs():
    table = turns_in_frames(
        np.zeros(4, np.float32), np.array([0, 4]), threshold=0.5, deactivation_threshold=0.35, min_speech_frames=1,
        silence_frames=1,
    )  # fmt: skip
    rule = Guards().in_frames(**KW)._replace(adaptive=POLICY.in_frames(**KW))
    with pytest.raises(InvalidParameterError, match="given if, and only if, the rule has an adaptive interruption"):
        acted_in_frames(table, rule, frame_samples=FRAME, word_ends=np.zeros(0), word_bounds=np.zeros(2, np.int64))


policies = st.builds(
    lambda first, more, **rest: AdaptiveInterruption(first_ms=first, window_ms=first + more, **rest),
    st.sampled_from([0, 32, 100, 200]),
    st.sampled_from([0, 100, 500, math.inf]),
    threshold=st.sampled_from([0, 0.5, 1]),
    interval_ms=st.sampled_from([0, 32, 50, 96]),
    latency_ms=st.sampled_from([None, 0, 40]),
)


def streamed(turns, guarded, word_ends, n_frames, ahead, score, scored):
    guard = TurnGuard(
        guarded,
        word_ends=word_ends,
        lookahead_samples=ahead,
        adaptive=scored.adaptive,
        scorer_latency_ms=scored.scorer_latency_ms,
        asks_every_frame=scored.asks_every_frame,
        **KW,
    )
    found, asked = dict.fromkeys(t.onset for t in turns), []
    starts, stops = {t.started_at: t for t in turns}, {t.stopped_at for t in turns}
    for frame in range(1, n_frames + 1):
        position = frame * FRAME + ahead
        if position in starts:
            t = starts[position]
            guard.start(SpeechStarted(onset=t.onset, decided_at=t.started_at, audio_start=t.audio_start))
        if (question := guard.wanted(position)) is not None:
            asked.append(question)
            guard.answer(score(question))
        if (due := guard.advance(position)) is not None:
            assert found[due.onset] is None
            found[due.onset] = due.acted_at
        if position in stops:
            guard.stop()
    return tuple(found.values()), asked


@settings(max_examples=examples(300))
@given(
    st.lists(st.tuples(tracks, words), min_size=1, max_size=3),
    params,
    guards,
    policies,
    st.integers(0, 99),
    st.sampled_from([0, 240, 1100]),
    st.sampled_from([0, 50]),
    st.booleans(),
)
def test_three_forms(recordings, rule, guarded, policy, seed, ahead, latency_ms, every_frame):
    def score_of(r):
        def score(question):
            text = f"{seed} {r} {question.onset} {question.asked_at}".encode()
            return (0.1, 0.2, 0.6, None)[hashlib.sha256(text).digest()[0] % 4]

        return score

    in_frames = rule.in_frames(**KW)
    tracks = [track for track, _ in recordings]
    bounds = np.cumsum([0, *map(len, tracks)]).astype(np.int64)
    table = turns_in_frames(
        np.concatenate(tracks),
        bounds,
        threshold=in_frames.threshold,
        deactivation_threshold=in_frames.deactivation_threshold,
        min_speech_frames=in_frames.min_speech_frames,
        silence_frames=in_frames.silence_frames,
    )
    grain = {**KW, "lookahead_samples": ahead}
    adaptive = policy.in_frames(scorer_latency_ms=latency_ms, asks_every_frame=every_frame, **grain)
    known, by_kernel = ScoreTable.empty(bounds), set()
    while len((found := interruption_questions(table, bounds, adaptive, known))[1]):
        questions = found[1].tolist()
        asked = [
            (r, ScoreWanted(onset=onset * FRAME, pause_start=onset * FRAME, asked_at=at * FRAME + ahead))
            for r, onset, _, at in questions
        ]
        by_kernel |= set(asked)
        scores = [score_of(r)(question) for r, question in asked]
        known = known.with_answers(found[1], [np.nan if s is None else s for s in scores], bounds)
    acted = acted_in_frames(
        table,
        guarded.in_frames(**grain)._replace(adaptive=adaptive),
        frame_samples=FRAME,
        lookahead_samples=ahead,
        word_ends=np.concatenate([np.array(ends, np.int64) for _, ends in recordings]),
        word_bounds=np.cumsum([0, *(len(ends) for _, ends in recordings)]).astype(np.int64),
        allowed=found[0],
    )
    by_search = set()
    for r, (track, word_ends) in enumerate(recordings):

        def noted(question, r=r):
            by_search.add((r, question))
            return score_of(r)(question)

        turns = detect_turns(track, rule, lookahead_samples=ahead, **KW)
        scored = ScoredGuard(policy, noted, latency_ms, every_frame)
        expected = acted_at_reference(turns, guarded, word_ends=word_ends, scored=scored, **KW)
        found_live, asked_live = streamed(turns, guarded, word_ends, len(track), ahead, score_of(r), scored)
        assert found_live == expected
        assert asked_live == [question for of, question in sorted(by_search, key=lambda q: q[1].asked_at) if of == r]
        here = slice(table.bounds[r], table.bounds[r + 1])
        assert [None if a < 0 else a * FRAME + ahead for a in acted[here].tolist()] == list(expected)
    assert by_kernel == by_search
