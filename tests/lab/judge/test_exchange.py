"""A call put in order, on timelines drawn by hand. At 1000 Hz a sample is a millisecond."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.lab.judge.exchange import ToldEnd, exchange_of, own_pauses_ms
from bidilab.lab.judge.rule import JudgeRule
from tests.lab.judge.calls import heard

RULE = JudgeRule()


def exchange(user, agent, rule=RULE, told=(), **facts):
    return exchange_of(heard(user, agent, **facts), rule, told=told)


def spans(intervals):
    return [tuple(interval) for interval in intervals]


def test_an_overlap_in_numbers():
    """The agent is silent 500 ms after the onset, with a pause of 200 ms 100 ms after it."""
    found = exchange([(4000, 6000)], [(1000, 4100), (4300, 4500)])
    (overlap,) = found.overlaps
    assert (overlap.ended, overlap.owner, overlap.age, overlap.window) == (True, True, 3000, 2000)
    assert (overlap.to_silence, overlap.talk_over, overlap.overrun) == (500, 300, 300)


def test_a_response_goes_on_over_a_pause_and_ends_at_an_answer():
    """A pause of 600 ms is one of the agent's; where the user has ended speech at length in it, the agent answers."""
    assert spans(r.interval for r in exchange([], [(0, 1000), (1600, 3000)]).responses) == [(0, 3000)]
    cut = exchange([(500, 1900)], [(0, 1000), (2350, 3000)], replace(RULE, response_pause_ms=1500))
    assert spans(r.interval for r in cut.responses) == [(0, 1000), (2350, 3000)]
    assert cut.responses[1].latency == 450
    on = exchange([(500, 1900)], [(0, 1500), (1750, 3000)])  # 250 ms: the agent goes on over the user
    assert spans(r.interval for r in on.responses) == [(0, 3000)]


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (4100, True),
        (5999, True),
        (6000, True),  # 2 s after the onset
        (6001, True),  # the user still speaks
        (7000, True),
        (7001, False),
    ],
)
def test_not_yielded_is_2_s_past_the_onset_and_past_the_users_end(end, ended):
    (overlap,) = exchange([(4000, 7000)], [(1000, end)]).overlaps
    assert overlap.ended == ended
    assert exchange([(4000, 4300)], [(1000, end)]).overlaps[0].ended == (end <= 6000)


def test_what_is_not_seen_to_end_is_censored_2_s_after_the_user_or_where_the_response_ends():
    assert exchange([(4000, 5500)], [(1000, 9000)]).overlaps[0].censored == 3500
    assert exchange([(4000, 5500)], [(1000, 6500)]).overlaps[0].censored == 2500


@pytest.mark.parametrize(
    ("unit", "kind"),
    [
        ((4000, 5000), "backchannel"),
        ((4000, 5001), "interruption"),
        ((4000, 4200, {"voiced_ms": 20}), "noise"),
        ((4000, 4200, {"sound": True}), "noise"),
        ((4000, 6000, {"level_dbfs": -36}), "side_speech"),
        ((4000, 6000, {"level_dbfs": -35.9}), "interruption"),
        ((4000, 6000, {"over_echo_db": 3.0}), "echo"),
        ((4000, 6000, {"over_echo_db": 6.0}), "interruption"),
    ],
)
def test_kinds_by_length_pitch_level_and_echo(unit, kind):
    found = exchange([(100, 3000), unit], [(3500, 9000)], echo_db=-10.0, echo_lag_ms=50.0)
    assert found.events[-1].kind == kind


@given(length=st.integers(100, 3000), end=st.integers(4001, 9000))
def test_the_kind_never_hangs_on_what_the_agent_did(length, end):
    user = [(4000, 4000 + length)]
    assert exchange(user, [(1000, end)]).events[0].kind == exchange(user, [(1000, 20_000)]).events[0].kind


def test_how_responses_begin():
    turn = (0, 2000)
    after = exchange([turn], [(2700, 4000)]).responses[0]
    assert (after.begins, after.latency) == ("after the user", 700)
    early = exchange([turn], [(1850, 4000)]).responses[0]  # 150 ms before the end: it has waited for it
    assert (early.begins, early.latency) == ("after the user", -150)
    assert exchange([turn], [(1700, 4000)]).responses[0].begins == "over the user"
    cut_in = exchange([turn, (2800, 4500)], [(2400, 3100)]).responses[0]
    assert (cut_in.begins, cut_in.latency) == ("cut-in", 400)
    assert exchange([turn, (3000, 4500)], [(2400, 3100)]).responses[0].begins == "after the user"  # a pause of 1 s
    again = exchange([turn], [(2700, 4000), (6000, 7000)]).responses[1]
    assert (again.begins, again.latency) == ("by itself", None)


def test_a_backchannel_is_no_turn_to_be_answered_but_a_short_answer_is():
    over = exchange([(2000, 2300)], [(1000, 5000), (7000, 8000)])
    assert over.responses[1].begins == "by itself"
    asked = exchange([(5800, 6100)], [(1000, 5000), (7000, 8000)])
    assert (asked.responses[1].begins, asked.responses[1].latency) == ("after the user", 900)


def test_of_two_events_the_stop_is_put_down_to_speech_at_length():
    found = exchange([(3000, 3300), (4400, 6000), (4700, 4800, {"sound": True})], [(1000, 4900)])
    assert [(found.events[o.event].kind, o.owner) for o in found.overlaps] == [
        ("backchannel", False),
        ("interruption", True),
        ("noise", False),
    ]


def test_the_agent_goes_on_when_it_begins_soon_and_no_turn_is_between():
    def resumed(user, agent):
        return exchange(user, agent).overlaps[0].resumed

    cough = (4000, 4200, {"voiced_ms": 0})
    assert resumed([cough], [(1000, 4400), (6000, 8000)]) == 6000
    assert resumed([cough], [(1000, 4400), (9401, 12_000)]) is None
    assert resumed([cough, (4600, 5900)], [(1000, 4400), (7000, 8000)]) is None


def test_what_is_known_of_an_end_is_put_to_the_nearest():
    told = [ToldEnd(position=4600, how="cut", by="trace"), ToldEnd(position=8100, how="natural", by="trace")]
    found = exchange([], [(1000, 4400), (6000, 8000), (12_000, 13_000)], told=told)
    assert [r.told and r.told.how for r in found.responses] == ["cut", "natural", None]


def test_what_follows_a_told_cut_is_a_new_response():
    """An agent that stops and answers 600 ms later has yielded; the short pause before the stop is its own.

    agent   ████████████_███|......█████████
    user               ▓▓▓▓▓                   told: cut at |
    """
    user, agent = [(3900, 4300)], [(1000, 3800), (4000, 4200), (4800, 9000)]
    told = [ToldEnd(position=4180, how="cut", by="trace")]
    found = exchange(user, agent, told=told)
    assert spans(r.interval for r in found.responses) == [(1000, 4200), (4800, 9000)]
    assert (found.overlaps[0].ended, found.overlaps[0].to_silence) == (True, 300)
    for other in ((), [replace(told[0], how="natural")], [replace(told[0], position=6000)]):
        assert spans(r.interval for r in exchange(user, agent, told=other).responses) == [(1000, 9000)]


def test_own_pauses_are_those_away_from_the_user():
    one = heard([(5000, 5500)], [(0, 1000), (1300, 2000), (4000, 5200), (5400, 6000), (9000, 9500)])
    assert own_pauses_ms(one, RULE) == [300]


def test_a_response_that_the_recording_ends_is_not_whole():
    assert not exchange([(3000, 3500)], [(1000, 4000)], length=4100).responses[0].whole
    assert not exchange([(3000, 3500)], [(1000, 4000)], length=4100).overlaps[0].owner


units = st.lists(st.tuples(st.integers(50, 2500), st.integers(210, 2500)), min_size=0, max_size=8)


def placed(lengths):
    position, made = 0, []
    for length, pause in lengths:
        position += pause
        made.append((position, position + length))
        position += length
    return made


@given(units, units)
def test_every_overlap_begins_in_its_response_and_fits_into_it(user, agent):
    found = exchange(placed(user), placed(agent), length=200_000)
    for overlap in found.overlaps:
        event, response = found.events[overlap.event], found.responses[overlap.response]
        assert response.interval.holds(event.interval.start)
        assert 0 < overlap.to_silence == overlap.age * -1 + response.interval.duration
        assert 0 <= overlap.talk_over <= overlap.overrun <= overlap.to_silence
        assert overlap.talk_over <= event.interval.duration
        assert not overlap.owner or overlap.ended
    owners = [overlap.response for overlap in found.overlaps if overlap.owner]
    assert len(owners) == len(set(owners))
    pieces = [piece for response in found.responses for piece in response.pieces]
    assert pieces == [Interval(*span) for span in placed(agent)]


def test_numbers_have_bounds():
    for name, value in {"max_yield_ms": 0, "short_words": -1, "side_db": 2, "resume_ms": True}.items():
        with pytest.raises(InvalidParameterError, match=name):
            JudgeRule(**{name: value})
    assert "2000" in JudgeRule().name
