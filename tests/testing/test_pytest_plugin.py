"""The pytest plugin in runs of its own."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from xml.etree import ElementTree as ET

import pytest

import bidilab as bl
from tests.conftest import ROOT
from tests.lab.gate.test_subjects import kept_as_the_command_does, session
from tests.lab.sweep.conftest import write_dataset

pytest_plugins = ["pytester"]

TEST = """
    def test_limits(bidilab_check):
        assert bidilab_check(max={limits!r}, **{further!r}).exit_code == 0
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("plugin")
    report = bl.ProbeReport(sessions=tuple(session(*range(20, 26)) for _ in range(4)))
    (home / "probe.json").write_text(report.to_json())
    worse = bl.ProbeReport(sessions=tuple(session(*range(120, 126)) for _ in range(4)))
    (home / "worse.json").write_text(worse.to_json())
    return home


@pytest.fixture
def judged(pytester, home):
    """Run a test that judges, in this process; gives the result of the run."""
    installed = any(point.value == "bidilab.testing.pytest_plugin" for point in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "bidilab.testing.pytest_plugin"]

    def run(*options, limits=None, test=TEST, **further):
        pytester.makepyfile(test.format(limits=limits, further=further))
        return pytester.runpytest_inprocess(
            "-W", "default", "-p", "no:xdist", "-p", "no:cacheprovider", *plugin, *map(str, options)
        )

    return run


def test_a_result_within_its_limits_passes(judged, home):
    done = judged("--bidilab-result", home / "probe.json", limits={"leak_ms_p50": 100})
    done.assert_outcomes(passed=1)


def test_a_result_beyond_its_limits_fails_with_the_report_and_no_traceback(judged, home):
    done = judged("--bidilab-result", home / "probe.json", limits={"leak_ms_p50": 10})
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*surely above the limit: at least * fits the data*"])
    done.stdout.no_fnmatch_line("*Traceback*")


def test_what_is_inconclusive_is_a_warning_and_a_failure_where_proof_is_asked_for(judged, home):
    options = ("--bidilab-result", home / "probe.json")
    done = judged(*options, limits={"leak_ms_p50": 23})
    done.assert_outcomes(passed=1, warnings=1)
    done.stdout.fnmatch_lines(["*InconclusiveWarning: leak_ms_p50 is * is asked: *"])
    judged(*options, limits={"leak_ms_p50": 23}, proof=True).assert_outcomes(failed=1)


def test_a_baseline_is_compared(judged, home):
    options = ("--bidilab-result", home / "worse.json", "--bidilab-baseline", home / "probe.json")
    done = judged(*options, metrics=["leak_ms_p50"])
    done.assert_outcomes(passed=1, warnings=1)  # four sessions that differ show nothing
    same = ("--bidilab-result", home / "worse.json", "--bidilab-baseline", home / "worse.json")
    judged(*same, metrics=["leak_ms_p50"], proof=True).assert_outcomes(passed=1)


def test_without_a_result_the_test_is_skipped_and_other_tests_run(judged):
    done = judged(limits={"leak_ms_p50": 10}, test=TEST + "\n    def test_other():\n        pass\n")
    done.assert_outcomes(skipped=1, passed=1)


def test_a_metric_that_is_not_known_is_an_error_of_the_test(judged, home):
    done = judged("--bidilab-result", home / "probe.json", limits={"leak": 10})
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*metric must be a metric of a client probe: *leak_ms_p*"])


def test_the_result_itself_is_a_fixture_and_the_numbers_stand_in_junit(judged, home, pytester):
    test = """
    def test_result(bidilab_result, bidilab_check):
        assert bidilab_result.recordings[0] == "session 0 at pace 1"
        assert "leak_ms_p90" in bidilab_result.metrics
        bidilab_check(max={limits!r}, **{further!r})
    """
    options = ("--bidilab-result", home / "probe.json", "--junitxml", "run.xml")
    judged(*options, limits={"leak_ms_p50": 100}, test=test).assert_outcomes(passed=1)
    told = {p.get("name"): p.get("value") for p in ET.parse(pytester.path / "run.xml").iter("property")}
    assert told == {"leak_ms_p50 at most 100 ms": "22 ms (n = 24): pass"}


def test_a_sweep_that_recommends_nothing_fails(judged, tmp_path):
    folder = write_dataset(tmp_path / "calls", n=6)
    grid = bl.Grid(threshold=[0.3, 0.5], prefix_padding_ms=300, silence_duration_ms=500)
    result = bl.sweep(folder, grid, vad="energy", cache=False, progress=False, n_resamples=2, jobs=1)
    kept_as_the_command_does(result, tmp_path / "none", max_missed_rate=0.0001)
    done = judged("--bidilab-result", tmp_path / "none", test=TEST + "    def test_it(bidilab_result): ...\n")
    done.assert_outcomes(failed=1, errors=1)
    done.stdout.fnmatch_lines(["*None of 2 settings*"])


def test_loading_the_plugin_loads_nothing_heavy():
    code = (
        "import sys, pytest, bidilab.testing.pytest_plugin; heavy = {'numpy', 'pandas', 'numba', 'scipy', 'matplotlib',"
        " 'onnxruntime', 'bidilab.lab.gate', 'bidilab.lab.sweep', 'bidilab.bidi'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []


@pytest.mark.slow
def test_a_folder_of_calls_is_judged_first(judged, tmp_path, monkeypatch):
    """Two overlap-mini recordings: too few to gate, and the tables are there."""
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))
    calls = tmp_path / "calls"
    calls.mkdir()
    for name in ("early-clean-01", "late-clean-01"):
        shutil.copy(ROOT / "datasets" / "overlap-mini" / "audio" / f"{name}.flac", calls)
    test = """
    def test_tables(judged):
        assert len(judged.calls) == 2
        assert "false_rate" in judged.rates.index

    def test_gate(bidilab_check):
        bidilab_check(max={limits!r}, **{further!r})
    """
    options = ("--bidilab-judge", calls, "--bidilab-user-channel", 1)
    done = judged(*options, limits={"yield_p90_ms": 1}, test=test)
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*Check of judged calls of calls*", "*NOT JUDGED*", "*are too few to judge by*"])
    both = judged(*options, "--bidilab-result", calls, limits={}, test=test)
    said = [*both.outlines, *both.errlines]
    assert any("give --bidilab-result or --bidilab-judge, not both" in line for line in said)
