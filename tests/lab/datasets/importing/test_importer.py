"""The import as a whole: stops, goes on, replaces, and leaves nothing half-written."""

import json

import numpy as np
import pytest
import soundfile

from bidilab.core.errors import DatasetError
from bidilab.lab.datasets import from_calls, load_dataset, validate
from bidilab.lab.datasets.importing import importer
from tests.places import deny


@pytest.fixture
def calls(tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    for number in range(4):
        samples = np.random.default_rng(number).integers(-9000, 9000, (8000, 2), dtype=np.int16)
        soundfile.write(folder / f"c{number}.wav", samples, 8000)
    return folder


class StoppedError(Exception):
    """Stands for a kill."""


def stop_after(n, monkeypatch):
    """The n-th recording's audio is in place, and then the process is gone."""
    write, count = importer.write_planned_audio, iter(range(100))

    def stopping(source, plan, path):
        write(source, plan, path)
        if next(count) == n:
            raise StoppedError

    monkeypatch.setattr(importer, "write_planned_audio", stopping)


def test_goes_on_where_it_was_stopped(calls, tmp_path, monkeypatch):
    dest = tmp_path / "made"
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        with pytest.raises(StoppedError):
            from_calls(calls, dest, user_channel=1, progress=False)
    assert not dest.exists()
    journal = tmp_path / ".made.import" / "import.jsonl"
    assert len(journal.read_text().splitlines()) == 2
    with journal.open("a") as file:
        file.write('{"fingerprint": "cut sho')  # the line that was being written
    result = from_calls(calls, dest, user_channel=1, progress=False)
    assert result.n_taken_over == 2
    assert repr(result).startswith("imported 4 recordings (0.1 min), 2 of them finished before")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calls", "made"]
    assert sorted(path.name for path in dest.iterdir()) == ["audio", "dataset.json", "import.json", "manifest.jsonl"]
    assert validate(dest) == []
    assert (
        load_dataset(dest).sha256
        == from_calls(calls, tmp_path / "again", user_channel=1, progress=False).dataset.sha256
    )


def test_what_changed_meanwhile_is_made_again(calls, tmp_path, monkeypatch):
    dest = tmp_path / "made"
    with monkeypatch.context() as patch:
        stop_after(3, patch)
        with pytest.raises(StoppedError):
            from_calls(calls, dest, user_channel=1, progress=False)
    soundfile.write(calls / "c0.wav", np.zeros((4000, 2), np.int16), 8000)  # another file now
    (tmp_path / ".made.import" / "audio" / "c1.wav").unlink()
    (calls / "c2.wav").unlink()
    result = from_calls(calls, dest, user_channel=1, progress=False)
    assert [(r.id, r.duration_s) for r in result.dataset] == [("c0", 0.5), ("c1", 1.0), ("c3", 1.0)]
    assert result.n_taken_over == 0  # c0 and c1 had to be made, c3 was never noted
    assert sorted(path.name for path in (dest / "audio").iterdir()) == ["c0.wav", "c1.wav", "c3.wav"]


def test_other_channels_are_another_import(calls, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after(3, patch)
        with pytest.raises(StoppedError):
            from_calls(calls, tmp_path / "made", user_channel=1, progress=False)
    result = from_calls(calls, tmp_path / "made", user_channel=2, progress=False)
    assert (result.n_taken_over, {r.channels for r in result.dataset}) == (0, {("agent", "user")})


def test_replaces_only_a_dataset_and_only_when_told(calls, tmp_path):
    dest = tmp_path / "made"
    from_calls(calls, dest, user_channel=1, progress=False)
    with pytest.raises(DatasetError, match="--force"):
        from_calls(calls, dest, user_channel=2, progress=False)
    assert from_calls(calls, dest, user_channel=2, force=True, progress=False).dataset[0].channels == ("agent", "user")
    other = tmp_path / "precious"
    other.mkdir()
    (other / "thesis.tex").write_text("x")
    with pytest.raises(DatasetError, match="is not a dataset; it was not touched"):
        from_calls(calls, other, user_channel=1, force=True, progress=False)


def test_nothing_to_import_leaves_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="nothing in it could be imported as calls"):
        from_calls(tmp_path / "empty", tmp_path / "made", progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


def test_the_report_lies_beside_the_manifest_and_names_no_path_of_this_machine(calls, tmp_path):
    (calls / "bad.wav").write_text("x")
    result = from_calls(calls, tmp_path / "made", user_channel=1, licence="CC0-1.0", progress=False)
    said = json.loads((tmp_path / "made" / "import.json").read_text())
    assert (said["n_imported"], [p["file"] for p in said["problems"]]) == (4, ["bad.wav"])
    assert (result.dataset.licence, result.dataset.info.source) == ("CC0-1.0", "calls: calls")
    for name in ("dataset.json", "import.json", "manifest.jsonl"):
        assert str(tmp_path) not in (tmp_path / "made" / name).read_text()
    text = "".join(repr(result).split())
    assert (
        "".join(result._repr_html_().replace("<br>", "").replace("&emsp;", "").replace("&#x27;", "'").split()) == text
    )


def test_a_folder_that_cannot_be_read_is_told_once(calls, tmp_path, monkeypatch):
    (calls / "locked").mkdir()
    deny(monkeypatch, "locked")
    result = from_calls(calls, tmp_path / "made", user_channel=1, progress=False)
    told = [(problem.file, problem.message) for problem in result.problems]
    assert told == [("locked", "this folder cannot be read: Permission denied")]


def test_names_no_file_can_have(calls, tmp_path):
    (calls / ("é" * 101 + ".wav")).write_bytes((calls / "c0.wav").read_bytes())  # 202 bytes
    (calls / " blank.wav").write_bytes((calls / "c0.wav").read_bytes())
    result = from_calls(calls, tmp_path / "made", user_channel=1, progress=False)
    messages = sorted(problem.message for problem in result.problems)
    assert messages[0].startswith("its name must have at most 200 bytes")
    assert messages[1].startswith("its name must not be empty nor begin or end with a blank")
