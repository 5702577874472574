"""Loading, selecting and describing a dataset."""

import json
import re

import numpy as np
import pytest

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets import Dataset, load_dataset
from bidilab.lab.datasets.manifest import manifest_line


@pytest.fixture
def dataset(folder):
    return load_dataset(
        folder.write(
            folder.entry("a"),
            folder.entry("b", seed=2, tags={"condition": "echo", "snr_db": 10}),
            folder.entry("c", seed=3, segments=[]),
        )
    )


def test_holds_what_the_manifest_says(dataset):
    assert len(dataset) == 3
    assert [recording.id for recording in dataset] == ["a", "b", "c"]
    assert (dataset.name, dataset.version, dataset.licence) == ("tiny", "1", "CC0-1.0")
    assert dataset.duration_s == 6.0
    interruption = dataset["a"].segments_of("user", "interruption")
    assert [(s.start_s, s.end_s, s.text) for s in interruption] == [(0.5, 1.0, "stop")]


def test_an_origin_survives_the_manifest_and_labels_without_one_are_given(folder):
    given = {"channel": "user", "start_s": 0.1, "end_s": 0.4, "kind": "turn"}
    proposed = {"channel": "user", "start_s": 0.5, "end_s": 0.9, "kind": "backchannel", "origin": "proposed", "by": "r"}
    confirmed = {**proposed, "start_s": 1.0, "end_s": 1.2, "origin": "confirmed", "at": "2026-11-22T21:05:00+00:00"}
    recording = load_dataset(folder.write(folder.entry("a", segments=[given, proposed, confirmed])))["a"]
    assert [(s.origin, s.by, s.at) for s in recording.segments] == [
        ("given", None, None),
        ("proposed", "r", None),
        ("confirmed", "r", "2026-11-22T21:05:00+00:00"),
    ]
    # Default origins are not written: the digests of datasets made before there were origins stay as they are.
    assert json.loads(manifest_line(recording, "audio/a.wav"))["segments"] == [given, proposed, confirmed]


def test_an_unsure_mark_survives_the_manifest_and_is_not_written_where_there_is_none(folder):
    sure = {"channel": "user", "start_s": 0.1, "end_s": 0.4, "kind": "turn"}
    unsure = {"channel": "user", "start_s": 0.5, "end_s": 0.9, "kind": "noise", "unsure": True}
    dataset = load_dataset(folder.write(folder.entry("a", segments=[sure, unsure])))
    assert [s.unsure for s in dataset["a"].segments] == [False, True]
    assert json.loads(manifest_line(dataset["a"], "audio/a.wav"))["segments"] == [sure, unsure]
    assert "1 segments, in no rate until somebody decides" in repr(dataset)
    folder.write(folder.entry("a", segments=[{**sure, "unsure": "yes"}]))
    with pytest.raises(DatasetError) as caught:
        load_dataset(dataset.root)
    assert "unsure must be True or False, got 'yes'" in str(caught.value.problems[0])


def test_says_how_many_labels_nobody_has_confirmed(folder):
    segment = {"channel": "user", "start_s": 0.1, "end_s": 0.4, "kind": "turn"}
    proposed = {"channel": "user", "start_s": 0.5, "end_s": 0.9, "kind": "backchannel", "origin": "proposed"}
    dataset = load_dataset(folder.write(folder.entry("a", segments=[segment, proposed]), folder.entry("b", seed=2)))
    assert re.search(r"^  origin +3 given, 1 proposed$", repr(dataset), re.M)
    assert "origin" not in repr(dataset[1:])


def test_response_times_need_no_agent_channel(folder):
    recording = load_dataset(folder.write(folder.entry("a", channels=["user", "room"])))["a"]
    assert [s.kind for s in recording.segments_of("agent")] == ["response"]
    with pytest.raises(InvalidParameterError, match="channel"):
        recording.agent()


def test_is_indexed_by_position_id_and_slice(dataset):
    assert dataset[0] is dataset["a"]
    assert dataset[-1].id == "c"
    assert [recording.id for recording in dataset[1:]] == ["b", "c"]
    assert isinstance(dataset[1:], Dataset)
    with pytest.raises(KeyError, match="no recording 'z'"):
        dataset["z"]


def test_filters_by_tags(dataset):
    assert [recording.id for recording in dataset.filter(condition="echo")] == ["b"]
    assert [recording.id for recording in dataset.filter(condition=["echo", "clean"])] == ["a", "b", "c"]
    assert [recording.id for recording in dataset.filter(snr_db=10)] == ["b"]
    assert [recording.id for recording in dataset.filter(snr_db=None)] == ["a", "c"]


def test_a_misspelt_filter_is_an_error_not_an_empty_dataset(dataset):
    with pytest.raises(InvalidParameterError, match="one of condition, snr_db, got 'conditon'"):
        dataset.filter(conditon="echo")
    with pytest.raises(InvalidParameterError, match=r"condition must be a value of that tag \(clean, echo\)"):
        dataset.filter(condition="ecko")


def test_digest_follows_content_and_selection_not_place(dataset, folder, tmp_path):
    moved = folder.root.rename(tmp_path / "elsewhere")
    assert load_dataset(moved).sha256 == dataset.sha256
    assert len({dataset.sha256, dataset[:2].sha256, dataset[1:].sha256}) == 3


def test_summary_counts_by_kind(dataset):
    table = dataset.summary()
    assert list(table.index) == ["interruption", "response"]
    assert table.loc["interruption", ["channel", "n", "n_recordings"]].tolist() == ["user", 2, 2]
    assert table.loc["response", "minutes"] == pytest.approx(2 * 1.5 / 60)


def words(text: str) -> list[str]:
    return re.sub(r"<[^>]*>", " ", text).split()


@pytest.mark.parametrize("pick", [lambda d: d, lambda d: d["b"]])
def test_text_and_html_say_the_same(dataset, pick):
    shown = pick(dataset)
    text = re.sub(r"^( {2}\w+):", r"\1", repr(shown), flags=re.M).replace("'", "")
    assert words(shown._repr_html_().replace("&#x27;", "")) == words(text)
    assert "condition" in repr(shown)


def test_reads_channels_by_name(dataset):
    recording = dataset["a"]
    audio = recording.audio()
    assert (audio.n_samples, audio.n_channels, audio.sample_rate) == (32_000, 2, 16_000)
    assert recording.channel_index("agent") == 1
    assert recording.channel_index("mixed") is None
    assert np.array_equal(recording.user(), audio.samples[:, 0])
    assert np.array_equal(recording.agent(), audio.samples[:, 1])


def test_a_recording_without_agent_says_so(folder):
    alone = folder.entry("a", channels=["user", "room"], segments=[])
    recording = load_dataset(folder.write(alone))["a"]
    with pytest.raises(InvalidParameterError, match="channel of recording 'a' \\(user, room\\), got 'agent'"):
        recording.agent()


def test_segments_of_refuses_what_does_not_exist(dataset):
    with pytest.raises(InvalidParameterError, match="channel must be one of user, agent"):
        dataset["a"].segments_of("caller")
    with pytest.raises(InvalidParameterError, match="on the user channel, got 'response'"):
        dataset["a"].segments_of("user", "response")


def test_load_lists_every_problem(folder):
    bad = folder.entry("b", duration_s=0.7)
    with pytest.raises(DatasetError) as caught:
        load_dataset(folder.write(folder.entry("a"), "{", bad))
    text = str(caught.value)
    assert "3 problems" in text
    assert "manifest.jsonl:2: not JSON" in text
    assert "manifest.jsonl:3: segments[0]: ends at 1.5 s, past the end (0.7 s)" in text
    assert "manifest.jsonl:3: segments[1]: ends at 1.0 s, past the end (0.7 s)" in text


def test_a_long_tag_keeps_its_distance_from_its_values(folder):
    dataset = load_dataset(folder.write(folder.entry("a", tags={"a_tag_with_a_long_name": "x"})))
    assert "a_tag_with_a_long_name  x (1)" in repr(dataset)
    assert "recordings              " in repr(dataset)
