"""Session costs: the compiled form counts what the readable one says, for any labels, turns, guards and agent."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.timeline import Interval
from bidilab.detect.turns import Guards, TurnParams, detect_turns
from bidilab.detect.turns.guard_kernels import acted_in_frames, turns_with_words
from bidilab.detect.turns.guards import acted_at_reference, resumed_at_reference, words_said
from bidilab.detect.turns.kernels import turns_in_frames
from bidilab.detect.turns.simulation import ResponsePlan, SimulatedAgent
from bidilab.lab.datasets.labels import FALSE_KINDS, USER_KINDS
from bidilab.lab.metrics.stops import Owners, recorded_costs, simulated_costs
from bidilab.lab.sweep.kernels.stops import recorded_stops, simulated_stops

FRAME, RATE, N, TOLERANCE = 512, 16_000, 220, 3200
COMMON = {"frame_samples": FRAME, "sample_rate": RATE}
SCALARS = (
    *("n_responses", "n_stops_true", "n_stops_continued", "n_false", "n_false_none", "n_resumed", "n_resumed_true"),
    *("n_cancelled_unheard", "n_cut_ins_heard", "planned_samples", "agent_speech_samples", "masked_samples"),
    *("lost_samples", "pause_samples", "cut_in_talk_samples", "n_responses_stopped_falsely"),
)
RECORD = np.dtype([*((name, np.int64) for name in SCALARS), ("n_false_by_kind", np.int64, len(FALSE_KINDS))])

tracks = st.lists(st.tuples(st.sampled_from([0.02, 0.4, 0.6, 0.95]), st.integers(1, 14)), min_size=1, max_size=30).map(
    lambda runs: np.concatenate([np.full(n, p, np.float32) for p, n in runs])[:N]
)
segments = st.lists(
    st.tuples(st.sampled_from(USER_KINDS), st.integers(0, N * FRAME), st.integers(1, 50 * FRAME)), max_size=8
).map(lambda drawn: sorted((Interval(a, a + n), kind) for kind, a, n in drawn))
edges = st.lists(st.integers(0, N * FRAME), max_size=6, unique=True).map(sorted)
settings = st.builds(
    TurnParams, threshold=st.sampled_from([0.3, 0.5, 0.9]), silence_duration_ms=st.sampled_from([32, 96, 320])
)
guards = st.builds(
    Guards,
    min_interruption_ms=st.sampled_from([0, 96, 320]),
    min_words=st.sampled_from([0, 0, 1, 2]),
    false_interruption_timeout_ms=st.sampled_from([float("inf"), 0, 128, 640]),
)
lookaheads = st.sampled_from([0, 240, 1200])
words = st.lists(st.integers(0, N * FRAME), max_size=10).map(sorted)


class Problem:
    def __init__(self, p, labels, params, guard, word_ends, is_labelled=True, ahead=0):
        rule = params.in_frames(**COMMON)
        self.turns = detect_turns(p, params, lookahead_samples=ahead, **COMMON)
        self.acted = acted_at_reference(self.turns, guard, word_ends=word_ends, **COMMON)
        self.n_words = [words_said(word_ends, t.onset, t.stopped_at) for t in self.turns]
        self.n_samples = len(p) * FRAME
        unsure = [index for index, (interval, _) in enumerate(labels) if interval.duration % 4 == 0]
        self.owners = Owners(labels, tolerance=TOLERANCE, is_labelled=is_labelled, unsure=unsure)
        bounds = np.array([0, len(p)])
        table = turns_in_frames(
            p,
            bounds,
            threshold=rule.threshold,
            deactivation_threshold=rule.deactivation_threshold,
            min_speech_frames=rule.min_speech_frames,
            silence_frames=rule.silence_frames,
        )
        said = {
            "frame_samples": FRAME,
            "lookahead_samples": ahead,
            "word_ends": np.array(word_ends, np.int64),
            "word_bounds": np.array([0, len(word_ends)]),
        }
        in_frames = guard.in_frames(lookahead_samples=ahead, **COMMON)
        stands = turns_with_words(table, guard.words_to_stand, **said)
        self.compiled = (*table, acted_in_frames(table, in_frames, **said), stands, in_frames.timeout_samples)
        self.compiled += (FRAME, ahead, bounds)
        ends = np.maximum.accumulate([interval.end for interval, _ in labels], dtype=np.int64)
        rows = [
            (*span, USER_KINDS.index(kind), -1, end, index in unsure)
            for index, ((span, kind), end) in enumerate(zip(labels, ends, strict=True))
        ]
        self.segments = (np.array(rows, np.int64).reshape(-1, 6), np.array([0, len(rows)]))


def compare(costs, counted):
    expected = {
        "n_responses": costs.n_responses,
        "n_stops_true": costs.count("true"),
        "n_stops_continued": costs.count("continued"),
        "n_false": costs.n_false,
        "n_false_none": costs.count("none"),
        "n_resumed": sum(s.is_false and s.resumed_at is not None for s in costs.stops),
        "n_resumed_true": sum(s.cause == "true" and s.resumed_at is not None for s in costs.stops),
        "n_cancelled_unheard": costs.n_cancelled_unheard,
        "n_cut_ins_heard": costs.n_cut_ins_heard,
        "planned_samples": costs.planned,
        "agent_speech_samples": costs.exposure,
        "masked_samples": costs.masked,
        "lost_samples": costs.lost,
        "pause_samples": costs.pause,
        "cut_in_talk_samples": costs.cut_in_talk,
        "n_responses_stopped_falsely": costs.n_responses_stopped_falsely,
    }
    assert {name: int(counted[name]) for name in SCALARS} == expected
    assert counted["n_false_by_kind"].tolist() == [costs.count(kind) for kind in FALSE_KINDS]


@given(tracks, segments, edges, settings, guards, words, lookaheads)
def test_recorded(p, labels, marks, params, guard, word_ends, ahead):
    problem = Problem(p, labels, params, guard, word_ends, ahead=ahead)
    responses = [Interval(a, b) for a, b in zip(marks[::2], marks[1::2], strict=False)]
    resumed = resumed_at_reference(
        problem.turns, guard, n_words=problem.n_words, n_samples=problem.n_samples, sample_rate=RATE
    )
    costs = recorded_costs(problem.owners, responses, problem.turns, acted_at=problem.acted, resumed_at=resumed)
    counts = np.zeros(1, RECORD)
    spans = np.array(responses, np.int64).reshape(-1, 2)
    recorded_stops(*problem.compiled, spans, np.array([0, len(spans)]), *problem.segments, TOLERANCE, counts)
    compare(costs, counts[0])


@given(
    tracks,
    segments,
    settings,
    guards,
    words,
    st.sampled_from([0, 64, 300]),
    st.lists(st.integers(30, 4000), min_size=1, max_size=3),
    st.booleans(),
    lookaheads,
)
def test_simulated(p, labels, params, guard, word_ends, delay_ms, lengths_ms, responses_labelled, ahead):
    is_labelled = responses_labelled or bool(labels)
    problem = Problem(p, labels, params, guard, word_ends, is_labelled, ahead)
    plan = ResponsePlan(response_delay_ms=delay_ms, response_ms=tuple(map(float, lengths_ms)), guards=guard)
    costs = simulated_costs(
        problem.owners,
        problem.turns,
        plan,
        sample_rate=RATE,
        n_samples=problem.n_samples,
        acted_at=problem.acted,
        n_words=problem.n_words,
    )
    agent = SimulatedAgent(plan, sample_rate=RATE)
    lengths = np.array(agent.lengths_samples, np.int64)
    counts = np.zeros(1, RECORD)
    simulated_stops(
        *problem.compiled,
        agent.delay_samples,
        lengths,
        np.array([0, len(lengths)]),
        *problem.segments,
        TOLERANCE,
        np.array([is_labelled]),
        counts,
    )
    compare(costs, counts[0])
