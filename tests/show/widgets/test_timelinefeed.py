"""What the browser is sent: against numbers derived by hand."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Turn, TurnParams, detect_turns
from bidilab.lab.datasets import Segment
from bidilab.lab.metrics.evaluation import evaluate_recording
from bidilab.lab.metrics.members import members_of
from bidilab.lab.sweep.onesetting import events_frame
from bidilab.show.plots.style import COLOURS
from bidilab.show.plots.timeline import EVENT_LOOKS, HOLLOW, TimelineData
from bidilab.show.widgets.timelinefeed import EVEN_LEVEL, TimelineFeed, decisions_data

RATE = 16_000
colour_names = {colour: name for name, colour in COLOURS.items()}
SEGMENTS = (
    Segment(start_s=0.0, end_s=1.6, channel="agent", kind="response"),
    Segment(start_s=0.512, end_s=1.024, channel="user", kind="interruption", text="stop"),
)


def make(*, user=None, agent=None, rate=RATE, probabilities=()):
    track = np.asarray(probabilities, dtype=np.float32)
    params = TurnParams(silence_duration_ms=64, prefix_padding_ms=32)
    turns = detect_turns(track, params, frame_samples=512, sample_rate=RATE)
    labels = members_of(SEGMENTS, sample_rate=RATE, duration_samples=len(track) * 512)
    evaluation = evaluate_recording(labels, track, params, frame_samples=512)
    return TimelineData(
        user=np.zeros(2 * rate, np.float32) if user is None else np.asarray(user, np.float32),
        agent=agent,
        sample_rate=rate,
        segments=SEGMENTS,
        probabilities=track,
        frame_samples=512,
        vad_sample_rate=RATE,
        params=params,
        turns=turns,
        events=events_frame([("r", evaluation)], RATE),
    )


def int16(data):
    return np.frombuffer(data, "<i2")


def test_the_overview_holds_every_extreme():
    user = np.zeros(RATE * 10, np.float32)
    user[77_777], user[100] = -0.5, 0.25
    channel = TimelineFeed(make(user=user), name="r").recording_data["channels"]["user"]
    pairs = int16(channel["overview"]).reshape(-1, 2)
    assert channel["peak"] == 0.5
    assert pairs[:, 0].min() == -32767  # the peak
    assert pairs[:, 1].max() == 16384  # half of it: 16383.5, to the even number
    assert pairs[:, 0].argmin() == 77_777 * len(pairs) // len(user)


def test_an_envelope_down_to_single_samples():
    user = np.array([0, 1, -1, 0.5] * 4000, np.float32)
    content, (data,) = TimelineFeed(make(user=user), name="r").answer(
        {"kind": "envelope", "channel": "user", "start_s": 0.25, "end_s": 0.25 + 4 / RATE, "columns": 100}
    )
    assert content == {"start_s": 0.25, "end_s": 0.25 + 4 / RATE}
    assert int16(data).reshape(-1, 2).tolist() == [[0, 0], [32767, 32767], [-32767, -32767], [16384, 16384]]
    content, (data,) = TimelineFeed(make(user=user), name="r").answer(
        {"kind": "envelope", "channel": "user", "start_s": -3.0, "end_s": 99.0, "columns": 1}
    )
    assert content == {"start_s": 0.0, "end_s": 1.0}
    assert int16(data).tolist() == [-32767, 32767]


def test_audio_is_exact_and_at_a_fair_rate():
    user = np.linspace(-0.9, 0.9, 2 * RATE, dtype=np.float32)
    content, (data,) = TimelineFeed(make(user=user), name="r").answer(
        {"kind": "audio", "channel": "user", "start_s": 0.5, "end_s": 0.75}
    )
    assert content == {"sample_rate": RATE, "start_samples": 8000}
    assert int16(data).tolist() == np.rint(user[8000:12000] * 32768).astype(int).tolist()

    feed = TimelineFeed(make(user=np.zeros(96_000), rate=48_000), name="r")
    content, (data,) = feed.answer({"kind": "audio", "channel": "user", "start_s": 0.5, "end_s": 2.5})
    assert content == {"sample_rate": 24_000, "start_samples": 12_000}
    assert len(int16(data)) == 36_000  # 1.5 s are left


def test_levels_are_evened_without_clipping():
    quiet = np.tile(np.array([0.01, -0.01], np.float32), RATE)
    channels = TimelineFeed(make(user=quiet, agent=10 * quiet), name="r").recording_data["channels"]
    assert channels["user"]["gain"] == pytest.approx(EVEN_LEVEL / 0.01)
    assert channels["agent"]["gain"] == pytest.approx(1.0)
    click = quiet.copy()
    click[5] = 0.5  # evened to 0.1 the click would be at 5
    assert TimelineFeed(make(user=click), name="r").recording_data["channels"]["user"]["gain"] == pytest.approx(2.0)
    silent = TimelineFeed(make(), name="r").recording_data["channels"]["user"]
    assert (silent["gain"], silent["peak"]) == (1.0, 0.0)


def test_a_setting_in_seconds():
    # Frames of 32 ms; speech in frames 16 to 31, that is 0.512 to 1.024 s; silence of two frames ends it at 1.088 s.
    data = make(probabilities=[0.0] * 16 + [0.9] * 16 + [0.0] * 18)
    sent = decisions_data(data.params, data.turns, data.events, sample_rate=RATE)
    assert sent["turns"] == [
        {
            "onset_s": 0.512,
            "offset_s": 1.024,
            "started_s": 0.544,
            "stopped_s": 1.088,
            "audio_start_s": 0.48,
            "audio_end_s": 1.088,
            "flushed": False,
            "cause": "silence",
            "score": None,
        }
    ]
    assert sent["events"] == [{"outcome": "detected", "start_s": 0.512, "at_s": 0.544, "text": "32 ms", "cut_s": 0.544}]
    assert (sent["threshold"], sent["deactivation_threshold"]) == (0.5, 0.35)
    assert sent["responses"] is None
    json.dumps(sent, allow_nan=False)


def test_the_page_draws_and_names_every_outcome_as_the_figures_do():
    static = files("bidilab.show.widgets") / "static"
    looks = (static / "tracks.js").read_text("utf-8").split("LOOKS = {")[1].split("};")[0]
    drawn = dict(re.findall(r'(\w+): \["\w+", "(\w+)"', looks))
    assert drawn == {name: colour_names[colour] for name, (_, colour, _) in EVENT_LOOKS.items()}
    filled = dict(re.findall(r'(\w+): \["\w+", "\w+", (\w+)\]', looks))
    assert {name for name, value in filled.items() if value == "false"} == set(HOLLOW)
    words = (static / "describe.js").read_text("utf-8").split("OUTCOMES = {")[1].split("};")[0]
    named = dict(re.findall(r'(\w+): "([^"]+)"', words))
    assert named == {name: text for name, (_, _, text) in EVENT_LOOKS.items()}


def long(minutes):
    """A label and a turn of 1 s at the start of each ten, one interruption a minute, at 0, 60, 120 … s; 100 Hz."""
    n = minutes * 6
    turns = [Turn(*[at] * 3, *[at + RATE] * 3, flushed=False) for at in range(0, n * 10 * RATE, 10 * RATE)]
    data = TimelineData(
        user=np.zeros(minutes * 6000, np.float32),
        agent=None,
        sample_rate=100,
        segments=[Segment(start_s=10.0 * k, end_s=10.0 * k + 1, channel="user", kind="turn") for k in range(n)],
        probabilities=np.arange(minutes * 60, dtype=np.float32) / 9999,
        frame_samples=RATE,
        vad_sample_rate=RATE,
        params=None,
        turns=turns,
    )
    events = [
        {"outcome": ("detected", "missed")[k % 2], "start_s": 60.0 * k, "at_s": 60.0 * k + 1, "text": "", "cut_s": None}
        for k in range(minutes)
    ]
    decisions = decisions_data(None, turns, None, sample_rate=RATE) | {"events": events}
    rows = [{"at_s": 1.0 * at, "source": "s", "type": "t", "text": ""} for at in range(0, minutes * 60, 5)]
    session = {"turns": [], "responses": [], "events": events, "rows": rows}
    return TimelineFeed(data, name="r", session=session), decisions


def test_of_a_long_recording_only_what_is_shown_is_sent():
    feed, decisions = long(120)
    sent, decided = feed.recording_data, feed.decide(decisions)
    assert (sent["duration_s"], sent["window"], sent["widest_s"]) == (7200.0, [0.0, 120.0], 600.0)
    assert (
        [s["start_s"] for s in sent["segments"]] == [t["onset_s"] for t in decided["turns"]] == list(range(0, 130, 10))
    )
    assert (sent["probability"]["first"], len(sent["probability"]["values"])) == (0, 4 * 120)
    assert [row["at_s"] for row in sent["session"]["rows"]] == list(range(0, 125, 5))
    assert [e["start_s"] for e in decided["events"]] == [0.0, 60.0, 120.0]
    assert decided["n_events"] == {"detected": 60, "missed": 60}

    content, (values,) = feed.answer({"kind": "window", "start_s": 3595.0, "end_s": 3661.0})
    recording, decided = content["recording"], content["decisions"]
    assert recording["window"] == decided["window"] == [3595.0, 3661.0]
    assert [s["start_s"] for s in recording["segments"]] == [3600.0, 3610.0, 3620.0, 3630.0, 3640.0, 3650.0, 3660.0]
    assert [t["onset_s"] for t in decided["turns"]] == [s["start_s"] for s in recording["segments"]]
    assert recording["probability"] == {"frame_s": 1.0, "first": 3595}
    np.testing.assert_array_equal(np.frombuffer(values, "<f4"), np.arange(3595, 3661, dtype=np.float32) / 9999)
    assert [e["start_s"] for e in recording["session"]["events"]] == [3600.0, 3660.0]
    # A setting that changes is told for the window that was asked for last.
    assert [t["onset_s"] for t in feed.decide(decisions)["turns"]] == [t["onset_s"] for t in decided["turns"]]
    with pytest.raises(InvalidParameterError, match="at most 1200 s"):
        feed.answer({"kind": "window", "start_s": 0.0, "end_s": 1300.0})


def test_what_is_sent_of_two_hours_is_bounded_and_of_two_minutes_is_all():
    def size(minutes):
        feed, decisions = long(minutes)
        sent = feed.recording_data
        data = sent["probability"].pop("values") + sent["channels"].pop("user")["overview"]
        return len(data) + len(json.dumps([sent, feed.decide(decisions)]))

    assert size(120) < 1.05 * size(3)
    feed, decisions = long(2)
    assert len(feed.recording_data["segments"]) == len(feed.decide(decisions)["turns"]) == 12


def test_steps_from_event_to_event_go_beyond_what_is_shown():
    feed, decisions = long(120)
    feed.decide(decisions)

    def step(at_s, direction, outcomes=("missed", "false")):
        found = feed.answer({"kind": "step", "outcomes": list(outcomes), "at_s": at_s, "direction": direction})[0]
        return found["event"] and found["event"]["start_s"], found["place"], found["total"]

    assert step(0, 1) == (60.0, 1, 60)
    assert step(60.0, 1) == (180.0, 2, 60)  # standing on one, the next is another
    assert step(7000.0, -1) == (6900.0, 58, 60)
    assert step(60.0, -1) == (None, None, 60)
    assert step(0, 1, ["false"]) == (None, None, 0)
    for wrong in ({"outcomes": "missed"}, {"at_s": None}, {"direction": 2}):
        with pytest.raises(InvalidParameterError):
            feed.answer({"kind": "step", "outcomes": [], "at_s": 0, "direction": 1, **wrong})


def test_what_the_browser_may_not_ask():
    feed = TimelineFeed(make(), name="r")
    good = {"kind": "envelope", "channel": "user", "start_s": 0.0, "end_s": 1.0, "columns": 10}
    feed.answer(good)
    for wrong in (
        {"kind": "file"},
        {"channel": "agent"},
        {"start_s": 1.0},
        {"start_s": float("nan")},
        {"end_s": "1"},
        {"end_s": float("nan")},
        {"start_s": 5.0, "end_s": 6.0},
        {"columns": 0},
        {"columns": 10**9},
    ):
        with pytest.raises(InvalidParameterError):
            feed.answer({**good, **wrong})
    long = TimelineFeed(make(user=np.zeros(40 * RATE)), name="r")
    with pytest.raises(InvalidParameterError, match="30 s"):
        long.answer({"kind": "audio", "channel": "user", "start_s": 0, "end_s": 40})
