"""TurnBench's Parquet files as a dataset: what the annotators agree on, and what they do not."""

import numpy as np
import pytest

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets import from_turnbench, validate
from tests.lab.benchmarks.turnbench.test_conversations import row, write

#   one   |■■■ turn ■■■|   |mhm|            |■ disputed ■|
#         0.1         2.0  2.5 2.8          6.0         7.5
#   two                |■■■■■■ turn ■■■■■■■■■|
#                      2.1                  5.5


def marked(**tracks):
    made = row("20", marks=(), n_samples=128_000)
    for name, marks in tracks.items():
        made[name] = [{"start_s": start, "end_s": end, "label": label, "text": ""} for start, end, label in marks]
    return made


ONE = [(0.1, 2.0, "Normal Turn"), (2.5, 2.8, "Continuer Backchannel"), (3.0, 3.3, "Laughter")]
TWO = [(2.1, 5.5, "Normal Turn"), (5.6, 5.8, "Channel Bleed")]
ROW = marked(
    speaker_1_annotation_a=[*ONE, (6.0, 7.5, "Normal Turn")],
    speaker_1_annotation_b=ONE,
    speaker_1_annotation_c=[],
    speaker_2_annotation_a=TWO,
    speaker_2_annotation_c=TWO,
)


def kinds(recording):
    return [(s.channel, s.kind, s.start_s, s.end_s, s.origin) for s in recording.segments]


def test_what_two_of_three_agree_on_is_given_and_what_one_says_is_proposed(tmp_path):
    result = from_turnbench(write(tmp_path / "in", ROW), tmp_path / "out", progress=False)
    (recording,) = result.dataset
    assert validate(result.dataset.root) == []
    assert kinds(recording) == [
        ("user", "turn", 0.1, 2.0, "given"),
        ("agent", "response", 2.1, 5.5, "given"),
        ("user", "backchannel", 2.5, 2.8, "given"),
        ("user", "noise", 3.0, 3.3, "given"),
        ("user", "turn", 6.0, 7.5, "proposed"),
    ]
    assert (recording.channels, recording.tags["user"]) == (("user", "agent"), "speaker_1")
    assert "1 stretches on which the annotators do not agree" in result.notes[0].message
    assert not list(tmp_path.glob(".out*"))


def test_either_speaker_can_be_the_user(tmp_path):
    source = write(tmp_path / "in", ROW)
    made = {k: from_turnbench(source, tmp_path / f"{k}", user_channel=k, progress=False).dataset["20"] for k in (1, 2)}
    assert ("user", "turn", 2.1, 5.5, "given") in kinds(made[2])
    assert ("agent", "response", 0.1, 2.0, "given") in kinds(made[2])
    np.testing.assert_array_equal(made[1].user(), made[2].audio().samples[:, 1])
    with pytest.raises(InvalidParameterError, match="user_channel must be 1 or 2"):
        from_turnbench(source, tmp_path / "3", user_channel=3, progress=False)


def test_the_test_split_has_no_labels(tmp_path):
    result = from_turnbench(write(tmp_path / "in", row("30", marks=())), tmp_path / "out", progress=False)
    assert result.dataset["30"].segments == ()
    assert "1 recording without labels" in repr(result)


def test_faults_are_told_by_conversation(tmp_path):
    bad = marked(speaker_1_annotation_a=[(2.0, 1.0, "Normal Turn")])
    with pytest.raises(DatasetError, match=r"dev-00000-of-00001\.parquet: 20: annotation must be seconds"):
        from_turnbench(write(tmp_path / "in", bad), tmp_path / "out", progress=False)
