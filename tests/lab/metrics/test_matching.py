"""One-to-one matching: hand-derived cases, and maximality against SciPy's bipartite matching and brute force."""

import doctest
import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.lab.metrics import matching
from bidilab.lab.metrics.matching import match

intervals = st.builds(lambda start, length: Interval(start, start + length), st.integers(0, 40), st.integers(0, 25))


@st.composite
def problems(draw, max_onsets=12, max_segments=12):
    onsets = draw(st.lists(st.integers(0, 60), max_size=max_onsets))
    segments = draw(st.lists(intervals, max_size=max_segments))
    is_true = draw(st.lists(st.booleans(), min_size=len(segments), max_size=len(segments)))
    return onsets, segments, is_true, draw(st.integers(0, 8))


def may_belong(onset, segment, tolerance):
    return segment.start - tolerance <= onset <= segment.end


def maximum(onsets, segments, tolerance):
    """Size of a maximum matching, by SciPy (Hopcroft–Karp)."""
    if not onsets or not segments:
        return 0
    edges = np.array([[may_belong(o, s, tolerance) for s in segments] for o in onsets], dtype=np.int8)
    return int((maximum_bipartite_matching(csr_array(edges)) >= 0).sum())


def test_the_examples_in_the_docstrings_hold():
    failures, examples = doctest.testmod(matching)
    assert examples > 0
    assert failures == 0


# One segment [100, 200], tolerance 20. Both ends of [80, 200] belong, the samples beside them do not.
#
#        80   100                200
#   -----|....[==================]-----
@pytest.mark.parametrize(("onset", "expected"), [(79, None), (80, 0), (100, 0), (150, 0), (200, 0), (201, None)])
def test_the_window_reaches_from_the_tolerance_to_the_offset_inclusive(onset, expected):
    assert match([onset], [Interval(100, 200)], [True], tolerance_samples=20) == [expected]


# A long true segment, a short backchannel inside it, one onset in both: the true one has it, although the
# backchannel's window closes first.
#
#   true         [====================]
#   backchannel        [====]
#   onset                x
def test_true_segments_come_first():
    segments = [Interval(0, 100), Interval(30, 50)]
    assert match([40], segments, [True, False], tolerance_samples=0) == [0]
    assert match([40], segments, [False, True], tolerance_samples=0) == [1]


# Two onsets: the first could take the long one, but then the second and the short one would go without.
#
#   long     [========================]
#   short    [=======]
#   onsets      x            x
def test_as_many_as_can_be_are_matched():
    assert match([3, 15], [Interval(0, 20), Interval(0, 8)], [True, True], tolerance_samples=0) == [1, 0]


# A true segment is not given up for two false ones.
#
#   true             [==]
#   false a       [=====]
#   onset             x        (a second false one would need an onset of its own)
def test_one_true_outweighs_the_false():
    assert match([11], [Interval(8, 12), Interval(10, 12)], [False, True], tolerance_samples=0) == [1]


# One onset, two equal claims: the earlier segment has it. Three onsets, one segment: the earliest onset has it.
def test_ties_go_to_the_earliest():
    assert match([10], [Interval(9, 20), Interval(5, 20)], [True, True], tolerance_samples=0) == [1]
    assert match([10], [Interval(5, 20), Interval(5, 20)], [True, True], tolerance_samples=0) == [0]
    assert match([14, 10, 12], [Interval(5, 20)], [True], tolerance_samples=0) == [None, 0, None]


def test_nothing_to_match():
    assert match([], [Interval(0, 5)], [True], tolerance_samples=0) == []
    assert match([3, 4], [], [], tolerance_samples=0) == [None, None]


@given(problems())
@example(([0, 0, 0], [Interval(0, 0)] * 3, [True, False, True], 0))
def test_it_is_one_to_one_allowed_and_maximum(problem):
    onsets, segments, is_true, tolerance = problem
    matched = match(onsets, segments, is_true, tolerance_samples=tolerance)
    assert len(matched) == len(onsets)
    pairs = [(o, s) for o, s in enumerate(matched) if s is not None]
    assert len({s for _, s in pairs}) == len(pairs)
    assert all(may_belong(onsets[o], segments[s], tolerance) for o, s in pairs)
    true_segments = [s for s, true in zip(segments, is_true, strict=True) if true]
    assert sum(is_true[s] for _, s in pairs) == maximum(onsets, true_segments, tolerance)
    assert len(pairs) == maximum(onsets, segments, tolerance)


@given(problems(max_onsets=4, max_segments=5))
def test_of_all_best_matchings_it_takes_the_earliest_segments(problem):
    onsets, segments, is_true, tolerance = problem
    order = sorted(range(len(segments)), key=lambda s: (not is_true[s], segments[s], s))
    best = ()
    for choice in itertools.product([None, *range(len(segments))], repeat=len(onsets)):
        taken = {s for s in choice if s is not None}
        if len(taken) != sum(s is not None for s in choice):
            continue
        if all(s is None or may_belong(o, segments[s], tolerance) for o, s in zip(onsets, choice, strict=True)):
            n_true = sum(is_true[s] for s in taken)
            best = max(best, (n_true, len(taken), [s in taken for s in order]))
    matched = {s for s in match(onsets, segments, is_true, tolerance_samples=tolerance) if s is not None}
    assert best == (sum(is_true[s] for s in matched), len(matched), [s in matched for s in order])


@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_onsets_does_not_matter(problem, random):
    onsets, segments, is_true, tolerance = problem
    onsets = sorted(set(onsets))
    shuffled = random.sample(onsets, len(onsets))
    straight = dict(zip(onsets, match(onsets, segments, is_true, tolerance_samples=tolerance), strict=True))
    turned = dict(zip(shuffled, match(shuffled, segments, is_true, tolerance_samples=tolerance), strict=True))
    assert straight == turned


@pytest.mark.parametrize(
    "call",
    [
        lambda: match([1], [Interval(0, 5)], [], tolerance_samples=0),
        lambda: match([1], [Interval(5, 0)], [True], tolerance_samples=0),
        lambda: match([1.5], [Interval(0, 5)], [True], tolerance_samples=0),
        lambda: match([1], [Interval(0.5, 5)], [True], tolerance_samples=0),
        lambda: match([1], [Interval(0, 5)], [True], tolerance_samples=-1),
        lambda: match([1], [Interval(0, 5)], [True], tolerance_samples=0.5),
    ],
)
def test_what_is_not_allowed_is_refused(call):
    with pytest.raises(InvalidParameterError):
        call()
