"""The tally against the log's own tables, and a hand-made log."""

import json

import pytest

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.clock import VirtualClock, run_virtual
from bidilab.show.widgets.live.feed import LiveFeed, SpeechMonitor, Tally
from tests.sessions import bursts, hold

PARTS = ("onset_to_detected_ms", "detected_to_event_ms", "event_to_silent_ms", "onset_to_silent_ms", "heard_ms")


def tallied(log):
    return Tally.of(log.fold())


def test_it_says_what_the_tables_say():
    # Two turns that are answered, each answer interrupted; energy detector, virtual clock.
    agent, _, _ = hold(bursts((10, 20), (40, 50), (80, 90), total=140))
    tally, log = tallied(agent.log), agent.log
    table = log.interruptions()
    assert len(table) == len(tally.interruptions) >= 1
    for told, row in zip(tally.interruptions, table.to_dict("records"), strict=True):
        assert (told.seq, told.t_s, told.response_id) == (row["seq"], row["t_s"], row["response_id"])
        assert [getattr(told, part) for part in PARTS] == pytest.approx([row[part] for part in PARTS])
    assert tally.counts["turns"] == len(log.turns())
    assert tally.counts["responses"] == len(log.responses())
    agent_spans = [(s.start_s, s.end_s) for s in tally.spans if s.who == "agent"]
    heard = log.responses().dropna(subset=["audible_s"])
    assert agent_spans == list(zip(heard["audible_s"], heard["silent_s"], strict=True))
    user_spans = [(s.start_s, s.end_s) for s in tally.spans if s.who == "user"]
    assert user_spans == list(zip(log.turns()["onset_s"], log.turns()["offset_s"], strict=True))
    for part, (median, n) in tally.medians_ms().items():
        assert (median, n) == (pytest.approx(table[part].median()), table[part].notna().sum())


def test_an_interruption_belongs_to_the_speech_that_decided_it():
    # speech at 0.1 s decides at 0.2 s; before the application is told, the next turn has begun (0.5 s).
    log = EventLog()

    def at(onset, decided, kind="speech_started", **told):
        detail = {"onset_samples": onset, "decided_at_samples": decided, "sample_rate": 1000}
        log.append(kind, source="detector", detail=detail, **told)

    at(100, 200)
    at(100, 200, "interruption_decided", response_id="r")
    at(500, 600)
    log.append("bidi_interruption", source="agent", t_s=0.65, response_id="r", reason="user_speech")
    at(700, 800, "interruption_due")  # with guards: what passed them is what counts
    log.append("bidi_interruption", source="agent", t_s=0.9, response_id="s", reason="user_speech")
    first, second = tallied(log).interruptions
    assert (first.onset_s, first.onset_to_detected_ms) == (0.1, pytest.approx(100))
    assert first.detected_to_event_ms == pytest.approx(450)
    assert (second.onset_s, second.detected_to_event_ms) == (0.7, pytest.approx(100))
    assert list(log.interruptions()["onset_s"]) == [0.1, 0.7]


def test_a_label_can_be_changed_and_is_counted_once():
    log = EventLog()
    seq = log.append("bidi_interruption", source="agent", response_id="r", reason="user_speech")
    for label in ("false", "true"):
        log.append("interruption_label", source="user", detail={"label": label, "interruption_seq": seq})
    tally = tallied(log)
    assert tally.interruptions[0].label == "true"
    assert (tally.counts["labelled true"], tally.counts["labelled false"]) == (1, 0)


def test_what_is_not_known_is_missing_and_never_zero():
    log = EventLog()
    log.append("bidi_interruption", source="agent", response_id="r", reason="error")
    told = tallied(log).to_dict()
    json.dumps(told, allow_nan=False)
    assert told["interruptions"][0]["onset_to_silent_ms"] is None
    assert told["medians"]["onset_to_silent_ms"] == {"ms": None, "n": 0}


def test_a_gap_is_counted_in_milliseconds():
    log = EventLog()
    for n in (480, 240):
        log.append("input_gap", source="input", detail={"samples": n, "sample_rate": 24_000})
    tally = tallied(log)
    assert (tally.counts["input gaps"], tally.lost_ms) == (2, 30.0)


def test_rows_from_before_the_microphone_are_shown_on_the_clock_that_it_set():
    clock = VirtualClock()
    log = EventLog(clock=clock)
    feed = LiveFeed(log, SpeechMonitor())
    log.append("bidi_connection_start", source="model")
    (told, _), *_ = feed.news()
    assert [row["t_s"] for row in told["rows"]] == [0.0]
    run_virtual(clock.sleep_s(3.0), clock)
    log.begin_input(2.5)
    (told, _), *_ = feed.news()
    assert [(row["type"], row["t_s"]) for row in told["rows"]] == [
        ("bidi_connection_start", -2.5),
        ("input_started", 0.5),
    ]


def test_a_page_is_told_of_the_last_of_a_long_session_and_of_all_in_the_counts():
    log = EventLog()
    for n in range(250):
        log.append("bidi_response_start", source="model", response_id=f"r{n}")
        log.append("playback_started", source="playback", response_id=f"r{n}")
        log.append("bidi_interruption", source="agent", response_id=f"r{n}", reason="error")
    told = tallied(log).to_dict()
    assert (told["counts"]["interruptions"], len(told["interruptions"]), len(told["spans"])) == (250, 200, 200)
    assert told["interruptions"][-1]["response_id"] == "r249"
