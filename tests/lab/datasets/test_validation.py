"""Every fault of a dataset folder is found, and told with file and line."""

import hashlib
import json
import struct

import numpy as np
import pytest
import soundfile

from bidilab.lab.datasets import Dataset, validate


def told(root, *, deep=False):
    return [str(problem) for problem in validate(root, deep=deep)]


def segment(**changes):
    return {"channel": "user", "start_s": 0.5, "end_s": 1.0, "kind": "turn"} | changes


def test_a_sound_folder_has_no_problem(folder):
    assert told(folder.write(folder.entry("a"), "", folder.entry("b", seed=2)), deep=True) == []


def test_equal_audio_under_several_ids(folder):
    root = folder.write(*(folder.entry(name, seed=seed) for name, seed in (("a", 1), ("b", 2), ("c", 1), ("d", 1))))
    repeated = "has the same audio as 'a' (equal sha256): what happens in it counts twice"
    assert told(root) == [f"manifest.jsonl:3: 'c' {repeated}", f"manifest.jsonl:4: 'd' {repeated}"]
    assert len(Dataset.load(root)) == 4
    first, second = Dataset.load(root).split(fraction=0.5)
    assert {"b"} in ({r.id for r in first}, {r.id for r in second})


def test_absent_folder_and_files(folder, tmp_path):
    assert told(tmp_path / "none") == [f"{tmp_path / 'none'}: no such folder"]
    (folder.root / "dataset.json").unlink()
    assert told(folder.root) == ["dataset.json: no such file", "manifest.jsonl: no such file"]


def test_an_empty_dataset_is_refused(folder):
    assert told(folder.write()) == ["manifest.jsonl: the dataset is empty: no recording"]


def test_dataset_json_keys(folder):
    folder.info({"name": "", "version": 1, "licence": "x", "source": "x", "license": "x"})
    assert told(folder.write(folder.entry())) == [
        "dataset.json: the key 'how_made' is missing",
        "dataset.json: unknown key 'license'; allowed: name, version, licence, source, how_made",
        "dataset.json: name must be a string that is not empty, got ''",
        "dataset.json: version must be a string that is not empty, got 1",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON: Expecting property name"),
        ("[1]", "expected a JSON object, got list"),
        ('{"id": "a", "id": "b"}', "the key 'id' is given twice"),
        ('{"duration_s": NaN}', "NaN is not a number in JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_bad_line(folder, line, message):
    (problem,) = told(folder.write(folder.entry(), line))
    assert problem.startswith("manifest.jsonl:2: ")
    assert message in problem


def test_a_line_that_is_not_utf8(folder):
    root = folder.write(folder.entry())
    with (root / "manifest.jsonl").open("ab") as file:
        file.write(b'{"id": "\xff"}\n')
    assert told(root) == ["manifest.jsonl:2: not UTF-8: byte 8"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": 7}, "id must be a string, got 7"),
        ({"id": "x/y"}, "id must not hold a path separator, got 'x/y'"),
        ({"id": "x\\y"}, "id must not hold a path separator"),
        ({"id": ".."}, "id must be a printable name"),
        ({"id": " "}, "id must not be empty"),
        ({"sample_rate": True}, "sample_rate must be a whole number of hertz, got True"),
        ({"sample_rate": 0}, "sample_rate must be > 0 Hz, got 0"),
        ({"duration_s": "2"}, "duration_s must be a number of seconds, got '2'"),
        ({"duration_s": -1}, "duration_s must be > 0, got -1"),
        ({"sha256": "abc"}, "sha256 must be 64 hexadecimal digits"),
        ({"channels": ["agent", "room"]}, "channels must name 'user' and none twice"),
        ({"channels": ["user", "user"]}, "channels must name 'user' and none twice"),
        ({"channels": ["user", 2]}, "channels must hold names"),
        ({"tags": {"a": [1]}}, "tags.a must be a string, number, true, false or null, got [1]"),
        ({"extra": 1}, "unknown key 'extra'; allowed: id, audio"),
        ({"audio": "/etc/passwd"}, "audio '/etc/passwd' leaves the dataset's folder"),
        ({"audio": "audio/../../x.wav"}, "leaves the dataset's folder"),
        ({"audio": "C:/x.wav"}, "leaves the dataset's folder"),
        ({"audio": "audio\\a.wav"}, "is not a path with '/' between its parts"),
        ({"audio": "audio/none.wav"}, "audio 'audio/none.wav': no such file"),
        ({"audio": "audio"}, "audio 'audio': no such file"),
        ({"segments": [1]}, "segments[0] must be an object, got 1"),
        ({"segments": [segment(kind="cough")]}, "kind must be one of turn, interruption"),
        ({"segments": [segment(kind="response")]}, "on the user channel, got 'response'"),
        ({"segments": [segment(channel="left")]}, "channel must be one of user, agent, got 'left'"),
        ({"segments": [segment(start_s=-0.1)]}, "start_s must be a finite number of seconds >= 0, got -0.1"),
        ({"segments": [segment(start_s="0")]}, "start_s must be a finite number"),
        ({"segments": [segment(end_s=0.5)]}, "end_s must be later than start_s (0.5), got 0.5"),
        ({"segments": [segment(end_s=2.001)]}, "ends at 2.001 s, past the end (2.0 s)"),
        ({"segments": [segment(word="x")]}, "segments[0]: unknown key 'word'"),
        ({"segments": [segment(text=3)]}, "segments[0]: text must be a string or null, got 3"),
        ({"segments": [segment(by=3)]}, "segments[0]: by must be a string or null, got 3"),
        ({"segments": [segment(by=" ")]}, "segments[0]: by must be the name of a rule or a person, not empty"),
        ({"segments": [segment(origin="guessed")]}, "segments[0]: origin must be one of given, proposed, confirmed"),
        ({"segments": [segment(origin=None)]}, "segments[0]: origin must be one of given, proposed, confirmed"),
        ({"segments": [segment(at="2026-11-22T21:05:00")]}, "segments[0]: at must be an ISO 8601 date and time with"),
        ({"segments": [segment(at="yesterday")]}, "segments[0]: at must be an ISO 8601 date and time with"),
        ({"segments": [{"channel": "user"}]}, "segments[0]: the key 'start_s' is missing"),
    ],
)
def test_bad_entry(folder, changes, message):
    problems = told(folder.write(folder.entry("ok"), folder.entry("a", **changes)))
    assert problems
    assert all(problem.startswith("manifest.jsonl:2: ") for problem in problems)
    assert any(message in problem for problem in problems), problems


def test_repeated_id_names_the_first_line(folder):
    assert told(folder.write(folder.entry(), folder.entry())) == [
        "manifest.jsonl:2: the id 'a' was given before, on line 1"
    ]


# s        0.2       0.8  1.0     1.4
# turn      [=========)
# turn           [=========)            overlaps the first
# noise     [=========)                 another kind: allowed
# turn                     [=======)    touches the second: allowed
def test_overlap_of_one_kind_on_one_channel(folder):
    segments = [
        segment(start_s=0.2, end_s=0.8),
        segment(start_s=0.5, end_s=1.0),
        segment(start_s=0.2, end_s=0.8, kind="noise"),
        segment(start_s=1.0, end_s=1.4),
    ]
    (problem,) = told(folder.write(folder.entry(segments=segments)))
    assert "segments[1]: turn 0.5-1.0 s overlaps segments[0] of the same kind and channel" in problem


def test_a_link_that_leaves_the_folder(folder, tmp_path):
    entry = folder.entry()
    outside = tmp_path / "outside.wav"
    (folder.root / "audio/a.wav").rename(outside)
    (folder.root / "audio/a.wav").symlink_to(outside)
    assert told(folder.write(entry)) == [
        "manifest.jsonl:1: audio 'audio/a.wav' is a link that leaves the dataset's folder"
    ]
    (folder.root / "audio/a.wav").unlink()
    (folder.root / "audio").rmdir()
    (tmp_path / "other").mkdir()
    outside.rename(tmp_path / "other/a.wav")
    (folder.root / "audio").symlink_to(tmp_path / "other")
    assert told(folder.root) == ["manifest.jsonl:1: audio 'audio/a.wav' leaves the dataset's folder"]


def spoil(folder, name="a", **changes):
    """An entry whose digest is right, whatever the file holds."""
    path = folder.root / "audio" / f"{name}.wav"
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} | changes


def test_shallow_validation_opens_no_audio(folder):
    entry = folder.entry()
    (folder.root / "audio/a.wav").write_bytes(b"")
    assert told(folder.write(entry)) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty (0 bytes)"),
        (b"not audio at all", "not an audio file"),
        (None, "truncated: the data chunk promises"),
    ],
)
def test_unreadable_audio(folder, content, message):
    entry = folder.entry()
    path = folder.root / "audio/a.wav"
    path.write_bytes(path.read_bytes()[:9_999] if content is None else content)
    problems = told(folder.write(entry | spoil(folder)), deep=True)
    assert any(message in problem for problem in problems), problems


def test_audio_that_holds_nan(folder):
    entry = folder.entry()
    samples = np.zeros((32_000, 2), np.float32)
    samples[700, 1] = np.nan
    soundfile.write(folder.root / "audio/a.wav", samples, 16_000, subtype="FLOAT")
    (problem,) = told(folder.write(entry | spoil(folder)), deep=True)
    assert "holds NaN or infinity, first at sample 700" in problem


def test_audio_that_is_not_what_the_manifest_says(folder):
    entry = folder.entry()
    soundfile.write(folder.root / "audio/a.wav", np.zeros((31_998, 6), np.float32), 44_100)
    problems = told(folder.write(entry), deep=True)
    assert ["sha256" in problems[0], "44100 Hz" in problems[1], "6 channels" in problems[2]] == [True] * 3
    assert "31998 samples, the manifest says 32000" in problems[3]


@pytest.mark.parametrize(("subtype", "rate", "n_channels"), [("PCM_U8", 8_000, 2), ("PCM_24", 96_000, 6)])
def test_any_width_rate_and_number_of_channels_is_read(folder, subtype, rate, n_channels):
    entry = folder.entry()
    samples = np.tile(0.5 / np.arange(1, n_channels + 1, dtype=np.float32), (rate * 2, 1))
    soundfile.write(folder.root / "audio/a.wav", samples, rate, subtype=subtype)
    channels = ["user", "agent", "c", "d", "e", "f"][:n_channels]
    root = folder.write(entry | spoil(folder, sample_rate=rate, channels=channels))
    assert told(root, deep=True) == []
    assert Dataset.load(root)["a"].user() == pytest.approx(0.5, abs=0.01)


def test_a_header_that_lies_about_its_length(folder):
    entry = folder.entry()
    path = folder.root / "audio/a.wav"
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", len(data) * 4)
    path.write_bytes(bytes(data))
    problems = told(folder.write(entry | spoil(folder)), deep=True)
    assert any("truncated" in problem for problem in problems), problems


def test_many_faults_are_told_at_once(folder):
    entry = folder.entry(tags={"a": {}}, segments=[segment(end_s=9), segment(kind="x")])
    assert len(told(folder.write(entry, "{", json.dumps({"id": "b"})))) == 3 + 1 + 7
