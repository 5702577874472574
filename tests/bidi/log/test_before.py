"""Logs that the version before wrote, and what it read off them.

``before/session.jsonl`` is a journal of a session that begins with a typed text, 3 s before its microphone: `t_s` goes
back in it, and its last line is torn. ``before/replay`` is the replay of overlap-mini's ``one-word-clean-03``, saved
without audio and pictures. The tables beside them are what that version read off them.
"""

from pathlib import Path

import pandas as pd
import pytest

from bidilab.bidi.log.eventlog import EventLog
from bidilab.lab.datasets import Dataset
from bidilab.lab.sessions.verdicts import verdicts
from tests.conftest import ROOT

BEFORE = Path(__file__).parent / "before"
LOGS = {"session": BEFORE / "session.jsonl", "replay": BEFORE / "replay" / "events.jsonl"}


def as_saved(frame, path):
    """A table as it comes back from the file that it was saved to, to compare with one that was."""
    frame.to_csv(path, index=False)
    return pd.read_csv(path)


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("table", ["interruptions", "responses", "turns"])
def test_the_same_tables_as_then(name, table, tmp_path):
    log = EventLog.read(LOGS[name])
    now = as_saved(getattr(log, table)(), tmp_path / "now.csv")
    assert len(now) > 0
    if table == "turns":  # what is new, a log from before does not say
        new = now[["cause", "score"]]
        assert new.isna().all(axis=None)
        now = now.drop(columns=new.columns)
    pd.testing.assert_frame_equal(now, pd.read_csv(BEFORE / name / f"{table}.csv"), check_exact=False, rtol=1e-9)


def test_the_same_verdicts_as_then(tmp_path):
    recording = Dataset.load(ROOT / "datasets" / "overlap-mini")["one-word-clean-03"]
    now = as_saved(verdicts(EventLog.read(LOGS["replay"]), recording.segments), tmp_path / "now.csv")
    pd.testing.assert_frame_equal(now, pd.read_csv(BEFORE / "replay" / "verdicts.csv"), rtol=1e-9)


@pytest.mark.parametrize("name", LOGS)
def test_what_happened_is_when_it_was_written(name):
    log = EventLog.read(LOGS[name])
    assert all(row.at_s == row.t_s for row in log)
    assert [row.seq for row in log] == list(range(len(log)))


def test_only_the_torn_line_is_dropped():
    assert [line.line for line in EventLog.read(LOGS["session"]).dropped] == [75]
    assert EventLog.read(LOGS["replay"]).dropped == ()


def test_its_parquet_is_the_table_of_its_journal_but_for_what_is_new():
    then = pd.read_parquet(BEFORE / "replay" / "events.parquet")
    now = EventLog.read(LOGS["replay"]).to_frame()
    pd.testing.assert_frame_equal(now.drop(columns="at_s"), then)


def test_it_can_be_written_again(tmp_path):
    log = EventLog.read(LOGS["session"])
    again = EventLog.read(log.write(tmp_path / "events.jsonl"))
    assert again.rows == log.rows
