"""Barge-ins of overlap-mini through the whole path: the real SDK, the stand-in with bidilab's own ear, the model.

The prediction knows nothing of the path: probabilities of the whole recording, the compiled kernel, `simulate`. The
chunks are frames of the detector, so that a decision falls on the end of a chunk and the two agree to the sample.
"""

import functools
import json
from pathlib import Path

import pytest

from bidilab.bidi.types.events import BidiInterruptionEvent, BidiResponseStartEvent
from bidilab.core.audio import float_to_pcm16, pcm16_to_float
from bidilab.detect.turns import GeminiActivityDetection, detect_turns
from bidilab.detect.turns.simulation import ResponsePlan, simulate
from bidilab.detect.vad import VadSpec, resample
from bidilab.lab.datasets import load_dataset
from tests.bidi.providers.gemini.loopback import OUTPUT_RATE, RATE, run

FRAME = 512
DATASET = Path(__file__).resolve().parents[4] / "datasets" / "overlap-mini"
PLAN = ResponsePlan(response_delay_ms=300, response_ms=4000)
SETTINGS = {
    "default": GeminiActivityDetection(prefix_padding_ms=0, silence_duration_ms=500),
    "committed": GeminiActivityDetection(
        start_of_speech_sensitivity="LOW", prefix_padding_ms=200, silence_duration_ms=300
    ),
}
RECORDINGS = ("early-clean-01", "late-babble10-01", "noisy-room-clean-02")


@functools.cache
def user(recording_id):
    """The user's side, as 16-bit samples at 16 kHz, in whole frames."""
    recording = next(r for r in load_dataset(DATASET) if r.id == recording_id)
    samples = pcm16_to_float(float_to_pcm16(resample(recording.user(), recording.sample_rate, RATE)))
    return samples[: len(samples) // FRAME * FRAME]


@functools.cache
def probabilities(recording_id):
    return VadSpec(name="silero").build().probabilities(user(recording_id))


def predicted(recording_id, detection):
    track = probabilities(recording_id)
    turns = detect_turns(track, detection.canonical(), frame_samples=FRAME, sample_rate=RATE)
    return simulate(turns, PLAN, sample_rate=RATE)


async def speak(server, client, samples, chunk):
    """Say them, a chunk at a time, each when it is over; what each makes is taken before the next."""
    for end in range(chunk, len(samples) + chunk, chunk):
        server.clock.t = min(end, len(samples)) / RATE
        await client.say(float_to_pcm16(samples[end - chunk : end]))


def first_frame_end(position):
    return -(-position // FRAME) * FRAME


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("recording_id", RECORDINGS)
def test_every_interruption_is_where_it_was_predicted(recording_id, setting):
    samples, detection = user(recording_id), SETTINGS[setting]
    responses, interruptions = predicted(recording_id, detection)
    # The stand-in sends a response at the first frame that ends at or after `audible_at`: one cut before is never told.
    told = [i for i in interruptions if i.decided_at > first_frame_end(i.response.audible_at)]
    heard = [(i.decided_at - first_frame_end(i.response.audible_at)) * OUTPUT_RATE // RATE for i in told]
    unheard = [i for i in interruptions if i not in told]

    async def scenario(server, client):
        await speak(server, client, samples, FRAME)

    server, client = run(
        scenario, server={"vad": "silero", "plan": PLAN}, provider_config={"turn_detection": detection}
    )
    cut = client.rows("interrupted")
    assert [row.input_samples for row in cut] == [i.decided_at for i in told]
    assert len(client.rows("interrupted_inaudible")) == len(unheard)
    assert [e.heard_samples for e in client.of(BidiInterruptionEvent)] == heard
    assert len(client.of(BidiResponseStartEvent)) == len(
        [r for r in responses if first_frame_end(r.audible_at) <= len(samples)]
    ) - len(unheard)
    assert server.heard_samples == len(samples)


def test_the_recordings_hold_barge_ins():
    """Or the test above would hold for nothing: some are heard to be cut, some come before the first sound."""
    found = [i for name in RECORDINGS for setting in SETTINGS.values() for i in predicted(name, setting)[1]]
    heard = [i for i in found if i.decided_at > first_frame_end(i.response.audible_at)]
    assert len(heard) >= 2
    assert len(found) - len(heard) >= 1


def test_without_interruption_nothing_is_cut():
    samples = user("early-clean-01")

    async def scenario(server, client):
        await speak(server, client, samples, FRAME)

    config = {"turn_detection": {"silence_duration_ms": 500, "activity_handling": "NO_INTERRUPTION"}}
    server, client = run(scenario, server={"vad": "silero", "plan": PLAN}, provider_config=config)
    assert json.dumps(server.setups[0]).count("NO_INTERRUPTION") == 1
    assert client.of(BidiInterruptionEvent) == []
    assert client.of(BidiResponseStartEvent)


def test_any_other_chunking_agrees_within_a_frame():
    samples, detection = user("early-clean-01"), SETTINGS["default"]
    _, interruptions = predicted("early-clean-01", detection)
    chunk = 320  # 20 ms

    async def scenario(server, client):
        await speak(server, client, samples, chunk)

    _, client = run(scenario, server={"vad": "silero", "plan": PLAN}, provider_config={"turn_detection": detection})
    rows = [*client.rows("interrupted"), *client.rows("interrupted_inaudible")]
    late = [row.input_samples - i.decided_at for row, i in zip(rows, interruptions, strict=True)]
    assert interruptions
    assert all(0 <= samples_late < chunk for samples_late in late)
