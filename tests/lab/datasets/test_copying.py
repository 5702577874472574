"""A copy is whole or not there, and one's own to change."""

import stat

import pytest

import bidilab as bl
from bidilab.core.errors import DatasetError
from tests.places import deny


def test_a_bundled_dataset_is_copied_and_can_be_changed(tmp_path):
    copied = bl.datasets.copy("overlap-mini", tmp_path / "mine")
    assert copied.sha256 == bl.load_dataset("overlap-mini").sha256
    assert bl.datasets.validate(tmp_path / "mine", deep=False) == []
    assert bl.LabelEditor(copied, by="mia").dataset.sha256 == copied.sha256
    with pytest.raises(DatasetError, match="exists; --force"):
        bl.datasets.copy("overlap-mini", tmp_path / "mine")
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {"mine"}


def test_the_copy_of_a_read_only_dataset_can_be_written(tmp_path):
    source = bl.datasets.copy("overlap-mini", tmp_path / "source").root
    (source / "manifest.jsonl").chmod(0o444)
    source.chmod(0o555)
    copied = bl.datasets.copy(bl.load_dataset(source)[:2], tmp_path / "mine", force=True)
    assert len(copied) == 75
    assert all(path.stat().st_mode & stat.S_IWUSR for path in (copied.root, copied.root / "manifest.jsonl"))


def test_a_dataset_with_a_folder_that_cannot_be_read_is_not_copied_in_part(tmp_path, monkeypatch):
    deny(monkeypatch, "audio")
    with pytest.raises(PermissionError):
        bl.datasets.copy("overlap-mini", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_what_is_no_dataset_is_not_copied(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        bl.datasets.copy(tmp_path / "nothing", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
