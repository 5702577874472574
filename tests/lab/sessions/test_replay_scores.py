"""Replays whose turns end by a score: of a recording, of a dataset, on the command line."""

import os
from dataclasses import replace as replaced
from importlib.util import find_spec

import numpy as np
import pytest
from typer.testing import CliRunner

import bidilab as bl
from bidilab.bidi.log.eventlog import EventLog
from bidilab.cli.app import app
from bidilab.core.errors import InvalidParameterError
from bidilab.core.units import rescale_samples
from bidilab.detect.scorers import RecordingScores, ScoreTrack, get_scorer
from bidilab.detect.scorers.registry import SCORERS
from bidilab.detect.turns import AdaptiveInterruption, EndOfTurn, TurnParams, detect_turns
from bidilab.detect.vad import resample
from bidilab.lab.sessions import replay, replay_dataset
from bidilab.lab.sessions.logged import logged_turns
from bidilab.show.widgets.live import LiveSession
from tests.conftest import ROOT
from tests.scorers import DigestScorer, DigestSpec

OVERLAP_MINI = ROOT / "datasets" / "overlap-mini"
PARAMS, POLICY = TurnParams(silence_duration_ms=200), EndOfTurn(threshold=0.7, timeout_ms=700, latency_ms=40)
RATE = 16_000


def turns_of(recording, **how):
    heard = resample(recording.user(), recording.sample_rate, RATE)
    track = bl.get_vad("silero").probabilities(heard)
    scores = RecordingScores(DigestScorer(), heard)
    given = {"end_of_turn": POLICY, "scores": lambda wanted: scores.answers([wanted])[0]} | how
    return detect_turns(track, PARAMS, frame_samples=512, sample_rate=RATE, **given)


def score_track(recording):
    heard = np.arange(50, 1000 * recording.n_samples // recording.sample_rate, 50)
    score = np.random.default_rng(len(heard)).random(len(heard))
    return ScoreTrack(
        detector="vap", version="1", task="eot", sample_rate=1000, heard_at=heard, known_at=heard + 60, score=score
    )


def test_a_recording_gives_the_turns_of_the_sweep():
    recording = bl.load_dataset(OVERLAP_MINI)["early-clean-01"]
    made = replay(recording, turn_detection=PARAMS, end_of_turn=POLICY, scorer=DigestSpec())
    assert made.turns == turns_of(recording)
    assert {turn.cause for turn in made.turns} >= {"score", "timeout"}
    assert "scorer digest" in made.summary
    at_48 = made.turns_at(48_000)
    assert [turn.cause for turn in at_48] == [turn.cause for turn in made.turns]
    assert at_48[0].onset == rescale_samples(made.turns[0].onset, RATE, 48_000)


def test_scores_computed_elsewhere():
    recording = bl.load_dataset(OVERLAP_MINI)["early-clean-01"]
    track = score_track(recording)
    made = replay(recording, turn_detection=PARAMS, end_of_turn=POLICY, scorer=track)
    assert made.turns == turns_of(recording, scores=track)
    assert "scorer vap" in made.summary
    with pytest.raises(InvalidParameterError, match=r"in real time.*the ScoreTrack of 'vap'"):
        replay(recording, scorer=track, clock="real")
    with pytest.raises(InvalidParameterError, match=r"scores that were computed elsewhere.*the ScoreTrack of 'vap'"):
        LiveSession(scorer=track)


@pytest.mark.slow
def test_a_dataset_by_a_spec_in_processes_and_by_tracks():
    whole = bl.load_dataset(OVERLAP_MINI)
    dataset = replaced(whole, recordings=tuple(whole)[:2])
    how = {"turn_detection": PARAMS, "end_of_turn": POLICY, "progress": False}
    side_by_side = replay_dataset(dataset, jobs=2, scorer=DigestSpec(), **how)
    for recording, made in zip(dataset, side_by_side, strict=True):
        assert made.turns == turns_of(recording)
    tracks = {recording.id: score_track(recording) for recording in dataset}
    by_track = replay_dataset(dataset, jobs=1, scorer=tracks, **how)
    for recording, made in zip(dataset, by_track, strict=True):
        assert made.turns == turns_of(recording, scores=tracks[recording.id])
    first, second = tracks
    with pytest.raises(
        InvalidParameterError, match=rf"1 recordings without \({second}\), 1 ids that are not recordings \(other\)"
    ):
        replay_dataset(dataset, scorer={first: tracks[first], "other": tracks[second]}, **how)


RULES = {"end_of_turn": POLICY, "interruption": AdaptiveInterruption()}


@pytest.mark.parametrize("name", [*RULES, "scorer", "interruption_scorer"])
def test_models_of_others_decide_in_their_own_way(name):
    given = {name: RULES.get(name, DigestScorer())}
    with pytest.raises(InvalidParameterError, match=f"{name} must be left out with a model other than the local one"):
        replay(str(OVERLAP_MINI / "audio" / "early-clean-01.flac"), "openai", clock="real", **given)
    with pytest.raises(InvalidParameterError, match=f"{name} must be left out"):
        LiveSession("openai", **given)


@pytest.fixture
def named_digest(monkeypatch):
    """A scorer of that name, as a plug-in would bring it."""

    def digest(*, sample_rate=RATE, window=16_000):
        assert sample_rate == RATE
        return DigestScorer(window_samples=window)

    for task in ("eot", "interruption"):
        monkeypatch.setitem(SCORERS[task], "digest", digest)


def test_a_scorer_by_its_name(named_digest):
    recording = bl.load_dataset(OVERLAP_MINI)["early-clean-01"]
    made = replay(recording, turn_detection=PARAMS, end_of_turn=POLICY, scorer="digest")
    assert made.turns == turns_of(recording)


COMMAND = ["replay", f"{OVERLAP_MINI}#early-clean-01", "--turn-detection", "silence_duration_ms=200"]


def test_the_command(named_digest, tmp_path):
    options = ["--eot", "digest", "--eot-option", "window=16000", "--eot-threshold", "0.7", "--eot-timeout-ms", "700"]
    done = CliRunner().invoke(app, [*COMMAND, *options, "--eot-latency-ms", "40", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "scorer digest 1" in done.output
    log = EventLog.read(tmp_path / "out" / "events.jsonl")
    recording = bl.load_dataset(OVERLAP_MINI)["early-clean-01"]
    # The command's silence is that of ServerVad, whose other values are those of PARAMS.
    assert list(logged_turns(log)) == list(turns_of(recording))


def test_the_command_with_a_scorer_of_interruptions(named_digest, tmp_path):
    options = ["--interrupt", "digest", "--interrupt-threshold", "0.8", "--interrupt-first-ms", "100"]
    options += ["--interrupt-interval-ms", "64", "--interrupt-window-ms", "900", "--interrupt-latency-ms", "0"]
    done = CliRunner().invoke(app, [*COMMAND, *options, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    log = EventLog.read(tmp_path / "out" / "events.jsonl")
    policy = AdaptiveInterruption(threshold=0.8, first_ms=100, interval_ms=64, window_ms=900, latency_ms=0)
    recording = bl.load_dataset(OVERLAP_MINI)["early-clean-01"]
    made = replay(recording, turn_detection=PARAMS, interruption=policy, interruption_scorer="digest")
    assert len(made.log.interruptions()) > 0
    columns = ["response_id", "onset_samples", "decided_at_samples"]
    assert log.interruptions()[columns].equals(made.log.interruptions()[columns])
    plain = replay(recording, turn_detection=PARAMS).log.interruptions()["decided_at_samples"]
    assert plain.tolist() != made.log.interruptions()["decided_at_samples"].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--interrupt-window-ms", "400"], "--interrupt must be the name of a scorer"),
        (["--interrupt", "smart-turn"], "scorer must be"),
        (["--interrupt", "digest", "--interrupt-window-ms", "100"], "--interrupt-window-ms must be"),
        (["--interrupt", "digest", "--model", "openai"], "--interrupt must be left out with a model"),
        (["--eot", "diggest"], "digest"),
        (["--eot-threshold", "0.5"], "--eot must be the name of a scorer"),
        (["--eot-option", "window=16000"], "--eot must be the name of a scorer"),
        (["--eot", "digest", "--eot-threshold", "1.5"], "--eot-threshold must be"),
        (["--eot", "digest", "--eot-timeout-ms", "100", "--eot-action-delay-ms", "200"], "--eot-timeout-ms must be"),
        (["--eot", "digest", "--eot-option", "windows=3"], "windows"),
        (["--eot", "digest", "--eot-option", "window"], "--eot-option must be NAME=VALUE"),
        (["--eot", "digest", "--model", "openai"], "--eot must be left out with a model"),
        (["--eot", "digest", "--eot-context", "all"], "--eot-context must be one of turn, window"),
    ],
)
def test_what_the_command_refuses(named_digest, options, message, tmp_path):
    done = CliRunner().invoke(app, [*COMMAND, *options, "--out", str(tmp_path / "out")])
    assert done.exit_code != 0
    assert message in str(done.exception or "") + done.output


@pytest.mark.skipif(
    find_spec("pipecat") is None and not os.environ.get("CI"), reason="pipecat-ai, which carries the weights, is absent"
)
def test_smart_turn_hears_the_same_in_a_session_and_from_the_whole_recording():
    recording = bl.load_dataset(OVERLAP_MINI)["early-clean-01"]
    smart, policy = get_scorer("smart-turn"), EndOfTurn(timeout_ms=700)
    made = replay(recording, turn_detection=PARAMS, end_of_turn=policy, scorer="smart-turn", chunk_ms=50)
    heard = resample(recording.user(), recording.sample_rate, RATE)
    scores, given = RecordingScores(smart, heard), []

    def answer(wanted):
        given.extend(scores.answers([wanted]))
        return given[-1]

    expected = turns_of(recording, end_of_turn=policy, scores=answer, scorer_latency_ms=smart.latency_ms)
    assert made.turns == expected
    acted_on = made.log.turns()["score"].dropna().tolist()
    assert set(acted_on) <= set(given)
    assert len(acted_on) + sum(turn.cause == "timeout" for turn in expected) >= 3
    assert "scorer smart-turn 3.2" in made.summary
