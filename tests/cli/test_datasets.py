"""``bidilab datasets``: one clear line for each mistake, and the words of the library for the rest."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from typer.testing import CliRunner

from bidilab.cli.datasets import app

RECIPE = {
    "dataset": {"name": "two", "version": "1", "licence": "CC0-1.0", "source": "bursts", "how_made": "by a test"},
    "seed": 1,
    "voices": {"user": {"amy": "amy"}, "agent": {"bot": "bot"}},
    "scenarios": {"s": {"exchanges": [{"response_s": 1, "events": [{"kind": "interruption", "at": 0.5}]}]}},
    "conditions": {"clean": {}},
    "recordings": [{"scenario": "s", "condition": "clean", "count": 2}],
}


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)


@pytest.fixture
def recipe(tmp_path):
    for name in ("amy/interruption", "bot/response"):
        folder = tmp_path / "clips" / name
        folder.mkdir(parents=True)
        soundfile.write(folder / "1.wav", np.tile([0.1, -0.1], 6000), 16_000)
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


@pytest.fixture
def built(recipe, tmp_path):
    out = tmp_path / "sets" / "two"
    result = run("build", recipe, "--out", out)
    assert result.exit_code == 0, result.output
    return out


def test_build_says_what_is_inside(recipe, tmp_path):
    result = run("build", recipe, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "Dataset two 1" in result.stdout
    assert "interruption" in result.stdout


def test_info(built):
    result = run("info", built)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "Dataset two 1")


def test_list_names_the_sound_and_the_others(built):
    broken = built.parent / "broken"
    broken.mkdir()
    (broken / "dataset.json").write_text("{")
    result = run("list", built.parent)
    assert result.exit_code == 0
    assert "two" in result.stdout
    assert "not usable: 2 problems" in " ".join(result.stdout.split())


def test_list_of_nothing(tmp_path):
    assert "no datasets in" in run("list", tmp_path).stdout


def test_validate(built):
    result = run("validate", built)
    assert (result.exit_code, result.stdout) == (0, f"{built}: no problems; checked manifest and audio\n")
    assert "audio not opened" in run("validate", built, "--shallow").stdout


def test_validate_tells_file_and_line_of_every_problem(built):
    lines = (built / "manifest.jsonl").read_text().splitlines()
    entry = json.loads(lines[1])
    entry["segments"][0]["end_s"] = 99
    (built / "manifest.jsonl").write_text(f"{lines[0]}\n{json.dumps(entry)}\n{{\n")
    result = run("validate", built)
    assert result.exit_code == 1
    assert "manifest.jsonl:2: segments[0]: ends at 99 s" in result.stdout
    assert "manifest.jsonl:3: not JSON" in result.stdout
    assert "2 problems" in result.output


@pytest.mark.parametrize("command", ["list", "info", "validate", "build"])
def test_help_teaches_with_an_example(command):
    assert f"bidilab datasets {command} " in run(command, "--help").stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["info", "none"], "none: not a usable dataset"),
        (["list", "none"], "FOLDER must be a folder that exists, got 'none'"),
        (["validate", "none"], "DATASET must be a folder that exists, got 'none'"),
        (["build", "none.yaml", "--out", "x"], "recipe must be a YAML file that exists, got 'none.yaml'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, line, tmp_path):
    command = [sys.executable, "-c", "from bidilab.cli import main; main()", "datasets", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    assert list(Path(tmp_path).iterdir()) == []
