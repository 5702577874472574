"""ESC-50 and TEN-VAD as clips, and a dataset built with them."""

import json

import numpy as np
import pytest
import soundfile
import yaml

from bidilab.core.errors import DatasetError
from bidilab.lab.datasets import build, from_clips

ESC50 = """\
filename,fold,target,category,esc10,src_file,take
1-100032-A-0.wav,1,0,dog,True,100032,A
1-17150-A-12.wav,1,12,crackling_fire,True,17150,A
"""


@pytest.fixture
def esc50(corpus):
    corpus.text("ESC-50/meta/esc50.csv", ESC50)
    for number, name in enumerate(("1-100032-A-0", "1-17150-A-12")):
        corpus.audio(f"ESC-50/audio/{name}.wav", 1.0, seed=number)
    return corpus


def test_categories_become_folders(esc50):
    result = from_clips(esc50.root, esc50.dest, licence="CC-BY-NC-3.0", progress=False)
    assert (result.clips, result.problems) == ({"crackling_fire": 1, "dog": 1}, ())
    made = result.root / "dog" / "1-100032-A-0.wav"
    assert made.read_bytes() == (esc50.root / "ESC-50/audio/1-100032-A-0.wav").read_bytes()
    assert json.loads((result.root / "clips.json").read_text())["licence"] == "CC-BY-NC-3.0"
    assert sorted(path.name for path in result.root.iterdir()) == ["clips.json", "crackling_fire", "dog"]
    with pytest.raises(DatasetError, match="--force"):
        from_clips(esc50.root, result.root, progress=False)
    assert from_clips(esc50.root, result.root, force=True, progress=False).clips == result.clips


def test_stretches_of_ten_vad_are_cut_to_the_sample(corpus):
    # |0 none 0.25| speech 1.0| none 1.5|
    source = corpus.audio("testset-audio-01.wav", 1.5, rate=16_000)
    corpus.text("testset-audio-01.scv", "testset-audio-01,0.000,0.25,0,0.25,1.0,1,1.0,1.5,0\n")
    result = from_clips(corpus.root, corpus.dest, progress=False)
    assert result.clips == {"nonspeech": 2, "speech": 1}
    samples, _ = soundfile.read(source, dtype="int16")
    for name, start, end in (
        ("nonspeech/testset-audio-01-002", 16_000, 24_000),
        ("speech/testset-audio-01-001", 4000, 16_000),
    ):
        made, rate = soundfile.read(result.root / f"{name}.flac", dtype="int16")
        assert (rate, np.array_equal(made, samples[start:end])) == (16_000, True)


def test_a_recipe_mixes_them_in(esc50, tmp_path):
    clips = from_clips(esc50.root, esc50.dest, progress=False).root
    for name in ("amy/turn", "bot/response"):
        (clips / name).mkdir(parents=True)
        soundfile.write(clips / name / "1.wav", np.tile([0.1, -0.1], 12_000), 16_000)
    noise = {"kind": "noise", "folder": "dog", "at": 0.3, "longest_s": 0.5}
    recipe = {
        "dataset": {"name": "n", "version": "1", "licence": "x", "source": "x", "how_made": "x"},
        "seed": 1,
        "voices": {"user": {"amy": "amy"}, "agent": {"bot": "bot"}},
        "scenarios": {"s": {"exchanges": [{"response_s": 1.4, "events": [noise]}]}},
        "conditions": {"clean": {}},
        "recordings": [{"scenario": "s", "condition": "clean", "count": 1}],
    }  # fmt: skip
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
    dataset = build(tmp_path / "r.yaml", tmp_path / "built", clips=clips, progress=False)
    assert [s.kind for s in dataset[0].segments_of("user")] == ["noise"]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("../../secret.wav,1,0,dog,True,1,A", "ESC-50/meta/esc50.csv:4: 'audio/../../secret.wav' leaves"),
        ("x.wav,1,0,../dog,True,1,A", "ESC-50/meta/esc50.csv:4: a name must not hold a path separator"),
        ("missing.wav,1,0,dog,True,1,A", "ESC-50/meta/esc50.csv:4: 'audio/missing.wav': no such file"),
        ("x.exe,1,0,dog,True,1,A", "ESC-50/meta/esc50.csv:4: a name must be that of an audio file"),
        ("x.wav", "ESC-50/meta/esc50.csv:4: a name must not be empty"),
    ],
)
def test_a_faulty_row_is_told_and_the_rest_goes_on(esc50, row, complaint):
    esc50.text("ESC-50/meta/esc50.csv", ESC50 + row + "\n")
    result = from_clips(esc50.root, esc50.dest, progress=False)
    assert result.clips == {"crackling_fire": 1, "dog": 1}
    assert str(result.problems[0]).startswith(complaint), result.problems


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a,0.0,0.5\n", "a.scv:1: must be a name, and then start, end and label"),
        ("a,0.0,0.5,2\n", "a.scv:1: stretch 1: the label is 0 or 1, not '2'"),
        ("a,0.0,0.5,1,0.9,0.5,0\n", "a.scv:1: stretch 2: ends at 0.5 s, before it starts (0.9 s)"),
        ("a,5.0,6.5,1\n", "a.wav: has no region 5.0 to 6.5 s"),
        ("", "a.scv:1: must be a name"),
    ],
)
def test_faulty_labels(corpus, content, complaint):
    corpus.audio("a.wav", 1.0)
    corpus.text("a.scv", content)
    with pytest.raises(DatasetError) as caught:
        from_clips(corpus.root, corpus.dest, progress=False)
    assert str(caught.value.problems[0]).startswith(complaint), caught.value.problems
