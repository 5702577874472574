"""Interruption and endpoint evaluation against timelines worked out by hand.

All positions below are milliseconds; the sample rate is 1000 Hz, so that a sample is a millisecond.
"""

import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Turn
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.metrics.endpoint import evaluate_endpoints
from bidilab.lab.metrics.interruption import evaluate_interruptions
from bidilab.lab.metrics.opportunities import label_recording


def agent(start, end):
    return Segment(start_s=start / 1000, end_s=end / 1000, channel="agent", kind="response")


def user(kind, start, end):
    return Segment(start_s=start / 1000, end_s=end / 1000, channel="user", kind=kind)


def turn(onset, started, offset, stopped, *, audio_start=None, flushed=False):
    return Turn(onset, started, onset if audio_start is None else audio_start, offset, stopped, stopped, flushed)


def evaluate(segments, turns):
    labels = label_recording(segments, sample_rate=1000)
    evaluation = evaluate_interruptions(labels, turns)
    told = [(o.outcome, o.segment.kind if o.segment else None, o.cause) for o in evaluation.outcomes]
    return told, evaluation


def test_places():
    #            0         1000                2000        3000
    # agent                |==================|
    # user                -|--           |-- |-- |--
    # the noise starts at 1801 with 199 left: terminal overlap; the last turn starts where the response no longer is
    segments = [
        agent(1000, 2000),
        user("turn", 900, 1200),
        user("turn", 1000, 1300),
        user("interruption", 1800, 2500),
        user("noise", 1801, 1900),
        user("turn", 2000, 2100),
    ]
    labels = label_recording(segments, sample_rate=1000)
    assert [s.place for s in labels.segments] == ["outside", "opportunity", "opportunity", "terminal", "outside"]


def test_detected_and_latency():
    # agent      |1000 ==================== 4000|
    # user                 |2000 ---- 3000|  interruption
    # turn                   o2064  d2096
    told, evaluation = evaluate([agent(1000, 4000), user("interruption", 2000, 3000)], [turn(2064, 2096, 3008, 3500)])
    assert told == [("detected", "interruption", None)]
    (outcome,) = evaluation.outcomes
    assert outcome.latency == 96
    assert outcome.talk_over == 96  # the agent fell silent at 2096
    assert evaluation.agent_speech == 1096  # 1000 to 2096


def test_latency_may_be_slightly_negative():
    # an onset 200 ms before the label still belongs to it, 201 ms before does not
    for onset, expected in ((1800, "detected"), (1799, "false")):
        told, evaluation = evaluate(
            [agent(1000, 4000), user("interruption", 2000, 3000)], [turn(onset, onset + 32, 3008, 3500)]
        )
        assert told[0][0] == expected
        if expected == "detected":
            assert evaluation.outcomes[0].latency == -168


def test_missed_is_censored_where_its_chance_ended():
    # agent      |1000 ============ 2500|
    # user                 |2000 ------- 3000|
    told, evaluation = evaluate([agent(1000, 2500), user("turn", 2000, 3000)], [])
    assert told == [("missed", "turn", None)]
    assert evaluation.outcomes[0].chance_end == 2500
    assert evaluation.outcomes[0].talk_over == 500
    assert evaluation.agent_speech == 1500


def test_a_stopped_agent_cannot_be_stopped_again():
    # agent      |1000 ================================= 5000|
    # user            |1500-1800| backchannel   |3000 - 4000| interruption
    # turn             o1536 d1568               o3008 d3040
    # The backchannel stops the agent at 1568; the interruption is never put to the test.
    told, evaluation = evaluate(
        [agent(1000, 5000), user("backchannel", 1500, 1800), user("interruption", 3000, 4000)],
        [turn(1536, 1568, 1800, 2300), turn(3008, 3040, 4000, 4500)],
    )
    assert told == [("false", "backchannel", "backchannel")]
    assert evaluation.outcomes[0].on_opportunity
    assert evaluation.agent_speech == 568


def test_ignored_backchannel_then_detected():
    told, _ = evaluate(
        [agent(1000, 5000), user("backchannel", 1500, 1800), user("interruption", 3000, 4000)],
        [turn(3008, 3040, 4000, 4500)],
    )
    assert told == [("ignored", "backchannel", None), ("detected", "interruption", None)]


def test_masked():
    # agent            |1000 =================== 4000|
    # user                  |1500 - 1900| int.        |2500 - 3500| int.
    # turn     o500 d532 ................. s2000       o2528 d2560
    # The turn from before the response lasts until 2000: the first opportunity is masked, and 1000 ms of agent speech.
    told, evaluation = evaluate(
        [agent(1000, 4000), user("interruption", 1500, 1900), user("interruption", 2500, 3500)],
        [turn(500, 532, 1500, 2000), turn(2528, 2560, 3500, 4000)],
    )
    assert told == [("masked", "interruption", None), ("detected", "interruption", None)]
    assert evaluation.agent_speech == 560  # 2000 to 2560


def test_an_interruption_within_a_masked_segment_enters_no_rate():
    # the mask ends at 2000, the masked segment goes on to 3000 and is heard anew at 2200
    told, _ = evaluate(
        [agent(1000, 4000), user("interruption", 1500, 3000)],
        [turn(500, 532, 1700, 2000), turn(2200, 2232, 3000, 3500)],
    )
    assert told == [("masked", "interruption", None)]


def test_premature_endpoint():
    # user   |0 -------- pause --------- 3000| one turn
    # agent           |1000 ========= 2500|    (it had cut in)
    # turn                     o1700 d1732
    told, evaluation = evaluate([user("turn", 0, 3000), agent(1000, 2500)], [turn(1700, 1732, 3000, 3500)])
    assert told == [("false", "turn", "premature_endpoint")]
    assert not evaluation.outcomes[0].on_opportunity


def test_cause_is_the_kind_with_the_nearest_onset():
    # echo      |1010 ============================= 3990|
    # noise                   |2000 - 2300|
    # turn                     o2048 d2080
    told, _ = evaluate(
        [agent(1000, 4000), user("echo", 1010, 3990), user("noise", 2000, 2300)], [turn(2048, 2080, 2300, 2800)]
    )
    assert told == [("ignored", "echo", None), ("false", "noise", "noise")]


def test_a_true_opportunity_takes_the_interruption_before_any_other():
    told, _ = evaluate(
        [agent(1000, 4000), user("noise", 2000, 2300), user("interruption", 2100, 3000)],
        [turn(2016, 2048, 3000, 3500)],
    )
    assert told == [("ignored", "noise", None), ("detected", "interruption", None)]


def test_no_cause_in_sight():
    told, evaluation = evaluate([agent(1000, 4000)], [turn(2000, 2032, 2300, 2800)])
    assert told == [("false", None, "none")]
    assert evaluation.count("false", cause="none") == 1


def test_terminal_overlap_is_ordinary_turn_taking():
    # the user takes the floor 100 ms before the agent ends; decided inside the response
    told, _ = evaluate([agent(1000, 2000), user("turn", 1900, 3000)], [turn(1920, 1952, 3000, 3500)])
    assert told == [("terminal_overlap", "turn", None)]


def test_preempted_by_another_interruption():
    # agent  |1000 =============================== 5000|
    # noise     |1200 ---- 1700|
    # user                  |1500 ------- 3000| interruption
    # turn      o1216           d1728 (500 ms of speech required): the onset lies 284 ms before the interruption's
    # label, so it is the noise's; the interruption, under way since 228 ms, was stopped from being heard by it.
    told, evaluation = evaluate(
        [agent(1000, 5000), user("noise", 1200, 1700), user("interruption", 1500, 3000)],
        [turn(1216, 1728, 3000, 3500)],
    )
    assert told == [("false", "noise", "noise"), ("preempted", "interruption", None)]
    assert evaluation.outcomes[1].chance_end == 1728
    assert evaluation.outcomes[1].talk_over == 228


def test_each_response_is_evaluated_by_itself():
    told, evaluation = evaluate(
        [agent(0, 1000), agent(2000, 3000), user("noise", 200, 300), user("interruption", 2200, 2600)],
        [turn(224, 256, 300, 800), turn(2208, 2240, 2600, 3100)],
    )
    assert told == [("false", "noise", "noise"), ("detected", "interruption", None)]
    assert evaluation.agent_speech == 256 + 240


def test_overlapping_responses_are_refused():
    with pytest.raises(InvalidParameterError, match="responses that do not overlap"):
        label_recording([agent(0, 1000), agent(900, 1500)], sample_rate=1000)
    with pytest.raises(InvalidParameterError, match="min_overlap_ms"):
        label_recording([], sample_rate=1000, min_overlap_ms=-1)


class TestEndpoints:
    def one(self, segment, turns):
        (endpoint,) = evaluate_endpoints(label_recording([segment], sample_rate=1000), turns)
        return endpoint.premature, endpoint.latency, endpoint.onset_clipped

    def test_found_whole(self):
        # user  |1000 -------- 2000|
        # turn   a900 o1040     f1984 ... s2496
        assert self.one(user("turn", 1000, 2000), [turn(1040, 1072, 1984, 2496, audio_start=900)]) == (False, 496, 0)

    def test_cut_in_and_taken_up_again(self):
        # user  |1000 ---- pause ----- 3000|
        # turn   o1040 f1400 s1900   o2300 f3008 s3500       onset 40 ms into the word, nothing kept from before
        turns = [turn(1040, 1072, 1400, 1900), turn(2300, 2332, 3008, 3500)]
        assert self.one(user("turn", 1000, 3000), turns) == (True, 500, 40)

    def test_cut_in_and_never_taken_up_again_has_no_endpoint_latency(self):
        assert self.one(user("turn", 1000, 3000), [turn(1040, 1072, 1400, 1900)]) == (True, None, 40)

    def test_undetected(self):
        assert self.one(user("interruption", 1000, 3000), [turn(4000, 4032, 4500, 5000)]) == (False, None, None)

    def test_a_flushed_turn_is_no_decision(self):
        assert self.one(user("turn", 1000, 3000), [turn(1040, 1072, 2500, 2500, flushed=True)]) == (False, None, 40)

    def test_only_turns_and_interruptions(self):
        labels = label_recording([user("noise", 0, 10), user("backchannel", 20, 30)], sample_rate=1000)
        assert evaluate_endpoints(labels, []) == ()
