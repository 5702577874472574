"""What a report says, in each of its forms."""

import json
import re
from xml.etree import ElementTree as ET

import pytest

from bidilab.lab.gate import CheckReport, CheckRow, check
from bidilab.lab.gate.junit import Case, write_junit
from tests.lab.gate.test_check import N, Y


@pytest.fixture
def report(made):
    """One that fails, one inconclusive, one shown, one not judged; and the baseline."""
    absent = {"event_latency_ms": "the provider keeps it to itself"}
    delays = [[100.0] * n for n in N]
    limits = {"missed_rate": 0.2, "latency_detected_ms_p50": 150, "event_latency_ms_p50": 300}
    evidence = made(Y, N, absent=absent, delays=delays)
    return check(evidence, max=limits, min={"missed_rate": 0.3}, baseline=made(Y, N, absent=absent, delays=delays))


def test_text_and_html_say_the_same(report):
    text, shown = str(report), report._repr_html_()
    assert repr(report) == text
    for row in report.rows:
        for said in (row.metric, row.shown, row.asked, row.reason):
            assert said in text
            assert said.replace("'", "&#x27;") in shown
    assert report.verdict in text
    assert report.verdict in shown
    assert report.pairing in text
    assert report.pairing in shown
    assert text.splitlines()[0] == "Check of by hand"
    assert "missed_rate" in text.splitlines()[1]
    assert text.splitlines()[1].endswith("FAIL")
    assert "36.7 % (n = 30)" in text
    assert "at most 20.0 %" in text


def test_the_table_and_the_json_hold_the_numbers(report, tmp_path):
    table = report.to_frame()
    assert table["verdict"].tolist()[:4] == ["fail", "pass", "not judged", "inconclusive"]
    assert table.loc[0, "value"] == pytest.approx(11 / 30)
    told = json.loads(report.to_json(tmp_path / "gate.json"))
    assert told == json.loads((tmp_path / "gate.json").read_text())
    assert (told["exit_code"], told["judged"], told["baseline"]) == (1, "by hand", "by hand")
    first = told["rows"][0]
    assert first["bound"] == pytest.approx(table.loc[0, "lo"])
    assert (first["limit"], first["n"], first["against"]) == (0.2, 30, "at most")
    assert told["rows"][2]["value"] is None
    assert told["rows"][-1]["against"] == "baseline"


def test_junit_read_back(report, tmp_path):
    path = report.to_junit(tmp_path / "gate.xml")
    suites = ET.parse(path).getroot()
    assert suites.tag == "testsuites"
    (suite,) = suites
    cases = list(suite)
    assert len(cases) == len(report.rows)
    for counted, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(counted)) == sum(case.find(kind) is not None for case in cases)
    assert int(suite.get("tests")) == len(cases)
    failed, passed, unjudged, open_ = cases[:4]
    assert failed.get("name") == "missed_rate at most 20.0 %"
    assert "surely above the limit" in failed.find("failure").get("message")
    assert passed.find("system-out") is not None
    assert unjudged.find("error").get("message").endswith("the provider keeps it to itself.")
    assert "as little as" in open_.find("skipped").get("message")
    facts = {p.get("name"): float(p.get("value")) for p in failed.find("properties")}
    assert facts == {
        "value": pytest.approx(11 / 30, abs=1e-5),
        "n": 30,
        "bound": pytest.approx(report.rows[0].lo, abs=1e-5),
        "limit": 0.2,
    }
    compared = {p.get("name") for p in cases[-1].find("properties")} | {
        p.get("name") for p in cases[len(cases) - 3].find("properties")
    }
    assert {"baseline", "worsening"} <= compared


def test_junit_of_text_that_xml_forbids(tmp_path):
    case = Case(name="a\x00b <&>", kind="failure", message="\ud800 \x1b[31m", properties={"x": '"'})
    path = write_junit(tmp_path / "odd.xml", "suite\x08", [case])
    entry = next(ET.parse(path).getroot().iter("testcase"))
    assert entry.get("name") == "a\ufffdb <&>"
    assert entry.find("failure").text == "\ufffd \ufffd[31m"


def test_a_report_without_a_setting_to_judge(tmp_path):
    row = CheckRow(metric="recommendation", against="recommendation", verdict="fail", reason="None of 3 settings …")
    report = CheckReport(title="sweep of calls", rows=(row,))
    assert report.exit_code == 1
    assert "None of 3 settings" in str(report)
    case = next(ET.parse(report.to_junit(tmp_path / "x.xml")).getroot().iter("testcase"))
    assert case.find("failure") is not None
    assert json.loads(report.to_json())["rows"][0]["value"] is None


def test_warnings_are_whole_sentences_and_none_where_proof_is_asked_for(made):
    report = check(made(Y, N), max={"missed_rate": 0.4})
    (warning,) = report.warnings
    assert re.fullmatch(r"missed_rate is 36\.7 % \(n = 30\), at most 40\.0 % is asked: within the limit, .*\.", warning)
    assert report.verdict.startswith("Passes with a warning")
    proof = check(made(Y, N), max={"missed_rate": 0.4}, proof=True)
    assert proof.warnings == ()
    assert proof.verdict == "Inconclusive: 1 of 1 not shown, and proof is asked for."
