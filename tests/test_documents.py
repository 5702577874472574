"""README, notebooks and doctests do what they say."""

import doctest
import importlib
import json
import pkgutil
import re
import shlex
import shutil
from importlib.metadata import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

import bidilab
from bidilab.cli.app import app
from tests.conftest import ROOT

NEEDS = {"bidilab.bidi.providers.nova.transport": "smithy_http"}  # modules that only a model with its extra imports
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def modules():
    for found in pkgutil.walk_packages(bidilab.__path__, "bidilab."):
        if not found.name.endswith("__main__"):
            yield found.name


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(modules()))
def test_doctests(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_top_to_bottom(path, shared_cache, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(shared_cache))
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_executed_and_without_machine_paths(path):
    notebook = json.loads(path.read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    (parameters,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", ())]
    assert parameters is cells[0]
    assert not [output for cell in cells for output in cell["outputs"] if output.get("name") == "stderr"]
    shown = [output.get("data", {}) for cell in cells for output in cell["outputs"]]
    for data in shown:
        data.pop("image/png", None)  # base64 of a picture says anything
        assert not [mime for mime in data if "widget-view" in mime]  # a reference to a model that no longer lives
    assert "widgets" not in notebook["metadata"]
    assert not re.search(r"/(home|root|tmp|work)/", json.dumps(notebook))


def test_readme_names_what_exists():
    readme = (ROOT / "README.md").read_text()
    commands = [line.split("&&")[1].strip() for line in readme.splitlines() if line.startswith("pip install uv &&")]
    assert commands == ["uv run bidilab sweep datasets/overlap-mini", "uv run pytest"]
    assert Path(ROOT / shlex.split(commands[0])[-1]).is_dir()
    for target in re.findall(r"\]\(([^)#:]+)\)", readme) + re.findall(
        r"`((?:notebooks|datasets|docs)/[^`*]+)`", readme
    ):
        assert (ROOT / target).exists(), target


def test_a_package_index_shows_the_readme_without_links_that_lead_nowhere():
    shown = str(metadata("bidilab").json["description"])
    assert "uv run bidilab sweep datasets/overlap-mini" in shown
    assert not re.findall(r"\]\((?!https?://|#)", shown)
    assert "docs/extras.md" in shown


def test_readme_imports_a_folder_of_calls_as_printed(tmp_path, monkeypatch):
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if "datasets import" in line)
    (tmp_path / "my-recordings").mkdir()
    for name in ("early-clean-01", "late-clean-01"):
        shutil.copy(ROOT / "datasets" / "overlap-mini" / "audio" / f"{name}.flac", tmp_path / "my-recordings")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))
    done = CliRunner().invoke(app, shlex.split(line)[1:])
    assert done.exit_code == 0, done.output
    assert len(bidilab.load_dataset("my-calls")) == 2


def test_readme_notebook_lines_run(shared_cache, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(shared_cache))
    sweep, session, agent = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(sweep + session, "README.md", "exec"), names)
    assert len(names["result"].settings) == 135
    assert len(names["session"].interruptions) > 0
    assert "from bidilab.bidi import BidiAgent, BidiAudioIO" in agent
    import matplotlib.pyplot as plt

    plt.close("all")
