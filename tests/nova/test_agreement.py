"""What a recording does to a session with Nova Sonic is what is predicted from its audio alone, to the sample.

The prediction: probabilities of the whole recording, `detect_turns` by Nova's setting, `simulate`. The session:
`replay` with `BidiNovaSonicModel`, the real SDK, real frames, and the stand-in, which hears by the same detector.
The path has one frame size (chunks of 512 samples at 16 kHz): an interruption is told when exactly the samples that
decided it have been sent, and of the response is heard, exactly::

    heard = clip(decided_at - (created_at + delay), 0, length)      in samples at 16 kHz

With other chunks the same responses are cut, each told within a chunk of the decision.
"""

import json

import numpy as np
import pytest

pytest.importorskip("aws_sdk_bedrock_runtime", reason="needs the extra nova, and Python 3.12 or newer")

import bidilab as bl
from bidilab.detect.turns.providers import NovaTurnDetection
from bidilab.detect.turns.simulation import ResponsePlan, simulate
from tests.conftest import ROOT
from tests.nova.sessions import model
from tests.nova.standin.connection import Backend
from tests.nova.standin.service import Script

RECORDINGS = ("late-clean-01", "soft-clean-01", "early-clean-01", "early-echo-02", "late-babble20-01")
PLAN = ResponsePlan(response_delay_ms=300, response_ms=6000)
RATE = 16_000


def predicted(recording, sensitivity):
    heard = np.concatenate([recording.user(), np.zeros(2 * RATE, np.float32)])  # the tail of replay for a provider
    params = NovaTurnDetection(endpointing_sensitivity=sensitivity).canonical()
    track = bl.get_vad("silero").probabilities(heard)
    turns = bl.detect_turns(track, params, frame_samples=512, sample_rate=RATE)
    return simulate(turns, PLAN, sample_rate=RATE)


def replayed(recording, sensitivity, *, chunk_ms, pace):
    backend = Backend(Script(plan=PLAN, pace=pace))
    return bl.replay(recording, model(backend, sensitivity=sensitivity), chunk_ms=chunk_ms), backend


def cuts(made):
    """Response, samples that had been sent when it was told, samples that were heard."""
    told = [row for row in made.log if row.type == "interruption_reported"]
    rows = [row for row in made.log if row.type == "bidi_interruption"]
    return [
        (row.response_id, at.input_samples, json.loads(row.detail)["heard_samples"])
        for row, at in zip(rows, told, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("pace", [1.0, 8.0])
@pytest.mark.parametrize("name", RECORDINGS)
def test_a_barge_in_is_as_predicted_to_the_sample(name, pace):
    recording = bl.load_dataset(ROOT / "datasets" / "overlap-mini")[name]
    responses, interruptions = predicted(recording, "HIGH")
    made, backend = replayed(recording, "HIGH", chunk_ms=32, pace=pace)
    created = [row.input_samples for row in made.log if row.type == "response_started"]
    known = [r.created_at for r in responses if r.created_at <= len(recording.user()) + 2 * RATE]
    assert created[: len(known)] == known
    expected = [
        (f"response_{i.response.index + 1}", i.decided_at, min(i.heard_samples, 6 * RATE)) for i in interruptions
    ]
    assert expected
    assert cuts(made) == expected
    assert backend.services[0].order.ended


@pytest.mark.parametrize("chunk_ms", [10, 20, 50])
def test_with_other_chunks_within_one(chunk_ms):
    recording = bl.load_dataset(ROOT / "datasets" / "overlap-mini")["late-clean-01"]
    _, interruptions = predicted(recording, "HIGH")
    made, _ = replayed(recording, "HIGH", chunk_ms=chunk_ms, pace=4.0)
    found = cuts(made)
    assert [response for response, _, _ in found] == [f"response_{i.response.index + 1}" for i in interruptions]
    for (_, at, _), interruption in zip(found, interruptions, strict=True):
        assert 0 <= at - interruption.decided_at < RATE * chunk_ms // 1000


def test_a_slower_setting_does_what_it_predicts():
    recording = bl.load_dataset(ROOT / "datasets" / "overlap-mini")["soft-clean-01"]
    _, fast = predicted(recording, "HIGH")
    _, slow = predicted(recording, "LOW")
    made, _ = replayed(recording, "LOW", chunk_ms=32, pace=4.0)
    assert [at for _, at, _ in cuts(made)] == [i.decided_at for i in slow]
    assert [i.decided_at for i in slow] != [i.decided_at for i in fast]


def test_the_verdicts_of_a_provider_that_tells_no_onset():
    """Interruptions are matched by when they were told; `late-clean-01` has them at 7.39, 13.09 and 15.68 s."""
    made, _ = replayed(
        bl.load_dataset(ROOT / "datasets" / "overlap-mini")["late-clean-01"], "HIGH", chunk_ms=32, pace=4
    )
    table = made.interruptions
    # The second response was cut 64 ms after it was created, 236 before its first audible sample.
    assert table["outcome"].tolist() == ["detected", "unheard", "detected"]
    assert table["heard_ms"].tolist() == [404.0, 0.0, 372.0]
    assert table["event_s"].round(2).tolist() == [7.39, 13.09, 15.68]
    assert table["onset_s"].isna().all()
    assert table["latency_ms"].isna().all()
    # The labels: 7.342562 s and 15.455 s.
    assert table["event_latency_ms"].round(1).dropna().tolist() == [49.4, 225.0]
    assert "NaN" not in made.summary
    assert made.timeline() is not None
