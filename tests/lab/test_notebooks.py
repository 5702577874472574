"""The notebooks are copied as they are, beside whatever is in the folder, and over nothing."""

import json

import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.notebooks import copy_notebooks
from tests.conftest import ROOT


def test_they_are_those_of_the_project_and_name_no_path_of_it(tmp_path):
    copied = copy_notebooks(tmp_path / "new" / "folder")
    assert [path.name[:2] for path in copied] == ["01", "02", "03", "04", "05", "06"]
    for path in copied:
        assert path.read_bytes() == (ROOT / "notebooks" / path.name).read_bytes()
        code = "".join(
            "".join(cell["source"])
            for cell in json.loads(path.read_text("utf-8"))["cells"]
            if cell["cell_type"] == "code"
        )
        assert "../datasets" not in code


def test_one_that_is_there_is_replaced_only_when_asked_for(tmp_path):
    mine = tmp_path / "02-replay.ipynb"
    mine.write_text("my changes")
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(InvalidParameterError, match=r"without 02-replay.ipynb .*--force"):
        copy_notebooks(tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["02-replay.ipynb", "notes.txt"]
    assert mine.read_text() == "my changes"
    copy_notebooks(tmp_path, force=True)
    assert mine.read_text() != "my changes"
    assert (tmp_path / "notes.txt").read_text() == "notes"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidParameterError, match="folder must be a folder"):
        copy_notebooks(tmp_path / "file")
