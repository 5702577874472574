"""Session costs by hand: frames of 512 samples at 16 kHz, speech at 0.9 and all else at 0.02."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.timeline import Interval
from bidilab.detect.turns import Guards, Turn, TurnParams, detect_turns
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


@pytest.mark.parametrize(
    ("onset", "owner"), [(799, -1), (800, 0), (1000, 0), (1999, 0), (2200, 0), (2201, -1)], ids=str
)
def test_an_owner_reaches_200_ms_to_either_side_inclusive(onset, owner):
    noise = Owners([(Interval(1000, 2000), "noise")], tolerance=200)
    assert noise.of(onset) == owner


def test_what_has_ended_owns_before_what_is_to_come():
    two = Owners([(Interval(1000, 2000), "noise"), (Interval(2150, 3000), "interruption")], tolerance=200)
    assert [two.of(at) for at in (2000, 2149, 2150)] == [0, 0, 1]


@pytest.mark.parametrize(("start", "cause"), [(999, "continued"), (1000, "true"), (1299, "true"), (1300, "true")])
def test_a_user_who_begins_before_a_simulated_response_is_created_goes_on(start, cause):
    """Created at 1000 ms, heard from 1300 on; stopped at 1512 by a turn whose onset lies in the segment.

    ::

        agent       |1000 ---- 1300 ============^
        user        |start ----------------- 2500|  interruption
        turn                     o1480  d1512
    """
    turns = [Turn(100, 132, 100, 500, 1000, 1000, False), Turn(1480, 1512, 1480, 2500, 3000, 3000, False)]
    labels = Owners([(Interval(100, 500), "turn"), (Interval(start, 2500), "interruption")], tolerance=200)
    plan = ResponsePlan(response_delay_ms=300, response_ms=2000)
    costs = simulated_costs(labels, turns, plan, sample_rate=1000, n_samples=3300)
    assert [stop.cause for stop in costs.stops] == [cause]
    assert costs.exposure == 212  # 1300 to 1512


def test_a_recorded_response_is_taken_to_be_created_where_it_is_heard():
    turn = Turn(1480, 1512, 1480, 2500, 3000, 3000, False)
    labels = Owners([(Interval(1200, 2500), "interruption")], tolerance=200)
    costs = recorded_costs(labels, [Interval(1300, 3300)], [turn])
    assert [stop.cause for stop in costs.stops] == ["continued"]


@pytest.mark.parametrize(("start", "cause"), [(1550, "continued"), (1620, "true")])
def test_a_response_resumed_before_it_was_heard_is_active_from_there(start, cause):
    """Cut at 1120 ms and resumed at 1600, with 180 ms of its silence left.

    ::

        agent       |1000 --^1120 pause |1600 -- 1780 =====^ 2032
        turn         o1088 d1120 s1400           o2000 d2032
        user                       |start --------------- 3000|
    """
    turns = [
        Turn(100, 132, 100, 500, 1000, 1000, False),
        Turn(1088, 1120, 1088, 1300, 1400, 1400, False),
        Turn(2000, 2032, 2000, 2900, 3000, 3000, False),
    ]
    guards = Guards(false_interruption_timeout_ms=200)
    plan = ResponsePlan(response_delay_ms=300, response_ms=2000, guards=guards)
    labels = Owners([(Interval(100, 500), "turn"), (Interval(start, 3000), "interruption")], tolerance=200)
    costs = simulated_costs(labels, turns, plan, sample_rate=1000, n_samples=5000, n_words=[1, 0, 1])
    assert [stretch.active_from for stretch in costs.stretches] == [1000, 1600, 3000]
    assert [stop.cause for stop in costs.stops][:1] == [cause]
    assert costs.exposure >= 252  # 1780 to 2032
    assert costs.n_cancelled_unheard == 0  # it was resumed, and then heard


def test_a_turn_from_before_the_response_masks_it_until_it_is_over():
    """The turn of before lasts until 2000 ms; from there to the stop at 2560 the agent could be stopped."""
    turns = [Turn(500, 532, 500, 1500, 2000, 2000, False), Turn(2528, 2560, 2528, 3500, 4000, 4000, False)]
    labels = Owners([(Interval(1500, 1900), "interruption"), (Interval(2500, 3500), "interruption")], tolerance=200)
    costs = recorded_costs(labels, [Interval(1000, 4000)], turns)
    assert (costs.masked, costs.exposure, costs.lost) == (1000, 560, 0)
    assert [(stop.owner, stop.cause) for stop in costs.stops] == [(1, "true")]


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
