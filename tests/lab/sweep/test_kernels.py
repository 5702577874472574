"""The compiled evaluation says what the readable one says, on any labels and any track."""

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.units import ms_to_samples
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, Guards, TurnParams, detect_turns
from bidilab.detect.turns.detect import ScoredEnding
from bidilab.detect.turns.guards import ScoredGuard
from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.metrics import members
from bidilab.lab.metrics.columns import Duration, counted_in
from bidilab.lab.metrics.endpoint import NEVER_HEARD
from bidilab.lab.metrics.evaluation import evaluate_recording
from bidilab.lab.metrics.members import members_of
from bidilab.lab.metrics.pauses import speech_heard
from bidilab.lab.metrics.stops import response_plan
from bidilab.lab.sweep.engine import simulated_lengths
from bidilab.lab.sweep.evaluated import COUNTS_OF, DECIDED, MISSED, OPEN, PARTS, PREMATURE, UNDEFINED
from bidilab.lab.sweep.kernels.evaluation import count_stops, judge_turns
from bidilab.lab.sweep.problem import SweepProblem
from bidilab.lab.sweep.scoring import detector_setting, find_scores, guard_rule
from tests.sizes import examples

from .strategies import FRAME, RATE, segment_lists, segments_around_creations, speechlike_tracks, tracks

KW = {"frame_samples": FRAME, "sample_rate": RATE}
lookaheads = st.sampled_from([0, 0, 1, 240, FRAME, 2 * FRAME + 7])

params = st.builds(
    TurnParams,
    threshold=st.sampled_from([0.1, 0.3, 0.5, 0.7]),
    min_speech_ms=st.sampled_from([0, 64, 160, 480]),
    prefix_padding_ms=st.sampled_from([0, 100, 300]),
    silence_duration_ms=st.sampled_from([0, 64, 200, 500]),
)


def counted(evaluation):
    """The counts of one recording by the readable evaluation."""
    labels, costs = evaluation.labels, evaluation.costs
    delays = list(zip(labels.members, evaluation.delays, strict=True))
    true = [(m, d) for m, d in delays if m.is_true]
    hit = [m for m, d in delays if d != members.MISSED]
    counts = {
        "n_true_opportunities": len(true),
        "n_detected": sum(d != members.MISSED for _, d in true),
        "n_missed": sum(d == members.MISSED for _, d in true),
        "n_stopped_within_500ms": sum(d <= RATE // 2 for _, d in true),
        "talk_over_samples": sum(min(max(d, 0), m.interval.duration) for m, d in true),
        "n_outlasting": sum(m.outlasting for m in labels.members),
        "n_unprompted": sum(evaluation.unprompted),
        "unprompted_samples": sum(s.interval.duration for s in labels.unprompted),
        "n_turns": len(evaluation.endpoints),
        "n_pauses": len(labels.pauses),
        "n_pauses_by_words": sum(pause.origin == "words" for pause in labels.pauses),
        "n_cut_offs": sum(evaluation.cut_offs),
        "n_premature_endpoints": sum(e.premature for e in evaluation.endpoints),
        "n_endpoints": sum(e.decided for e in evaluation.endpoints),
        "n_endpoints_open": sum(e.is_open for e in evaluation.endpoints),
        "n_timeouts": sum(e.cause == "timeout" for e in evaluation.endpoints),
        "n_onsets": sum(e.onset_clipped is not None for e in evaluation.endpoints),
        "n_detector_turns": len(evaluation.turns),
        "n_flushed": sum(t.flushed for t in evaluation.turns),
        "n_false": costs.n_false,
        "n_false_none": costs.count("none"),
        "n_stops_continued": costs.count("continued"),
        "n_stops_true": costs.count("true"),
        "n_responses": costs.n_responses,
        "n_responses_stopped_falsely": costs.n_responses_stopped_falsely,
        "n_cancelled_unheard": costs.n_cancelled_unheard,
        "n_cut_ins_heard": costs.n_cut_ins_heard,
        "n_resumed": sum(s.is_false and s.resumed_at is not None for s in costs.stops),
        "n_resumed_true": sum(s.cause == "true" and s.resumed_at is not None for s in costs.stops),
        "agent_speech_samples": costs.exposure,
        "planned_samples": costs.planned,
        "lost_samples": costs.lost,
        "masked_samples": costs.masked,
        "cut_in_talk_samples": costs.cut_in_talk,
        "pause_samples": costs.pause,
    }
    for kind in FALSE_KINDS:
        counts[f"n_false_opportunities_{kind}"] = sum(m.kind == kind for m in labels.members)
        counts[f"n_false_on_opportunity_{kind}"] = sum(m.kind == kind for m in hit)
        counts[f"n_false_{kind}"] = costs.count(kind)
    for place in ("crowded", "unsure", "terminal", "cut_in"):
        counts[f"n_{place}"] = labels.count(place)
    return counts


NO_GUARDS = Guards()


class MadeUp:
    """Answers that hang on the recording, on where the turn or the pause begins, and on where it is asked."""

    n_inferences = 0

    def __init__(self, seed=0, latency_ms=0.0, every_frame=False, by_onset=True):
        self.latency_ms, self.every_frame, self.by_onset = latency_ms, every_frame, by_onset
        self._seed, self._values = seed, (0.1, 0.6, 0.9, None)
        self.asked = []

    def answer(self, recording, question):
        first = question.onset if self.by_onset else question.pause_start
        text = f"{self._seed} {recording} {first} {question.asked_at}".encode()
        return self._values[hashlib.sha256(text).digest()[0] % len(self._values)]

    def answers(self, questions):
        self.asked += [(k, q) for k, asked in enumerate(questions) for q in asked]
        return [[self.answer(k, question) for question in asked] for k, asked in enumerate(questions)]

    def ending(self, policy, recording):
        def score(question):
            return self.answer(recording, question)

        return ScoredEnding(policy, score, self.latency_ms, self.every_frame)

    def guard(self, adaptive, recording):
        return ScoredGuard(adaptive, *self.ending(None, recording)[1:])


def compiled(problem, setting, guard, simulated, answers, interrupting):
    """All that is compiled of one setting: verdicts, and counts of each part."""
    other = Guards(min_interruption_ms=200).in_frames(**problem.guard_grain)
    given = (problem, [setting], [other, guard], answers, interrupting)
    scores = find_scores(*given, simulated=simulated is not None)
    table, causes = scores.turns(problem, setting)
    events = scores.judge(problem, setting, (other, guard, other))
    assert np.array_equal(events[0].counts, events[2].counts)  # what guards share must not be spoilt by one of them
    turns = judge_turns(problem, table, causes)
    stops = count_stops(problem, table, simulated, guard, scores.interrupting)
    return events[1], turns, (problem.label_counts, events[1].counts, turns.counts, stops)


def check(
    recordings, rule, simulated=None, guards=NO_GUARDS, words=None, ahead=0, policy=None, answers=None, adaptive=None
):
    words = words or [[] for _ in recordings]
    labels = [
        members_of(segments, sample_rate=RATE, duration_samples=len(track) * FRAME, speech=speech_heard(track, **KW))
        for segments, track in recordings
    ]
    ends = [np.array(each, np.int64) for each in words]
    problem = SweepProblem.build(
        labels, [track for _, track in recordings], word_ends=ends, lookahead_samples=ahead, **KW
    )
    in_frames = rule.in_frames(**KW)
    setting = detector_setting(rule, policy, **problem.guard_grain, answers=answers)
    interrupting = MadeUp(7, 40.0)
    guard = guard_rule(guards, adaptive, **problem.guard_grain, interrupting=interrupting)
    agent = simulated and simulated_lengths(labels, {"evaluation": "simulated", **simulated})
    events, turns, counts = compiled(problem, setting, guard, agent, answers, interrupting)
    judged = turn = 0
    for r, (label, (_, track)) in enumerate(zip(labels, recordings, strict=True)):
        plan = simulated and response_plan(label, **simulated, guards=guards)
        evaluation = evaluate_recording(
            label,
            track,
            rule,
            frame_samples=FRAME,
            lookahead_samples=ahead,
            guards=guards,
            plan=plan,
            word_ends=words[r],
            ending=None if policy is None else answers.ending(policy, r),
            scored=None if adaptive is None else interrupting.guard(adaptive, r),
        )
        found = {}
        for part, values in zip(PARTS, counts, strict=True):
            names = [c.counted if isinstance(c, Duration) else c.name for c in counted_in(part)]
            assert COUNTS_OF[part].itemsize == 4 * len(names)
            found |= dict(zip(names, values[r].tolist(), strict=True))
        assert found == counted(evaluation)
        n = len(label.judged)
        delays = [None if d == MISSED else d for d in events.delays[judged : judged + n].tolist()]
        assert delays[: len(label.members)] == [None if d == members.MISSED else d for d in evaluation.delays]
        assert [d is not None for d in delays[len(label.members) :]] == list(evaluation.unprompted)
        judged += n
        for endpoint in evaluation.endpoints:
            bits = endpoint.premature * PREMATURE + endpoint.decided * DECIDED + endpoint.is_open * OPEN
            assert (turns.waits[turn], turns.states[turn]) == (endpoint.wait, bits)
            onset, previous_end = turns.first_turn[turn].tolist()
            if endpoint.onset_clipped is None:
                assert (onset, endpoint.wait) == (UNDEFINED, NEVER_HEARD)
            else:
                audio_start = max(onset - in_frames.prefix_samples, previous_end, 0)
                assert max(0, audio_start - endpoint.segment.interval.start) == endpoint.onset_clipped
            turn += 1
    assert (judged, turn) == (len(events.delays), len(turns.waits))
    return np.concatenate([values.sum(axis=0) for values in counts])


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(segment_lists(), speechlike_tracks() | tracks), min_size=1, max_size=3), params)
def test_compiled_equals_readable(recordings, rule):
    check(recordings, rule)


simulated_agents = st.fixed_dictionaries(
    {
        "response_delay_ms": st.sampled_from([0, 32, 300, 1000]),
        "response_ms": st.sampled_from([100.0, 500.0, 3000.0]) | st.just("recorded"),
    }
)


@settings(max_examples=examples(200))
@given(
    st.lists(st.tuples(segment_lists(), speechlike_tracks() | tracks), min_size=1, max_size=3), params, simulated_agents
)
def test_compiled_equals_readable_with_a_simulated_agent(recordings, rule, simulated):
    check(recordings, rule, simulated)


guards = st.builds(
    Guards,
    min_interruption_ms=st.sampled_from([0, 32, 100, 300, 700]),
    min_words=st.integers(0, 2),
    false_interruption_timeout_ms=st.sampled_from([0, 32, 100, 500, 2000, float("inf")]),
)
word_lists = st.lists(st.lists(st.integers(0, 82_000), max_size=10).map(sorted), min_size=3, max_size=3)


@settings(max_examples=examples(200))
@given(
    st.lists(st.tuples(segment_lists(), speechlike_tracks() | tracks), min_size=1, max_size=3),
    params,
    st.none() | simulated_agents,
    guards,
    word_lists,
    lookaheads,
)
def test_compiled_equals_readable_with_guards(recordings, rule, simulated, guarded, words, ahead):
    check(recordings, rule, simulated, guarded, words[: len(recordings)], ahead)


policies = st.builds(
    lambda threshold, delay, more, interval: EndOfTurn(
        threshold=threshold, action_delay_ms=delay, timeout_ms=delay + more, interval_ms=interval
    ),
    st.sampled_from([0, 0.5, 0.7, 1]),
    st.sampled_from([0, 100, 300]),
    st.sampled_from([0, 64, 500, 1500]),
    st.sampled_from([0, 50, 96]),
)


@settings(max_examples=examples(300))
@given(
    st.lists(st.tuples(segment_lists(), speechlike_tracks() | tracks), min_size=1, max_size=3),
    params,
    st.none() | simulated_agents,
    guards,
    word_lists,
    lookaheads,
    policies,
    st.builds(MadeUp, st.integers(0, 99), st.sampled_from([0.0, 32.0, 70.0]), st.booleans(), st.booleans()),
)
def test_compiled_equals_readable_where_turns_end_by_a_score(
    recordings, rule, simulated, guarded, words, ahead, policy, answers
):
    check(recordings, rule, simulated, guarded, words[: len(recordings)], ahead, policy, answers)


adaptive_interruptions = st.builds(
    lambda first, more, threshold, interval: AdaptiveInterruption(
        first_ms=first, window_ms=first + more, threshold=threshold, interval_ms=interval
    ),
    st.sampled_from([0, 100, 200]),
    st.sampled_from([0, 200, 1000, float("inf")]),
    st.sampled_from([0, 0.5, 0.7, 1]),
    st.sampled_from([0, 50, 96]),
)


@settings(max_examples=examples(300))
@given(
    st.lists(st.tuples(segment_lists(), speechlike_tracks() | tracks), min_size=1, max_size=3),
    params,
    st.none() | simulated_agents,
    st.just(NO_GUARDS) | guards,
    word_lists,
    lookaheads,
    st.none() | policies,
    adaptive_interruptions,
)
def test_compiled_equals_readable_where_speech_interrupts_by_a_score(
    recordings, rule, simulated, guarded, words, ahead, policy, adaptive
):
    check(recordings, rule, simulated, guarded, words[: len(recordings)], ahead, policy, MadeUp(3), adaptive)


@settings(max_examples=examples(200))
@given(st.data(), segment_lists(), speechlike_tracks() | tracks, params, simulated_agents, guards, word_lists)
def test_compiled_equals_readable_where_users_begin_before_the_first_audible_sample(
    data, segments, track, rule, simulated, guarded, words
):
    turns = detect_turns(track, rule, **KW)
    created = [turn.stopped_at for turn in turns]
    if guarded.resumes:
        timeout = ms_to_samples(guarded.false_interruption_timeout_ms, RATE)
        created += [turn.stopped_at + timeout for turn in turns]
    delay = ms_to_samples(simulated["response_delay_ms"], RATE)
    segments = segments + data.draw(segments_around_creations(created, delay))
    check([(segments, track)], rule, simulated, guarded, words[:1])


def test_on_plain_random_recordings():
    """Hypothesis shrinks towards the empty; this keeps to busy recordings."""
    rng = np.random.default_rng(7)
    from bidilab.lab.datasets.labels import USER_KINDS, Segment

    totals = np.zeros(sum(len(counted_in(part)) for part in PARTS), np.int64)
    for _ in range(300):
        edges = np.sort(rng.choice(500, 4, replace=False)) / 100
        segments = [
            Segment(start_s=float(a), end_s=float(b), channel="agent", kind="response")
            for a, b in (edges[:2], edges[2:])
        ]
        for _ in range(8):
            start = float(rng.integers(0, 500)) / 100
            end = start + float(rng.integers(1, 150)) / 100
            said = [(start, start + 0.2 * (end - start), "so"), (start + 0.6 * (end - start), end, "yes")]
            segments.append(
                Segment(
                    start_s=start,
                    end_s=end,
                    words=tuple(said) if rng.random() < 0.5 else (),
                    channel="user",
                    kind=USER_KINDS[rng.integers(len(USER_KINDS))],
                    unsure=bool(rng.random() < 0.1),
                )
            )
        track = np.repeat(rng.random(40), 4).astype(np.float32)
        rule = TurnParams(
            threshold=float(rng.choice([0.3, 0.5, 0.7])),
            min_speech_ms=int(rng.choice([0, 200])),
            silence_duration_ms=int(rng.choice([64, 200, 500])),
        )
        simulated = {"response_delay_ms": 200, "response_ms": 800.0}
        check([(segments, track)], rule)
        check([(segments, track)], rule, simulated)
        guarded = Guards(
            min_interruption_ms=int(rng.choice([0, 100, 300])),
            min_words=int(rng.choice([0, 0, 1, 2])),
            false_interruption_timeout_ms=float(rng.choice([0, 100, 500, np.inf])),
        )
        words = [sorted(rng.choice(80_000, 6, replace=False).tolist())]
        totals += check([(segments, track)], rule, None, guarded, words)
        totals += check([(segments, track)], rule, simulated, guarded, words)
        policy = EndOfTurn(
            threshold=0.5, action_delay_ms=int(rng.choice([0, 200])), timeout_ms=int(rng.choice([400, 1000]))
        )
        answers = MadeUp(int(rng.integers(99)))
        totals += check([(segments, track)], rule, simulated, guarded, words, 0, policy, answers)
    assert (totals > 0).all()  # nothing is equal for want of cases
