"""A recording under a setting: the worked examples in both verdicts, read and compiled.

Positions are frames of 512 samples at 16 kHz; speech has a probability of 0.9, all else 0.02.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from bidilab.detect.turns import Guards, Turn, TurnParams
from bidilab.detect.turns.kernels import turns_in_frames
from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.metrics import members
from bidilab.lab.metrics.columns import Duration, counted_in
from bidilab.lab.metrics.evaluation import Evaluation, evaluate_recording
from bidilab.lab.metrics.members import MISSED, members_of
from bidilab.lab.metrics.stops import response_plan
from bidilab.lab.sweep.engine import simulated_lengths
from bidilab.lab.sweep.evaluated import MISSED as NEVER
from bidilab.lab.sweep.evaluated import OPEN, PARTS
from bidilab.lab.sweep.kernels.evaluation import count_stops, judge_events, judge_turns
from bidilab.lab.sweep.onesetting import events_frame
from bidilab.lab.sweep.problem import SweepProblem
from tests.lab.metrics.test_members import FRAME, MS, RATE, segment, speech

GRAIN = {"frame_samples": FRAME, "sample_rate": RATE}
IN_RESPONSE = ("response", 0, 250)
NO_GUARDS = Guards()


def evaluated(labels, p, *, silence=500, guards=NO_GUARDS, simulated=None, min_speech=0, unsure=()):
    """The readable evaluation, and beside it the compiled delays and counts, which must agree with it."""
    rule = TurnParams(silence_duration_ms=silence, min_speech_ms=min_speech)
    marked = [replace(segment(*one), unsure=index in unsure) for index, one in enumerate(labels)]
    placed = members_of(marked, sample_rate=RATE, duration_samples=len(p) * FRAME)
    plan = None if simulated is None else response_plan(placed, **simulated, guards=guards)
    found = evaluate_recording(placed, p, rule, frame_samples=FRAME, guards=guards, plan=plan)
    counts = compiled(placed, p, rule, guards, simulated)
    events, turns = counts.pop("delays"), counts.pop("turns")
    assert [MISSED if d == NEVER else d for d in events.tolist()][: len(found.delays)] == list(found.delays)
    assert turns.waits.tolist() == [e.wait for e in found.endpoints]
    assert counts["n_detected"] == sum(e.outcome == "detected" for e in found.events)
    assert counts["n_missed"] == sum(e.outcome == "missed" for e in found.events)
    hits = sum(counts[f"n_false_on_opportunity_{kind}"] for kind in FALSE_KINDS)
    assert hits == sum(e.outcome == "false" for e in found.events)
    assert counts["n_false"] == found.costs.n_false
    assert counts["n_stops_continued"] == found.costs.count("continued")
    assert counts["lost_samples"] == found.costs.lost
    assert counts["masked_samples"] == found.costs.masked
    assert counts["n_cut_ins_heard"] == found.costs.n_cut_ins_heard
    assert counts["cut_in_talk_samples"] == found.costs.cut_in_talk
    assert counts["n_cut_offs"] == sum(found.cut_offs)
    assert counts["n_premature_endpoints"] == sum(e.premature for e in found.endpoints)
    standing = [stop for stop in found.costs.stops if stop.resumed_at is None]
    spans = {span.start: span.duration for span in found.unheard()}
    assert {stop.acted_at for stop in standing} <= set(spans)
    if simulated is None:  # of a simulated response, what comes after the recording's end is lost in no table
        assert list(spans.values()) == [stop.lost for stop in standing]
    return found


def compiled(labels, p, params, guards, simulated):
    problem = SweepProblem.build([labels], [p], word_ends=[np.zeros(0, np.int64)], **GRAIN)
    rule, guard = params.in_frames(**GRAIN), guards.in_frames(**GRAIN)
    table = turns_in_frames(
        p,
        problem.frame_bounds,
        threshold=rule.threshold,
        deactivation_threshold=rule.deactivation_threshold,
        min_speech_frames=rule.min_speech_frames,
        silence_frames=rule.silence_frames,
    )
    (events,) = judge_events(problem, rule, (guard,))
    turns = judge_turns(problem, table)
    agent = None if simulated is None else simulated_lengths([labels], {"evaluation": "simulated", **simulated})
    parts = {"labels": problem.label_counts, "events": events.counts, "turns": turns.counts}
    parts["stops"] = count_stops(problem, table, agent, guard)
    found = {"delays": events.delays, "turns": turns}
    for part in PARTS:
        names = [c.counted if isinstance(c, Duration) else c.name for c in counted_in(part)]
        found |= dict(zip(names, parts[part][0].tolist(), strict=True))
    return found


def told(found):
    """Of each event: the verdict on it alone, its delay in ms, and what the session did."""
    return [
        (e.outcome, None if e.delay is None else math.inf if e.delay == MISSED else e.delay * MS, e.in_session)
        for e in found.events
    ]


def test_example_6_four_hits_of_which_one_response_shows_one():
    labels = [("backchannel", a, a + 8) for a in (20, 70, 120, 170)]
    p = speech(*((a + 1, a + 8) for a in (20, 70, 120, 170)))
    one = evaluated([IN_RESPONSE, *labels], p)
    assert told(one) == [("false", 64, "stopped_falsely"), *[("false", 64, "silent")] * 3]
    assert (one.costs.n_false, one.costs.lost / RATE) == (1, 7.296)
    four = evaluated([("response", a, b) for a, b in ((0, 60), (60, 110), (110, 160), (160, 250))] + labels, p)
    assert told(four) == [("false", 64, "stopped_falsely")] * 4


def test_example_7_what_a_false_stop_takes_away_is_judged_all_the_same():
    found = evaluated([IN_RESPONSE, ("backchannel", 20, 30), ("interruption", 60, 90)], speech((21, 30), (62, 90)))
    assert told(found) == [("false", 64, "stopped_falsely"), ("detected", 96, "silent")]


def test_example_12_a_cut_in_counts_against_the_end_of_turn_alone():
    labels, p = [("turn", 10, 100), ("response", 60, 200)], speech((10, 55), (70, 100))
    found = evaluated(labels, p, silence=320)
    assert told(found) == [("cut_in", None, "continued")]
    (endpoint,) = found.endpoints
    assert (endpoint.premature, endpoint.wait * MS) == (True, 320)
    assert (found.costs.count("continued"), found.costs.n_false) == (1, 0)
    patient = evaluated(labels, p, silence=512)
    assert (patient.endpoints[0].premature, patient.endpoints[0].wait * MS) == (False, 512)
    assert told(patient) == [("cut_in", None, "silent")]  # it began before the response, and nothing stopped that
    agent = {"response_delay_ms": 128, "response_ms": 2000.0}
    heard = evaluated(labels, p, silence=320, simulated=agent)
    assert (heard.costs.n_cut_ins_heard, heard.costs.cut_in_talk / RATE) == (1, 0.064)
    assert told(heard)[0] == ("cut_in", None, "continued")
    assert evaluated(labels, p, silence=512, simulated=agent).costs.n_cut_ins_heard == 0


@pytest.mark.parametrize(("spoken", "echo"), [((40, 50), "ignored"), ((70, 75), "false")])
def test_example_14_an_echo_is_judged_where_nobody_speaks(spoken, echo):
    labels = [("response", 0, 100), ("echo", 2, 102), ("backchannel", 40, 50)]
    found = evaluated(labels, speech(spoken))
    assert [e.outcome for e in found.events] == [echo, "false" if echo == "ignored" else "ignored"]
    (stop,) = found.costs.stops
    assert stop.cause == ("backchannel" if echo == "ignored" else "echo")


def test_example_15_a_wait_that_the_recording_ends():
    labels = [("turn", 10, 40)]
    found = evaluated(labels, speech((10, 40), n=50), silence=512)
    (endpoint,) = found.endpoints
    assert (endpoint.wait * MS, endpoint.is_open, endpoint.premature) == (320, True, False)
    (unheard,) = evaluated(labels, speech(n=50), silence=512).endpoints
    assert (unheard.wait, unheard.premature, unheard.is_open) == (NEVER, False, False)
    state = compiled(found.labels, speech((10, 40), n=50), TurnParams(silence_duration_ms=512), NO_GUARDS, None)
    assert state["turns"].states.tolist() == [OPEN]


def test_what_the_session_does_is_told_in_words():
    """The turn of the first 20 frames is open until frame 36 where silence lasts 512 ms: the agent had not spoken."""
    labels = [("turn", 2, 20), ("response", 25, 250), ("interruption", 30, 34), ("backchannel", 60, 66)]
    labels += [("interruption", 100, 120), ("noise", 260, 270)]
    found = evaluated(labels, speech((2, 20), (61, 66)), silence=512)
    assert [e.in_session for e in found.events] == ["silent", "masked", "stopped_falsely", "silent", "silent"]
    nobody = evaluated(labels, speech((2, 20)), silence=320)
    assert [e.in_session for e in nobody.events] == ["silent", "spoke_on", "spoke_on", "spoke_on", "silent"]
    assert [e.outcome for e in nobody.events] == ["outside", "missed", "ignored", "missed", "outside"]


def test_a_response_that_is_cut_before_it_is_heard():
    """Decided on at frame 30, cut at 43, audible from 40 + 10 = 50 frames on: nobody hears it stop."""
    labels = [("turn", 10, 20), ("response", 40, 250), ("interruption", 42, 60)]
    agent = {"response_delay_ms": 640, "response_ms": 2000.0}
    found = evaluated(labels, speech((10, 20), (42, 60)), silence=320, simulated=agent)
    assert found.costs.n_cancelled_unheard == 1
    assert told(found)[1] == ("detected", 32, "unheard")


def test_each_further_stop_by_one_event_has_a_row():
    """A long aside ends two responses, which are answers to pauses in it."""
    labels = [("turn", 2, 20), ("response", 25, 290), ("side_speech", 60, 250)]
    p = speech((2, 20), (60, 80), (120, 140), (200, 210))
    agent = {"response_delay_ms": 64, "response_ms": 5000.0}
    found = evaluated(labels, p, silence=320, simulated=agent)
    assert [(e.outcome, e.in_session) for e in found.events] == [
        ("outside", "silent"),
        ("false", "stopped_falsely"),
        ("again", "stopped_falsely"),
        ("again", "stopped_falsely"),
    ]
    assert sum(e.stop is not None for e in found.events) == len(found.costs.stops) == 3


def test_without_any_label_no_stop_is_false():
    agent = {"response_delay_ms": 64, "response_ms": 2000.0}
    found = evaluated([], speech((10, 20), (60, 70)), silence=320, simulated=agent)
    assert told(found) == [("unlabelled", None, "stopped_unlabelled")]
    assert found.costs.n_false == 0
    known = evaluated([IN_RESPONSE], speech((50, 60)))  # the agent's side is labelled: nobody speaks there
    assert told(known) == [("unlabelled", None, "stopped_falsely")]


def test_a_stop_of_an_unsure_owner_is_neither_true_nor_false():
    """The agent stops at 22 for what may be a cough; the interruption at 60 finds it silent, and is judged alone."""
    labels = [IN_RESPONSE, ("backchannel", 20, 30), ("interruption", 60, 90)]
    p = speech((21, 30), (62, 90))
    sure, unsure = evaluated(labels, p), evaluated(labels, p, unsure=[1])
    assert [e.outcome for e in sure.events] == ["false", "detected"]
    assert told(unsure) == [("unsure", None, "stopped_unsure"), ("detected", 96, "silent")]
    assert (unsure.costs.n_false, unsure.costs.count("true"), unsure.costs.lost) == (0, 0, 0)
    assert unsure.costs.exposure == sure.costs.exposure
    table = events_frame([("r", unsure)], RATE)
    assert table["outcome"].tolist() == ["unsure", "detected"]
    assert table["cause"].isna().all()
    assert evaluated([("turn", 10, 30)], speech((11, 30)), unsure=[0]).endpoints == ()


def test_both_verdicts_in_the_table():
    found = evaluated([IN_RESPONSE, ("backchannel", 20, 30), ("interruption", 60, 90)], speech((21, 30), (62, 90)))
    table = events_frame([("r", found)], RATE)
    assert table["outcome"].tolist() == ["false", "detected"]
    assert table["in_session"].tolist() == ["stopped_falsely", "silent"]
    assert table["latency_ms"].tolist() == [64, 96]
    assert table["cause"].tolist()[0] == "backchannel"
    assert table["lost_s"].tolist() == pytest.approx([7.296, math.nan], nan_ok=True)
    assert table["decided_s"].tolist() == pytest.approx([22 * FRAME / RATE, math.nan], nan_ok=True)
    assert table["talk_over_s"].tolist() == pytest.approx([math.nan, 0.096], nan_ok=True)
    missed = events_frame([("r", evaluated([IN_RESPONSE, ("interruption", 60, 90)], speech()))], RATE)
    assert missed["latency_ms"].tolist() == [math.inf]
    assert missed["talk_over_s"].tolist() == pytest.approx([0.96])


def test_what_is_heard_of_a_recorded_agent():
    found = evaluated([("response", 0, 60), ("response", 60, 110), ("noise", 20, 30)], speech((21, 30)))
    assert isinstance(found, Evaluation)
    heard = [(index, *(at // FRAME for at in span)) for index, span in found.heard()]
    assert heard == [(0, 0, 22), (1, 60, 110)]


def test_turns_are_those_of_the_whole_channel():
    found = evaluated([IN_RESPONSE], speech((50, 60)), silence=320)
    (turn,) = found.turns
    assert isinstance(turn, Turn)
    assert (turn.onset, turn.stopped_at) == (50 * FRAME, 70 * FRAME)
    assert members.MISSED == MISSED
