"""Session costs by hand: frames of 512 samples at 16 kHz, speech at 0.9 and all else at 0.02."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.timeline import Interval
from bidilab.detect.turns import TurnParams, detect_turns
from bidilab.detect.turns.simulation import ResponsePlan
from bidilab.lab.datasets.labels import USER_KINDS
from bidilab.lab.metrics.stops import Owners, recorded_costs, simulated_costs

FRAME, RATE, N = 512, 16_000, 300
TOLERANCE = 3200


def at(start, end):
    return Interval(start * FRAME, end * FRAME)


def heard(*spans, silence_ms=500):
    p = np.full(N, 0.02, np.float32)
    for start, end in spans:
        p[start:end] = 0.9
    params = TurnParams(silence_duration_ms=silence_ms)
    return detect_turns(p, params, frame_samples=FRAME, sample_rate=RATE)


def owners(*segments):
    return Owners([(at(a, b), kind) for kind, a, b in segments], tolerance=TOLERANCE)


def test_example_6_one_stop_takes_the_rest_of_the_response():
    events = [("backchannel", a, a + 8) for a in (20, 70, 120, 170)]
    turns = heard(*((a + 1, a + 8) for a in (20, 70, 120, 170)))
    one = recorded_costs(owners(*events), [at(0, 250)], turns)
    assert (one.n_false, one.count("backchannel"), one.lost / RATE) == (1, 1, 7.296)
    assert one.exposure == 22 * FRAME
    four = recorded_costs(owners(*events), [at(0, 60), at(60, 110), at(110, 160), at(160, 250)], turns)
    assert four.n_false == 4


def test_example_12_a_cut_in_is_no_false_stop():
    turn = owners(("turn", 10, 100))
    hasty = heard((10, 55), (70, 100), silence_ms=320)
    costs = recorded_costs(turn, [at(60, 200)], hasty)
    assert [stop.cause for stop in costs.stops] == ["continued"]
    assert costs.n_false == 0
    assert costs.masked == 5 * FRAME  # the turn from before is open until frame 65
    plan = ResponsePlan(response_delay_ms=128, response_ms=2000)
    simulated = simulated_costs(turn, hasty, plan, sample_rate=RATE, n_samples=N * FRAME)
    assert simulated.n_cut_ins_heard == 1
    assert simulated.cut_in_talk / RATE == 0.064
    assert [stop.cause for stop in simulated.stops] == ["continued"]
    patient = heard((10, 55), (70, 100), silence_ms=512)
    again = simulated_costs(turn, patient, plan, sample_rate=RATE, n_samples=N * FRAME)
    assert (again.n_cut_ins_heard, again.n_responses) == (0, 1)


@pytest.mark.parametrize(
    ("onset", "owner"),
    [
        (45, 1),  # over two: the true one
        (62, 1),  # ended 2 frames before
        (70, 3),  # nothing near but an echo
        (77, 2),  # the next begins 3 frames later, and an echo is background
        (90, 2),
        (130, -1),
    ],
)
def test_whose_an_onset_is(onset, owner):
    whole = owners(("noise", 40, 50), ("interruption", 42, 60), ("backchannel", 80, 95), ("echo", 68, 110))
    assert whole.of(onset * FRAME) == owner


def test_of_two_that_both_count_the_later_to_begin_owns():
    assert owners(("noise", 10, 60), ("backchannel", 20, 60)).of(30 * FRAME) == 1
    assert owners(("turn", 10, 60), ("interruption", 20, 60)).of(30 * FRAME) == 1
    assert owners(("turn", 10, 60), ("noise", 20, 60)).of(30 * FRAME) == 0


def test_unheard_is_no_stop():
    turns = heard((10, 30), (42, 60), silence_ms=320)
    plan = ResponsePlan(response_delay_ms=320, response_ms=2000)
    costs = simulated_costs(owners(), turns, plan, sample_rate=RATE, n_samples=N * FRAME)
    assert costs.n_cancelled_unheard == 1
    assert costs.stops == ()


segments = st.lists(st.tuples(st.sampled_from(USER_KINDS), st.integers(0, 250), st.integers(1, 60)), max_size=8).map(
    lambda drawn: [(kind, a, a + n) for kind, a, n in drawn]
)


@given(segments, st.integers(-5, 320))
def test_an_owner_is_near_and_the_order_of_labels_does_not_decide(labels, onset):
    one = owners(*labels).of(onset * FRAME)
    if one >= 0:
        _, a, b = labels[one]
        assert a * FRAME - TOLERANCE <= onset * FRAME <= b * FRAME + TOLERANCE
    back = owners(*reversed(labels)).of(onset * FRAME)
    assert (one < 0) == (back < 0)
    if one >= 0 and back >= 0:
        first, second = labels[one], labels[::-1][back]
        assert first[0] == second[0] or first[1:] == second[1:] or (first[2] == second[2] or first[1] == second[1])
