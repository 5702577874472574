"""Where words end: labelled, spread, or refused."""

import json

import pytest

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets.labels import Segment, Word
from bidilab.lab.datasets.manifest import read_manifest
from bidilab.lab.datasets.words import word_ends

TURN = {"start_s": 1.0, "end_s": 2.0, "channel": "user", "kind": "turn"}


def test_labelled_times_and_spread_texts():
    timed = Segment(**TURN, text="hold on", words=(Word(1.0, 1.25, "hold"), Word(1.5, 1.75, "on")))
    assert word_ends([timed], sample_rate=8000).tolist() == [10_000, 14_000]
    # four words in one second: they end at 1.25, 1.5, 1.75 and 2 s
    plain = Segment(**TURN, text="could you stop please")
    assert word_ends([plain], sample_rate=8000, word_times="spread").tolist() == [10_000, 12_000, 14_000, 16_000]
    mixed = word_ends([plain, timed], sample_rate=8000, word_times="spread")
    assert mixed.tolist() == sorted([10_000, 14_000, 10_000, 12_000, 14_000, 16_000])


def test_the_name_of_a_noise_is_not_said():
    noise = Segment(start_s=0, end_s=1, channel="user", kind="noise", text="hum")
    agent = Segment(start_s=0, end_s=1, channel="agent", kind="response", text="hello there")
    assert word_ends([noise, agent], sample_rate=8000).tolist() == []


def test_what_the_labels_do_not_say_is_an_error():
    with pytest.raises(DatasetError, match=r"call-1: turn 1-2 s has no words with times.*word_times='spread'"):
        word_ends([Segment(**TURN, text="stop")], sample_rate=8000, name="call-1")
    with pytest.raises(DatasetError, match="neither words with times nor a text"):
        word_ends([Segment(**TURN)], sample_rate=8000, word_times="spread")
    with pytest.raises(InvalidParameterError, match="word_times"):
        word_ends([], sample_rate=8000, word_times="guessed")


@pytest.mark.parametrize(
    "words", [[(0.9, 1.2, "a")], [(1.5, 2.1, "a")], [(1.5, 1.4, "a")], [(1.5, 1.6, "a"), (1.2, 1.3, "b")]]
)
def test_words_lie_inside_and_in_order(words):
    with pytest.raises(InvalidParameterError, match="words"):
        Segment(**TURN, words=words)


def test_words_pass_through_a_manifest(bursts_folder):
    from bidilab.lab.datasets import Dataset
    from bidilab.lab.datasets.manifest import manifest_line

    manifest = bursts_folder / "manifest.jsonl"
    line = json.loads(manifest.read_text().splitlines()[0])
    line["segments"][0]["words"] = [[0.6, 0.8, "hold"], [0.9, 1, "on"]]
    manifest.write_text(json.dumps(line) + "\n")
    (recording,) = Dataset.load(bursts_folder)
    assert recording.segments[0].words == (Word(0.6, 0.8, "hold"), Word(0.9, 1, "on"))
    assert json.loads(manifest_line(recording, line["audio"]))["segments"][0]["words"] == [
        [0.6, 0.8, "hold"],
        [0.9, 1, "on"],
    ]
    for wrong in ("hold on", [["hold", 0.6, 0.8]], [[0.6, 0.8]]):
        line["segments"][0]["words"] = wrong
        manifest.write_text(json.dumps(line) + "\n")
        _, problems = read_manifest(bursts_folder)
        assert "words" in str(problems[0])


@pytest.fixture
def bursts_folder(tmp_path):
    from tests.lab.sweep.conftest import write_dataset

    return write_dataset(tmp_path / "bursts", n=1)
