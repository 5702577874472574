import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.pareto import BUDGET_SLACK, least_within, pareto_front

# Few distinct values, so that ties and coinciding points are common.
COORDINATES = st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, -1.0, math.nan, math.inf, -math.inf])


def brute_force(points):
    def beats(a, b):
        return a[0] <= b[0] and a[1] <= b[1] and a != b

    finite = {i: p for i, p in enumerate(points) if all(map(math.isfinite, p))}
    return {i for i, p in finite.items() if not any(beats(q, p) for q in finite.values())}


@given(st.lists(st.tuples(COORDINATES, COORDINATES), max_size=30))
def test_front_is_what_comparing_every_pair_gives(points):
    x, y = [p[0] for p in points], [p[1] for p in points]
    front = pareto_front(x, y)
    assert set(front.tolist()) == brute_force(points)
    assert len(set(front.tolist())) == len(front)


@given(st.lists(st.tuples(COORDINATES, COORDINATES), max_size=30))
def test_front_rises_in_x_and_falls_in_y(points):
    x, y = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    front = pareto_front(x, y)
    assert (np.diff(x[front]) >= 0).all()
    assert (np.diff(y[front]) <= 0).all()


def test_shapes_must_agree():
    with pytest.raises(InvalidParameterError, match="one length"):
        pareto_front([1.0, 2.0], [1.0])


@given(st.lists(st.tuples(COORDINATES, COORDINATES), max_size=30), st.sampled_from([-1.0, 0.0, 2.0, 9.0]))
def test_the_least_within_a_budget_is_what_looking_at_each_gives(points, budget):
    found = least_within([p[0] for p in points], [p[1] for p in points], budget)
    kept = [p for p in points if math.isfinite(p[0]) and p[1] <= budget]
    assert (found is None) == (not kept)
    if found is not None:
        assert points[found] == min(kept)
        assert points.index(points[found]) == found


def test_a_budget_is_kept_to_the_rounding_of_a_sum():
    assert least_within([1.0], [0.1 + 0.2], 0.3) == 0
    assert least_within([1.0], [0.3 + 2 * BUDGET_SLACK], 0.3) is None
    with pytest.raises(InvalidParameterError, match="budget"):
        least_within([1.0], [0.3], math.nan)
    with pytest.raises(InvalidParameterError, match="one length"):
        least_within([1.0], [0.3, 0.2], 1)
