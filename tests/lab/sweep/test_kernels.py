"""The compiled evaluation says what the readable one says, on any labels and any track."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.units import ms_to_samples
from bidilab.detect.turns import (
    Guards,
    TurnParams,
    acted_at_reference,
    detect_turns,
    resumed_at_reference,
    words_said,
)
from bidilab.detect.turns.kernels import turns_in_frames
from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.metrics.endpoint import evaluate_endpoints
from bidilab.lab.metrics.interruption import evaluate_interruptions
from bidilab.lab.metrics.opportunities import label_recording
from bidilab.lab.metrics.simulated import evaluate_simulated, response_plan
from bidilab.lab.sweep.engine import simulated_lengths
from bidilab.lab.sweep.evaluated import ABSENT, CENSORED, COUNTS, EVENT, UNDEFINED
from bidilab.lab.sweep.kernels import evaluate
from bidilab.lab.sweep.problem import SweepProblem
from tests.sizes import examples

from .strategies import FRAME, RATE, segment_lists, segments_around_creations, speechlike_tracks, tracks

KW = {"frame_samples": FRAME, "sample_rate": RATE}

params = st.builds(
    TurnParams,
    threshold=st.sampled_from([0.1, 0.3, 0.5, 0.7]),
    min_speech_ms=st.sampled_from([0, 64, 160, 480]),
    prefix_padding_ms=st.sampled_from([0, 100, 300]),
    silence_duration_ms=st.sampled_from([0, 64, 200, 500]),
)


def evaluated(labels, turns, plan, n_samples, guards, word_ends):
    """One recording by the readable evaluation."""
    acted_at = acted_at_reference(turns, guards, word_ends=word_ends, **KW)
    n_words = [words_said(word_ends, t.onset, t.stopped_at) for t in turns]
    if plan is not None:
        return evaluate_simulated(labels, turns, plan, n_samples=n_samples, acted_at=acted_at, n_words=n_words)
    resumed_at = resumed_at_reference(turns, guards, n_words=n_words, n_samples=n_samples, sample_rate=RATE)
    return evaluate_interruptions(labels, turns, acted_at=acted_at, resumed_at=resumed_at)


def counted(labels, turns, plan, evaluation):
    """Its counts."""
    endpoints = evaluate_endpoints(labels, turns)
    outcomes = evaluation.outcomes
    counts = dict.fromkeys(COUNTS, 0)
    for name in ("masked", "preempted", "detected", "missed", "false", "terminal_overlap"):
        counts[f"n_{name}"] = evaluation.count(name)
    counts["n_true_opportunities"] = counts["n_detected"] + counts["n_missed"]
    for cause in (*FALSE_KINDS, "premature_endpoint", "none"):
        counts[f"n_false_{cause}"] = evaluation.count("false", cause=cause)
    for kind in FALSE_KINDS:
        hits = sum(o.on_opportunity and o.cause == kind for o in outcomes)
        spared = sum(o.outcome == "ignored" and o.segment.kind == kind for o in outcomes)
        counts[f"n_false_on_opportunity_{kind}"] = hits
        counts[f"n_false_opportunities_{kind}"] = hits + spared
    counts["n_turns"] = len(endpoints)
    counts["n_premature_endpoints"] = sum(e.premature for e in endpoints)
    counts["n_endpoints"] = sum(e.latency is not None for e in endpoints)
    counts["n_onsets"] = sum(e.onset_clipped is not None for e in endpoints)
    counts["n_detector_turns"] = len(turns)
    counts["n_flushed"] = sum(t.flushed for t in turns)
    counts["n_responses"] = len(labels.responses if plan is None else evaluation.responses)
    counts["n_cancelled_unheard"] = 0 if plan is None else evaluation.n_cancelled_unheard
    counts["n_resumed"] = sum(o.outcome == "false" and o.resumed_at is not None for o in outcomes)
    counts["n_resumed_true"] = sum(o.outcome == "detected" and o.resumed_at is not None for o in outcomes)
    counts["pause_samples"] = evaluation.pause
    counts["agent_speech_samples"] = evaluation.agent_speech
    counts["talk_over_samples"] = sum(o.talk_over for o in outcomes)
    return counts, endpoints


NO_GUARDS = Guards()


def check(recordings, rule, simulated=None, guards=NO_GUARDS, words=None):
    words = words or [[] for _ in recordings]
    labels = [label_recording(segments, sample_rate=RATE) for segments, _ in recordings]
    ends = [np.array(each, np.int64) for each in words]
    problem = SweepProblem.build(labels, [track for _, track in recordings], word_ends=ends, **KW)
    in_frames = rule.in_frames(**KW)
    table = turns_in_frames(
        problem.probabilities,
        problem.frame_bounds,
        threshold=in_frames.threshold,
        deactivation_threshold=in_frames.deactivation_threshold,
        min_speech_frames=in_frames.min_speech_frames,
        silence_frames=in_frames.silence_frames,
    )
    plans = [simulated and response_plan(label, **simulated, guards=guards) for label in labels]
    other = Guards(min_interruption_ms=200)  # what is shared between guards must not be spoilt by one of them
    rules = [g.in_frames(**KW) for g in (other, guards, other)]
    agent = simulated and simulated_lengths(labels, **simulated)
    before, result, after = evaluate(problem, table, agent, guards=rules)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    true_index = 0
    opportunities = {}
    for r, (label, plan, (_, track)) in enumerate(zip(labels, plans, recordings, strict=True)):
        turns = detect_turns(track, rule, **KW)
        evaluation = evaluated(label, turns, plan, len(track) * FRAME, guards, words[r])
        counts, endpoints = counted(label, turns, plan, evaluation)
        assert dict(zip(COUNTS, result.counts[r].tolist(), strict=True)) == counts
        for endpoint in endpoints:
            start = endpoint.segment.interval.start
            latency = result.endpoint_latency[true_index]
            assert (None if latency == UNDEFINED else latency) == endpoint.latency
            onset, previous_end = result.first_turn[true_index].tolist()
            if endpoint.onset_clipped is None:
                assert onset == UNDEFINED
            else:
                audio_start = max(onset - in_frames.prefix_samples, previous_end, 0)
                assert max(0, audio_start - start) == endpoint.onset_clipped
            true_index += 1
        for outcome in evaluation.outcomes:
            if outcome.segment is not None and outcome.segment.is_true:
                opportunities.setdefault((r, outcome.segment.interval), []).append(outcome)
    k = 0
    for r, label in enumerate(labels):
        for segment in label.segments:
            if not segment.is_true:
                continue
            outcomes = opportunities.get((r, segment.interval), [])
            expected = {(ABSENT, 0)} if not outcomes else set()
            for outcome in outcomes:
                if outcome.outcome == "detected":
                    expected.add((EVENT, outcome.latency))
                elif outcome.outcome in ("missed", "preempted"):
                    expected.add((CENSORED, outcome.chance_end - segment.interval.start))
                else:
                    expected.add((ABSENT, 0))
            # Two equal segments share their outcomes, of which each has one.
            assert (int(result.state[k]), int(result.latency[k])) in expected | (
                {(ABSENT, 0)} if len(outcomes) < sum(s == segment for s in label.segments) else set()
            )
            k += 1
    assert k == len(problem.true_recording)
    return result.counts.sum(axis=0)


@settings(max_examples=examples(300))
@given(st.lists(st.tuples(segment_lists(), speechlike_tracks() | tracks), min_size=1, max_size=3), params)
def test_compiled_equals_readable(recordings, rule):
    check(recordings, rule)


simulated_agents = st.fixed_dictionaries(
    {
        "response_delay_ms": st.sampled_from([0, 32, 300, 1000]),
        "response_ms": st.sampled_from([100.0, 500.0, 3000.0]) | st.just("recorded"),
    }
)


@settings(max_examples=examples(300))
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


@settings(max_examples=examples(400))
@given(
    st.lists(st.tuples(segment_lists(), speechlike_tracks() | tracks), min_size=1, max_size=3),
    params,
    st.none() | simulated_agents,
    guards,
    word_lists,
)
def test_compiled_equals_readable_with_guards(recordings, rule, simulated, guarded, words):
    check(recordings, rule, simulated, guarded, words[: len(recordings)])


@settings(max_examples=examples(400))
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

    totals = np.zeros(len(COUNTS), np.int64)
    for _ in range(300):
        edges = np.sort(rng.choice(500, 4, replace=False)) / 100
        segments = [
            Segment(start_s=float(a), end_s=float(b), channel="agent", kind="response")
            for a, b in (edges[:2], edges[2:])
        ]
        for _ in range(8):
            start = float(rng.integers(0, 500)) / 100
            segments.append(
                Segment(
                    start_s=start,
                    end_s=start + float(rng.integers(1, 150)) / 100,
                    channel="user",
                    kind=USER_KINDS[rng.integers(len(USER_KINDS))],
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
    assert (totals > 0).all()  # nothing is equal for want of cases
