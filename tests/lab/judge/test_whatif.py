"""Another setting in calls that happened: sessions of ours, whose stops our detector makes, and stacks that do not."""

import shutil

import pytest
from typer.testing import CliRunner

import bidilab as bl
from bidilab.cli.app import app
from bidilab.core.errors import InvalidParameterError, ResultError
from tests.conftest import ROOT
from tests.sessions import keep

NAMES = ("early-clean-01", "loud-clean-01", "listening-clean-01", "one-word-clean-01")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    root = tmp_path_factory.mktemp("sessions")
    for folder in ("calls", "logs"):
        (root / folder).mkdir()
    for name in NAMES:
        made = root / "made" / name
        keep(bl.replay(f"{ROOT / 'datasets' / 'overlap-mini'}#{name}"), made)
        shutil.copy(made / "session.wav", root / "calls" / f"{name}.wav")
        shutil.copy(made / "events.jsonl", root / "logs" / f"{name}.jsonl")
    return root


@pytest.fixture(scope="module")
def judged(sessions):
    return bl.judge(sessions / "calls", trace=sessions / "logs", progress=False)


@pytest.mark.slow
def test_the_setting_in_force_changes_nothing(judged):
    answer = judged.what_if(bl.ServerVad(), progress=False)
    assert answer.n_stops > 3
    assert answer.n_reproduced >= 0.9 * answer.n_stops  # what is heard as two events may be one turn
    assert set(answer.table["change"]) <= {"kept", "unchanged", "diverged"}
    assert (answer.table["delay_ms"].dropna() == 0).all()


def test_a_deaf_setting_avoids_and_loses_all(judged):
    answer = judged.what_if(bl.ServerVad(threshold=1.0), progress=False)
    stops = answer.table[answer.table["stopped"]]
    assert set(stops["change"]) == {"avoided", "lost"}
    assert len(answer.avoided) + len(answer.lost) == answer.n_stops
    clip = answer.play(int(stops.index[0]))
    assert clip.duration_s <= 6
    assert clip.n_channels == 2


def test_a_guard_delays_by_its_length(judged):
    answer = judged.what_if(bl.ServerVad(), guards=bl.Guards(min_interruption_ms=256), progress=False)
    delays = answer.delayed["delay_ms"].dropna()
    assert len(delays)
    assert delays.max() <= 256
    assert delays.median() == pytest.approx(224, abs=32)  # a turn starts a frame after its onset


def test_a_stack_that_does_not_decide_like_this_is_refused(judged):
    with pytest.raises(ResultError, match="does not decide like our detector"):
        judged.what_if(bl.ServerVad(), as_recorded=bl.ServerVad(threshold=1.0), progress=False)


def test_guards_that_count_words_are_refused(judged):
    with pytest.raises(InvalidParameterError, match="no words to count"):
        judged.what_if(bl.ServerVad(), guards=bl.Guards(min_words=2), progress=False)


def test_other_panels(judged):
    panel = judged.tau()
    assert panel.counts["n_simulations"] == len(NAMES)
    assert panel.counts["yield_total"] > 0
    assert 0 <= judged.eva() <= 1


def test_on_the_command_line(sessions, tmp_path):
    done = CliRunner().invoke(
        app,
        [
            *("judge", str(sessions / "calls"), "--trace", str(sessions / "logs"), "--out", str(tmp_path / "out")),
            *("--what-if", "threshold=0.6,min_interruption_ms=250", "--no-progress"),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "threshold 0.6, silence 500 ms, min interruption 250 ms instead of threshold 0.5" in done.output
    assert (tmp_path / "out" / "what-if.csv").is_file()
    wrong = CliRunner().invoke(
        app, ["judge", str(sessions / "calls"), "--user-channel", "1", "--what-if", "loudness=3"], catch_exceptions=True
    )
    assert isinstance(wrong.exception, InvalidParameterError)
    assert "loudness" in str(wrong.exception)


@pytest.mark.real_audio
def test_livekits_stops_are_reproduced_and_the_uninterruptible_speech_is_told_apart(traces):
    result = bl.judge(
        traces / "livekit" / "recording.ogg", trace=traces / "livekit" / "session_report.json", progress=False
    )
    answer = result.what_if(
        bl.TurnParams(threshold=0.5, min_speech_ms=50, silence_duration_ms=550),
        guards=bl.Guards(min_interruption_ms=250),
        as_recorded=bl.TurnParams(threshold=0.5, min_speech_ms=50, silence_duration_ms=550),
        guards_as_recorded=bl.Guards(min_interruption_ms=200),
        progress=False,
    )
    assert (answer.n_reproduced, answer.n_stops) == (4, 4)
    assert (answer.n_left, answer.n_spoken_on) == (0, 1)
    assert answer.table["change"].tolist()[-1] == "unchanged"
