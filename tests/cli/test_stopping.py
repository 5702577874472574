"""Ctrl-C: what is said is what is so."""

import shutil
import sys

import pytest
import soundfile

from bidilab.cli import app as cli
from bidilab.lab.datasets import Dataset
from tests.conftest import ROOT
from tests.sessions import bursts


def stop(*_args, **_kwargs):
    raise KeyboardInterrupt


def said(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["bidilab", *map(str, words)])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 130
    return capsys.readouterr().err


def test_an_import_stopped_at_its_labels_is_whole_and_says_which_command_goes_on(tmp_path, monkeypatch, capsys):
    (tmp_path / "calls").mkdir()
    shutil.copy(ROOT / "datasets" / "overlap-mini" / "audio" / "early-clean-01.flac", tmp_path / "calls")
    monkeypatch.setattr("bidilab.lab.datasets.label", stop)
    words = ("datasets", "import", "calls", tmp_path / "calls", tmp_path / "made", "--user-channel", "1", "--label")
    assert f"bidilab datasets label {tmp_path / 'made'}" in said(monkeypatch, capsys, *words)
    assert len(Dataset.load(tmp_path / "made")) == 1


def test_a_replay_names_its_journal_and_promises_nothing(tmp_path, monkeypatch, capsys):
    soundfile.write(tmp_path / "user.wav", bursts((10, 19)), 16000)
    monkeypatch.setattr("bidilab.lab.sessions.replay", stop)
    text = said(monkeypatch, capsys, "replay", tmp_path / "user.wav", "--out", tmp_path / "out")
    assert "events.jsonl" in text
    assert "goes on" not in text


def test_only_commands_that_go_on_say_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bidilab.lab.datasets.build", stop)
    assert said(monkeypatch, capsys, "datasets", "build", "x.yaml", "--out", tmp_path / "x").strip().endswith("stopped")
    monkeypatch.setattr("bidilab.lab.datasets.label", stop)
    assert "goes on" in said(monkeypatch, capsys, "datasets", "label", tmp_path)
