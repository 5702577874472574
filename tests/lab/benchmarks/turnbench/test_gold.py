"""Consensus and gold, from scenarios made up from the rules. Times in seconds."""

import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.benchmarks.turnbench import Annotation, Conversation, consensus, gold_of
from bidilab.lab.benchmarks.turnbench.gold import Event, Span

TURN, TAKES, TRIES = "Normal Turn", "Floor-taking Competitive Interruption", "Non-floor Taking Cooperative Interruption"
MHM, NOISE, LAUGH = "Continuer Backchannel", "Non-Speech Noise", "Laughter"


def conversation(one=(), two=(), *, duration_s=60.0):
    """Tracks as dicts of annotator to (start, end, label); a plain list is what all three marked."""
    tracks = {}
    for speaker, given in ((1, one), (2, two)):
        by = given if isinstance(given, dict) else dict.fromkeys("abc", given)
        for annotator, marks in by.items():
            tracks[speaker, annotator] = tuple(
                Annotation(start_s=start, end_s=end, label=label) for start, end, label in marks
            )
    return Conversation(id="1", duration_s=duration_s, tracks=tracks)


def eot(*args, speaker=1):
    return gold_of(conversation(*args)).tasks[speaker, "eot"]


# Consensus
#
#   a   |■■■■■■■■■■|        1.0 to 2.0
#   b    |■■■■■■■■■■|       1.2 to 2.2     all three within 0.2 s of a: medians 1.1 and 2.1
#   c    |■■■■■■■■■|        1.1 to 2.1


def test_times_are_the_median_of_those_that_agree():
    marked = {"a": [(1.0, 2.0, TURN)], "b": [(1.2, 2.2, TURN)], "c": [(1.1, 2.1, "Bounded Response")]}
    assert consensus(conversation(marked), 1, "label") == ([Event(1.1, 2.1, "turn")], [])


def test_two_of_three_are_enough_and_settle_what_the_third_says():
    marked = {"a": [(1.0, 2.0, TURN)], "b": [(1.0, 2.9, TURN)], "c": [(1.1, 2.0, TURN)]}
    assert consensus(conversation(marked), 1, "label") == ([Event(1.05, 2.0, "turn")], [])


@pytest.mark.parametrize(("late", "agreed"), [(0.2, True), (0.21, False)])
def test_a_fifth_of_a_second_is_near_enough(late, agreed):
    for start, end in ((1.0 + late, 3.0), (1.0, 3.0 + late)):
        marked = {"a": [(1.0, 3.0, TURN)], "b": [(start, end, TURN)]}
        events, excluded = consensus(conversation(marked), 1, "label")
        assert (len(events), len(excluded)) == ((1, 0) if agreed else (0, 1))


def test_what_nobody_else_has_is_excluded_and_joined():
    marked = {"a": [(1.0, 2.0, TURN)], "b": [(1.5, 3.0, TURN)], "c": [(8.0, 9.0, MHM), (20.0, 20.5, "Humming")]}
    assert consensus(conversation(marked), 1, "label") == ([], [Span(1.0, 3.0), Span(8.0, 9.0)])
    assert gold_of(conversation(marked)).unknown_labels == {"Humming": 1}


def test_of_each_annotator_the_nearest_event_is_looked_at_from_either_side():
    # From a's event the nearest of b is the one at 1.05, which ends too late; from b's at 1.15 the nearest of a agrees.
    marked = {"a": [(1.0, 2.0, TURN)], "b": [(1.05, 2.6, TURN), (1.15, 2.0, TURN)]}
    assert consensus(conversation(marked), 1, "label") == ([Event(1.075, 2.0, "turn")], [])
    marked = {"a": [(1.0, 2.0, TURN), (1.2, 9.0, TURN)], "b": [(1.05, 2.6, TURN), (1.15, 2.0, TURN)]}
    assert consensus(conversation(marked), 1, "label")[0] == []  # now a's at 1.2 is nearer to it


def test_an_event_agrees_once():
    marked = {"a": [(1.0, 2.0, TURN), (1.1, 2.1, TURN)], "b": [(1.0, 2.0, TURN)]}
    events, excluded = consensus(conversation(marked), 1, "label")
    assert events == [Event(1.0, 2.0, "turn")]
    assert excluded == []  # what is left over overlaps an agreed event


def test_an_interruption_that_takes_the_floor_is_a_turn_in_the_turn_view():
    marked = {"a": [(1.0, 2.0, TURN)], "b": [(1.0, 2.0, TAKES)], "c": [(1.0, 2.0, TRIES)]}
    assert consensus(conversation(marked), 1, "turn") == ([Event(1.0, 2.0, "turn")], [])
    assert consensus(conversation(marked), 1, "label") == ([], [Span(1.0, 2.0)])


# Ends of turns
#
#   one   |■■■■■■■■|          |■■■■|
#         0        2          4    5
#   two       (see each)


def test_the_other_speaker_comes_before_this_one_does_again():
    gold = eot([(0, 2, TURN), (4, 5, TURN)], [(2.5, 3, TURN)])
    assert (gold.positives, gold.negatives) == ((2, 5), ())


def test_this_one_goes_on_first():
    gold = eot([(0, 2, TURN), (4, 5, TURN)], [(4.5, 6, TURN)])
    assert (gold.positives, gold.negatives) == ((5,), (Span(2, 4),))


def test_both_start_at_once_is_a_pause():
    assert eot([(0, 2, TURN), (4, 5, TURN)], [(4, 6, TURN)]).negatives == (Span(2, 4),)


def test_the_other_speaker_is_in_a_turn():
    gold = eot([(0, 2, TURN), (2.1, 5, TURN)], [(1, 3, TURN)])
    assert gold.positives == (2, 5)
    assert eot([(0, 2, TURN), (2.1, 5, TURN)], [(1, 2, TURN)]).positives == (5,)  # it ended in time


def test_a_turn_inside_another_of_the_same_speaker_does_not_end():
    gold = eot([(0, 5, TURN), (1, 2, TURN)])
    assert (gold.positives, gold.negatives) == ((5,), ())


def test_a_turn_that_the_next_overlaps_is_followed_by_no_pause():
    gold = eot([(0, 3, TURN), (2, 5, TURN)])
    assert (gold.positives, gold.negatives) == ((5,), ())


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ([(3, 3.2, MHM)], [], (Span(2, 3),)),
        ([(3, 3.2, NOISE)], [], (Span(2, 3),)),
        ([(3, 3.2, LAUGH)], [], (Span(2, 3),)),
        ([(3, 3.2, "Awkward Silence")], [], (Span(2, 4),)),
        ([(1.9, 3.2, MHM)], [], ()),
        ([], [(3, 3.2, MHM)], (Span(2, 4),)),
        ([], [(3, 3.2, TRIES)], (Span(2, 3),)),
        ([], {"a": [(3.1, 3.5, TURN)]}, (Span(2, 3.1),)),
        ([], {"a": [(1, 3.5, TURN)]}, ()),
    ],
)
def test_where_a_pause_is_cut(one, two, expected):
    gold = eot([(0, 2, TURN), *one, (4, 5, TURN)], two)
    assert gold.negatives == expected
    assert 2 not in gold.positives


def test_interruptions():
    gold = gold_of(conversation([(0, 9, TURN)], [(1, 1.4, MHM), (2, 2.3, NOISE), (3, 4, TRIES), (5, 7, TAKES)]))
    two = gold.tasks[2, "interruption"]
    assert two.positives == (5,)
    assert two.negatives == (Span(1, 1.4), Span(2, 2.3))
    assert two.excluded == (Span(3, 4),)
    assert gold.tasks[2, "eot"].positives == (7,)  # the turn view takes it for a turn, and one was in a turn
    assert gold.tasks[1, "interruption"] == type(two)()


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, float("nan")), (0, float("inf"))])
def test_annotations_have_a_start_and_an_end(start, end):
    with pytest.raises(InvalidParameterError, match="annotation must be seconds"):
        Annotation(start_s=start, end_s=end, label=TURN)


def test_conversations_are_of_two_speakers_and_three_annotators():
    for key in ((3, "a"), (1, "d")):
        with pytest.raises(InvalidParameterError, match="tracks must be by"):
            Conversation(id="1", duration_s=1, tracks={key: ()})
    with pytest.raises(InvalidParameterError, match="duration_s must be seconds > 0"):
        conversation(duration_s=0)
    assert not conversation().is_annotated
    assert conversation([(0, 1, TURN)]).is_annotated
