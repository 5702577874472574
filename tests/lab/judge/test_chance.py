"""Cut or finished: known ends, chance by hand, and an agent that never yields."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.lab.judge.chance import SURE, chance_of_end, decide
from bidilab.lab.judge.exchange import ToldEnd, exchange_of
from bidilab.lab.judge.rule import JudgeRule
from tests.lab.judge.calls import heard

RULE = JudgeRule()


def exchange(user, agent, told=()):
    return exchange_of(heard(user, agent), RULE, told=told)


def outcomes(*exchanges):
    return [(d.outcome, d.evidence, d.p_cut) for of in decide(exchanges) for d in of]


def test_chance_by_hand():
    """Twenty responses of 1 to 20 s, those of 4 and 8 s cut. Of the 18 that outlast 2 s, 3, 5 and 6 end in 4.5 s.

    The one that was cut at 4 s leaves unseen, so 16 are at risk at 5 s.
    """
    lengths = np.arange(1.0, 21.0)
    cut = np.isin(lengths, (4, 8)).astype(float)
    found = chance_of_end(np.array([2.0]), np.array([4.5]), lengths, 1 - cut, cut)
    survival = 1 - (17 / 18) * (15 / 16) * (14 / 15)
    assert found == pytest.approx(survival)


def test_where_few_got_so_old_the_hazard_is_constant():
    lengths = np.full(5, 4.0)
    found = chance_of_end(np.array([3.0]), np.array([2.0]), lengths, np.ones(5), np.zeros(5))
    assert found == pytest.approx(1 - np.exp(-6 / 20 * 2))
    assert np.isnan(chance_of_end(np.array([1.0]), np.array([2.0]), np.zeros(0), np.zeros(0), np.zeros(0))).all()


@given(
    st.lists(st.tuples(st.floats(0.1, 30), st.floats(0, 1)), min_size=1, max_size=40),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 10)), min_size=1, max_size=10),
)
def test_a_chance_is_one_and_grows_with_the_time_that_is_watched(responses, watched):
    lengths, cut = (np.array(column) for column in zip(*responses, strict=True))
    ages, windows = (np.array(column) for column in zip(*watched, strict=True))
    found = chance_of_end(ages, windows, lengths, 1 - cut, cut)
    assert ((found >= 0) & (found <= 1)).all()
    assert (chance_of_end(ages, windows + 1, lengths, 1 - cut, cut) >= found - 1e-12).all()


def test_what_was_told_decides():
    user, agent = [(4000, 6000)], [(1000, 4400), (7000, 12_000)]
    for how, outcome, p in (("cut", "yielded", 1), ("natural", "agent finished by itself", 0)):
        told = [ToldEnd(position=4400, how=how, by="trace")]
        assert outcomes(exchange(user, agent, told)) == [(outcome, "trace", p)]


def test_an_agent_that_goes_on_after_a_cough_was_cut_where_it_seldom_pauses_so_by_itself():
    cough = (4000, 4200, {"voiced_ms": 0})
    away = [(20_000 + 9000 * k, 23_000 + 9000 * k) for k in range(4)]
    assert outcomes(exchange([cough], [(1000, 4400), (6500, 9000), *away])) == [("yielded", "resume", 1)]
    often = [(20_000 + 5000 * k, 23_000 + 5000 * k) for k in range(6)]  # gaps of 2 s with nobody near
    ((_, evidence, p),) = outcomes(exchange([cough], [(1000, 4400), (6500, 9000), *often]))
    assert (evidence, p < 1) == ("chance", True)


def test_the_sound_moves_the_probability_and_never_settles_it():
    def p(sound):
        return outcomes(exchange([(4000, 6000)], [(1000, 4400, sound), (8000, 12_000)]))[0]

    assert p(-1.5)[2] < p(0.0)[2] < p(1.5)[2]
    assert p(1.5)[2] > SURE  # together with chance
    assert {p(1.5)[0], p(-1.5)[0]} == {"ambiguous"}
    assert (p(0.0)[1], p(1.5)[1]) == ("chance", "sound")


def test_events_that_the_end_does_not_belong_to_are_in_no_count():
    found = outcomes(exchange([(3000, 3300), (4400, 6000)], [(1000, 4900), (8000, 12_000)]))
    assert found[0][:2] == ("ambiguous", "another event")
    assert np.isnan(found[0][2])


def simulated(n, yields, seed):
    """Calls of an agent whose responses last 2 to 10 s, and a user who speaks up at any time, heedless of the agent."""
    rng = np.random.default_rng(seed)
    calls = []
    for _ in range(n):
        length, onset = (1000 + int(rng.uniform(low, 10_000)) for low in (2000, 0))
        cut = onset < length and rng.random() < yields
        user = [(onset, onset + 1500)] if onset < length else []
        calls.append(exchange(user, [(1000, min(length, onset + 400) if cut else length)]))
    return calls


def test_an_agent_that_never_yields_is_not_said_to_yield():
    """It falls silent in time after many, as responses end; chance makes as many."""
    calls = simulated(300, 0.0, 1)
    decided = [d for of in decide(calls) for d in of]
    ended = sum(o.owner for e in calls for o in e.overlaps)
    assert ended > 60
    assert sum(d.chance for d in decided) == pytest.approx(ended, rel=0.25)
    assert sum(d.p_cut for d in decided) < 0.2 * len(decided)
    assert not any(d.outcome == "yielded" for d in decided)


def test_an_agent_that_mostly_yields_is_said_to():
    decided = [d for of in decide(simulated(300, 0.9, 2)) for d in of]
    assert sum(d.p_cut for d in decided) == pytest.approx(0.9 * len(decided), rel=0.1)
    assert sum(d.p_cut >= SURE for d in decided) > 0.5 * len(decided)


def test_nothing_to_decide():
    assert decide([]) == []
    assert decide([exchange([], [])]) == [[]]
    assert decide([exchange([(100, 900)], [])]) == [[]]
