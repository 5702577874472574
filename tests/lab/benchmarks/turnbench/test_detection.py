"""A turn detector on conversations in the benchmark's files: what it decides is predicted, and can be scored."""

import io

import numpy as np
import pytest
import soundfile

import bidilab as bl
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.detect.scorers import RecordingScores
from bidilab.detect.turns import EndOfTurn, TurnParams, detect_turns
from bidilab.detect.vad import resample
from bidilab.lab.benchmarks.turnbench import (
    detect_conversations,
    gold_of,
    read_conversations,
    read_predictions,
    score,
    write_predictions,
)
from tests.conftest import ROOT
from tests.lab.benchmarks.turnbench.test_conversations import row, write
from tests.scorers import DigestScorer

PARAMS = TurnParams(silence_duration_ms=200)


@pytest.fixture(scope="module")
def call():
    """Both channels of a recording of overlap-mini, and its rate."""
    recording = bl.load_dataset(ROOT / "datasets" / "overlap-mini")["early-clean-01"]
    audio = recording.audio()
    return audio.samples[:, 0], audio.samples[:, 1], audio.sample_rate


def flac(samples, rate):
    made = io.BytesIO()
    soundfile.write(made, samples, rate, format="FLAC", subtype="PCM_16")
    return made.getvalue()


@pytest.fixture
def folder(tmp_path, call):
    one, two, rate = call
    made = row("20", marks=[{"start_s": 1.0, "end_s": 2.5, "label": "Normal Turn", "text": "x"}])
    made["speaker_1_audio"]["bytes"], made["speaker_2_audio"]["bytes"] = flac(one, rate), flac(two, rate)
    return write(tmp_path / "in", made)


def turns_of(samples, rate, **how):
    heard, vad = resample(samples, rate, 16_000), bl.get_vad("energy")
    track = vad.probabilities(heard)
    return detect_turns(track, PARAMS, frame_samples=vad.frame_samples, sample_rate=16_000, **how)


def test_predictions_are_the_decisions_of_the_detector(folder, call, tmp_path):
    one, two, rate = call
    found = detect_conversations(folder, PARAMS, vad="energy", progress=False)
    assert found.durations_s == {"20": len(one) / rate}
    own, others = turns_of(one, rate), turns_of(two, rate)
    assert len(own) > 2
    assert found.predictions.speakers["20", 1].eot == tuple(t.stopped_at / 16_000 for t in own if not t.flushed)
    overlapping = [t for t in own if any(o.started_at <= t.started_at < o.stopped_at for o in others)]
    assert found.predictions.speakers["20", 1].interruption == tuple(t.started_at / 16_000 for t in overlapping)
    assert overlapping
    path = write_predictions(tmp_path / "predictions.json", *found)
    assert read_predictions(path, found.durations_s) == found.predictions
    made = score([gold_of(each) for each in read_conversations(folder)], found.predictions)
    assert made.eot.positives == 1


def test_turns_end_by_a_score_as_everywhere(folder, call):
    policy, scorer = EndOfTurn(threshold=0.6, timeout_ms=900), DigestScorer()
    found = detect_conversations(folder, PARAMS, vad="energy", end_of_turn=policy, scorer=scorer, progress=False)
    one, _, rate = call
    scores = RecordingScores(DigestScorer(), resample(one, rate, 16_000))
    how = {"end_of_turn": policy, "scores": lambda wanted: scores.answers([wanted])[0]}
    own = turns_of(one, rate, **how, scorer_latency_ms=scorer.latency_ms)
    assert {"score", "timeout"} <= {turn.cause for turn in own}
    assert found.predictions.speakers["20", 1].eot == tuple(t.stopped_at / 16_000 for t in own if not t.flushed)


@pytest.mark.parametrize("given", [{"end_of_turn": EndOfTurn()}, {"scorer": DigestScorer()}])
def test_a_scorer_and_its_policy_come_together(folder, given):
    with pytest.raises(InvalidParameterError, match="scorer must be given together with end_of_turn"):
        detect_conversations(folder, PARAMS, vad="energy", progress=False, **given)


def test_audio_that_cannot_be_used_is_told(tmp_path):
    made = row("21")
    made["speaker_1_audio"]["bytes"] = b"no audio"
    stereo = row("22")
    stereo["speaker_2_audio"]["bytes"] = flac(np.zeros((4_000, 2), np.float32), 16_000)
    with pytest.raises(DatasetError) as caught:
        detect_conversations(write(tmp_path, made, stereo, row("23"), row("23")), vad="energy", progress=False)
    told = str(caught.value)
    assert "'21', speaker_1: its audio cannot be used" in told
    assert "'22', speaker_2: its audio cannot be used" in told
    assert "'23' is there twice" in told
