"""The one reader of the log: row by row it says what a search over the whole log says, at any moment."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.fold import LogFold, happened_s
from bidilab.core.clock import VirtualClock, run_virtual
from tests.bidi.log import whole_log
from tests.sizes import examples

ids = st.sampled_from(["a", "b", "c"])
items = st.sampled_from([None, "i", "j"])
counts = st.integers(0, 64_000)
agent_rate = {"sample_rate": st.just(24_000)}
user_rate = {"sample_rate": st.just(16_000)}


def detail(*names, **more):
    """Details that tell some of the positions, as models differ in what they tell."""
    return st.fixed_dictionaries(more, optional=dict.fromkeys(names, counts))


def row(type, source, said=None, **columns):  # noqa: A002 - the column's name
    drawn = {name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in columns.items()}
    return st.fixed_dictionaries(
        {"type": st.just(type), "source": st.just(source), "detail": st.none() if said is None else said, **drawn}
    )


SPEECH = ("onset_samples", "decided_at_samples")
HEARD = detail("heard_samples", **agent_rate)
AUDIO = st.fixed_dictionaries(
    {"audio_bytes": counts, "sample_rate": st.just(24_000)}, optional={"channels": st.just(2)}
)
USER_ROWS = st.one_of(
    row("speech_started", "detector", detail(*SPEECH, "audio_start_samples", **user_rate), item_id=items),
    row("speech_stopped", "detector", detail("offset_samples", "decided_at_samples", **user_rate)),
    row(
        "bidi_transcript_stream",
        "model",
        st.fixed_dictionaries({"is_final": st.booleans()}),
        role="user",
        item_id=items,
        text=st.sampled_from(["yes", "no", "maybe"]),
    ),
)
ROWS = st.one_of(
    USER_ROWS,
    row("interruption_due", "detector", detail(*SPEECH, **user_rate)),
    row(
        "interruption_decided",
        "detector",
        st.fixed_dictionaries(dict.fromkeys(SPEECH, counts) | user_rate),
        response_id=ids,
    ),
    row("bidi_response_start", "model", response_id=ids),
    row("bidi_audio_stream", "model", AUDIO, response_id=ids),
    row("playback_started", "playback", HEARD, response_id=ids),
    row("playback_dry", "playback", HEARD, response_id=ids),
    row("playback_cleared", "playback", HEARD, response_id=ids),
    row("playback_silent", "playback", HEARD, response_id=ids),
    row("cut_unconfirmed", "playback", response_id=ids),
    row(
        "bidi_interruption",
        "agent",
        detail("heard_samples", "generated_samples", **agent_rate),
        response_id=st.one_of(st.none(), ids),
        reason=st.sampled_from(["user_speech", "error"]),
    ),
    row(
        "bidi_response_complete",
        "agent",
        response_id=ids,
        stop_reason=st.sampled_from(["complete", "interrupted"]),
    ),
    row("bidi_error", "error"),
)


def a_log(rows, session_id="s"):
    log = EventLog(session_id=session_id, clock=VirtualClock(), zero_s=0.0)
    for n, one in enumerate(rows):
        log.append(one["type"], t_s=0.25 * n, **{name: value for name, value in one.items() if name != "type"})
    return log


def known(value):
    """A cell of the oracle, or of a record, with one word for what is not known."""
    return None if value is None or value != value else value


@settings(max_examples=examples(200))
@given(st.one_of(st.lists(ROWS, max_size=40), st.lists(USER_ROWS, max_size=15)))
def test_row_by_row_it_says_what_the_whole_log_says(rows):
    log = a_log(rows)
    searched = whole_log.rows_of(log)
    for name in ("responses", "interruptions", "turns"):
        for record, expected in zip(getattr(log.fold(), name), getattr(whole_log, name)(searched), strict=True):
            assert {key: known(getattr(record, key)) for key in expected} == {
                key: known(value) for key, value in expected.items()
            }


@given(st.lists(ROWS, max_size=30), st.lists(ROWS, max_size=30), st.lists(st.integers(0, 60), max_size=5))
def test_asked_on_the_way_it_says_the_same_as_at_the_end(first, second, stops):
    """And what it has said does not change any more, while it takes what follows."""
    rows = [*a_log(first, "s1").rows, *a_log(second, "s2").rows]
    asked, at_once = LogFold(), LogFold()
    said = []
    for n, one in enumerate(rows):
        if n in stops:
            shorter = LogFold()
            shorter.take_all(rows[:n])
            assert everything(asked) == everything(shorter)
            said.append((everything(asked), everything(shorter)))
        asked.take(one)
    at_once.take_all(rows)
    assert everything(asked) == everything(at_once)
    assert all(before == again for before, again in said)


def everything(fold):
    return (fold.responses, fold.turns, fold.interruptions, fold.spans, fold.counts, fold.detector_rate, fold.n_rows)


def test_records_cannot_be_changed():
    log = a_log([{"type": "bidi_response_start", "source": "model", "response_id": "a"}])
    (response,) = log.fold().responses
    with pytest.raises(dataclasses.FrozenInstanceError):
        response.heard_ms = 1.0


def test_spans_are_what_sounded():
    # user  0.5 [███] 1.0        2.0 [█ …
    # a          0.7 [██ dry 0.9   1.1 ██] 1.3
    log = EventLog(clock=VirtualClock(), zero_s=0.0)

    def speech(type, t_s, **samples):  # noqa: A002 - the column's name
        log.append(type, source="detector", t_s=t_s, detail={**samples, "sample_rate": 1000})

    def play(type, at_s):  # noqa: A002 - the column's name
        log.append(type, source="playback", response_id="a", at_s=at_s)

    speech("speech_started", 0.6, onset_samples=500)
    play("playback_started", 0.7)
    play("playback_dry", 0.9)
    speech("speech_stopped", 1.05, offset_samples=1000)
    play("playback_started", 1.1)
    play("playback_silent", 1.3)
    play("playback_cleared", 1.4)  # of what is silent already
    speech("speech_started", 2.1, onset_samples=2000)
    spans = [(span.who, span.start_s, span.end_s) for span in log.fold().spans]
    assert spans == [("user", 0.5, 1.0), ("agent", 0.7, 0.9), ("agent", 1.1, 1.3), ("user", 2.0, None)]
    assert log.fold().last_spans(1)[0].start_s == 2.0
    assert log.fold().last_spans(0) == ()


def test_a_response_knows_where_it_was_decided_and_whether_it_was_whole():
    log = EventLog(clock=VirtualClock(), zero_s=0.0)
    stopped = {"offset_samples": 800, "decided_at_samples": 1000, "sample_rate": 1000}
    log.append("speech_stopped", source="detector", t_s=1.02, detail=stopped)
    log.append("bidi_response_start", source="model", t_s=1.02, response_id="a")  # in that very instant
    log.append("bidi_response_start", source="model", t_s=1.5, response_id="b")
    resumed = {"resumed_at_samples": 2000, "sample_rate": 1000}
    log.append("response_resumed", source="model", t_s=2.01, response_id="c", detail=resumed)
    log.append("bidi_response_start", source="model", t_s=2.01, response_id="c")
    log.append("bidi_response_complete", source="agent", t_s=2.5, response_id="a", stop_reason="complete")
    for response_id in ("a", "b"):
        log.append("bidi_interruption", source="agent", t_s=3, response_id=response_id, reason="error")
        log.append("bidi_response_complete", source="agent", t_s=3, response_id=response_id, stop_reason="error")
    told = {response.response_id: response for response in log.fold().responses}
    assert [told[key].decided_s for key in "abc"] == [1.0, None, 2.0]
    assert [told[key].generated_whole for key in "abc"] == [True, False, False]


@pytest.mark.parametrize(
    ("type", "detail", "expected"),
    [
        ("speech_started", {"onset_samples": 8000, "decided_at_samples": 8512}, 0.5),
        ("speech_stopped", {"offset_samples": 4000, "decided_at_samples": 8000}, 0.25),
        ("interruption_due", {"onset_samples": 0, "decided_at_samples": 8000}, 0.5),
        ("interruption_decided", {"onset_samples": 0, "decided_at_samples": 8000}, 0.5),
        ("response_resumed", {"paused_at_samples": 0, "resumed_at_samples": 8000}, 0.5),
        ("voice_activity", {"activity_samples": 8000}, 0.5),
        ("voice_activity", {"activity": "ACTIVITY_START"}, None),  # without a place
        ("input_gap", {"samples": 100}, 1.0),  # at the row's position in the user's stream
        ("audio_clock_slip", {"slipped_ms": 100.0}, 1.0),
        ("bidi_interruption", {"heard_samples": 8000}, None),
        ("bidi_audio_input", {"audio_bytes": 8000}, None),
    ],
)
def test_when_an_event_happened_by_its_own_sample(type, detail, expected):  # noqa: A002 - the column's name
    assert happened_s(type, {**detail, "sample_rate": 16_000}, 16_000) == expected
    assert happened_s(type, detail, 16_000) is None  # a position without a rate is no time


def test_what_an_output_says_late_of_a_cut_counts():
    """An output that did not answer in time was taken to have played nothing; then it says what it had played."""
    log, said = EventLog(clock=VirtualClock()), {"sample_rate": 1000}
    log.append("cut_unconfirmed", source="playback", response_id="r")
    cut = {"source": "agent", "response_id": "r", "reason": "user_speech"}
    log.append("bidi_interruption", **cut, detail={"heard_samples": 0, **said})
    assert [log.interruptions()["heard_ms"].item(), log.fold().counts.unheard] == [0.0, 1]
    log.append("playback_cleared", source="playback", response_id="r", detail={"heard_samples": 900, **said})
    assert [log.interruptions()["heard_ms"].item(), log.fold().counts.unheard] == [900.0, 0]


def test_a_second_session_in_one_log_counts_its_samples_from_its_own_first():
    """An agent that is started again with a log of its caller's: 10 s on, a new stream begins at sample 0."""
    clock = VirtualClock()
    log = EventLog(clock=clock)
    speech = {"onset_samples": 1000, "decided_at_samples": 1500, "sample_rate": 1000}
    for _ in range(2):
        log.begin_input(clock.now_s())
        run_virtual(clock.sleep_s(2.0), clock)
        log.append("speech_started", source="detector", detail=speech)
        log.append("bidi_interruption", source="agent", response_id="r", reason="user_speech")
        run_virtual(clock.sleep_s(8.0), clock)
    assert [row.at_s for row in log if row.type == "speech_started"] == [1.0, 11.0]
    assert log.interruptions()["onset_s"].tolist() == [1.0, 11.0]
    assert log.interruptions()["detected_to_event_ms"].tolist() == [500.0, 500.0]
    assert log.turns()["onset_s"].tolist() == [1.0, 11.0]
    assert [row.t_s for row in log] == sorted(row.t_s for row in log)


def hour(n):
    """``n`` exchanges, each with a turn, a response with audio, and an interruption."""
    rows = []
    for k in range(n):
        speech = {"onset_samples": 16_000 * k, "decided_at_samples": 16_000 * k + 512, "sample_rate": 16_000}
        rows.append({"type": "speech_started", "source": "detector", "detail": speech})
        rows.append({"type": "bidi_response_start", "source": "model", "response_id": f"r{k}"})
        audio = {"audio_bytes": 960, "sample_rate": 24_000}
        rows += [{"type": "bidi_audio_stream", "source": "model", "response_id": f"r{k}", "detail": audio}] * 5
        rows.append({"type": "playback_started", "source": "playback", "response_id": f"r{k}"})
        rows.append({"type": "playback_cleared", "source": "playback", "response_id": f"r{k}"})
        cut = {"source": "agent", "response_id": f"r{k}", "reason": "user_speech"}
        rows.append({"type": "bidi_interruption", **cut})
        stopped = {"offset_samples": 16_000 * k + 8000, "sample_rate": 16_000}
        rows.append({"type": "speech_stopped", "source": "detector", "detail": stopped})
        words = {"role": "user", "text": "no", "item_id": "x", "detail": {"is_final": True}}
        rows.append({"type": "bidi_transcript_stream", "source": "model", **words})
    return rows


class Counted(list):
    """A list that counts how often one of its members is looked at or set."""

    looked = 0

    def __getitem__(self, place):
        self.looked += 1 if isinstance(place, int) else len(range(*place.indices(len(self))))
        return super().__getitem__(place)

    def __setitem__(self, place, value):
        self.looked += 1
        super().__setitem__(place, value)

    def __iter__(self):
        self.looked += len(self)
        return super().__iter__()


def test_a_row_costs_no_more_at_the_end_of_a_long_session():
    """Counted, not timed: how many records are looked at for a row, early and late; and the rows are asked between."""
    log = a_log(hour(2000))
    fold = LogFold()
    session = fold._sessions["s"]
    session.turns = Counted()
    fold._interruptions, fold._spans = Counted(), Counted()
    looked = []
    for one in log:
        before = session.turns.looked + fold._interruptions.looked + fold._spans.looked
        fold.take(one)
        fold.last_spans(5), fold.last_interruptions(5)
        looked.append(session.turns.looked + fold._interruptions.looked + fold._spans.looked - before)
    assert len(fold.interruptions) == 2000
    assert max(looked[-1000:]) <= max(looked[:1000]) <= 20


def test_a_log_reads_each_row_once_however_often_it_is_asked(monkeypatch):
    log = a_log(hour(20))
    n_read = 0
    said = type(log[0]).said

    def counted(row):
        nonlocal n_read
        n_read += 1
        return said(row)

    monkeypatch.setattr(type(log[0]), "said", counted)
    for _ in range(3):
        log.interruptions(), log.responses(), log.turns(), log.fold().counts
    assert n_read == len(log)
    log.append("bidi_error", source="error", t_s=math.inf)
    assert log.fold().counts.errors == 1
    assert n_read == len(log)


@pytest.mark.parametrize(
    ("kind", "said", "detector"),
    [
        ("turn_detection", {"vad": "silero", "detector": "silero 6.2"}, "silero 6.2"),
        ("turn_detection", {"vad": "silero"}, "silero"),  # a log from before releases were written
        ("turn_detection", {"threshold": 0.5}, None),  # a provider's own detector
        ("session_start", {"model": "m", "detector": "energy 1"}, "energy 1"),
    ],
)
def test_the_detector_is_told_by_the_row_that_names_it(kind, said, detector):
    log = EventLog()
    log.append(kind, source="model", detail=said)
    log.append("turn_detection_updated", source="model", detail={"threshold": 0.6})
    assert log.fold().detector == detector
