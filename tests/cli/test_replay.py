"""``bidilab replay``: guards, and the folder that it writes to."""

import pytest
import soundfile
from typer.testing import CliRunner

from bidilab.cli.app import app
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.sessions import replay
from tests.agreement.comparison import ROOT
from tests.sessions import bursts

RECORDING = f"{ROOT / 'datasets' / 'overlap-mini'}#listening-clean-01"


def run(*args):
    return CliRunner().invoke(app, ["replay", *map(str, args)])


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "user.wav"
    soundfile.write(path, bursts((10, 19)), 16000)
    return path


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
        (("--min-words", "-1"), "min_words must be"),
        (("--min-interruption-ms", "nan"), "min_interruption_ms must be"),
        (("--false-interruption-timeout-ms", "soon"), "'never', or a number"),
        (("--min-words", "2", "--model", "openai"), "--min-words"),
        (("--word-times", "guessed"), "word_times must be"),
    ],
)
def test_guards_that_cannot_be(wav, tmp_path, options, word):
    failed = run(wav, *options, "--out", tmp_path / "out").exception
    assert isinstance(failed, InvalidParameterError)
    assert word in str(failed)
    assert not (tmp_path / "out").exists()


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
