"""Silence alone through the engine, on pauses made up here."""

import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.core.timeline import Interval
from bidilab.detect.turns import TurnParams, detect_turns
from bidilab.lab.benchmarks.eotbench import Span, hold_durations_s, score_silence, silence_through_engine
from bidilab.lab.benchmarks.eotbench.engine import FRAME, RATE, _recording
from bidilab.lab.metrics.pauses import cut_offs

DURATIONS = [0.2, 0.25, 0.25, 0.4, 0.55, 1.05, 2.0, 5.0]
DELAYS = [0.2, 0.3, 0.4, 1.0, 2.0, 5.0]


def test_the_sweep_says_what_the_rule_says():
    table = silence_through_engine(DURATIONS, DELAYS)
    spans = [Span(kind="hold", duration_s=duration) for duration in DURATIONS]
    for delay, row in table.iterrows():
        expected = score_silence(spans, delay)
        assert row["cutoff_rate"] == pytest.approx(expected.cutoff_rate)
        assert row["endpoint_latency_ms_mean"] == pytest.approx(1000 * expected.mean_latency_s)
    assert table["n_pauses"].tolist() == [len(DURATIONS)] * len(DELAYS)
    assert table["cutoff_rate"].tolist() == [7 / 8, 5 / 8, 4 / 8, 3 / 8, 1 / 8, 0]


@pytest.mark.parametrize("duration", [0.2, 0.25, 1.0])
@pytest.mark.parametrize("delay", [0.2, 0.3, 1.0])
def test_the_turn_detection_by_itself_says_the_same(duration, delay):
    labels, track = _recording(duration, 1.0)
    turns = detect_turns(track, TurnParams(silence_duration_ms=1000 * delay), frame_samples=FRAME, sample_rate=RATE)
    assert labels.pauses[0].interval == Interval(RATE, RATE + round(duration * RATE))
    assert cut_offs(labels.pauses, turns) == (duration > delay,)
    assert turns[-1].stopped_at == round((2 + duration + delay) * RATE)


def test_durations_follow_from_a_row():
    durations = [0.2] * 3 + [0.35] * 4 + [0.75] * 2 + [1.45]
    row = [(d, sum(x > d for x in durations) / 10) for d in (0.2, 0.4, 0.8, 1.5)]
    assert hold_durations_s(row, 10) == pytest.approx(durations)
    again = silence_through_engine(hold_durations_s(row, 10), [d for d, _ in row])
    assert again["cutoff_rate"].tolist() == pytest.approx([rate for _, rate in row])


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ([(0.2, 0.72), (0.3, 0)], "whole numbers of 10 spans"),
        ([(0.2, 0.5), (0.3, 0.1)], "fall to 0"),
        ([(0.2, 0.5), (0.3, 0.5), (0.4, 0)], "fall to 0"),
        ([], "fall to 0"),
    ],
)
def test_what_is_no_row(row, match):
    with pytest.raises(InvalidParameterError, match=match):
        hold_durations_s(row, 10)


def test_only_whole_frames():
    with pytest.raises(InvalidParameterError, match="durations_s"):
        silence_through_engine([0.2005], [0.3])
    with pytest.raises(InvalidParameterError, match="delays_s"):
        silence_through_engine([0.2], [])
