"""A dataset in others' words, and back."""

import json

import pytest

import bidilab as bl
from bidilab.core.errors import DatasetError, InvalidParameterError, MissingExtraError
from bidilab.lab.datasets.exporting import huggingface
from tests.conftest import ROOT

LINES = """\
SPEAKER call1 2 0.500 5.500 <NA> <NA> bot <NA> <NA>
SPEAKER call1 1 1.000 0.400 yes <NA> amy <NA> <NA>
SPEAKER call1 1 3.000 2.000125 <NA> <NA> amy <NA> <NA>
SPEAKER call1 1 7.000 1.000 <NA> <NA> amy <NA> <NA>
"""


@pytest.fixture(scope="module")
def mini():
    """Five recordings of overlap-mini, whose labels have every kind."""
    return bl.load_dataset(ROOT / "datasets" / "overlap-mini")[::15]


def test_rttm_in_and_out_is_the_same(corpus, tmp_path):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", LINES)
    dataset = bl.datasets.from_rttm(corpus.root, corpus.dest, agent="bot", progress=False).dataset
    assert bl.datasets.to_rttm(dataset, tmp_path / "out.rttm").read_text() == LINES
    assert bl.datasets.to_rttm(dataset.root, tmp_path / "of-the-folder.rttm").read_text() == LINES


def test_rttm_has_all_speech_and_no_more(mini, tmp_path):
    lines = bl.datasets.to_rttm(mini, tmp_path / "mini.rttm").read_text().splitlines()
    frame = mini.segments_frame()
    assert len(lines) == (~frame["kind"].isin(["noise", "echo"])).sum() < len(frame)


def test_what_is_unsure_does_not_count_and_names_have_no_blanks(corpus, tmp_path):
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", LINES)
    dataset = bl.datasets.from_rttm(corpus.root, corpus.dest, agent="bot", progress=False).dataset
    manifest = dataset.root / "manifest.jsonl"
    line = json.loads(manifest.read_text())
    line["segments"][1]["unsure"] = True
    manifest.write_text(json.dumps(line))
    unsure = bl.load_dataset(dataset.root)
    lines = bl.datasets.to_rttm(unsure, tmp_path / "a.rttm").read_text().splitlines()
    assert lines[1] == "NOSCORE call1 1 1.000 0.400 <NA> <NA> <NA> <NA> <NA>"
    assert len(json.loads(bl.datasets.to_seglst(unsure, tmp_path / "a.json").read_text())) == 3
    line["segments"][0]["speaker"] = "the bot"
    manifest.write_text(json.dumps(line))
    with pytest.raises(
        InvalidParameterError, match="one whose speaker names have no blanks, as RTTM requires, got 'the bot'"
    ):
        bl.datasets.to_rttm(bl.load_dataset(dataset.root), tmp_path / "b.rttm")
    assert not (tmp_path / "b.rttm").exists()


def test_seglst_is_read_again(mini, corpus, tmp_path):
    path = bl.datasets.to_seglst(mini, tmp_path / "mini.json")
    items = json.loads(path.read_text())
    frame = mini.segments_frame()
    speech = frame[~frame["kind"].isin(["noise", "echo"])]
    assert [item["kind"] for item in items] == list(speech["kind"])
    assert items[0].keys() == {"session_id", "speaker", "start_time", "end_time", "words", "channel", "kind"}
    corpus.audio("call1.wav", channels=2)
    corpus.text("call1.rttm", LINES)
    bot = bl.datasets.from_rttm(corpus.root, corpus.dest, agent="bot", progress=False).dataset
    source = tmp_path / "again"
    source.mkdir()
    bl.datasets.to_seglst(bot, source / "call1.json")
    (source / "call1.wav").write_bytes(bot["call1"].path.read_bytes())
    again = bl.datasets.from_segjson(source, tmp_path / "dest", agent="bot", user_channel=1, progress=False).dataset
    assert corpus.said(again["call1"]) == corpus.said(bot["call1"])


def test_the_frame_of_segments(mini):
    frame = mini.segments_frame()
    assert len(frame) == sum(len(recording.segments) for recording in mini)
    first = mini[0].segments[0]
    row = frame.iloc[0]
    assert (row["recording_id"], row["kind"], row["start_s"]) == (mini[0].id, first.kind, first.start_s)
    assert row["length_s"] == pytest.approx(first.end_s - first.start_s)
    assert frame["speaker"].dtype == "string"


def test_lhotse_manifests(mini, tmp_path):
    recordings, supervisions = (
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in bl.datasets.to_lhotse(mini, tmp_path / "lhotse")
    )
    assert [item["id"] for item in recordings] == [recording.id for recording in mini]
    first = recordings[0]
    assert first["num_samples"] == mini[0].n_samples
    assert first["duration"] * first["sampling_rate"] == pytest.approx(first["num_samples"])
    assert len(supervisions) == len(mini.segments_frame())
    ends = {item["id"]: item["duration"] for item in recordings}
    assert all(item["start"] + item["duration"] <= ends[item["recording_id"]] + 1e-4 for item in supervisions)
    agent = next(item for item in supervisions if item["custom"]["kind"] == "response")
    assert agent["channel"] == mini[0].channels.index("agent")


def test_hugging_face_both_ways(mini, tmp_path, monkeypatch):
    hf = pytest.importorskip("datasets")
    monkeypatch.setattr(hf.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    bl.datasets.to_hf(mini).to_parquet(tmp_path / "mini.parquet")
    rows = hf.load_dataset(
        "parquet", data_files=str(tmp_path / "mini.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert isinstance(rows.features["audio"], hf.Audio)
    assert str(ROOT) not in json.dumps(rows[0]["audio"]["path"])
    again = bl.datasets.from_hf(rows, tmp_path / "again")
    assert again.sha256 == mini.sha256  # audio, labels, words, tags
    assert again.info == mini.info
    with pytest.raises(DatasetError, match="again"):
        bl.datasets.from_hf(rows, tmp_path / "again")


def test_rows_that_are_none_of_ours(mini, tmp_path):
    with pytest.raises(InvalidParameterError, match="none named audio"):
        bl.datasets.from_hf([{"id": "a"}], tmp_path / "a")
    row = huggingface._row(mini[0], "{}")
    with pytest.raises(InvalidParameterError, match="not decoded"):
        bl.datasets.from_hf([row | {"audio": {"array": [0.0]}}], tmp_path / "a")
    with pytest.raises(DatasetError, match="id must not hold a path separator"):
        bl.datasets.from_hf([row | {"id": "../a"}], tmp_path / "a")
    with pytest.raises(DatasetError, match="are not a JSON object"):
        bl.datasets.from_hf([row | {"tags": "["}], tmp_path / "a")
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        bl.datasets.from_hf([row], tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_extra_is_named(mini, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"bidilab\[hf\]"):
        bl.datasets.to_hf(mini)
