"""What a live session shows is what happened: unheard responses, thresholds where they acted, earlier logs."""

import json

import numpy as np
import pytest

import bidilab as bl
from bidilab.bidi.local.model import BidiLocalModel
from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.audio import float_to_pcm16, pcm16_to_float
from bidilab.core.errors import InvalidParameterError, SessionError
from bidilab.detect.turns import EndOfTurn, TurnParams
from bidilab.detect.vad import VadSpec
from bidilab.show.widgets.live.feed import LiveFeed, SpeechMonitor, Tally, _shown
from tests.scorers import DigestScorer
from tests.show.widgets.live.test_widget import QUICK, quick_model, session, talk  # noqa: F401  # a fixture

PARTS = ("onset_to_detected_ms", "detected_to_event_ms", "event_to_silent_ms", "onset_to_silent_ms")


def cut_log():
    """Four interruptions: cleared before the event; unheard; played out before the event; heard, silent later.

    Seconds::

        r1  audible 0 ... cleared 1.0 (heard 1 s) | event 1.005
        r2  never audible, heard 0                | event 2.0
        r3  audible 2.5 ... silent 2.9            | event 3.0
        r4  audible 3.5 ........ event 4.0 ... silent 4.2 (cleared)
    """
    log = EventLog()

    def row(kind, t_s, response, source="playback", **detail):
        reason = "user_speech" if kind == "bidi_interruption" else None
        log.append(kind, source=source, t_s=t_s, response_id=response, reason=reason, detail=detail)

    def heard(ms):
        return {"heard_samples": 16 * ms, "sample_rate": 16_000}

    def speech(onset_s, decided_s):
        detail = {"onset_samples": int(onset_s * 16_000), "decided_at_samples": int(decided_s * 16_000)}
        log.append("speech_started", source="detector", detail={**detail, "sample_rate": 16_000})

    row("playback_started", 0.0, "r1")
    speech(0.9, 0.95)
    row("playback_cleared", 1.0, "r1", **heard(1000))
    row("bidi_interruption", 1.005, "r1", "agent", **heard(1000))
    speech(1.8, 1.9)
    row("bidi_interruption", 2.0, "r2", "agent", **heard(0))
    row("playback_started", 2.5, "r3")
    speech(2.8, 2.95)
    row("playback_silent", 2.9, "r3", **heard(400))
    row("bidi_interruption", 3.0, "r3", "agent", **heard(400))
    row("playback_started", 3.5, "r4")
    speech(3.8, 3.9)
    row("bidi_interruption", 4.0, "r4", "agent", **heard(700))
    row("playback_cleared", 4.2, "r4", **heard(700))
    return log


def test_what_nobody_heard_is_no_interruption():
    log = cut_log()
    tally = Tally.of(log.fold())
    assert [cut.unheard for cut in tally.interruptions] == [False, True, True, False]
    assert (tally.counts["interruptions"], tally.counts["unheard"]) == (2, 2)
    told = tally.to_dict()
    assert [cut["unheard"] for cut in told["interruptions"]] == [False, True, True, False]
    first, second, third, fourth = told["interruptions"]
    assert first["event_to_silent_ms"] == 0.0  # it was silent 5 ms before the application was told: not less than 0
    assert fourth["event_to_silent_ms"] == pytest.approx(200)
    assert all(cut[part] is None for cut in (second, third) for part in PARTS)
    assert {part: told["medians"][part]["n"] for part in PARTS} == dict.fromkeys(PARTS, 2)
    assert told["medians"]["event_to_silent_ms"]["ms"] == pytest.approx(100)
    json.dumps(told, allow_nan=False)
    assert log.fold().counts.interruptions == 4  # the log's own tables go on counting every event


def steps(*rows, setting=None, rate=16_000):
    log = EventLog()
    feed = LiveFeed(log, SpeechMonitor(VadSpec(name="energy").build()), setting)
    for kind, position, detail in rows:
        log.append(kind, source="model", input_samples=position, detail=detail)
    return [(step["at_s"], step["on"], step["off"]) for step in feed.thresholds]


def test_a_threshold_is_drawn_from_where_it_acted():
    start = ("turn_detection", None, {"threshold": 0.5, "deactivation_threshold": 0.35})
    moved = ("turn_detection_updated", 32_000, {"threshold": 0.8, "deactivation_threshold": 0.65})
    other = ("turn_detection_updated", 40_000, {"threshold": 0.8, "deactivation_threshold": 0.65})  # another knob
    asked = ("setting_requested", 30_000, {"threshold": 0.8, "sample_rate": 16_000})
    assert steps(start, asked, moved, other) == [(0.0, 0.5, 0.35), (2.0, 0.8, 0.65)]


def test_of_a_provider_that_tells_no_position_it_is_where_it_was_asked():
    asked = ("setting_requested", 48_000, {"threshold": 0.7, "sample_rate": 24_000})
    refused = ("setting_refused", 48_000, {})
    begin = TurnParams(threshold=0.4)
    assert steps(asked, setting=begin) == [(0.0, 0.4, 0.25), (2.0, 0.7, pytest.approx(0.55))]
    assert steps(asked, refused, setting=begin) == [(0.0, 0.4, 0.25)]


class Ahead:
    """The energy detector, which hears two frames ahead."""

    def __init__(self):
        self._heard = VadSpec(name="energy").build()
        self.name, self.version = "ahead", "1"
        self.sample_rate, self.frame_samples = self._heard.sample_rate, self._heard.frame_samples
        self.lookahead_samples = 2 * self.frame_samples

    def probabilities(self, samples):
        return self._heard.probabilities(samples)

    def stream(self):
        return AheadStream(self._heard.stream(), 2)


class AheadStream:
    def __init__(self, stream, frames):
        self._stream, self._held, self._frames = stream, [], frames

    def feed(self, samples):
        self._held += list(self._stream.feed(samples))
        told, self._held = self._held[: max(0, len(self._held) - self._frames)], self._held[-self._frames :]
        return np.asarray(told, np.float32)


def test_the_strip_shows_the_sessions_own_detector_and_its_lookahead():
    rng = np.random.default_rng(2)
    pcm = float_to_pcm16((0.2 * rng.standard_normal(16_000) * (np.arange(16_000) > 8000)).astype(np.float32))
    monitor = SpeechMonitor(Ahead())
    for at in range(0, len(pcm), 640):
        monitor.take(BidiAudioInputEvent.from_pcm(pcm[at : at + 640], sample_rate=16_000))
    first, (levels, probabilities) = monitor.since(0)
    expected = Ahead().probabilities(pcm16_to_float(pcm))
    assert (first, monitor.n_frames, len(levels)) == (0, len(expected) - 2, len(expected) - 2)
    np.testing.assert_array_equal(probabilities, expected[:-2])
    assert ((levels > -40) == (np.arange(len(levels)) * 512 + 256 > 8000)).mean() > 0.95  # levels stay beside them
    assert (monitor.detector, monitor.is_its_own) == ("ahead 1", True)
    assert not SpeechMonitor().is_its_own


@pytest.mark.realtime
def test_stop_and_start_keep_the_earlier_log_and_its_labels(session):  # noqa: F811
    live = session(quick_model(), **talk((5, 15), (25, 30), total=45))
    assert live.logs == ()
    for _ in range(2):
        live.start()
        assert live.wait()
        live.label(False)
    first, second = live.logs
    assert (second, first is second) == (live.log, False)
    for log in (first, second):
        assert log.fold().counts.labelled_false == 1
        assert len(log.interruptions()) == 1


@pytest.mark.realtime
def test_the_monitor_of_a_session_hears_by_its_detector(session):  # noqa: F811
    live = session(quick_model(), **talk((5, 15), total=30))
    live.start()
    assert live.wait()
    monitor = live._run.monitor
    assert monitor.is_its_own
    assert monitor.detector.startswith("energy")
    assert "energy" in live.static_form().text


@pytest.mark.slow
@pytest.mark.realtime
def test_knobs_of_the_end_of_turn_act_while_it_runs(session):  # noqa: F811
    # A score of the digest is above 0: at threshold 1 none ends the first turn, its timeout does.
    rule = EndOfTurn(threshold=1.0, timeout_ms=320)
    model = BidiLocalModel(QUICK, vad=bl.VadSpec(name="energy"), end_of_turn=rule, scorer=DigestScorer())
    live = session(model, **talk((5, 25), (60, 80), total=130), turn_detection=QUICK)
    assert (live.scorer_name, live.eot_threshold, live.eot_timeout_ms) == ("digest", 1.0, 320)
    with pytest.raises(InvalidParameterError, match="eot_timeout_ms must be not below"):
        live.update(eot_action_delay_ms=500)
    live.start()
    while not (live.log.to_frame()["type"] == "speech_stopped").any():
        assert not live.wait(0.02)
    live._knobs_by_hand({"kind": "update", "eot_threshold": 0.0, "eot_action_delay_ms": 100})  # as a page says it
    assert live.wait()
    stops = [row.said() for row in live.log if row.type == "speech_stopped"]
    assert [stop["cause"] for stop in stops[:2]] == ["timeout", "score"]
    (asked,) = [row.said() for row in live.log if row.type == "setting_requested"]
    assert (asked["eot_threshold"], asked["eot_action_delay_ms"], asked["eot_timeout_ms"]) == (0.0, 100, 320)
    assert live.end_of_turn == EndOfTurn(threshold=0.0, action_delay_ms=100, timeout_ms=320)
    assert live.effective["eot_threshold"] == 0.0
    assert "late scores" in live._run.feed.tally.counts
    texts = [_shown(row)["text"] for row in live.log if row.type == "speech_stopped"]
    assert texts[:2] == ["timeout", f"score {stops[1]['score']:.2f}"]


def test_without_a_scorer_there_are_no_such_knobs(session):  # noqa: F811
    live = session(**talk(total=10))
    assert (live.scorer_name, live.end_of_turn) == ("", None)
    with pytest.raises(InvalidParameterError, match="eot_threshold must be left out without a scorer"):
        live.update(eot_threshold=0.3)


@pytest.mark.realtime
def test_no_microphone_is_an_error(session):  # noqa: F811
    live = session(BidiLocalModel(QUICK, vad=bl.VadSpec(name="energy")))
    sent = []
    live.send = lambda head, buffers=None: sent.append(head)
    live._from_page(live, {"kind": "hello", "page": "p", "origin": "http://localhost"}, [])
    live.start()
    while not live._run.ready:
        assert not live.wait(0.02)
    live._from_page(live, {"kind": "audio_refused", "page": "p", "text": "NotAllowedError: Permission denied"}, [])
    with pytest.raises(SessionError, match="there is no microphone: NotAllowedError"):
        live.wait(10)
    assert live.state == "failed"
    assert "Permission denied" in live.message
    assert "audio_refused" in {row.type for row in live.log}


@pytest.mark.realtime
def test_a_page_by_comm_is_told_every_frame_under_its_own_number(session):  # noqa: F811
    live = session(quick_model(), **talk((5, 15), (25, 30), total=60))
    sent = []
    live.send = lambda head, buffers=None: sent.append((head, buffers))
    live.start()
    while not live._run.ready or live._run.monitor.n_frames < 20:
        assert not live.wait(0.02)
    live._from_page(live, {"kind": "hello", "page": "late", "origin": "http://localhost"}, [])
    assert live.wait()
    assert [head["n"] for head, _ in sent if "line" in head] == list(range(sum("line" in head for head, _ in sent)))
    told = {}
    for head, buffers in sent:
        if head["kind"] == "frames":
            columns = np.frombuffer(buffers[0], "<f4").reshape(2, head["n_frames"])
            told.update(zip(range(head["first"], head["first"] + head["n_frames"]), columns[1].tolist(), strict=True))
    _, (_, probabilities) = live._run.monitor.since(0)
    assert sorted(told) == list(range(len(probabilities)))  # what was before it said hello, too
    assert list(told.values()) == probabilities.tolist()
