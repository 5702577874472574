"""Pauses against timelines worked out by hand.

Positions are milliseconds; the sample rate is 1000 Hz, so that a sample is a millisecond.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.timeline import Interval
from bidilab.detect.turns import Turn
from bidilab.lab.datasets.labels import USER_KINDS, Segment
from bidilab.lab.metrics.members import members_of
from bidilab.lab.metrics.pauses import Pause, cut_offs, find_pauses, needs_speech, speech_heard


def user(kind, start, end, *words, **more):
    said = tuple((a / 1000, b / 1000, "w") for a, b in words)
    return Segment(start_s=start / 1000, end_s=end / 1000, channel="user", kind=kind, words=said, **more)


def pauses(*segments, speech=()):
    found = find_pauses(segments, sample_rate=1000, speech=[Interval(*each) for each in speech])
    return [(*pause.interval, pause.origin) for pause in found]


def pause(start, end, since=0):
    return Pause(Interval(start, end), since, "words")


def test_from_words():
    # user   |1000 ■■■ 1400|  300  |1700 ■ 1800| 150 |1950 ■■■■ 2600|
    turn = user("turn", 1000, 2600, (1000, 1400), (1700, 1800), (1950, 2600))
    assert pauses(turn) == [(1400, 1700, "words")]
    assert pauses(turn, speech=[(1000, 1200), (2000, 2600)]) == [(1400, 1700, "words")]  # words are asked first
    assert not needs_speech([turn])


def test_from_speech_where_no_words_have_times():
    # turn         |1000                                    5000|
    # speech    |900 ■■■ 1500|  700  |2200 ■■ 2600|  ...   |4800 ■■■ 5200|    the parts beyond its ends are not its own
    turn = user("turn", 1000, 5000)
    heard = [(100, 500), (900, 1500), (2200, 2600), (4800, 5200), (5600, 6000)]
    assert pauses(turn, speech=heard) == [(1500, 2200, "silero"), (2600, 4800, "silero")]
    assert pauses(turn) == []
    assert needs_speech([turn])


@pytest.mark.parametrize(("gap", "n"), [(199, 0), (200, 1), (5000, 1), (5001, 0)])
def test_a_pause_lasts_from_200_ms_to_5_s(gap, n):
    assert len(pauses(user("turn", 0, 9000, (0, 1000), (1000 + gap, 9000)))) == n


def test_silence_before_and_after_the_speech_of_a_turn_is_no_pause():
    assert pauses(user("turn", 0, 9000), speech=[(1000, 3000)]) == []
    assert pauses(user("turn", 0, 9000, (1000, 3000))) == []


def test_only_turns_and_interruptions_that_are_sure():
    for kind in USER_KINDS:
        n = len(pauses(user(kind, 0, 3000), speech=[(0, 1000), (2000, 3000)]))
        assert n == (kind in ("turn", "interruption"))
    unsure = user("turn", 0, 3000, unsure=True)
    assert pauses(unsure, speech=[(0, 1000), (2000, 3000)]) == []
    assert not needs_speech([unsure, user("noise", 4000, 5000)])


@pytest.mark.parametrize(
    ("kind", "n"), [("backchannel", 0), ("side_speech", 0), ("interruption", 0), ("noise", 1), ("echo", 1)]
)
def test_a_gap_in_which_somebody_else_speaks_is_no_pause(kind, n):
    turn = user("turn", 0, 3000, (0, 1000), (2000, 3000))
    assert len(pauses(turn, user(kind, 1300, 1600))) == n
    assert len(pauses(turn, user(kind, 200, 1000))) == 1  # before the gap
    assert len(pauses(turn, user(kind, 2000, 2500))) == 1


def turn_ended(at, *, onset=0, flushed=False):
    return Turn(onset, onset + 32, onset, at, at, at, flushed)


@pytest.mark.parametrize(("at", "cut"), [(1400, True), (1401, True), (1699, True), (1700, False), (1701, False)])
def test_a_pause_is_cut_off_before_it_ends(at, cut):
    assert cut_offs([pause(1400, 1700)], [turn_ended(at)]) == (cut,)


def test_a_turn_that_ends_in_the_phrase_before_cuts_the_pause_off_unless_a_new_one_has_begun():
    # since 1000 |■■■ phrase ■■■ 2000| pause |2400
    one = pause(2000, 2400, since=1000)
    assert cut_offs([one], [turn_ended(1900)]) == (True,)
    assert cut_offs([one], [turn_ended(1900), turn_ended(2900, onset=1950)]) == (False,)
    assert cut_offs([one], [turn_ended(1900), turn_ended(2100, onset=1950)]) == (True,)
    assert cut_offs([one], [turn_ended(1900), turn_ended(2900, onset=2000)]) == (True,)  # too late to be of the phrase
    assert cut_offs([one], [turn_ended(1000)]) == (False,)  # the phrase was not heard at all
    assert cut_offs([one], [turn_ended(1001)]) == (True,)


def test_each_pause_is_judged_for_itself_and_the_end_of_the_recording_decides_nothing():
    both = [pause(1000, 2000), pause(3000, 4000, since=2000)]
    assert cut_offs(both, [turn_ended(1500), turn_ended(1900), turn_ended(3500)]) == (True, True)
    assert cut_offs(both, [turn_ended(1500)]) == (True, False)
    assert cut_offs(both, [turn_ended(3500, flushed=True)]) == (False, False)
    assert cut_offs(both, [turn_ended(2500, flushed=True)]) == (False, False)
    assert cut_offs(both, []) == (False, False)


def test_the_phrase_before_a_pause_begins_after_the_silence_before():
    """Gaps: 300 a pause; 150 none; 6000 too long for one; 400 a pause whose phrase begins after the long silence."""
    words = [(1000, 1400), (1700, 1800), (1950, 2600), (8600, 9000), (9400, 9900)]
    found = find_pauses([user("turn", 900, 9900, *words)], sample_rate=1000)
    assert [(*p.interval, p.since) for p in found] == [(1400, 1700, 900), (9000, 9400, 8600)]


def test_speech_by_silero_at_its_defaults():
    """Frames of 32 ms: a gap of 3 is closed, one of 4 is not; a bit of 3 is dropped, one of 4 is not."""
    p = np.concatenate([np.full(n, q) for q, n in
                        [(0, 5), (0.6, 10), (0.1, 3), (0.6, 5), (0.1, 4), (0.6, 3), (0.1, 6), (0.6, 4), (0.4, 9),
                         (0.3, 5), (0.49, 9)]]).astype(np.float32)  # fmt: skip
    heard = speech_heard(p, frame_samples=32, sample_rate=1000)
    assert [(a // 32, b // 32) for a, b in heard] == [(5, 23), (36, 49)]


def test_members_know_the_pauses():
    labels = members_of(
        [user("turn", 0, 3000)],
        sample_rate=1000,
        duration_samples=9000,
        speech=[Interval(0, 900), Interval(1500, 3000)],
    )
    assert labels.pauses == (Pause(Interval(900, 1500), 0, "silero"),)


spans = st.tuples(st.sampled_from(USER_KINDS), st.integers(0, 9000), st.integers(300, 5000), st.booleans())


@given(st.lists(spans, max_size=6), st.lists(st.integers(0, 14_000), max_size=16, unique=True))
def test_pauses_are_disjoint_and_in_a_turn_alone(drawn, edges):
    segments = [user(kind, a, a + n, unsure=unsure) for kind, a, n, unsure in drawn]
    edges = sorted(edges)
    speech = [Interval(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    found = find_pauses(segments, sample_rate=1000, speech=speech)
    for (before, *_), (after, *_) in pairwise(found):
        assert before.end <= after.start
    for (start, end), since, _ in found:
        assert since < start
        assert 200 <= end - start <= 5000
        assert not any(s.overlap(Interval(start, end)) for s in speech)
        spoken = [s for s in segments if s.kind not in ("noise", "echo")]
        over = [s for s in spoken if s.interval(1000).overlap(Interval(start, end))]
        assert len(over) == 1
        assert over[0].kind in ("turn", "interruption")
        assert not over[0].unsure
