"""``bidilab check`` as CI runs it: exit codes, what is printed, and the files."""

import json
import sys
from xml.etree import ElementTree as ET

import pytest

import bidilab as bl
from bidilab.cli import main
from tests.lab.gate.test_subjects import kept_as_the_command_does, session
from tests.lab.sweep.conftest import write_dataset


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Three sweeps: of a setting, of a deaf one on the same calls, and one whose limits nobody meets."""
    home = tmp_path_factory.mktemp("check")
    folder = write_dataset(home / "calls", n=36)
    how = {"vad": "energy", "cache": False, "progress": False, "n_resamples": 2, "jobs": 1}
    result = bl.sweep(folder, bl.Grid(threshold="0.1:0.9:0.4", prefix_padding_ms=300, silence_duration_ms=500), **how)
    kept_as_the_command_does(result, home / "sweep")
    kept_as_the_command_does(result, home / "none", max_missed_rate=0.0001)
    report = bl.ProbeReport(sessions=tuple(session(*range(20, 26)) for _ in range(4)))
    (home / "probe.json").write_text(report.to_json())
    return home


@pytest.fixture
def run(home, monkeypatch, capsys):
    """Run the command in this process; gives the exit code, output and errors."""

    def run(*args):
        monkeypatch.chdir(home)
        monkeypatch.setattr(sys, "argv", ["bidilab", "check", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code or 0, *capsys.readouterr()

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (("sweep", "--max", "false_interruption_rate=1"), 0, "Passes: shown."),
        (("sweep", "--max", "false_interruption_rate=0.01", "--setting", "threshold=0.1"), 1, "FAILS"),
        (("sweep", "--max", "false_rate=0.01", "--setting", 0), 1, "surely above the limit"),
        (("sweep", "--max", "false_interruption_rate_noise=0.5"), 2, "6 noise events are too few to judge by"),
        (("none", "--max", "false_interruption_rate=1"), 1, "None of"),
        (("none",), 1, "a setting that keeps the sweep's limits"),
        (("probe.json", "--max", "leak_ms_p50=100"), 0, "Passes: shown."),
        (("probe.json", "--max", "leak_ms_p50=10"), 1, "FAILS"),
        (("sweep", "--baseline", "sweep", "--metric", "missed_rate", "--proof"), 0, "the same in every recording"),
        (("sweep", "--baseline", "sweep", "--setting", "threshold=0.1", "--baseline-setting", "threshold=0.9",
          "--metric", "false_rate"), 1, "surely worse"),
        (("sweep", "--baseline", "sweep", "--setting", "threshold=0.1", "--baseline-setting", "threshold=0.9",
          "--metric", "false_rate", "--margin", "false_rate=1"), 0, "surely not worse than the margin of 100.0 points"),
    ],
)  # fmt: skip
def test_exit_codes(run, options, code, word):
    found, told, _ = run(*options)
    assert found == code, told
    assert word in told


def test_what_the_data_allow_is_a_warning_and_exit_code_3_where_proof_is_asked_for(run):
    row = json.loads(_json(run, "--max", "missed_rate=1"))["rows"][0]
    between = f"missed_rate={(row['lo'] + row['hi']) / 2:.4f}"
    code, told, warned = run("sweep", "--max", between)
    assert (code, warned.startswith("warning: missed_rate is")) == (0, True)
    assert "Passes with a warning" in told
    code, told, warned = run("sweep", "--max", between, "--proof")
    assert (code, warned) == (3, "")
    assert "Inconclusive: 1 of 1 not shown" in told


def _json(run, *options):
    run("sweep", *options, "--json", "gate.json")
    from pathlib import Path

    return Path("gate.json").read_text()


def test_the_files_are_written_whatever_the_exit_code(run, home):
    options = ("--max", "false_rate=0.01", "--setting", 0, "--junit", "gate.xml", "--json", "gate.json")
    code, told, _ = run("sweep", *options)
    assert code == 1
    case = next(ET.parse(home / "gate.xml").getroot().iter("testcase"))
    assert case.find("failure") is not None
    written = json.loads((home / "gate.json").read_text())
    assert written["exit_code"] == 1
    assert written["judged"] in told


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("sweep",), "max must be limits on some of missed_rate"),
        (("sweep", "--max", "missed_rat=0.1"), "a metric of a sweep: missed_rate"),
        (("sweep", "--max", "missed_rate"), "--max must be NAME=NUMBER"),
        (("sweep", "--max", "missed_rate=much"), "--max must be NAME=NUMBER"),
        (("sweep", "--max", "missed_rate=0.1", "--max", "missed_rate=0.2"), "each name once"),
        (("sweep", "--max", "missed_rate=12"), "a rate in [0, 1] (0.1 for 10 %)"),
        (("sweep", "--max", "missed_rate=nan"), "a rate in [0, 1]"),
        (("sweep", "--max", "missed_rate=1", "--setting", "threshold"), "--setting must be a row, or NAME=NUMBER"),
        (("sweep", "--max", "missed_rate=1", "--setting", "threshold=0.77"), "a value that was swept: 0.1, 0.5, 0.9"),
        (("sweep", "--max", "missed_rate=1", "--setting", "7"), "a row of settings, 0 to 2"),
        (("sweep", "--max", "missed_rate=1", "--junit", "no/where.xml"), "--junit must be a file in a folder"),
        (("sweep", "--metric", "missed_rate"), "left out without a baseline"),
        (("sweep", "--max", "missed_rate=1", "--baseline", "probe.json"), "baseline must be a sweep"),
        (("calls", "--max", "missed_rate=1"), "a folder of bidilab sweep"),
        (("nowhere", "--max", "missed_rate=1"), "nowhere, which does not exist"),
        (("probe.json", "--max", "max_leak_ms=300"), "leak_ms_p"),
    ],
)
def test_what_cannot_be_judged_is_one_line_and_exit_code_2(run, options, word):
    code, told, said = run(*options)
    assert code == 2
    assert told == ""
    assert word in said
    assert said.startswith("bidilab: ")
    assert len(said.splitlines()) == 1


def test_the_help_teaches(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bidilab", "check", "--help"])
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main()
    told = " ".join(capsys.readouterr().out.split())
    for word in ("--max", "--baseline", "--proof", "Exit code: 0 passed", "bidilab check sweep-new --baseline"):
        assert word in told
