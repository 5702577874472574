"""Scores of files become tracks of recordings; what does not fit the dataset is counted and shown, never scored 0."""

import json

import numpy as np
import pandas as pd
import pytest

import bidilab as bl
from bidilab.core.errors import DatasetError, InvalidParameterError
from tests.lab.sweep.conftest import write_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return bl.load_dataset(write_dataset(tmp_path_factory.mktemp("scores") / "bursts", n=4))


ROWS = pd.DataFrame(
    [
        ("r0", "user", 1.70, 1.80, 0.9),
        ("r0", "user", 1.60, 1.65, 0.2),
        ("r0", "agent", 1.65, 1.65, 0.7),
        ("r2", "user", 8.00, 9.50, 1.0),  # the answer may come after the end
    ],
    columns=["recording_id", "channel", "heard_s", "known_s", "score"],
).assign(task="eot", detector="bought", version="3")


def test_rows_become_tracks_and_recordings_without_are_listed(dataset, tmp_path):
    ROWS.to_parquet(tmp_path / "scores.parquet")
    ROWS.to_csv(tmp_path / "scores.csv", index=False)
    for source in (ROWS, tmp_path / "scores.parquet", tmp_path / "scores.csv"):
        scores = bl.read_scores(source, dataset)
        assert list(scores) == ["r0", "r2"]
        assert scores.without == ("r1", "r3")
        track = scores["r0"]
        assert (track.detector, track.version, track.task, track.sample_rate) == ("bought", "3", "eot", 16_000)
        assert track.heard_at.tolist() == [25_600, 27_200]
        assert track.known_at.tolist() == [26_400, 28_800]
        assert track.score.tolist() == pytest.approx([0.2, 0.9])
        assert track.at(since=25_000, asked_at=27_000) == pytest.approx(0.2)
        assert scores.get("r1") is None
        with pytest.raises(KeyError, match="r1: it has no scores"):
            scores["r1"]
        with pytest.raises(KeyError, match="r9: it is not a recording of the dataset"):
            scores["r9"]
        assert repr(scores) == "Scores (eot) by bought 3: 3 in 2 recordings\n  without scores: 2 (r1, r3)"


def test_known_is_heard_where_it_is_not_said(dataset):
    track = bl.read_scores(ROWS.drop(columns="known_s"), dataset)["r0"]
    np.testing.assert_array_equal(track.known_at, track.heard_at)


def test_the_arguments_say_what_the_columns_do_not(dataset, tmp_path):
    bare = ROWS[["recording_id", "heard_s", "score"]]
    scores = bl.read_scores(bare, dataset, task="eot", detector="mine", version="2")
    assert (scores.task, scores.detector, scores.version) == ("eot", "mine", "2")
    assert scores["r0"].score.tolist() == pytest.approx([0.2, 0.7, 0.9])  # without a channel, all are of the user

    bare.to_csv(tmp_path / "mine.csv", index=False)
    named = bl.read_scores(tmp_path / "mine.csv", dataset, task="interruption")
    assert (named.task, named.detector) == ("interruption", "mine")
    assert named.version.startswith("sha256 ")
    first = bl.read_scores(bare, dataset, task="eot", detector="mine").version
    assert first == bl.read_scores(bare.copy(), dataset, task="eot", detector="mine").version
    assert first != bl.read_scores(bare.assign(score=0.5), dataset, task="eot", detector="mine").version

    with pytest.raises(
        InvalidParameterError, match="detector must be a name, because the scores have no column detector"
    ):
        bl.read_scores(bare, dataset, task="eot")
    with pytest.raises(
        InvalidParameterError, match="task must be one of eot, interruption, because the scores have no"
    ):
        bl.read_scores(bare, dataset, detector="mine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recording_id": "x1"}, r"in 3 of 3 rows recording_id is not a recording of bursts, such as\n  x1$"),
        (
            {"heard_s": 8.01, "known_s": 8.01},
            r"in 3 of 3 rows heard_s lies outside the audio, such as\n  r0: heard_s 8.01",
        ),
        ({"heard_s": -0.1}, r"in 3 of 3 rows heard_s lies outside the audio"),
        (
            {"known_s": 1.0},
            r"in 3 of 3 rows known_s is before heard_s: a score from the future, such as\n  r0: known_s 1.0",
        ),
        (
            {"score": 1.01},
            r"in 3 of 3 rows score is not in \[0, 1\], such as\n  r0: score 1.01\n  r0: .*\n  r2: score 1.01",
        ),
        ({"score": None}, "in 3 of 3 rows score is no number"),
        ({"score": "high"}, "in 3 of 3 rows score is no number"),
        ({"channel": "left"}, "in 4 of 4 rows channel is neither user nor agent, such as"),
        ({"task": "vad"}, "in 4 of 4 rows task is not one of eot, interruption"),
    ],
)
def test_what_does_not_fit_is_counted_with_three_examples(dataset, change, message):
    with pytest.raises(DatasetError, match=message):
        bl.read_scores(ROWS.assign(**change), dataset)


def test_files_that_are_none(dataset, tmp_path):
    with pytest.raises(DatasetError, match="no such file"):
        bl.read_scores(tmp_path / "absent.csv", dataset)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"must be \.parquet, \.csv or \.json"):
        bl.read_scores(tmp_path / "notes.txt", dataset)
    (tmp_path / "bad.parquet").write_text("x")
    with pytest.raises(DatasetError, match="cannot be read"):
        bl.read_scores(tmp_path / "bad.parquet", dataset)
    with pytest.raises(DatasetError, match=r"has no column score \(needed are recording_id, heard_s, score\)"):
        bl.read_scores(ROWS.drop(columns=["score", "version"]), dataset)
    with pytest.raises(DatasetError, match="holds no scores"):
        bl.read_scores(ROWS[:0], dataset)


def test_one_of_several(dataset):
    several = pd.concat([ROWS, ROWS.assign(task="interruption"), ROWS.assign(detector="other", score=0.5)])
    with pytest.raises(InvalidParameterError, match="task must be one of eot, interruption, which the table holds"):
        bl.read_scores(several, dataset)
    with pytest.raises(InvalidParameterError, match="detector must be one of bought, other"):
        bl.read_scores(several, dataset, task="eot")
    assert bl.read_scores(several, dataset, task="eot", detector="other")["r2"].score.tolist() == [0.5]
    assert bl.read_scores(several, dataset, task="interruption").task == "interruption"
    with pytest.raises(InvalidParameterError, match=r"version must be one of 3, .*got '4'"):
        bl.read_scores(ROWS, dataset, version="4")
    with pytest.raises(InvalidParameterError, match="task must be one of eot, interruption, got 'vad'"):
        bl.read_scores(ROWS, dataset, task="vad")


def turnbench(path, rate=12.5, task="eot", **conversations):
    probs = [
        {"conversation_id": name, "speaker_1": {"prob": one}, "speaker_2": {"prob": two}}
        for name, (one, two) in conversations.items()
    ]
    path.write_text(json.dumps({"schema_version": 1, "task": task, "frame_rate_hz": rate, "probs": probs}))
    return path


def test_turnbenchs_probabilities(dataset, tmp_path):
    one, two = [k / 100 for k in range(100)], [1 - k / 100 for k in range(100)]
    path = turnbench(tmp_path / "probs-vap.json", r1=(one, two), task="int")
    scores = bl.read_scores(path, dataset)
    assert (scores.task, scores.detector, scores.without) == ("interruption", "probs-vap", ("r0", "r2", "r3"))
    assert scores.version.startswith("sha256 ")
    track = scores["r1"]  # its user is the first channel, so speaker_1
    assert track.heard_at[:2].tolist() == [1280, 2560]  # row k is heard at (k + 1) / 12.5 s
    assert track.heard_at[-1] == 8 * 16_000
    assert track.score[1] == pytest.approx(0.01)
    with pytest.raises(InvalidParameterError, match="task must be interruption"):
        bl.read_scores(path, dataset, task="eot")
    with pytest.raises(DatasetError, match="conversation 'r9' is not in the split"):
        bl.read_scores(turnbench(tmp_path / "p.json", r9=(one, two)), dataset)
    with pytest.raises(DatasetError, match="must hold 100 frames, got"):
        bl.read_scores(turnbench(tmp_path / "p.json", r1=(one[:99], two)), dataset)


def test_eot_benchs_predictions(dataset, tmp_path):
    table = pd.DataFrame({"id": ["r3", "r3"], "timestamp": [1.6, 1.7], "p_eot": [0.1, 0.8], "model": "x"})
    table.to_parquet(tmp_path / "predictions.parquet")
    scores = bl.read_scores(tmp_path / "predictions.parquet", dataset, detector="lk", version="1")
    assert (scores.task, scores.detector, scores.version, list(scores)) == ("eot", "lk", "1", ["r3"])
    assert scores["r3"].heard_at.tolist() == scores["r3"].known_at.tolist() == [25_600, 27_200]


def test_a_session_and_a_dataset_of_sessions_take_them(dataset):
    """The turn of each recording ends at 1.5 s; a score of 0.9 heard at 1.9 s ends it there and not at the timeout."""
    ids = [recording.id for recording in dataset]
    rows = pd.DataFrame({"recording_id": ids, "channel": "user", "heard_s": 1.9, "score": 0.9})
    scores = bl.read_scores(rows.assign(task="eot", detector="bought", version="3"), dataset)
    rule = bl.TurnParams(silence_duration_ms=200)
    made = bl.replay_dataset(dataset, turn_detection=rule, scorer=scores, vad="energy", jobs=1, progress=False)
    for replay in made:
        first = replay.turns[0]
        assert 1.9 * 16_000 <= first.stopped_at < 2.0 * 16_000
    single = bl.replay(dataset[0], turn_detection=rule, scorer=scores["r0"], vad="energy")
    assert single.turns == made["r0"].turns
    with pytest.raises(InvalidParameterError, match=r"1 recordings without \(r0\)"):
        bl.replay_dataset(dataset, scorer=bl.read_scores(ROWS_OF_THREE(scores), dataset), jobs=1, progress=False)


def ROWS_OF_THREE(scores):
    return pd.DataFrame({"recording_id": ["r1", "r2", "r3"], "channel": "user", "heard_s": 1.9, "score": 0.9}).assign(
        task="eot", detector=scores.detector, version=scores.version
    )
