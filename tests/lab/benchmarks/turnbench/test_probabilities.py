"""Probabilities: events at a threshold, the file, and a sweep with its operating point."""

import json

import numpy as np
import pytest

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.benchmarks.turnbench import (
    Predictions,
    Probabilities,
    SpeakerEvents,
    events_of_probabilities,
    gold_of,
    read_probabilities,
    score,
    sweep,
)
from tests.lab.benchmarks.turnbench.test_gold import TURN, conversation

DURATIONS = {"1": 4.04}


def file(tmp_path, **changes):
    n = 50  # floor(4.04 x 12.5)
    data = {
        "schema_version": 1,
        "task": "eot",
        "frame_rate_hz": 12.5,
        "probs": [
            {"conversation_id": "1", "speaker_1": {"prob": [0.5] * n}, "speaker_2": {"prob": [0.0] * n}},
        ],
    }
    path = tmp_path / "probs-dev.json"
    path.write_text(json.dumps(data | changes))
    return path


def test_an_event_comes_at_the_end_of_a_frame_that_rises():
    events = events_of_probabilities([0.6, 0.9, 0.5, 0.51], frame_rate_hz=12.5, threshold=0.5, rest_s=0)
    assert events == pytest.approx((0.08, 0.32))
    assert events_of_probabilities([0.5, 0.5], frame_rate_hz=12.5, threshold=0.5) == ()
    assert events_of_probabilities([], frame_rate_hz=12.5, threshold=0.5) == ()


def test_two_seconds_of_rest_count_from_the_last_event_that_came():
    up_and_down = [1.0, 0.0] * 8  # rises at 0.25, 0.75, ... seconds
    events = events_of_probabilities(up_and_down, frame_rate_hz=4, threshold=0.5)
    assert events == (0.25, 2.25)
    tenths = ([1.0] + [0.0] * 9) * 5  # 0.1, 1.1, 2.1: 2.1 - 0.1 is 2.0 but for rounding
    assert events_of_probabilities(tenths, frame_rate_hz=10, threshold=0.5) == pytest.approx((0.1, 2.1, 4.1))


@pytest.mark.parametrize(
    "options", [{"frame_rate_hz": 0}, {"threshold": 1.1}, {"rest_s": -1}, {"frame_rate_hz": float("nan")}]
)
def test_numbers_that_are_not_allowed(options):
    with pytest.raises(InvalidParameterError, match=next(iter(options))):
        events_of_probabilities([0.1], **({"frame_rate_hz": 1, "threshold": 0.5} | options))


def test_the_file(tmp_path):
    read = read_probabilities(file(tmp_path), DURATIONS)
    assert (read.task, read.frame_rate_hz) == ("eot", 12.5)
    assert read.speakers["1", 1].dtype == np.float32
    assert read_probabilities(file(tmp_path, task="int"), DURATIONS).task == "interruption"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "vad"}, "task must be one of eot, int, got 'vad'"),
        ({"schema_version": 2}, "schema_version must be 1"),
        ({"frame_rate_hz": 0}, "frame_rate_hz must be a number > 0"),
        ({"frame_rate_hz": 25}, r"speaker_1 must hold 101 frames, got \(50,\)"),
        ({"more": 1}, "and nothing else"),
        ({"probs": []}, "'1' is missing"),
        ({"probs": [{"conversation_id": "1"}]}, "each of probs must hold"),
        ({"probs": [{"conversation_id": "2", "speaker_1": {}, "speaker_2": {}}]}, "'2' is not in the split"),
        ({"probs": [{"conversation_id": "1", "speaker_1": {}, "speaker_2": {}}]}, "must hold numbers under prob"),
        (
            {"probs": [{"conversation_id": "1", **{f"speaker_{k}": {"prob": [1.5] * 50} for k in (1, 2)}}]},
            r"speaker_1 must hold numbers in \[0, 1\]",
        ),
    ],
)
def test_faults_of_the_file(tmp_path, changes, message):
    with pytest.raises(DatasetError, match=message):
        read_probabilities(file(tmp_path, **changes), DURATIONS)


def test_a_sweep_counts_as_the_score_does_and_marks_the_operating_point():
    # one   |■■ turn ■■|0.3 s pause|■■ turn ■■|
    #       1          3          3.3        5             EOT-: 3 to 3.3, EOT+: 5 (nobody speaks again)
    gold = gold_of(conversation([(1, 3, TURN), (3.3, 5, TURN)], duration_s=8.0))
    track = np.zeros(80, np.float32)
    track[30], track[53] = 0.4, 0.8  # heard at 3.1 s and 5.4 s
    made = Probabilities(task="eot", frame_rate_hz=10, speakers={("1", 1): track, ("1", 2): track * 0})
    table = sweep([gold], made, [0.3, 0.5, 0.9])
    assert table[["tp", "fn", "fp", "negatives"]].to_numpy().tolist() == [[1, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1]]
    assert table["chosen"].tolist() == [False, True, False]
    for row in table.itertuples():
        events = events_of_probabilities(track, frame_rate_hz=10, threshold=row.threshold)
        predicted = Predictions(speakers={("1", 1): SpeakerEvents(eot=events), ("1", 2): SpeakerEvents()})
        found = score([gold], predicted).eot
        assert (found.recall, found.fp_rate) == (row.recall, row.fp_rate)
    with pytest.raises(InvalidParameterError, match="of exactly the conversations"):
        sweep([], made, [0.5])
