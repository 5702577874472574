"""Simulated evaluation against timelines worked out by hand.

All positions below are milliseconds; the sample rate is 1000 Hz, so that a sample is a millisecond. The agent answers
the first turn, decided to be over at 1000, and is heard from 1300 to 3300 unless it is stopped::

    user     |turn 100 - 500|
    turn      o100 ... f500   s1000
    agent                     |created 1000 ---- audible 1300 =================== 3300|
"""

import pytest

from bidilab.detect.turns import Guards, Turn
from bidilab.detect.turns.simulation import ResponsePlan
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.metrics.opportunities import label_recording
from bidilab.lab.metrics.simulated import evaluate_simulated

PLAN = ResponsePlan(response_delay_ms=300, response_ms=2000)
FIRST = Turn(100, 132, 100, 500, 1000, 1000, False)


def user(kind, start, end):
    return Segment(start_s=start / 1000, end_s=end / 1000, channel="user", kind=kind)


def turn(onset, started, offset, stopped):
    return Turn(onset, started, onset, offset, stopped, stopped, False)


def evaluate(segments, turns, plan=PLAN, n_samples=3300, **kwargs):
    labels = label_recording([user("turn", 100, 500), *segments], sample_rate=1000)
    evaluation = evaluate_simulated(labels, [FIRST, *turns], plan, n_samples=n_samples, **kwargs)
    told = [(o.outcome, o.segment.kind if o.segment else None, o.cause) for o in evaluation.outcomes]
    return told, evaluation


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (999, ("false", "interruption", "premature_endpoint")),  # the agent answers while the user speaks
        (1000, ("detected", "interruption", None)),
        (1299, ("detected", "interruption", None)),
        (1300, ("detected", "interruption", None)),
    ],
)
def test_speech_before_the_first_audible_sample_is_premature_only_before_the_response(start, told):
    # agent       |1000 ---- 1300 ============^
    # user        |start ----------------- 2500|  interruption
    # turn                     o1480  d1512
    outcomes, evaluation = evaluate([user("interruption", start, 2500)], [turn(1480, 1512, 2500, 3000)])
    assert outcomes == [told]
    assert evaluation.agent_speech == 212  # 1300 to 1512
    (outcome,) = evaluation.outcomes
    assert outcome.latency == (1512 - start if told[0] == "detected" else None)
    assert outcome.talk_over == (212 if told[0] == "detected" else 0)  # spoken while the agent was audible
    assert not outcome.on_opportunity


def test_cut_before_the_first_audible_sample_nothing_enters_a_rate():
    # agent       |1000 ----^ 1300       cut at 1280; the second answer would come at 3300, the end of the recording
    # user           |1200 ----- 2500|
    # turn            o1248 d1280
    told, evaluation = evaluate([user("interruption", 1200, 2500)], [turn(1248, 1280, 2500, 3000)])
    assert (told, evaluation.agent_speech, evaluation.n_cancelled_unheard) == ([], 0, 1)


def test_never_detected_it_is_missed_and_talk_over_counts_from_the_first_audible_sample():
    # agent       |1000 ---- 1300 ================ 3300|
    # user           |1200 ------ 1700|                     400 ms of it while the agent was audible
    told, evaluation = evaluate([user("interruption", 1200, 1700)], [])
    assert told == [("missed", "interruption", None)]
    assert evaluation.outcomes[0].chance_end == 1700
    assert evaluation.outcomes[0].talk_over == 400


def test_over_before_the_first_audible_sample_it_is_no_opportunity():
    # agent       |1000 ---- 1300 ================ 3300|
    # user           |1200-1300|       over as the agent begins; with one sample more it is an opportunity
    assert evaluate([user("interruption", 1200, 1300)], [])[0] == []
    assert evaluate([user("backchannel", 1200, 1300)], [])[0] == []
    told, evaluation = evaluate([user("interruption", 1200, 1301)], [])
    assert told == [("missed", "interruption", None)]
    assert evaluation.outcomes[0].talk_over == 1


def test_over_before_the_first_audible_sample_it_enters_no_rate_where_it_is_acted_upon_late_either():
    # agent       |1000 ---- 1300 ====^ 1500
    # user           |1200-1290|            the guards act on its turn at 1500 only
    # turn            o1220 d1252
    late = {"acted_at": [132, 1500]}
    told, _ = evaluate([user("interruption", 1200, 1290)], [turn(1220, 1252, 1600, 3000)], **late)
    assert told == [("terminal_overlap", "interruption", None)]
    told, evaluation = evaluate([user("backchannel", 1200, 1290)], [turn(1220, 1252, 1600, 3000)], **late)
    assert told == [("false", "backchannel", "backchannel")]
    assert not evaluation.outcomes[0].on_opportunity


@pytest.mark.parametrize("kind", ["backchannel", "noise", "side_speech", "echo"])
def test_what_must_not_interrupt_is_an_opportunity_whether_it_interrupts_or_not(kind):
    # agent       |1000 ---- 1300 ================ 3300|
    # user           |1200 ------ 1700|
    # turn                     o1480 d1512
    told, evaluation = evaluate([user(kind, 1200, 1700)], [turn(1480, 1512, 1700, 3000)])
    assert told == [("false", kind, kind)]
    assert evaluation.outcomes[0].on_opportunity
    assert evaluate([user(kind, 1200, 1700)], [])[0] == [("ignored", kind, None)]
    told, evaluation = evaluate([user(kind, 999, 1700)], [turn(1480, 1512, 1700, 3000)])
    assert told == [("false", kind, kind)]  # from before the response
    assert not evaluation.outcomes[0].on_opportunity
    assert evaluate([user(kind, 999, 1700)], [])[0] == []


@pytest.mark.parametrize(("n_samples", "outcome"), [(1500, "missed"), (1499, None)])
def test_least_overlap_is_with_what_is_audible(n_samples, outcome):
    # agent       |1000 ---- 1300 ====| 1500, the end of the recording
    # user           |1200 ------ 1700|
    told, _ = evaluate([user("interruption", 1200, 1700)], [], n_samples=n_samples)
    assert told == ([(outcome, "interruption", None)] if outcome else [])
    if outcome is None:
        told, _ = evaluate([user("interruption", 1200, 1700)], [turn(1400, 1432, 1700, 1700)], n_samples=n_samples)
        assert told == [("terminal_overlap", "interruption", None)]


def test_preempted():
    # agent       |1000 ---- 1300 ====^ 1532
    # noise                     |1490 - 1600|
    # user           |1200 ------------- 2500|  interruption; the onset lies in it as well, so it is taken first
    told, _ = evaluate([user("interruption", 1200, 2500), user("noise", 1490, 1600)], [turn(1500, 1532, 2500, 3000)])
    assert told == [("detected", "interruption", None), ("ignored", "noise", None)]
    # Here the noise comes first, and its turn begins before the interruption by more than the tolerance.
    told, evaluation = evaluate(
        [user("noise", 1040, 1600), user("interruption", 1250, 2500)],
        [turn(1045, 1077, 2500, 3000)],
        acted_at=[132, 1600],
    )
    assert told == [("false", "noise", "noise"), ("preempted", "interruption", None)]
    assert (evaluation.outcomes[1].chance_end, evaluation.outcomes[1].talk_over) == (1600, 300)


RESUMING = ResponsePlan(
    response_delay_ms=300, response_ms=2000, guards=Guards(false_interruption_timeout_ms=200, min_words=0)
)


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (1550, ("false", "interruption", "premature_endpoint")),  # in the pause: the agent goes on into it
        (1620, ("detected", "interruption", None)),
    ],
)
def test_a_response_resumed_before_it_was_heard_is_active_from_there(start, told):
    # agent       |1000 --^1120 pause |1600 -- 1780 =====^ 2032     180 ms of its silence were left
    # turn         o1088 d1120 s1400           o2000 d2032
    # user                       |start --------------- 3000|
    turns = [turn(1088, 1120, 1300, 1400), turn(2000, 2032, 2900, 3000)]
    outcomes, evaluation = evaluate(
        [user("interruption", start, 3000)], turns, RESUMING, n_samples=5000, n_words=[1, 0, 1]
    )
    first, second = evaluation.interruptions
    assert (first.unheard, first.resumed_at, second.response.audible_at) == (True, 1600, 1780)
    assert [s.active_from for s in evaluation.stretches] == [1000, 1600, 3000]
    assert outcomes[:1] == [told]
    assert evaluation.outcomes[0].talk_over == (252 if told[0] == "detected" else 0)


def test_the_recorded_evaluation_knows_of_no_creation():
    """A recorded response is taken to be created where it is first heard."""
    from bidilab.lab.metrics.interruption import evaluate_interruptions

    agent = Segment(start_s=1.3, end_s=3.3, channel="agent", kind="response")
    labels = label_recording([user("interruption", 1200, 2500), agent], sample_rate=1000)
    (outcome,) = evaluate_interruptions(labels, [turn(1480, 1512, 2500, 3000)]).outcomes
    assert (outcome.outcome, outcome.cause) == ("false", "premature_endpoint")
