"""The same session on the real clock: the same positions; only arrival is as late as the machine is."""

import pytest

from bidilab.core.audio import Audio
from bidilab.lab.sessions import replay
from tests.agreement.comparison import audio_of, recordings
from tests.sessions import local_model


@pytest.mark.realtime
def test_the_real_clock_gives_the_same_turns_and_interruptions():
    whole = audio_of(recordings()[0])
    audio = Audio(samples=whole.samples[: 14 * whole.sample_rate], sample_rate=whole.sample_rate)
    virtual, real = (replay(audio, local_model([2000.0]), clock=clock) for clock in ("virtual", "real"))
    assert real.turns == virtual.turns
    assert len(virtual.log.interruptions()) >= 1
    columns = ["response_id", "onset_samples", "decided_at_samples"]
    assert real.log.interruptions()[columns].equals(virtual.log.interruptions()[columns])
    # Both measured against the decision's sample: on the virtual clock the rest of the chunk, here the jitter too.
    late = real.log.interruptions()["detected_to_event_ms"] - virtual.log.interruptions()["detected_to_event_ms"]
    heard = real.log.interruptions()["heard_ms"] - virtual.log.interruptions()["heard_ms"]
    assert (heard <= late + 32).all()
