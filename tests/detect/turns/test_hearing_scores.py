"""An ear that asks a scorer: the same in any chunks, asked at once or answered later, and equal to the reference."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import BidilabError, InvalidParameterError, ScorerError
from bidilab.detect.scorers import RecordingScores, ScoreTrack
from bidilab.detect.scorers.asking import score_window
from bidilab.detect.turns import (
    AdaptiveInterruption,
    EndOfTurn,
    Guards,
    InterruptionDue,
    SpeechStopped,
    TurnParams,
    detect_turns_reference,
    turns_from_events,
)
from bidilab.detect.turns.guards import ScoredGuard, acted_at_reference
from bidilab.detect.turns.hearing import NO_GUARDS, Ear
from bidilab.detect.vad import VadSpec, resample
from tests.detect.turns.test_hearing import at_rate, bursts, hear
from tests.scorers import DigestScorer

VAD = VadSpec(name="energy").build()
FRAME, RATE = VAD.frame_samples, VAD.sample_rate
PARAMS = TurnParams(silence_duration_ms=96, prefix_padding_ms=0)


def noisy(*spans, total):
    """Bursts, with a little noise everywhere, so that no two windows are alike."""
    samples = bursts(*spans, total=total)
    return samples + np.random.default_rng(total).normal(0, 1e-4, len(samples)).astype(np.float32)


@st.composite
def users(draw):
    gaps = draw(st.lists(st.integers(1, 14), min_size=2, max_size=10))
    edges = np.cumsum(gaps)
    spans = [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    return noisy(*spans, total=int(edges[-1]) + draw(st.integers(0, 20)))


POLICIES = st.builds(
    lambda threshold, delay, more, interval, latency, context: EndOfTurn(
        threshold=threshold,
        action_delay_ms=delay,
        timeout_ms=delay + more,
        interval_ms=interval,
        latency_ms=latency,
        context=context,
    ),
    st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]),
    st.sampled_from([0, 100, 200]),
    st.sampled_from([0, 100, 500]),
    st.sampled_from([0, 32, 70]),
    st.sampled_from([None, 0, 50, 300]),
    st.sampled_from(["turn", "window"]),
)
CUTS = st.lists(st.integers(0, 60_000), max_size=12)


ADAPTIVE = st.builds(
    lambda threshold, first, interval, window, latency: AdaptiveInterruption(
        threshold=threshold, first_ms=first, interval_ms=interval, window_ms=first + window, latency_ms=latency
    ),
    st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]),
    st.sampled_from([0, 64, 200]),
    st.sampled_from([0, 32, 96]),
    st.sampled_from([0, 100, 400, math.inf]),
    st.sampled_from([None, 0, 50, 100]),
)


def expected_of(samples, rate, policy, scorer, guards=NO_GUARDS, adaptive=None):
    heard = resample(samples, rate, RATE) if rate != RATE else samples
    scores = RecordingScores(scorer, heard)
    turns = detect_turns_reference(
        VAD.probabilities(heard),
        PARAMS,
        frame_samples=FRAME,
        sample_rate=RATE,
        end_of_turn=policy,
        scores=lambda wanted: scores.answers([wanted], policy.context)[0],
        scorer_latency_ms=scorer.latency_ms,
    )
    second = RecordingScores(DigestScorer(3000, 500, latency_ms=20), heard)
    scored = adaptive and ScoredGuard(adaptive, lambda wanted: second.answers([wanted])[0], scorer_latency_ms=20)
    acted = acted_at_reference(turns, guards, frame_samples=FRAME, sample_rate=RATE, scored=scored)
    return turns, [at for at in acted if at is not None], scores


def decided(found):
    turns = turns_from_events([one for one in found if not isinstance(one, InterruptionDue)])
    return turns, [one.acted_at for one in found if isinstance(one, InterruptionDue)]


@given(users(), POLICIES, CUTS, st.sampled_from([8_000, 16_000, 24_000]), st.sampled_from([0.0, 150.0]))
def test_the_ear_decides_as_the_reference_in_any_chunks(user, policy, cuts, rate, min_interruption_ms):
    samples, scorer = at_rate(user, rate), DigestScorer(window_samples=5000, preroll_samples=700)
    guards = Guards(min_interruption_ms=min_interruption_ms)
    ear = Ear(VAD, PARAMS, guards=guards, end_of_turn=policy, scorer=scorer)
    turns, acted, scores = expected_of(samples, rate, policy, DigestScorer(5000, 700), guards)
    assert decided(hear(ear, samples, rate, cuts)) == (turns, acted)
    assert scorer.n_asked == scores.n_inferences  # no question of one stream is asked twice


def hear_later(ear, samples, rate, cuts, delays):
    """Feed it in pieces; each answer comes some pieces after its question, the last ones after the end."""
    found, waiting, delays = [], 0, iter(delays)
    for piece in np.split(samples, sorted(cut % (len(samples) + 1) for cut in cuts)):
        found += ear.feed(piece, rate)
        if waiting:
            waiting -= 1
        while not waiting and (question := ear.question) is not None:
            if waiting := next(delays, 0):
                break
            found += ear.answer(score_window(question.scorer, question.heard))
    found += ear.flush()
    while (question := ear.question) is not None:
        found += ear.answer(score_window(question.scorer, question.heard))
    return found


@given(users(), POLICIES, CUTS, st.sampled_from([8_000, 16_000]), st.lists(st.integers(0, 5), max_size=10))
def test_answers_that_come_late_move_no_decision(user, policy, cuts, rate, delays):
    samples, scorer = at_rate(user, rate), DigestScorer(window_samples=5000, preroll_samples=700)
    ear = Ear(VAD, PARAMS, end_of_turn=policy, scorer=scorer, answers_later=True)
    turns, acted, _ = expected_of(samples, rate, policy, DigestScorer(5000, 700))
    assert decided(hear_later(ear, samples, rate, cuts, delays)) == (turns, acted)
    assert ear.question is None


@given(users(), POLICIES, ADAPTIVE, CUTS, st.lists(st.integers(0, 5), max_size=10), st.sampled_from([0.0, 150.0]))
def test_scores_of_both_kinds_decide_as_the_references(user, policy, adaptive, cuts, delays, min_interruption_ms):
    guards = Guards(min_interruption_ms=min_interruption_ms)
    turns, acted, _ = expected_of(user, RATE, policy, DigestScorer(5000, 700), guards, adaptive)

    def ear(**how):
        second = DigestScorer(3000, 500, latency_ms=20)
        return Ear(
            VAD,
            PARAMS,
            guards=guards,
            end_of_turn=policy,
            scorer=DigestScorer(5000, 700),
            interruption=adaptive,
            interruption_scorer=second,
            **how,
        )

    assert decided(hear(ear(), user, RATE, cuts)) == (turns, acted)
    assert decided(hear_later(ear(answers_later=True), user, RATE, cuts, delays)) == (turns, acted)


def test_what_a_question_says_and_that_the_ear_waits_with_it():
    user = noisy((2, 11), (40, 44), total=60)
    ear = Ear(VAD, PARAMS, end_of_turn=EndOfTurn(), scorer=DigestScorer(latency_ms=20), answers_later=True)
    assert len(ear.feed(user, RATE)) == 2  # started, due
    question = ear.question
    assert question.asked_at == ear.decided_samples == 15 * FRAME
    assert question.latency_ms == 20
    np.testing.assert_array_equal(question.heard, user[max(0, 2 * FRAME - 1600) : 15 * FRAME])
    assert ear.feed(user[:FRAME], RATE) == []
    assert ear.flush() == []
    with pytest.raises(InvalidParameterError, match="score must be a number in"):
        ear.answer(1.5)
    decisions = ear.answer(0.75)
    assert decisions[0] == SpeechStopped(
        offset=12 * FRAME, decided_at=16 * FRAME, audio_end=16 * FRAME, cause="score", score=0.75
    )
    with pytest.raises(BidilabError, match="no open question"):
        Ear(VAD, PARAMS).answer(0.5)


@pytest.mark.parametrize("rate", [1000, 16_000])
def test_scores_computed_elsewhere_are_looked_at_on_every_frame(rate):
    user = noisy((2, 11), total=60)
    heard = (np.array([13 * FRAME, 22 * FRAME]) * rate // RATE) + 1
    track = ScoreTrack(
        detector="vap", version="1", task="eot", sample_rate=rate, heard_at=heard, known_at=heard, score=[0.2, 0.9]
    )
    ear = Ear(VAD, PARAMS, end_of_turn=EndOfTurn(), scorer=track, answers_later=True)
    stopped = ear.feed(user, RATE)[-1]
    assert (stopped.cause, stopped.decided_at, stopped.offset) == ("score", 23 * FRAME, 12 * FRAME)
    assert stopped.score == np.float32(0.9)


def test_a_turn_without_scores_times_out_and_none_is_zero():
    user = noisy((2, 11), total=60)
    none = ScoreTrack(
        detector="vap", version="1", task="eot", sample_rate=RATE, heard_at=np.zeros(0, int), known_at=np.zeros(0, int),
        score=[],
    )  # fmt: skip
    ear = Ear(VAD, PARAMS, end_of_turn=EndOfTurn(threshold=0, timeout_ms=320), scorer=none)
    assert ear.feed(user, RATE)[-1].cause == "timeout"


def test_a_rule_is_changed_from_the_next_frame_on():
    user = noisy((2, 11), total=120)
    ear = Ear(VAD, PARAMS, end_of_turn=EndOfTurn(threshold=1), scorer=DigestScorer())
    ear.feed(user[: 30 * FRAME], RATE)
    ear.update(PARAMS, EndOfTurn(threshold=1, timeout_ms=1000))
    stopped = ear.feed(user[30 * FRAME :], RATE)[-1]
    assert (stopped.cause, stopped.decided_at) == ("timeout", (12 + 32) * FRAME)
    with pytest.raises(InvalidParameterError, match="given to an ear that has a scorer"):
        Ear(VAD, PARAMS).update(PARAMS, EndOfTurn())


def test_what_is_refused():
    with pytest.raises(InvalidParameterError, match="scorer must be given with end_of_turn"):
        Ear(VAD, PARAMS, end_of_turn=EndOfTurn())
    with pytest.raises(InvalidParameterError, match="scorer must be given with end_of_turn"):
        Ear(VAD, PARAMS, scorer=DigestScorer())
    with pytest.raises(InvalidParameterError, match="interruption_scorer must be given with interruption"):
        Ear(VAD, PARAMS, interruption=AdaptiveInterruption())
    with pytest.raises(InvalidParameterError, match="given to an ear that has its scorer"):
        Ear(VAD, PARAMS).update(PARAMS, interruption=AdaptiveInterruption())
    with pytest.raises(InvalidParameterError, match="must be 16000 with the scorer 'digest'"):
        Ear(VadSpec(name="energy", sample_rate=8000).build(), PARAMS, end_of_turn=EndOfTurn(), scorer=DigestScorer())
    track = ScoreTrack(
        detector="x", version="1", task="interruption", sample_rate=RATE, heard_at=[1], known_at=[1], score=[0.5]
    )
    with pytest.raises(InvalidParameterError, match="task eot"):
        Ear(VAD, PARAMS, end_of_turn=EndOfTurn(), scorer=track)
    with pytest.raises(InvalidParameterError, match="a scorer of ends of turns, or a ScoreTrack"):
        Ear(VAD, PARAMS, end_of_turn=EndOfTurn(), scorer=object())


@pytest.mark.parametrize(
    ("scores", "acted_at"),
    [
        ([0.3, 0.8], 25_600),  # DETECTORS §9: asked at 24,064 and, 96 ms later, at 25,600
        ([0.1] * 20, 33_280),  # due without a score when it has lasted 800 ms
        ([0.1] * 3, None),  # the turn is over before
    ],
)
def test_the_worked_example_of_an_interruption(scores, acted_at):
    n_speech = 24 if len(scores) > 3 else 8
    user = noisy((40, 40 + n_speech), total=80)
    track = ScoreTrack(
        detector="by hand",
        version="1",
        task="interruption",
        sample_rate=RATE,
        heard_at=24_064 + 1536 * np.arange(len(scores)),
        known_at=24_064 + 1536 * np.arange(len(scores)),
        score=scores,
    )
    policy = AdaptiveInterruption(threshold=0.5, first_ms=200, interval_ms=96, window_ms=800)
    ear = Ear(VAD, PARAMS, interruption=policy, interruption_scorer=track)
    found = ear.feed(user, RATE)
    assert found[0].onset == 20_480
    assert next((one.acted_at for one in found if isinstance(one, InterruptionDue)), None) == acted_at


def test_a_scorer_that_breaks_its_contract_is_named():
    broken = DigestScorer()
    broken.scores = lambda windows: np.array([2.0])
    ear = Ear(VAD, PARAMS, end_of_turn=EndOfTurn(), scorer=broken)
    with pytest.raises(ScorerError, match="the scorer 'digest' must return scores in"):
        ear.feed(noisy((2, 11), total=60), RATE)


def test_only_the_last_window_is_kept():
    ear = Ear(VAD, PARAMS, end_of_turn=EndOfTurn(), scorer=DigestScorer(window_samples=4000))
    for _ in range(400):
        ear.feed(noisy((2, 11), total=16), RATE)
    assert sum(map(len, ear._scorer._kept)) <= 4000 + 3 * 16 * FRAME
