"""``bidilab replay``: guards, and the folder that it writes to."""

import errno
import os
import sys

import pytest
import soundfile
from typer.testing import CliRunner

from bidilab.bidi.log.eventlog import EventLog
from bidilab.cli.app import app
from bidilab.core.errors import DatasetError, DiskFullError, InvalidParameterError, PlaceHeldError
from bidilab.core.files import check_together
from bidilab.lab.sessions import replay
from tests.agreement.comparison import ROOT
from tests.places import holder
from tests.sessions import bursts

RECORDING = f"{ROOT / 'datasets' / 'overlap-mini'}#listening-clean-01"


def run(*args):
    return CliRunner().invoke(app, ["replay", *map(str, args)])


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "user.wav"
    soundfile.write(path, bursts((10, 19)), 16000)
    return path


@pytest.mark.slow
def test_min_words_lets_backchannels_pass(tmp_path):
    """Without the guard three backchannels interrupt; no word is said three dozen times, so with it none does."""
    plain = run(RECORDING, "--out", tmp_path / "plain")
    guarded = run(RECORDING, "--min-words", "50", "--word-times", "spread", "--out", tmp_path / "guarded")
    assert (plain.exit_code, guarded.exit_code) == (0, 0), guarded.output
    assert "3 interruptions" in plain.output
    assert "0 interruptions" in guarded.output


def test_a_guard_that_counts_words_needs_words(wav, tmp_path):
    assert isinstance(run(RECORDING, "--min-words", "2", "--out", tmp_path / "a").exception, DatasetError)
    unlabelled = run(wav, "--min-words", "2", "--word-times", "spread", "--out", tmp_path / "a").exception
    assert isinstance(unlabelled, DatasetError)
    assert "has no labels" in str(unlabelled)
    assert not (tmp_path / "a" / "session.wav").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--min-words", "-1"), "--min-words must be"),
        (("--min-interruption-ms", "nan"), "--min-interruption-ms must be"),
        (("--false-interruption-timeout-ms", "soon"), "'never', or a number"),
        (("--min-words", "2", "--model", "openai"), "--min-words"),
        (("--word-times", "guessed"), "--word-times must be"),
    ],
)
def test_guards_that_cannot_be(wav, tmp_path, options, word):
    failed = run(wav, *options, "--out", tmp_path / "out").exception
    assert isinstance(failed, InvalidParameterError)
    assert word in str(failed)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_earlier_replay_is_replaced_when_asked_and_nothing_else_ever(wav, tmp_path):
    out = tmp_path / "out"
    assert run(wav, "--out", out).exit_code == 0
    before = (out / "events.jsonl").read_bytes()
    refused = run(wav, "--out", out)
    assert "--force" in str(refused.exception)
    assert (out / "events.jsonl").read_bytes() == before
    assert run(wav, "--out", out, "--force").exit_code == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    assert isinstance(run(wav, "--out", tmp_path / "other", "--force").exception, InvalidParameterError)
    assert isinstance(run(wav, "--out", wav).exception, InvalidParameterError)


def test_a_folder_is_no_recording_and_a_misspelt_one_is_told_what_there_is(tmp_path):
    with pytest.raises(InvalidParameterError, match="DATASET#recording-id"):
        replay(ROOT / "datasets" / "overlap-mini")
    with pytest.raises(InvalidParameterError, match=r"as .*listening-clean-01"):
        replay(RECORDING[:-1])


def test_a_second_replay_into_a_folder_is_told_at_once_and_touches_nothing(wav, tmp_path):
    out = tmp_path / "out"
    assert run(wav, "--out", out).exit_code == 0
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    other = holder(out)
    refused = run(wav, "--out", out, "--force").exception
    assert isinstance(refused, PlaceHeldError)
    assert f"process {other.pid}" in str(refused)
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    other.communicate("")


def test_an_earlier_replay_stays_whole_until_the_new_one_is(wav, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert run(wav, "--out", out).exit_code == 0
    (out / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with monkeypatch.context() as full:
        full.setattr(sys.modules["bidilab.lab.sessions.replay"], "write_audio", refuse)
        failed = run(wav, "--out", out, "--force").exception
    assert isinstance(failed, DiskFullError)
    assert "session.wav" in str(failed)
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert len(EventLog.read(out / "events.new.jsonl")) == len(EventLog.read(out / "events.jsonl"))
    del after["events.new.jsonl"]  # the session as far as it came
    assert after == before
    assert run(wav, "--out", out, "--force").exit_code == 0
    assert {path.name for path in out.iterdir()} == {*before}
    check_together(out, "events.jsonl", "events.parquet", "interruptions.csv", "session.wav", "timeline.svg")


def refuse(path, *_, **__):
    path.write_bytes(b"RIFF")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("room", [0, 300, 3000, 6000])
def test_a_disk_that_is_full_in_the_middle_of_a_session_is_one_error_and_the_rows_before_are_there(
    tmp_path, monkeypatch, room
):
    written, write = [0], os.write

    def full(descriptor, data):
        if written[0] >= room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        n = write(descriptor, bytes(data)[: room - written[0]])
        written[0] += n
        return n

    monkeypatch.setattr("bidilab.bidi.log.journal.os.write", full)
    failed = run(RECORDING, "--out", tmp_path / "out").exception
    monkeypatch.undo()
    assert isinstance(failed, DiskFullError)
    assert failed.path.name == "events.jsonl"
    again = EventLog.read(tmp_path / "out" / "events.jsonl")
    assert [row.seq for row in again] == list(range(len(again)))
    assert again.dropped == ()
    assert bool(len(again)) == (room > 1000)
