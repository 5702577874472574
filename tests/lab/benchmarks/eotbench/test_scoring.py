"""eot-bench's rules on spans made by hand, and identities on any spans."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.benchmarks.eotbench import (
    Headline,
    Policy,
    Score,
    Span,
    fired_at_s,
    headline_of,
    latency_by_identity,
    pareto_scores,
    policies,
    score_policy,
    score_silence,
)


def hold(duration, *scores):
    return Span(kind="hold", duration_s=duration, scores=scores)


def eot(duration, *scores):
    return Span(kind="eot", duration_s=duration, scores=scores)


def policy(threshold=0.5, delay=0.2, timeout=1.0):
    return Policy(threshold=threshold, action_delay_s=delay, timeout_s=timeout)


@pytest.mark.parametrize(("threshold", "fires"), [(0.5, True), (0.7, False), (0.8, False)])
def test_a_score_fires_when_it_is_strictly_greater(threshold, fires):
    assert (fired_at_s(eot(1, (0.2, 0.7)), policy(threshold)) is not None) == fires


def test_what_fired_stays_and_waits_for_the_delay():
    span = eot(1, (0.1, 0.9), (0.2, 0.0), (0.5, 0.0))
    assert fired_at_s(span, policy(delay=0.4)) == 0.4
    assert fired_at_s(span, policy(delay=0.4), score_point_s=0.2) is None
    assert fired_at_s(replace(span, scores=((0.2, 0.3), (0.5, 0.9))), policy(delay=0.4)) == 0.5


def test_a_model_is_asked_at_its_score_point_alone():
    span = eot(1, (0.1, 0.0), (0.2, 0.6), (0.3, 0.9))
    assert fired_at_s(span, policy(0.6), score_point_s=0.2) is None
    assert fired_at_s(span, policy(0.5, delay=0), score_point_s=0.2) == 0.2
    with pytest.raises(InvalidParameterError, match=r"a score at 0\.4 s"):
        fired_at_s(span, policy(), score_point_s=0.4)


@pytest.mark.parametrize(
    ("span", "cut"),
    [
        (hold(0.3, (0.2, 0.9)), False),  # as long as the fire time
        (hold(0.31, (0.2, 0.9)), True),
        (hold(1.0, (0.2, 0.1)), False),  # as long as the timeout
        (hold(1.01, (0.2, 0.1)), True),
        (hold(1.01, (0.2, 0.9)), True),
        (hold(0.5, (0.2, 0.1), (0.5, 0.9)), False),  # fires as the user goes on
    ],
)
def test_a_hold_span_is_cut_off_where_it_lasts_longer(span, cut):
    assert score_policy([span], policy(delay=0.3)).cutoff_rate == cut


def test_three_times_a_tenth_of_a_second_is_not_longer_than_three_tenths():
    assert score_policy([hold(3 * 0.1, (0.2, 0.9))], policy(delay=0.3)).cutoff_rate == 0
    assert score_silence([hold(3 * 0.1)], 0.3).cutoff_rate == 0


def test_a_turn_end_that_fires_late_is_left_to_the_timeout():
    late, early = eot(3, (0.2, 0.1), (2.0, 0.9)), eot(3, (0.2, 0.9))
    assert score_policy([late, early], policy(timeout=1.5)) == Score(
        pytest.approx(0.85), pytest.approx(math.nan, nan_ok=True), 0.5
    )
    assert score_policy([late], policy(timeout=2.0))[::2] == (2.0, 1.0)  # at the timeout is in time


def test_hold_spans_count_from_a_fifth_of_a_second_to_five():
    spans = [hold(d, (0.0, 0.9)) for d in (0.19, 0.2, 5.0, 5.01)]
    assert [span.counts for span in spans] == [False, True, True, False]
    assert score_silence(spans, 0.3).cutoff_rate == 0.5
    assert eot(0.1).counts


def test_what_is_no_span_or_policy():
    for wrong in ({"duration_s": 0}, {"duration_s": math.inf}, {"kind": "pause"}, {"scores": ((0.2, 1.1),)},
                  {"scores": ((0.3, 0.5), (0.2, 0.5))}, {"scores": ((2.0, 0.5),)}):  # fmt: skip
        with pytest.raises(InvalidParameterError):
            Span(**{"kind": "eot", "duration_s": 1.0, **wrong})
    for wrong in ({"threshold": 2}, {"delay": -1}, {"delay": 2, "timeout": 1}, {"timeout": math.inf}):
        with pytest.raises(InvalidParameterError):
            policy(**wrong)


def test_the_grid_of_policies():
    grid = list(policies())
    assert (grid[0], grid[-1]) == (policy(0, 0.2, 1.0), policy(1, 1.0, 3.5))
    assert len(set(grid)) == 101 * 9 * 6


def test_the_front_and_the_headlines():
    scores = [Score(0.25, 0.2, 1), Score(0.3, 0.2, 1), Score(0.6, 0.05, 1), Score(0.7, 0.04, 1), Score(0.8, 0.3, 1)]
    assert pareto_scores(scores) == [scores[0], scores[2], scores[3]]
    assert headline_of([s[:2] for s in scores]) == Headline(0.2, 0.05, 0.6, 0.6)
    assert headline_of([(0.1 + 0.2, 0.1)]) == Headline(0.1, 0.1, None, 0.1 + 0.2)  # a budget with its slack
    assert headline_of([(2.0, 0.5)]) == Headline(None, None, None, None)


grids = st.lists(st.floats(0, 1), min_size=3, max_size=12)


@st.composite
def spans(draw):
    scores = draw(grids)
    duration = (len(scores) - 1) / 10
    at = tuple((k / 10, score) for k, score in enumerate(scores))
    return Span(kind=draw(st.sampled_from(["hold", "eot"])), duration_s=duration, scores=at)


some_policies = st.builds(
    policy, st.floats(0, 1), st.integers(0, 10).map(lambda k: k / 10), st.integers(2, 7).map(lambda k: k / 2)
)


@given(st.lists(spans(), max_size=12), some_policies)
def test_the_latency_identity_holds_for_any_model_that_is_asked_once(drawn, chosen):
    found = score_policy(drawn, chosen, score_point_s=0.2)
    if not math.isnan(found.detect_rate):
        assert found.mean_latency_s == pytest.approx(latency_by_identity(found.detect_rate, chosen, 0.2))


@given(st.lists(spans(), max_size=12), some_policies)
def test_what_never_fires_is_silence_alone_at_the_timeout(drawn, chosen):
    never = replace(chosen, threshold=1)
    found, silence = score_policy(drawn, never), score_silence(drawn, never.timeout_s)
    assert found.cutoff_rate == pytest.approx(silence.cutoff_rate, nan_ok=True)
    if not math.isnan(found.mean_latency_s):
        assert found.mean_latency_s == pytest.approx(never.timeout_s)
        assert found.detect_rate == 0


@given(st.lists(spans(), max_size=12), some_policies)
def test_a_higher_threshold_cuts_off_no_more_and_is_no_quicker(drawn, chosen):
    higher = replace(chosen, threshold=(1 + chosen.threshold) / 2)
    one, other = score_policy(drawn, chosen), score_policy(drawn, higher)
    assert not other.cutoff_rate > one.cutoff_rate
    assert not other.mean_latency_s < one.mean_latency_s - 1e-9


def test_the_first_crossing_has_no_such_identity():
    at = policy(0.5, 0.2, 3.0)
    found = score_policy([eot(1, (0.2, 0.1), (0.6, 0.9)), eot(1, (0.2, 0.9))], at)
    assert found.mean_latency_s != pytest.approx(latency_by_identity(found.detect_rate, at, 0.2))
