"""What was generated, played and heard: estimated from arrival, corrected by what outputs report, final when cut."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.io.playback import PlaybackBuffer
from bidilab.bidi.models import PlayoutEstimate
from bidilab.bidi.session.ledger import _NEXT, Cut, ResponseLedger, ResponseState
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)
from bidilab.bidi.types.io import PlaybackReport
from bidilab.core.errors import InvalidParameterError, SessionError

KINDS = ["started", "dry", "drained", "cleared"]


def report(kind, heard, at_s, sample_rate=1000, response_id="r"):
    return PlaybackReport(kind=kind, response_id=response_id, heard_samples=heard, sample_rate=sample_rate, at_s=at_s)


# A step of a session at 1000 Hz: after ``wait`` ms, of response ``a``, ``b`` or ``c``, what happens and how much of it.
AUDIO = st.tuples(st.integers(0, 300), st.sampled_from("abc"), st.just("audio"), st.integers(0, 200))
CUTS = st.tuples(st.integers(0, 300), st.sampled_from("abc"), st.just("cut"), st.just(0))
DONE = st.tuples(st.integers(0, 300), st.sampled_from("abc"), st.just("done"), st.just(0))
REPORTS = st.tuples(st.integers(0, 300), st.sampled_from("abc"), st.sampled_from(KINDS), st.integers(0, 400))


@given(st.lists(AUDIO | CUTS, max_size=20))
def test_it_is_a_loudspeaker_that_plays_at_once(steps):
    # Beside the playback buffer, which is taken from in real time: after each step both say the same.
    ledger, buffer = ResponseLedger(sample_rate=1000), PlaybackBuffer(sample_rate=1000)
    now = 0
    for wait, response_id, what, n_samples in steps:
        now += wait
        buffer.get(wait)
        if what == "audio":
            ledger.audio(response_id, n_samples, now / 1000)
            buffer.put(response_id, np.zeros(n_samples, np.int16))
        else:
            cut = ledger.cut(response_id, now / 1000)
            (cleared,) = buffer.clear(response_id).responses
            assert cut.heard_samples == cleared.heard_samples
        for key in "abc":
            assert ledger.heard_samples(key, now / 1000) == buffer.heard_samples(key)
            assert ledger.is_cut(key) == buffer.is_cleared(key)


def take(ledger, steps):
    """Write steps down as far as they can follow one another; yield the time after each."""
    now = 0
    for wait, response_id, what, amount in steps:
        now += wait
        at_s = now / 1000
        if what == "audio":
            if ledger.is_done(response_id) and ledger.state(response_id, at_s) in (
                ResponseState.AUDIBLE,
                ResponseState.DRAINED,
            ):
                with pytest.raises(SessionError):
                    ledger.audio(response_id, amount, at_s)
            else:
                ledger.audio(response_id, amount, at_s)
        elif what == "cut":
            ledger.cut(response_id, at_s)
        elif what == "done":
            ledger.done(response_id)
        else:
            ledger.report(report(what, amount, at_s, response_id=response_id))
        yield at_s


@given(st.lists(AUDIO | CUTS | DONE | REPORTS, max_size=30))
def test_in_any_order_no_more_is_heard_than_was_generated_and_nothing_after_a_cut(steps):
    ledger, cut = ResponseLedger(sample_rate=1000), {}
    for (_, response_id, what, _), at_s in zip(steps, take(ledger, steps), strict=True):
        if what == "cut":
            cut.setdefault(response_id, (ledger.heard_samples(response_id, at_s), ledger.received_samples(response_id)))
        for key in "abc":
            for later_s in (at_s, at_s + 0.1, at_s + 100.0):
                assert 0 <= ledger.heard_samples(key, later_s) <= ledger.received_samples(key)
                if key in cut:
                    assert (ledger.heard_samples(key, later_s), ledger.received_samples(key)) == cut[key]
            assert ledger.is_cut(key) == (key in cut)
            if key in cut:
                assert not ledger.is_active(key, at_s)
        # What is active now is over when it says, if it is done and nothing more is reported.
        until_s = ledger.busy_until_s(at_s)
        if isinstance(until_s, float):
            assert ledger.active_responses(until_s + 0.001) == ()


@given(
    steps=st.lists(AUDIO | CUTS | DONE | REPORTS, max_size=20),
    parts=st.lists(st.integers(1, 60), min_size=1, max_size=10),
    rate=st.sampled_from([1000, 1500, 24_000, 8000]),
)
def test_audio_may_come_in_any_chunks(steps, parts, rate):
    whole, chunked = ResponseLedger(sample_rate=1000), ResponseLedger(sample_rate=1000)
    sizes = itertools.cycle(parts)
    now, over = 0, set()
    for wait, response_id, what, amount in steps:
        now += wait
        at_s = now / 1000
        if what == "audio":
            if response_id in over:
                continue
            whole.audio(response_id, amount, at_s, sample_rate=rate)
            left = amount
            while left:
                n = min(left, next(sizes))
                chunked.audio(response_id, n, at_s, sample_rate=rate)
                left -= n
        else:
            for ledger in (whole, chunked):
                if what == "cut":
                    ledger.cut(response_id, at_s)
                elif what == "done":
                    over.add(response_id)
                    ledger.done(response_id)
                else:
                    ledger.report(report(what, amount, at_s, response_id=response_id))
        for later_s in (at_s, at_s + 0.05, at_s + 1.0):
            for key in "abc":
                told = [
                    (
                        ledger.state(key, later_s) if ledger.received_samples(key) else None,
                        ledger.received_samples(key),
                        ledger.heard_samples(key, later_s),
                        ledger.ends_at_s(key, later_s),
                    )
                    for ledger in (whole, chunked)
                ]
                assert told[0] == told[1]


def test_every_state_can_be_cut_and_no_step_leaves_a_cut():
    steps = {"start", "audio", "done", "played", "drained", "cleared", "cut"}
    assert set(_NEXT) == {None, *ResponseState}
    assert all(step in steps for row in _NEXT.values() for step in row)
    assert all(row["cut"] is ResponseState.CUT for row in _NEXT.values())
    assert _NEXT[ResponseState.CUT] == dict.fromkeys(steps, ResponseState.CUT)


@pytest.mark.parametrize("step", ["started", "audio"])
def test_a_response_that_is_done_does_not_go_on(step):
    ledger = ResponseLedger(sample_rate=1000)
    ledger.audio("r", 100, 0.0)
    ledger.done("r")
    with pytest.raises(SessionError, match=r"response 'r' is audible: '(start|audio)' cannot follow"):
        ledger.started("r") if step == "started" else ledger.audio("r", 1, 5.0)


def test_states():
    #       0      1      2     3 s
    # r     ███████             1 s of audio, done at once; heard to its end at 1.0
    ledger = ResponseLedger(sample_rate=1000)
    assert ledger.state("r", 0.0) is None
    ledger.started("r")
    ledger.audio("r", 1000, 0.0)
    assert ledger.state("r", 5.0) is ResponseState.GENERATING
    ledger.done("r")
    assert [ledger.state("r", at_s) for at_s in (0.999, 1.0)] == [ResponseState.AUDIBLE, ResponseState.DRAINED]
    ledger.report(report("started", 0, 0.5))
    assert ledger.state("r", 1.2) is ResponseState.AUDIBLE
    ledger.report(report("drained", 990, 1.5))  # an output with too little room threw ten samples away
    assert (ledger.state("r", 1.5), ledger.heard_samples("r", 2.0)) == (ResponseState.DRAINED, 990)
    ledger.report(report("started", 500, 1.6))  # a second output is not so far
    assert ledger.active_responses(1.7) == ("r",)
    ledger.report(report("cleared", 600, 1.7))
    assert (ledger.state("r", 1.7), ledger.is_cut("r")) == (ResponseState.SILENCED, False)
    assert ledger.cut("r", 1.8) == Cut(heard_samples=600, generated_samples=1000, sample_rate=1000)
    assert (ledger.state("r", 1.8), ledger.is_cut("r")) == (ResponseState.CUT, True)


def test_active_until_the_last_sample():
    #       0      1      2     3 s
    # r     ███████          generating: 1 s of audio, then nothing; done at 2.5
    ledger = ResponseLedger(sample_rate=1000)
    ledger.started("r")
    assert ledger.is_active("r", 0.0)
    ledger.audio("r", 1000, 0.0)
    assert ledger.ends_at_s("r", 0.5) == 1.0
    assert ledger.is_active("r", 2.0)  # more may come
    assert ledger.busy_until_s(2.0) == "generating"
    ledger.done("r")
    assert ledger.is_active("r", 0.999)
    assert not ledger.is_active("r", 1.0)
    assert ledger.active_responses(0.5) == ("r",)
    assert (ledger.busy_until_s(0.5), ledger.busy_until_s(1.0)) == (1.0, None)
    ledger.forget("r")
    assert (ledger.heard_samples("r", 0.5), ledger.received_samples("r")) == (0, 0)


def test_a_cut_is_for_ever():
    # s waits behind r, and is played at once when r is cut at 0.25.
    ledger = ResponseLedger(sample_rate=1000)
    ledger.audio("r", 1000, 0.0)
    ledger.audio("s", 500, 0.0)
    assert ledger.cut("r", 0.25).heard_samples == 250
    ledger.audio("r", 1000, 0.3)
    assert (ledger.clear("r", 0.9), ledger.heard_samples("r", 5.0)) == (250, 250)
    assert not ledger.is_active("r", 0.3)
    assert ledger.is_active("s", 0.3)
    assert ledger.heard_samples("s", 0.3) == 50
    ledger.report(report("cleared", 400, 0.4))  # too late: 250 was told
    ledger.forget("r")
    ledger.audio("r", 10, 1.0)
    ledger.started("r")
    assert ledger.is_cut("r")
    assert ledger.received_samples("r") == 0


def test_of_what_outputs_say_of_a_cut_the_most_counts():
    ledger = ResponseLedger(sample_rate=1000)
    ledger.audio("r", 1000, 0.0)
    cut = ledger.cut("r", 0.5, [report("cleared", 480, 0.5), report("cleared", 24_480, 0.5, sample_rate=48_000)])
    assert cut == Cut(heard_samples=510, generated_samples=1000, sample_rate=1000)
    assert ledger.cut("r", 0.6) == cut
    # An output that could only estimate knows it now.
    assert ledger.cut("r", 0.6, [report("cleared", 470, 0.55)]).heard_samples == 470
    assert ledger.heard_samples("r", 1.0) == 470
    assert ledger.cut("r", 0.7, [report("cleared", 4700, 0.55)]).heard_samples == 1000


def test_reports_take_the_place_of_the_estimate():
    ledger = ResponseLedger(sample_rate=1000)
    ledger.audio("r", 1000, 0.0)
    ledger.report(report("started", 0, 0.5))  # the loudspeaker needed half a second
    assert ledger.heard_samples("r", 1.0) == 500
    ledger.report(report("dry", 1000, 1.5))
    ledger.audio("r", 0, 1.6)
    ledger.audio("r", 200, 2.0)
    assert ledger.heard_samples("r", 2.1) == 1100
    ledger.done("r")
    ledger.report(report("drained", 1200, 2.2))
    assert not ledger.is_active("r", 2.2)
    ledger.report(report("cleared", 48, 3.0, sample_rate=48_000))
    assert ledger.heard_samples("r", 4.0) == 1


def test_a_report_may_come_after_the_audio_that_it_does_not_know_of():
    #       0      1      2      2.2 s
    # r     ███████       ██        dry at 1.0; told of at 2.0, when the rest has come already
    ledger = ResponseLedger(sample_rate=1000)
    ledger.audio("r", 1000, 0.0)
    ledger.report(report("started", 0, 0.0))
    ledger.audio("r", 200, 2.0)
    ledger.done("r")
    ledger.report(report("dry", 1000, 1.0))
    assert ledger.heard_samples("r", 2.1) == 1100
    assert ledger.busy_until_s(2.1) == pytest.approx(2.2)
    assert ledger.busy_until_s(2.2) is None


def test_reports_of_what_the_model_did_not_say_are_not_taken():
    ledger = ResponseLedger(sample_rate=1000)
    ledger.report(report("started", 0, 0.5))
    assert ledger.busy_until_s(1.0) is None


def test_events_are_followed():
    def audio(n, response_id=None):
        return BidiAudioStreamEvent.from_pcm(b"\0\0" * n, sample_rate=2000, response_id=response_id)

    ledger = ResponseLedger(sample_rate=1000)
    ledger.follow(BidiResponseStartEvent("r"), 0.0)
    ledger.follow(audio(200), 0.0)  # it is of the response that began last
    assert ledger.follow(audio(1, "r"), 0.0).type == "bidi_audio_stream"
    ledger.follow(BidiResponseCompleteEvent("r", "complete"), 0.0)
    told = ledger.follow(BidiInterruptionEvent("user_speech", interrupted_response_id="r"), 0.05)
    assert (told.heard_samples, told.generated_samples, told.sample_rate) == (50, 101, 1000)


def test_a_long_session_does_not_grow():
    ledger = ResponseLedger(sample_rate=1000)
    for number in range(1000):
        ledger.follow(BidiResponseStartEvent(f"r{number}"), float(number))
        if number % 2:
            ledger.cut(f"r{number}", float(number))
        else:
            ledger.done(f"r{number}")
    assert len(ledger._responses) <= 33
    assert ledger.is_cut("r1")
    assert not ledger.is_cut("r2")


def test_bad_values():
    estimate = PlayoutEstimate(sample_rate=1000)
    with pytest.raises(InvalidParameterError, match="n_samples"):
        estimate.audio("r", -1, 0.0)
    estimate.started("r")
    with pytest.raises(InvalidParameterError, match="done or cut"):
        estimate.forget("r")
    with pytest.raises(InvalidParameterError, match="kind"):
        report("stopped", 0, 0.0)
