"""What travels with the package is found by name, here in a source checkout; tests/wheel.py does it with the wheel."""

from pathlib import Path

import pytest

import bidilab as bl
from bidilab.core import bundled
from bidilab.core.errors import DatasetError
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_dataset_is_found_by_its_name_wherever_one_is():
    dataset = bl.load_dataset("overlap-mini")
    assert dataset.sha256 == bl.load_dataset(ROOT / "datasets" / "overlap-mini").sha256
    assert bl.datasets.validate("overlap-mini", deep=False) == []
    assert bundled.bundled_name(dataset.root) == "overlap-mini"


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_a_path_that_exists_wins(make):
    make(Path("overlap-mini"))
    assert bundled.bundled_dataset("overlap-mini") == Path("overlap-mini")
    with pytest.raises(DatasetError, match="overlap-mini: not a usable dataset"):
        bl.load_dataset("overlap-mini")


@pytest.mark.parametrize("given", ["somewhere/overlap-mini", "clips", "overlap-mini/audio", "../overlap-mini"])
def test_only_the_name_itself_stands_for_a_dataset(given):
    assert bundled.bundled_dataset(given) == Path(given)


def test_a_name_that_is_misspelt_is_told():
    with pytest.raises(DatasetError, match="no such folder; did you mean overlap-mini"):
        bl.load_dataset("overlap_mini")


def test_clips_and_notebooks_are_those_of_the_project():
    assert bundled.bundled_clips() == ROOT / "datasets" / "clips"
    assert [path.name for path in bundled.bundled_notebooks()] == sorted(p.name for p in ROOT.glob("notebooks/*.ipynb"))


def test_a_package_without_them_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(bundled, "_PACKAGE", tmp_path / "bidilab")
    (tmp_path / "datasets" / "overlap-mini").mkdir(parents=True)  # somebody else's, as no project lies around it
    for look in (bundled.bundled_clips, bundled.bundled_notebooks, lambda: bundled.bundled_dataset("overlap-mini")):
        with pytest.raises(DatasetError, match="that come with bidilab are missing"):
            look()
    assert bundled.bundled_name(tmp_path / "datasets" / "overlap-mini") is None


@pytest.mark.parametrize("write", [bl.datasets.label, lambda name: bl.LabelEditor(name, by="mia")])
def test_labels_of_a_bundled_dataset_stay_as_they_are(write):
    with pytest.raises(DatasetError, match="bidilab datasets copy overlap-mini my-overlap-mini"):
        write("overlap-mini")
    assert not list(Path().glob("overlap-mini*"))
