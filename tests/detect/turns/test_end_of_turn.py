"""Turns that end by a score: goldens by hand (DETECTORS §9), and one semantics in three forms."""

import hashlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bidilab.core.errors import BidilabError, InvalidParameterError
from bidilab.detect.scorers.base import ScoreTrack
from bidilab.detect.turns import (
    EndOfTurn,
    ScoreWanted,
    SpeechStopped,
    TurnDetector,
    TurnParams,
    detect_turns,
    detect_turns_reference,
    score_function,
    turns_from_events,
)
from bidilab.detect.turns.kernels import high_runs
from bidilab.detect.turns.score_kernels import (
    CAUSE_CODES,
    QuestionWalk,
    ScoredSetting,
    ScoreSearch,
    ScoreTable,
    turns_by_score,
)
from tests.detect.turns.test_three_forms import durations, frames, tracks, turn_params
from tests.sizes import examples

KW = {"frame_samples": 512, "sample_rate": 16_000}
# frame      0         10       18    23                                      63
#            |~~~~~~~~~~|........|~~~~~|........................................|
#   samples  0        5120     9216  11776                                   32256
#                       |  A     |     |  B
TRACK = np.repeat(np.array([0.9, 0.1, 0.9, 0.1], np.float32), [10, 8, 5, 40])
BETWEEN = TRACK.copy()
BETWEEN[[13, 26]] = 0.4
PARAMS = TurnParams(silence_duration_ms=200)


def stream(track, params, score, *, end_of_turn=None, every_frame=False, latency_ms=0, **grain):
    """Turns by the streaming form, what it asked, and the scores that turns ended by."""
    detector = TurnDetector(
        params, end_of_turn=end_of_turn, asks_every_frame=every_frame, scorer_latency_ms=latency_ms, **grain
    )
    events = []
    for p in track:
        event = detector.feed(p)
        events += [event] if event else []
        if isinstance(event, ScoreWanted):
            assert detector.question == event
            stopped = detector.answer(score(event))
            events += [stopped] if stopped else []
    last = detector.flush()
    events += [last] if last else []
    asked = [e for e in events if isinstance(e, ScoreWanted)]
    return turns_from_events(events), asked, [e.score for e in events if isinstance(e, SpeechStopped)]


def three_forms(track, params, score, *, end_of_turn, every_frame=False, latency_ms=0, **grain):
    """Turns and questions of the streaming form, after the other two have said the same."""
    kwargs = {"end_of_turn": end_of_turn, **grain}
    turns, asked, _ = stream(track, params, score, every_frame=every_frame, latency_ms=latency_ms, **kwargs)
    by_search, by_kernel = [], []

    def noted(questions):
        def answer(question):
            questions.append(question)
            return score(question)

        return answer

    assert turns == detect_turns_reference(
        track,
        params,
        scores=noted(by_search),
        scorer_latency_ms=latency_ms,
        asks_every_frame=every_frame,
        **kwargs,
    )
    assert by_search == asked
    if not every_frame:
        assert turns == detect_turns(track, params, scores=noted(by_kernel), scorer_latency_ms=latency_ms, **kwargs)
        assert by_kernel == asked
    return turns, asked


def always(score):
    return lambda question: score


def of_pauses(a, b):
    return lambda question: {5120: a, 11776: b}[question.pause_start]


AT = {8704: 0.1, 15360: 0.2, 16896: 0.3, 18432: 0.7}
PLAIN = [(0, 512, 5120, 8704), (9216, 9728, 11776, 15360)]
ONE = [(0, 512, 11776, 18432)]
LATE = [(0, 512, 11776, 28160)]


@pytest.mark.parametrize(
    ("track", "score", "changes", "turns", "cause", "n_asked"),
    [
        pytest.param(TRACK, always(0.9), {}, ONE, "score", 2, id="2: speech is back before A's score is acted upon"),
        pytest.param(TRACK, always(0.2), {}, LATE, "timeout", 2, id="3: no score fires"),
        pytest.param(
            TRACK,
            of_pauses(0.2, 0.9),
            {"action_delay_ms": 0, "latency_ms": 100},
            [(0, 512, 11776, 17408)],
            "score",
            2,
            id="4: known at 16960",
        ),
        pytest.param(
            TRACK, lambda q: AT[q.asked_at], {"interval_ms": 96}, ONE, "score", 4, id="5: asked again and again"
        ),
        pytest.param(TRACK, always(0.9), {"action_delay_ms": 0}, PLAIN, "score", 2, id="6: as plain VAD"),
        pytest.param(TRACK, always(1.0), {"threshold": 1}, LATE, "timeout", 2, id="7: threshold 1 never fires"),
        pytest.param(TRACK, always(0.5), {}, LATE, "timeout", 2, id="8: strictly above"),
        pytest.param(BETWEEN, always(0.9), {}, ONE, "score", 2, id="9: frames between the thresholds"),
    ],
)
def test_worked_examples(track, score, changes, turns, cause, n_asked):
    policy = EndOfTurn(**{"action_delay_ms": 400, "timeout_ms": 1000, "latency_ms": 0, **changes})
    found, asked = three_forms(track, PARAMS, score, end_of_turn=policy, **KW)
    assert [(t.onset, t.started_at, t.offset, t.stopped_at) for t in found] == turns
    assert {t.cause for t in found} == {cause}
    assert len(asked) == n_asked


def test_worked_example_1_without_an_end_of_turn():
    found, asked, _ = stream(TRACK, PARAMS, always(0.9), **KW)
    assert [(t.onset, t.started_at, t.offset, t.stopped_at) for t in found] == PLAIN
    assert found == detect_turns(TRACK, PARAMS, **KW)
    assert {t.cause for t in found} == {"silence"}
    assert asked == []


def test_worked_example_10_a_timeout_below_the_delay_is_refused():
    with pytest.raises(InvalidParameterError, match=r"eot_timeout_ms must be not below eot_action_delay_ms \(400\)"):
        EndOfTurn(timeout_ms=300, action_delay_ms=400)


def test_a_question_says_which_turn_and_pause_it_is_of():
    policy = EndOfTurn(action_delay_ms=400, timeout_ms=1000)
    _, asked, scores = stream(TRACK, PARAMS, always(0.9), end_of_turn=policy, **KW)
    assert asked == [
        ScoreWanted(onset=0, pause_start=5120, asked_at=8704),
        ScoreWanted(onset=0, pause_start=11776, asked_at=15360),
    ]
    assert scores == [0.9]


def test_a_score_that_would_end_the_turn_on_the_frame_that_times_out_is_the_cause():
    policy = EndOfTurn(timeout_ms=200, latency_ms=0)
    (first, _), _ = three_forms(TRACK, PARAMS, always(0.9), end_of_turn=policy, **KW)
    assert (first.stopped_at, first.cause) == (8704, "score")
    (first, _), _ = three_forms(TRACK, PARAMS, always(None), end_of_turn=policy, **KW)
    assert (first.stopped_at, first.cause) == (8704, "timeout")


def test_a_frame_between_the_thresholds_neither_asks_nor_times_out():
    #                 pause from 1024;  asked at 2048, not at 1536 or 2560;  times out at 3584, not at 3072
    track = np.array([0.9, 0.9, 0.1, 0.4, 0.1, 0.4, 0.4, 0.1], np.float32)
    params = TurnParams(silence_duration_ms=64, threshold=0.5)
    policy = EndOfTurn(timeout_ms=128, interval_ms=1, latency_ms=0)
    (turn,), asked = three_forms(track, params, always(0.1), end_of_turn=policy, **KW)
    assert [q.asked_at for q in asked] == [2560, 4096]
    assert (turn.stopped_at, turn.cause) == (4096, "timeout")


@pytest.mark.slow
def test_a_frame_that_is_high_and_low_begins_a_pause_of_its_own():
    track = np.full(6, 0.008, np.float32)  # deactivation 0.01, threshold 0.005
    params = TurnParams(threshold=0.005, silence_duration_ms=0)
    turns, asked = three_forms(track, params, always(0.9), end_of_turn=EndOfTurn(latency_ms=0), **KW)
    assert [(t.onset, t.offset, t.stopped_at) for t in turns] == [
        (0, 512, 1024), (1024, 1536, 2048), (2048, 2560, 3072)
    ]  # fmt: skip
    turns, asked = three_forms(track, params, always(0.9), end_of_turn=EndOfTurn(latency_ms=32), **KW)
    assert [t.cause for t in turns] == ["flush"]  # every frame forgets the answer of the one before
    assert [(q.pause_start, q.asked_at) for q in asked] == [(512 * k, 512 * (k + 1)) for k in range(1, 6)]


# ---- the questions are answered in their place -----------------------------------------------------------------------


def test_a_question_is_answered_before_the_next_frame_and_once():
    policy = EndOfTurn()
    detector = TurnDetector(TurnParams(silence_duration_ms=0), end_of_turn=policy, **KW)
    with pytest.raises(BidilabError, match="no open question"):
        detector.answer(0.5)
    detector.feed(0.9)
    assert isinstance(detector.feed(0.0), ScoreWanted)
    with pytest.raises(BidilabError, match="not answered yet: ScoreWanted"):
        detector.feed(0.0)
    with pytest.raises(BidilabError, match="not answered yet"):
        detector.flush()
    assert detector.position_samples == 1024  # the frame that was refused does not count
    with pytest.raises(InvalidParameterError, match="score must be a number in"):
        detector.answer(1.5)
    assert detector.answer(None) is None
    assert detector.question is None
    with pytest.raises(BidilabError, match="no open question"):
        detector.answer(0.5)
    assert detector.feed(0.0) is None  # asked once: an interval of 0


def test_the_rule_changes_while_it_runs():
    detector = TurnDetector(TurnParams(silence_duration_ms=0), end_of_turn=EndOfTurn(threshold=0.9), **KW)
    detector.feed(0.9)
    detector.feed(0.0)
    detector.answer(0.6)
    assert detector.feed(0.0) is None
    detector.update_end_of_turn(EndOfTurn(threshold=0.5))  # the answer given is judged anew
    assert detector.end_of_turn == EndOfTurn(threshold=0.5)
    stopped = detector.feed(0.0)
    assert (stopped.cause, stopped.score, stopped.offset, stopped.decided_at) == ("score", 0.6, 512, 2048)

    detector.feed(0.9)
    assert isinstance(detector.feed(0.0), ScoreWanted)
    detector.update_end_of_turn(None)
    assert detector.answer(0.9) is None
    assert detector.feed(0.0).cause == "silence"


def test_events_say_what_goes_together():
    assert SpeechStopped(offset=1, decided_at=2, audio_end=2).cause == "silence"
    assert SpeechStopped(offset=1, decided_at=2, audio_end=2, flushed=True).cause == "flush"
    with pytest.raises(InvalidParameterError, match="cause must be flush if flushed is True, got 'score'"):
        SpeechStopped(offset=1, decided_at=2, audio_end=2, flushed=True, cause="score", score=0.9)
    with pytest.raises(InvalidParameterError, match="cause must be silence, score, timeout if flushed is False"):
        SpeechStopped(offset=1, decided_at=2, audio_end=2, cause="boredom")
    with pytest.raises(InvalidParameterError, match="score must be given if, and only if, the cause is score"):
        SpeechStopped(offset=1, decided_at=2, audio_end=2, cause="timeout", score=0.9)


# ---- the three forms, and the identities -----------------------------------------------------------------------------

score_values = st.one_of(st.sampled_from([i / 10 for i in range(11)]), st.none())
lookaheads = st.sampled_from([0, 1, 240, 900])
milliseconds = st.one_of(st.integers(0, 400), st.floats(0, 400), st.sampled_from([0, 32, 64, 96]))


@st.composite
def policies(draw):
    delay = draw(milliseconds)
    return EndOfTurn(
        threshold=draw(st.sampled_from([0, 0.3, 0.5, 0.7, 1])),
        action_delay_ms=delay,
        timeout_ms=delay + draw(milliseconds),
        interval_ms=draw(milliseconds),
        latency_ms=draw(st.none() | milliseconds),
    )


@st.composite
def score_functions(draw):
    """Each question has its own score, of onset, pause and position alike."""
    seed, table = draw(st.integers(0, 1000)), draw(st.lists(score_values, min_size=1, max_size=8))

    def score(question):
        text = f"{seed} {question.onset} {question.pause_start} {question.asked_at}".encode()
        return table[hashlib.sha256(text).digest()[0] % len(table)]

    return score


@settings(max_examples=examples(400))
@given(
    tracks, turn_params(), policies(), score_functions(), frames, st.booleans(), st.sampled_from([0, 50]), lookaheads
)
@example(
    np.full(9, 0.008, np.float32), TurnParams(threshold=0.005), EndOfTurn(), always(0.9), (512, 16_000), False, 0, 0
)
def test_forms_agree(track, params, policy, score, frame, every_frame, latency_ms, ahead):
    three_forms(
        track,
        params,
        score,
        end_of_turn=policy,
        frame_samples=frame[0],
        sample_rate=frame[1],
        lookahead_samples=ahead,
        every_frame=every_frame,
        latency_ms=latency_ms,
    )


@st.composite
def score_tracks(draw):
    heard = sorted(draw(st.lists(st.integers(0, 120 * 512), max_size=40)))
    known = [at + draw(st.sampled_from([0, 1, 512, 5000])) for at in heard]
    return ScoreTrack(
        detector="d",
        version="1",
        task="eot",
        sample_rate=16_000,
        heard_at=np.array(heard, np.int64),
        known_at=np.array(known, np.int64),
        score=[draw(st.sampled_from([0.2, 0.6, 0.9])) for _ in heard],
    )


@settings(max_examples=examples(200))
@given(tracks, turn_params(), policies(), score_tracks())
def test_forms_agree_on_scores_computed_elsewhere(track, params, policy, scores):
    answer = score_function(scores, sample_rate=16_000)
    turns, _ = three_forms(track, params, answer, end_of_turn=policy, every_frame=True, **KW)
    assert detect_turns(track, params, end_of_turn=policy, scores=scores, scorer_latency_ms=99, **KW) == turns


@given(tracks, turn_params(), durations, score_functions())
def test_threshold_0_without_delays_is_plain_vad(track, params, timeout, score):
    policy = EndOfTurn(threshold=0, timeout_ms=timeout, latency_ms=0)
    turns, _ = three_forms(track, params, lambda q: max(score(q) or 0, 0.01), end_of_turn=policy, **KW)
    plain = detect_turns(track, params, **KW)
    assert [t._replace(cause="silence") for t in turns] == [t._replace(cause="silence") for t in plain]


@given(tracks, turn_params(), policies(), score_functions())
def test_threshold_1_is_plain_vad_whose_silence_is_the_timeout(track, params, policy, score):
    never = EndOfTurn(threshold=1, action_delay_ms=policy.action_delay_ms, timeout_ms=policy.timeout_ms)
    turns, _ = three_forms(track, params, score, end_of_turn=never, **KW)
    silence = max(params.silence_duration_ms, policy.timeout_ms)
    plain = detect_turns(track, params.replace(silence_duration_ms=silence), **KW)
    assert [t._replace(cause="silence") for t in turns] == [t._replace(cause="silence") for t in plain]


# ---- many recordings, many settings ----------------------------------------------------------------------------------


@settings(max_examples=examples(100))
@given(
    st.lists(tracks, max_size=4),
    turn_params(),
    st.lists(st.tuples(durations, durations, policies()), min_size=1, max_size=4),
    score_functions(),
    st.booleans(),
)
def test_settings_share_their_questions_and_recordings_do_not_touch(parts, params, others, score, every_frame):
    bounds = np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)
    track = np.concatenate([np.empty(0, np.float32), *parts])
    several = [params.replace(min_speech_ms=speech, silence_duration_ms=silence) for speech, silence, _ in others]
    rules = [one.in_frames(**KW) for one in several]
    scored = [
        ScoredSetting(rule.min_speech_frames, rule.silence_frames, policy.in_frames(**KW))
        for rule, (_, _, policy) in zip(rules, others, strict=True)
    ]
    grain = {
        "threshold": params.threshold,
        "deactivation_threshold": params.deactivation_threshold,
        "frame_samples": 512,
        "asks_every_frame": every_frame,
    }
    asked = []

    def answers(questions):
        asked.extend(map(tuple, questions.tolist()))
        return [np.nan if (s := score(_question(q))) is None else s for q in questions.tolist()]

    def _question(row):  # a scorer's score hangs on what it hears: the pause's start is not of it
        return ScoreWanted(onset=row[1] * 512, pause_start=0, asked_at=row[3] * 512)

    known = ScoreSearch(track, bounds, scored, **grain).ask(answers)
    assert len({(r, onset, at) for r, onset, _, at in asked}) == len(asked) == len(known.keys)
    met = set()
    for one, setting, (_, _, policy) in zip(several, scored, others, strict=True):
        found = turns_by_score(track, bounds, setting, known, **grain)
        for r, part in enumerate(parts):

            def noted(question, r=r):
                met.add((r, question.onset // 512, question.asked_at // 512))
                return score(ScoreWanted(onset=question.onset, pause_start=0, asked_at=question.asked_at))

            expected = detect_turns_reference(
                part, one, end_of_turn=policy, scores=noted, asks_every_frame=every_frame, **KW
            )
            rows = slice(*found.table.bounds[r : r + 2])
            assert [tuple(row[:4] * 512) for row in found.table.turns[rows]] == [
                (t.onset, t.started_at, t.offset, t.stopped_at) for t in expected
            ]
            assert [CAUSE_CODES[code] for code in found.cause[rows]] == [t.cause for t in expected]
    assert met == {
        (r, onset, at) for r, onset, _, at in asked
    }  # every question is met by a setting, and no other asked


@given(tracks, turn_params(), policies(), score_functions())
def test_walk_by_runs_equals_walk_by_frames(track, params, policy, score):
    rule = params.in_frames(**KW)
    if rule.deactivation_threshold > rule.threshold:
        return
    bounds = np.array([0, len(track)])
    setting = ScoredSetting(rule.min_speech_frames, rule.silence_frames, policy.in_frames(**KW))
    grain = {
        "threshold": rule.threshold,
        "deactivation_threshold": rule.deactivation_threshold,
        "frame_samples": 512,
        "asks_every_frame": False,
    }

    def answers(questions):
        asked = (ScoreWanted(onset=o, pause_start=p, asked_at=a) for _, o, p, a in questions.tolist())
        return [np.nan if (s := score(q)) is None else s for q in asked]

    known = ScoreSearch(track, bounds, [setting], **grain).ask(answers)
    runs = high_runs(track, bounds, rule.threshold, rule.deactivation_threshold)
    by_runs, by_frames = (
        QuestionWalk(track, bounds, setting=setting, runs=each, **grain).turns(known) for each in (runs, None)
    )
    np.testing.assert_array_equal(by_runs.table.turns, by_frames.table.turns)
    np.testing.assert_array_equal(by_runs.cause, by_frames.cause)


@settings(max_examples=examples(200))
@given(tracks, turn_params(), policies(), score_functions(), st.booleans())
def test_settings_in_whole_frames_give_the_same_turns_and_questions(track, params, policy, score, every_frame):
    rule = params.in_frames(**KW)
    bounds = np.array([0, len(track)])
    setting = ScoredSetting(rule.min_speech_frames, rule.silence_frames, policy.in_frames(**KW))
    grain = {
        "threshold": rule.threshold,
        "deactivation_threshold": rule.deactivation_threshold,
        "frame_samples": 512,
        "asks_every_frame": every_frame,
    }
    found = []
    for each in (setting, setting.in_whole_frames(512, asks_every_frame=every_frame)):
        asked = []

        def answers(questions, asked=asked):
            asked += questions.tolist()
            wanted = (ScoreWanted(onset=o, pause_start=p, asked_at=a) for _, o, p, a in questions.tolist())
            return [np.nan if (s := score(q)) is None else s for q in wanted]

        known = ScoreSearch(track, bounds, [each], **grain).ask(answers)
        turns = turns_by_score(track, bounds, each, known, **grain)
        found.append((asked, turns.table.turns.tolist(), turns.cause.tolist()))
    assert found[0] == found[1]


def test_a_missing_or_impossible_score_is_an_error():
    bounds = np.array([0, len(TRACK)])
    rule = PARAMS.in_frames(**KW)
    setting = ScoredSetting(1, rule.silence_frames, EndOfTurn().in_frames(**KW))
    grain = {"threshold": 0.5, "deactivation_threshold": 0.35, "frame_samples": 512}
    with pytest.raises(InvalidParameterError, match=r"known for every question, got .*'asked_at'"):
        turns_by_score(TRACK, bounds, setting, ScoreTable.empty(bounds), **grain)
    with pytest.raises(InvalidParameterError, match=r"score must be a number in \[0, 1\]"):
        ScoreSearch(TRACK, bounds, [setting], **grain).ask(lambda q: np.full(len(q), 1.5))
    with pytest.raises(InvalidParameterError, match="one for each of 1 questions"):
        ScoreSearch(TRACK, bounds, [setting], **grain).ask(lambda q: [0.5, 0.5])


def test_detect_turns_takes_the_rule_and_the_scores_together():
    with pytest.raises(InvalidParameterError, match="scores must be given, because"):
        detect_turns(TRACK, PARAMS, end_of_turn=EndOfTurn(), **KW)
    with pytest.raises(InvalidParameterError, match="end_of_turn must be given, because"):
        detect_turns(TRACK, PARAMS, scores=always(0.9), **KW)
    with pytest.raises(InvalidParameterError, match="scores must be given with end_of_turn, to answer"):
        detect_turns_reference(TRACK, PARAMS, end_of_turn=EndOfTurn(), **KW)
    wrong = ScoreTrack(
        task="interruption", sample_rate=16_000, detector="d", version="1", heard_at=[], known_at=[], score=[]
    )
    with pytest.raises(InvalidParameterError, match="scores of ends of turns"):
        detect_turns(TRACK, PARAMS, end_of_turn=EndOfTurn(), scores=wrong, **KW)


def test_a_detector_that_hears_ahead_asks_and_acts_later():
    policy = EndOfTurn(action_delay_ms=400, timeout_ms=1000, latency_ms=0)
    (turn,), asked = three_forms(TRACK, PARAMS, always(0.9), end_of_turn=policy, lookahead_samples=240, **KW)
    # Acted upon at 11776 + 6400 = 18176: the frame that ends at 17920 is decided on at 18160, which is before.
    assert [q.asked_at for q in asked] == [8704 + 240, 15360 + 240]
    assert (turn.offset, turn.stopped_at) == (11776, 18432 + 240)
    # With 256 samples ahead it is decided on at 18176, where the delay is over.
    (turn,), _ = three_forms(TRACK, PARAMS, always(0.9), end_of_turn=policy, lookahead_samples=256, **KW)
    assert turn.stopped_at == 17920 + 256
