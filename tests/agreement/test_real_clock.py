"""The same session on the real clock: the same positions; only arrival is as late as the machine is."""

import threading

import pytest

from bidilab.core.audio import Audio
from bidilab.detect.turns import EndOfTurn, TurnParams
from bidilab.lab.sessions import replay
from tests.agreement.comparison import audio_of, recordings
from tests.scorers import DigestScorer
from tests.sessions import local_model

COLUMNS = ["response_id", "onset_samples", "decided_at_samples"]


class SlowScorer(DigestScorer):
    """Takes longer than is charged for it, every time."""

    def scores(self, windows):
        threading.Event().wait(0.1)
        return super().scores(windows)


@pytest.mark.slow
@pytest.mark.realtime
def test_a_late_scorer_gives_the_same_turns_and_interruptions():
    whole = audio_of(recordings()[0])
    audio = Audio(samples=whole.samples[: 7 * whole.sample_rate], sample_rate=whole.sample_rate)
    policy = EndOfTurn(threshold=0.4, timeout_ms=400, interval_ms=200)
    scoring = {"end_of_turn": policy, "turn_detection": TurnParams(silence_duration_ms=100)}
    slow = SlowScorer()
    virtual = replay(audio, local_model([2000.0], scorer=DigestScorer(), **scoring))
    real = replay(audio, local_model([2000.0], scorer=slow, **scoring), clock="real")
    assert real.turns == virtual.turns
    assert {turn.cause for turn in real.turns} >= {"score", "timeout"}
    assert real.log.turns()["score"].equals(virtual.log.turns()["score"])
    assert len(virtual.log.interruptions()) >= 3
    assert real.log.interruptions()[COLUMNS].equals(virtual.log.interruptions()[COLUMNS])
    assert real.log.fold().counts.scores_late == slow.n_asked >= 5
    assert virtual.log.fold().counts.scores_late == 0


@pytest.mark.slow
@pytest.mark.realtime
def test_the_real_clock_gives_the_same_turns_and_interruptions():
    whole = audio_of(recordings()[0])
    audio = Audio(samples=whole.samples[: 7 * whole.sample_rate], sample_rate=whole.sample_rate)
    virtual, real = (replay(audio, local_model([2000.0]), clock=clock) for clock in ("virtual", "real"))
    assert real.turns == virtual.turns
    assert len(virtual.log.interruptions()) >= 5
    assert real.log.interruptions()[COLUMNS].equals(virtual.log.interruptions()[COLUMNS])
    # Both measured against the decision's sample: on the virtual clock the rest of the chunk, here the jitter too.
    late = real.log.interruptions()["detected_to_event_ms"] - virtual.log.interruptions()["detected_to_event_ms"]
    heard = real.log.interruptions()["heard_ms"] - virtual.log.interruptions()["heard_ms"]
    assert (heard <= late + 32).all()
