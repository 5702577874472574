import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.audio import Audio
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import VadSpec
from bidilab.lab.sessions import replay
from bidilab.show.plots import data_behind, envelope
from bidilab.show.plots.accessor import session_timeline
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
    for outcome in ("false", "detected", "missed"):
        drawn = [line.get_xdata()[0] for line in decisions.lines if line.get_gid() == outcome]
        column = "segment_end_s" if outcome == "missed" else "decided_s"
        assert sorted(drawn) == sorted(rows[rows["outcome"] == outcome][column])


def test_the_data_behind_hold_turns_segments_and_probabilities(result):
    setting = result.setting(threshold=0.5, prefix_padding_ms=100, silence_duration_ms=500)
    table = data_behind(result.plot.timeline("r1", setting))
    turns = result.turns("r1", setting)
    rows = table[table["track"] == "turn_audio"]
    np.testing.assert_allclose(rows["start_s"], [t.audio_start / 16_000 for t in turns])
    assert (table["track"] == "probability").sum() == len(result.probabilities("r1"))
    assert (table["track"] == "segment_user").sum() == 6


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
    session_timeline(made)
    assert (drawn[0].vad_sample_rate, [turn.onset for turn in drawn[0].turns]) == (16000, [5120])
