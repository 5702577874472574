"""The rules that propose kinds, on timelines drawn by hand. At 1000 Hz a sample is a millisecond."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.lab.datasets.proposals import (
    ProposalRule,
    Speech,
    interpausal_units,
    propose_kinds,
    propose_responses,
)

RATE = 1000


def speech(start, end, text=None, speaker="u"):
    return Speech(interval=Interval(start, end), text=text, speaker=speaker)


def kinds(user, responses, **numbers):
    found = propose_kinds(
        user, [Interval(*r) for r in responses], sample_rate=RATE, rule=ProposalRule(**numbers) if numbers else None
    )
    return [(p.kind, tuple(p.speech.interval)) for p in found]


def test_a_gap_shorter_than_the_pause_belongs_to_the_unit_and_one_as_long_ends_it():
    # words  |0  300|  |499  700|   |900  1000|      gaps: 199 ms (inside), 200 ms (a pause)
    units = interpausal_units([speech(499, 700, "b"), speech(0, 300, "a"), speech(900, 1000, "c")], sample_rate=RATE)
    assert [(tuple(u.interval), u.text, u.joined) for u in units] == [
        ((0, 700), "a b", False),
        ((900, 1000), "c", False),
    ]


def test_units_of_two_speakers_are_never_one():
    units = interpausal_units([speech(0, 300), speech(310, 500, speaker="v")], sample_rate=RATE)
    assert [u.speaker for u in units] == ["u", "v"]


# agent     |1000 ============================ 6000|
# user                 |3000 .. end|
@pytest.mark.parametrize(
    ("start", "end", "text", "kind"),
    [
        (3000, 3600, "mm-hm", "backchannel"),  # short, inside, one word
        (3000, 4000, None, "backchannel"),  # exactly 1 s, words unknown
        (3000, 4001, None, "interruption"),  # 1 ms too long
        (3000, 3600, "no not that", "interruption"),  # three words
        (5500, 6000, "yes", "backchannel"),  # ends with the response
        (5500, 6001, "yes", "backchannel"),  # outlasts it, as it does when the agent stops fast
        (5800, 6400, "and then what", "interruption"),  # exactly 200 ms are left
        (5801, 6400, "and then what", "turn"),  # 199 ms are left: terminal overlap
        (900, 1500, "so", "turn"),  # began before the response
        (6000, 6500, "so", "turn"),  # begins when it is over
    ],
)
def test_kind_by_where_an_utterance_starts_and_ends(start, end, text, kind):
    assert kinds([speech(start, end, text)], [(1000, 6000)]) == [(kind, (start, end))]


def test_a_pause_belongs_to_the_utterance_unless_a_response_begins_in_it():
    # user   |0 2000|    |2900 5000|     agent |2400 2600|
    user = [speech(0, 2000), speech(2900, 5000)]
    assert kinds(user, []) == [("turn", (0, 5000))]
    assert kinds(user, [(2400, 2600)]) == [("turn", (0, 2000)), ("turn", (2900, 5000))]
    assert kinds(user, [], turn_pause_ms=899) == [("turn", (0, 2000)), ("turn", (2900, 5000))]


@pytest.mark.parametrize("start", [1800, 1985, 2000, 2015, 2899])
def test_fifteen_milliseconds_of_a_response_part_no_phrases_differently(start):
    """A response from 200 ms before the end of the first phrase to the onset of the second: the second is its own."""
    user = [speech(0, 2000), speech(2900, 5000)]
    assert kinds(user, [(start, 6000)]) == [("turn", (0, 2000)), ("interruption", (2900, 5000))]


def test_a_response_that_begins_with_a_phrase_parts_nothing():
    user = [speech(0, 2000), speech(2900, 5000)]
    for start, kind in ((0, "interruption"), (2900, "turn")):
        assert kinds(user, [(start, 6000)]) == [(kind, (0, 5000))]


def test_of_a_response_that_was_cut_any_rest_is_more_than_terminal_overlap():
    user, response = [speech(5820, 8000)], Interval(1000, 6000)
    (found,) = propose_kinds(user, [response], sample_rate=RATE)
    (known,) = propose_kinds(user, [response], sample_rate=RATE, cut=[response])
    assert (found.kind, known.kind) == ("turn", "interruption")


@given(start=st.integers(1000, 5700), length=st.integers(100, 3000), end=st.integers(6000, 9000))
def test_where_the_response_ends_does_not_move_the_kind(start, length, end):
    user = [speech(start, start + length)]
    assert kinds(user, [(1000, end)])[0][0] == kinds(user, [(1000, 6000)])[0][0]


def test_a_series_of_backchannels_stays_a_series_and_a_short_start_joins_what_follows():
    agent = [(0, 20_000)]
    assert kinds([speech(1000, 1400), speech(2000, 2400)], agent) == [
        ("backchannel", (1000, 1400)),
        ("backchannel", (2000, 2400)),
    ]
    assert kinds([speech(1000, 1400), speech(2000, 4000)], agent) == [("interruption", (1000, 4000))]


def test_a_response_goes_on_over_a_pause_and_a_backchannel_but_not_over_speech_at_length():
    # agent |0 2000|   |2800 5000|         user in the pause: 400 ms, or 1001 ms that end in it
    agent = [speech(0, 2000, speaker="a"), speech(2800, 5000, speaker="a")]
    found = propose_responses(agent, [speech(2200, 2600)], sample_rate=RATE)
    assert [(tuple(r.interval), r.joined) for r in found] == [((0, 5000), True)]
    found = propose_responses(agent, [speech(1500, 2501)], sample_rate=RATE)
    assert [tuple(r.interval) for r in found] == [(0, 2000), (2800, 5000)]
    assert len(propose_responses(agent, [], sample_rate=RATE, rule=ProposalRule(response_pause_ms=799))) == 2


def test_the_rule_names_its_numbers_and_refuses_those_out_of_range():
    assert ProposalRule().name == "bidilab-overlap-rule-3(200,1000,1000,1000,2,200)"
    with pytest.raises(InvalidParameterError, match=r"turn_pause_ms must be milliseconds in \[0, 60000\], got nan"):
        ProposalRule(turn_pause_ms=float("nan"))
    with pytest.raises(InvalidParameterError, match="backchannel_max_words"):
        ProposalRule(backchannel_max_words=-1)


stretches = st.lists(
    st.tuples(st.integers(0, 20_000), st.integers(1, 3000), st.sampled_from("uv")).map(
        lambda t: speech(t[0], t[0] + t[1], speaker=t[2])
    ),
    max_size=12,
)


@given(user=stretches, agent=stretches)
def test_no_sample_of_speech_is_lost_and_responses_are_disjoint(user, agent):
    agent = [Speech(interval=s.interval, speaker="a") for s in agent]
    responses = propose_responses(agent, user, sample_rate=RATE)
    ends = [r.interval for r in responses]
    assert all(before.end < after.start for before, after in itertools.pairwise(ends))
    found = propose_kinds(user, ends, sample_rate=RATE)
    for given_items, made in ((agent, responses), (user, [p.speech for p in found])):
        for item in given_items:
            assert any(
                m.speaker == item.speaker
                and m.interval.start <= item.interval.start
                and item.interval.end <= m.interval.end
                for m in made
            )
    # Each utterance begins and ends where something that was given does: the rules move nothing.
    assert {p.speech.interval.start for p in found} <= {s.interval.start for s in user}
    assert {p.speech.interval.end for p in found} <= {s.interval.end for s in user}
