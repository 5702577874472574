"""Matching, from scenarios made up from the rules, and the published rows that follow from counts. Seconds."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.benchmarks.turnbench import MatchRule, Predictions, SpeakerEvents, TaskScore, gold_of, score
from bidilab.lab.benchmarks.turnbench.gold import Span, TaskGold
from bidilab.lab.benchmarks.turnbench.scoring import match
from tests.conftest import ROOT
from tests.lab.benchmarks.turnbench.test_gold import MHM, TAKES, TURN, conversation

#   positives     10.0         12.0                       20.0
#   windows    [9.75 ... 12.0][11.75 ....... 15.0]    [19.75 ... 23.0]
GOLD = TaskGold(
    positives=(10.0, 12.0, 20.0), negatives=(Span(4, 5), Span(16, 17), Span(21, 22)), excluded=(Span(30, 31),)
)


@pytest.mark.parametrize(
    ("predicted", "hits", "latencies", "false"),
    [
        ([], 0, [], 0),
        ([9.74], 0, [], 0),
        ([9.75], 1, [-0.25], 0),
        ([10.5], 1, [0.5], 0),
        ([10.5, 11.0], 1, [0.5], 0),  # the second is free and in a window: neither hit nor false
        ([11.8, 12.5], 2, [1.8, 0.5], 0),  # the first positive takes the earliest
        ([11.8], 1, [1.8], 0),  # ... and nothing is left for the second
        ([12.0], 1, [2.0], 0),  # the next positive still belongs to the window
        ([12.1], 1, [0.1], 0),  # past it, it is the second's
        ([15.0], 1, [3.0], 0),
        ([15.01], 0, [], 0),
        ([23.0], 1, [3.0], 0),
        ([4.5], 0, [], 1),
        ([3.75, 4.1, 5.0], 0, [], 1),  # once at most
        ([3.74, 5.01], 0, [], 0),
        ([15.8, 17.0], 0, [], 1),
        ([21.5], 1, [1.5], 0),  # taken: the negative inside the window does not count it
        ([20.1, 21.5], 1, [0.1], 0),  # free, but inside a window
        ([4.5, 10.0, 12.5, 16.5, 20.5, 30.5], 3, [0.0, 0.5, 0.5], 2),
    ],
)
def test_scenarios(predicted, hits, latencies, false):
    found = match(GOLD, predicted)
    assert (found.hits, found.positives, found.false, found.negatives) == (hits, 3, false, 3)
    assert found.latencies_s == pytest.approx(latencies)


def test_predictions_in_excluded_spans_neither_hit_nor_harm():
    gold = TaskGold(positives=(10.0,), negatives=(Span(5, 6),), excluded=(Span(5, 5.5), Span(10, 11)))
    found = match(gold, [5.0, 5.5, 10.0, 10.9, 11.0, 11.1])
    assert (found.hits, found.false, found.latencies_s) == (1, 0, pytest.approx((1.1,)))


def test_the_older_rule_has_two_seconds_and_no_end_at_the_next():
    gold = TaskGold(positives=(10.0, 10.5), negatives=(Span(13.0, 13.5),))
    old = MatchRule(late_s=2.0, ends_at_next=False)
    assert match(gold, [11.0, 11.5], old).hits == 2
    assert match(gold, [11.0, 11.5]).hits == 1
    assert match(gold, [13.2], old).false == 1
    assert match(gold, [13.2]).hits == 1


def test_a_conversation_is_scored_over_both_speakers():
    gold = gold_of(conversation([(0, 2, TURN), (8, 9, TURN)], [(1, 1.2, MHM), (3, 6, TURN), (8.5, 9.5, TAKES)]))
    events = {
        ("1", 1): SpeakerEvents(eot=(2.3, 9.1)),
        ("1", 2): SpeakerEvents(eot=(4.0, 6.5), interruption=(1.1, 8.8)),
    }
    made = score([gold], Predictions(speakers=events))
    # EOT+: 2 and 9 of speaker 1 (two is in a turn at 9), 6 and 9.5 of speaker 2; nothing pauses
    assert (made.eot.hits, made.eot.positives, made.eot.false, made.eot.negatives) == (3, 4, 0, 0)
    assert (made.interruption.hits, made.interruption.positives) == (1, 1)
    assert (made.interruption.false, made.interruption.negatives) == (1, 1)
    assert made.eot.latencies_s == pytest.approx((0.3, 0.1, 0.5))
    assert "EOT: recall 0.7500 (3 of 4)" in repr(made)
    assert made._repr_html_().count("<br>") == 2


def test_predictions_of_other_conversations_are_refused():
    gold = gold_of(conversation([(0, 2, TURN)]))
    with pytest.raises(DatasetError, match=r"'2' is not in the split\n.*'1' is missing"):
        score([gold], Predictions(speakers={("2", 1): SpeakerEvents(), ("2", 2): SpeakerEvents()}))


TIMES = st.lists(st.integers(0, 400), unique=True, max_size=12).map(lambda ticks: [tick / 8 for tick in sorted(ticks)])


@given(positives=TIMES, negatives=TIMES, predicted=TIMES)
def test_what_must_hold_of_any_matching(positives, negatives, predicted):
    gold = TaskGold(positives=tuple(positives), negatives=tuple(Span(t, t + 0.5) for t in negatives))
    found = match(gold, predicted)
    assert found.hits <= min(len(positives), len(predicted))
    assert all(-0.25 <= latency <= 3 for latency in found.latencies_s)
    if found.hits:
        assert min(positives) - 0.25 <= max(predicted)
    more = match(TaskGold(positives=gold.positives), predicted)
    assert (more.hits, more.false) == (found.hits, 0)  # negatives take nothing from positives
    assert match(gold, positives).hits == len(positives)  # whoever knows the gold hits all of it
    assert match(gold, []) == TaskScore(hits=0, positives=len(positives), false=0, negatives=len(negatives))


def test_percentiles_of_the_latencies_and_what_qualifies():
    made = TaskScore(hits=3, positives=4, false=15, negatives=100, latencies_s=(0.1, 0.3, 0.2))
    assert (made.latency_ms(10), made.latency_ms(50), made.latency_ms(90)) == pytest.approx((120, 200, 280))
    assert made.qualifies
    assert not TaskScore(hits=0, positives=0, false=16, negatives=100).qualifies
    empty = TaskScore(hits=0, positives=0, false=0, negatives=0)
    assert np.isnan([empty.recall, empty.fp_rate, empty.latency_ms(50)]).all()
    with pytest.raises(InvalidParameterError, match=r"hits must be 0 to positives \(1\), got 2"):
        TaskScore(hits=2, positives=1, false=0, negatives=0)
    with pytest.raises(InvalidParameterError, match="late_s must be seconds >= 0"):
        MatchRule(late_s=-1)


@pytest.mark.real_audio
def test_published_rows_follow_from_their_counts():
    path = ROOT.parent / "shared" / "benchmarks" / "turnbench" / "sweep_dev_counts.csv"
    if not path.is_file():
        pytest.skip("../shared/benchmarks is not here")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    for row in rows:
        tp, fn, fp, negatives = (int(row[key]) for key in ("tp", "fn", "fp", "negatives"))
        made = TaskScore(hits=tp, positives=tp + fn, false=fp, negatives=negatives)
        assert (f"{made.recall:.4f}", f"{made.fp_rate:.4f}") == (row["recall"], row["fp_rate"])
        assert (made.positives, made.negatives) == {"eot": (1904, 1063), "int": (347, 3733)}[row["task"]]
