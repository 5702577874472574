"""EVA's score: its bounds, and turns in which several things happened."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.benchmarks.eva import EvaTurn, eva_latency_score, eva_overlap_score, eva_turn_taking, eva_yield_score


@given(st.floats(-5000, 20_000), st.booleans())
def test_a_latency_scores_between_0_and_1_and_a_tool_never_costs(latency_ms, tool_call):
    score = eva_latency_score(latency_ms, tool_call=tool_call)
    assert 0 <= score <= eva_latency_score(latency_ms, tool_call=True) <= 1


@given(st.floats(0, 5000), st.floats(0, 5000))
def test_longer_is_never_better(one_ms, other_ms):
    short, long = sorted((one_ms, other_ms))
    assert eva_overlap_score(long) <= eva_overlap_score(short) <= 0.5
    assert eva_yield_score(long) <= eva_yield_score(short)


def test_the_worst_of_what_happened_counts():
    assert EvaTurn(overlap_ms=400, yield_ms=1500).score == pytest.approx(0.25)
    assert EvaTurn(overlap_ms=0, latency_ms=10_000).score == 0
    assert EvaTurn(latency_ms=1000).score == 1


def test_a_turn_of_which_nothing_is_known():
    with pytest.raises(InvalidParameterError, match="a latency"):
        EvaTurn()
    assert math.isnan(eva_turn_taking([]))
