import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.audio import Audio
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Turn
from bidilab.detect.vad import VadSpec, resample
from bidilab.lab.datasets import Segment
from bidilab.lab.sessions import replay
from bidilab.show.plots import data_behind, envelope
from bidilab.show.plots.accessor import session_timeline
from bidilab.show.plots.timeline import TimelineData, drawn_events, timeline
from tests.sessions import bursts, local_model


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=200), st.integers(1, 50))
def test_the_envelope_holds_every_sample(values, columns):
    samples = np.array(values, dtype=np.float32)
    at, low, high = envelope(samples, 10, start_s=0, end_s=len(samples) / 10, columns=columns)
    assert len(at) == len(low) == len(high) <= columns
    assert low.min() == samples.min()
    assert high.max() == samples.max()
    assert (low <= high).all()
    assert (np.diff(at) > 0).all()


def test_an_envelope_outside_the_audio_is_empty():
    assert all(len(part) == 0 for part in envelope(np.zeros(10, np.float32), 10, start_s=5, end_s=6))


def test_timeline_of_a_real_result(result):
    setting = result.setting(threshold=0.3, prefix_padding_ms=300, silence_duration_ms=200)
    figure = result.plot.timeline("r0", setting)
    agent, _, probability, decisions = figure.axes
    assert decisions.get_xlabel() == "time (s)"
    assert agent.get_xlim() == (0.0, 12.0)
    stairs = probability.patches[0].get_data()
    np.testing.assert_array_equal(stairs.values, result.probabilities("r0"))
    np.testing.assert_allclose(np.diff(stairs.edges), 0.032)
    levels = {line.get_ydata()[0] for line in probability.lines if len(set(line.get_ydata())) == 1}
    assert {0.3, result.params(setting).deactivation_threshold} <= levels
    rows = result.events(setting)
    rows = rows[rows["recording_id"] == "r0"]
    stops_at = rows["segment_start_s"] + rows["latency_ms"] / 1000
    at = rows["decided_s"].where(rows["outcome"] == "unlabelled", stops_at)
    at = at.where(rows["outcome"] != "missed", rows["segment_end_s"])
    shown = rows["outcome"].replace("unlabelled", "false")
    for outcome in ("false", "detected", "missed"):
        drawn = [line.get_xdata()[0] for line in decisions.lines if line.get_gid() == outcome]
        assert sorted(drawn) == pytest.approx(sorted(at[shown == outcome]))
    cuts = {line.get_xdata()[0] for line in agent.lines if line.get_linestyle() == "--"}
    assert cuts == set(rows["decided_s"].dropna()) != set()


def test_what_the_agent_would_have_gone_on_to_say_is_pale_and_in_a_dashed_frame(result):
    setting = result.setting(threshold=0.3, prefix_padding_ms=300, silence_duration_ms=200)
    data = result.plot.timeline_data("r0", setting)
    responses = [s for s in data.segments if s.channel == "agent"]
    cuts = result.events(setting, "r0")["decided_s"].dropna()
    ends = [next(s.end_s for s in responses if s.start_s <= at_s < s.end_s) for at_s in cuts]
    np.testing.assert_allclose(data.unheard, list(zip(cuts, ends, strict=True)))
    figure = timeline(data)
    agent = figure.axes[0]
    frames = [bar for bar in agent.patches if bar.get_linestyle() not in ("-", "solid")]
    np.testing.assert_allclose([(bar.get_x(), bar.get_x() + bar.get_width()) for bar in frames], data.unheard)
    (full, pale) = agent.collections
    heard, unheard = (
        np.concatenate([path.vertices[:, 0] for path in each.get_paths()] or [[]]) for each in (full, pale)
    )
    for start_s, end_s in data.unheard:
        assert not ((heard > start_s) & (heard < end_s)).any()
        assert ((unheard > start_s) & (unheard < end_s)).any()
    table = data_behind(figure)
    assert (table["track"] == "agent_unheard").sum() == len(data.unheard)
    assert any("not heard" in text.get_text() for text in figure.legends[0].get_texts())


def event(**cells):
    nothing = dict.fromkeys(("decided_s", "onset_s", "segment_start_s", "segment_end_s", "latency_ms"), np.nan)
    return {**nothing, "kind": "interruption", "cause": None} | cells


def test_an_event_is_drawn_by_the_verdict_on_it_alone_and_the_stop_of_the_session_beside_it():
    """Onset at 1 s; a speaking agent stops at 1.064 s. What the agent of the session did is told in words."""
    judged = {"outcome": "detected", "segment_start_s": 1.0, "segment_end_s": 1.5, "latency_ms": 64.0}
    rows = [
        event(**judged, in_session="stopped", onset_s=1.024, decided_s=1.064),
        event(**judged, in_session="masked"),
        event(**judged | {"outcome": "missed", "latency_ms": np.inf}, in_session="silent"),
        event(**judged | {"outcome": "ignored", "latency_ms": np.inf}, in_session="spoke_on"),
        event(**judged | {"outcome": "crowded"}, in_session="stopped", onset_s=1.1, decided_s=1.2),
        event(**judged | {"outcome": "again"}, in_session="continued", onset_s=1.3, decided_s=1.4),
        event(outcome="unlabelled", in_session="stopped_falsely", cause="none", onset_s=2.0, decided_s=2.032),
    ]
    drawn = [(e.outcome, e.start_s, e.at_s, e.text, e.cut_s) for e in drawn_events(pd.DataFrame(rows))]
    assert drawn == [
        ("detected", 1.0, 1.064, "64 ms", 1.064),
        ("detected", 1.0, 1.064, "64 ms (masked)", None),
        ("missed", 1.0, 1.5, "missed (agent silent)", None),
        ("stopped", 1.0, 1.2, "stop: interruption", 1.2),
        ("continued", 1.0, 1.4, "the user went on", 1.4),
        ("false", 2.0, 2.032, "false: no label", 2.032),
    ]


def test_the_data_behind_hold_turns_segments_and_probabilities(result):
    setting = result.setting(threshold=0.5, prefix_padding_ms=100, silence_duration_ms=500)
    table = data_behind(result.plot.timeline("r1", setting))
    turns = result.turns("r1", setting)
    rows = table[table["track"] == "turn_audio"]
    np.testing.assert_allclose(rows["start_s"], [t.audio_start / 16_000 for t in turns])
    assert (table["track"] == "probability").sum() == len(result.probabilities("r1"))
    assert (table["track"] == "segment_user").sum() == 6


def test_of_a_long_recording_only_a_window_is_drawn_and_kept():
    """Three minutes, a turn of 1 s in every ten: by default the first two minutes, then what is asked for."""
    turns = [Turn(*[at] * 3, *[at + 16_000] * 3, flushed=False) for at in range(0, 18 * 160_000, 160_000)]
    data = TimelineData(
        user=np.zeros(180 * 100, np.float32),
        agent=None,
        sample_rate=100,
        segments=[Segment(start_s=10.0 * k, end_s=10.0 * k + 1, channel="user", kind="turn") for k in range(18)],
        probabilities=np.arange(180, dtype=np.float32) / 180,
        frame_samples=16_000,
        vad_sample_rate=16_000,
        params=None,
        turns=turns,
    )
    for xlim, title, first, last in ((None, "r (0:00 to 2:00 of 3:00)", 0, 120), ((65.5, 95), "r", 65, 95)):
        figure = timeline(data, title="r", xlim=xlim)
        assert figure.get_suptitle() == title
        stairs = figure.axes[2].patches[0].get_data()
        np.testing.assert_array_equal(stairs.edges, np.arange(first, last + 1))
        np.testing.assert_allclose(stairs.values, np.arange(first, last) / 180, rtol=1e-6)
        table = data_behind(figure)
        shown = [k for k in range(18) if 10 * k <= last and 10 * k + 1 >= (xlim or (0,))[0]]
        assert table[table["track"] == "turn_speech"]["start_s"].tolist() == [10.0 * k for k in shown]
        assert table[table["track"] == "segment_user"]["start_s"].tolist() == [10.0 * k for k in shown]


def test_bad_names(result):
    with pytest.raises(InvalidParameterError, match="recording_id"):
        result.plot.timeline("nobody", 0)
    with pytest.raises(InvalidParameterError, match="setting"):
        result.plot.timeline("r0", 9999)
    with pytest.raises(InvalidParameterError, match="xlim"):
        result.plot.timeline("r0", 0, xlim=(5, 5))


def test_turns_of_a_detector_at_8_khz_are_drawn_where_they_were(monkeypatch):
    """A tone from 0.32 to 0.64 s, 20 frames of 512 in: the turn from sample 2560 at 8 kHz on is drawn from 5120."""
    drawn = []
    monkeypatch.setattr("bidilab.show.plots.accessor.timeline", lambda data, **_: drawn.append(data))
    model = local_model([500.0], vad=VadSpec(name="energy", sample_rate=8000))
    made = replay(Audio(samples=bursts((10, 19)), sample_rate=16000), model)
    assert [turn.onset for turn in made.turns] == [2560]
    session_timeline(made)  # by its own detector
    session_timeline(dataclasses.replace(made, vad=None))  # by Silero, at 16 kHz
    told = [(data.vad_sample_rate, [turn.onset for turn in data.turns]) for data in drawn]
    assert told == [(8000, [2560]), (16000, [5120])]


def test_a_session_is_drawn_by_its_own_detector():
    heard = Audio(samples=bursts((10, 20), (40, 50), total=80), sample_rate=16_000)
    made = replay(heard, vad="energy")
    figure = session_timeline(made)
    stairs = figure.axes[2].patches[0].get_data()
    backend = VadSpec(name="energy").build()
    own = backend.probabilities(resample(made.audio.channel(0), made.audio.sample_rate, backend.sample_rate))
    np.testing.assert_array_equal(stairs.values, own)
    assert len(made.turns) > 0
    assert figure.get_suptitle() == f"session: {made.name}"
    other = dataclasses.replace(made, vad=None)  # as one that was read from elsewhere
    said = session_timeline(other).get_suptitle()
    assert said.endswith("(speech probability: silero 6.2, not the session's detector)")
