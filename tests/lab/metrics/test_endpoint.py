"""Starts and ends of turns against timelines worked out by hand.

All positions are milliseconds; the sample rate is 1000 Hz, so that a sample is a millisecond.
"""

import pytest

from bidilab.detect.turns import Turn
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.metrics.endpoint import NEVER_HEARD, evaluate_endpoints
from bidilab.lab.metrics.members import members_of


def user(kind, start, end):
    return Segment(start_s=start / 1000, end_s=end / 1000, channel="user", kind=kind)


def turn(onset, started, offset, stopped, *, audio_start=None, flushed=False):
    return Turn(onset, started, onset if audio_start is None else audio_start, offset, stopped, stopped, flushed)


def labels_of(*segments):
    return members_of(segments, sample_rate=1000, duration_samples=6000)


def one(segment, *turns):
    (found,) = evaluate_endpoints(labels_of(segment), turns)
    return found.premature, found.wait, found.decided, found.is_open, found.onset_clipped


def test_found_whole():
    # user  |1000 -------- 2000|
    # turn   a900 o1040     f1984 ... s2496
    heard = turn(1040, 1072, 1984, 2496, audio_start=900)
    assert one(user("turn", 1000, 2000), heard) == (False, 496, True, False, 0)


def test_cut_in_and_taken_up_again():
    # user  |1000 ---- pause ----- 3000|
    # turn   o1040 f1400 s1900   o2300 f3008 s3500       onset 40 ms into the word, nothing kept from before
    turns = [turn(1040, 1072, 1400, 1900), turn(2300, 2332, 3008, 3500)]
    assert one(user("turn", 1000, 3000), *turns) == (True, 500, True, False, 40)


def test_cut_in_and_never_taken_up_again_nothing_is_waited_for():
    assert one(user("turn", 1000, 3000), turn(1040, 1072, 1400, 1900)) == (True, 0, False, False, 40)


def test_never_heard():
    heard = turn(4000, 4032, 4500, 5000)
    assert one(user("interruption", 1000, 3000), heard) == (False, NEVER_HEARD, False, False, None)


@pytest.mark.parametrize(("flushed_at", "wait"), [(2500, 0), (3400, 400)])
def test_open_when_the_recording_ends_the_wait_is_at_least_that_long(flushed_at, wait):
    heard = turn(1040, 1072, flushed_at, flushed_at, flushed=True)
    assert one(user("turn", 1000, 3000), heard) == (False, wait, False, True, 40)


def test_a_turn_that_ends_at_the_very_end_is_no_cut_in():
    for stopped, premature in ((2999, True), (3000, False)):
        assert one(user("turn", 1000, 3000), turn(1040, 1072, 2400, stopped))[0] == premature


def test_a_turn_that_only_touches_a_segment_is_not_its_own():
    # the first is over as the segment begins, the second begins as it ends
    turns = [turn(500, 532, 1000, 1400), turn(3000, 3032, 3400, 3900)]
    assert one(user("turn", 1000, 3000), *turns)[4] is None


def test_only_turns_and_interruptions_wherever_they_lie():
    labels = labels_of(user("noise", 0, 10), user("backchannel", 20, 30), user("echo", 40, 50), user("turn", 60, 70))
    assert [found.segment.kind for found in evaluate_endpoints(labels, [])] == ["turn"]
