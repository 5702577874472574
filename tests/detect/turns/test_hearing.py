"""One ear: the same decisions in any chunks, at any rate, in one step or two, and equal to the detector's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import AudioError
from bidilab.detect.turns import Guards, InterruptionDue, SpeechStarted, SpeechStopped, TurnParams, detect_turns
from bidilab.detect.turns.detector import turns_from_events
from bidilab.detect.turns.guards import acted_at_reference
from bidilab.detect.turns.hearing import Ear, moved
from bidilab.detect.vad import VadSpec, resample
from tests.detect.vad.toys import AheadVad

VAD = VadSpec(name="energy").build()
FRAME, RATE = VAD.frame_samples, VAD.sample_rate
PARAMS = TurnParams(silence_duration_ms=96, prefix_padding_ms=0)


def bursts(*frames, total):
    """Silence of ``total`` frames with a tone in each ``(first, last)`` pair of frames."""
    samples = np.zeros(total * FRAME, np.float32)
    for first, last in frames:
        n = (last + 1 - first) * FRAME
        samples[first * FRAME : (last + 1) * FRAME] = 0.5 * np.sin(2 * np.pi * 440 * np.arange(n) / RATE)
    return samples


def at_rate(samples, rate):
    return samples if rate == RATE else resample(samples, RATE, rate)


def hear(ear, samples, rate, cuts):
    """Feed it in pieces, the odd ones in two steps; then end the stream."""
    found = []
    for number, piece in enumerate(np.split(samples, sorted(cut % (len(samples) + 1) for cut in cuts))):
        if number % 2:
            work = ear.hear(piece, rate)
            found += [] if work is None else ear.decide(work.run())
        else:
            found += ear.feed(piece, rate)
    return found + ear.flush()


spans = st.lists(st.integers(1, 12), min_size=2, max_size=8)


@given(
    gaps=spans,
    cuts=st.lists(st.integers(0, 60_000), max_size=12),
    rate=st.sampled_from([8_000, 16_000, 24_000]),
    min_interruption_ms=st.sampled_from([0.0, 100.0]),
    as_int16=st.booleans(),
)
def test_chunks_change_nothing_and_the_turns_are_the_detectors(gaps, cuts, rate, min_interruption_ms, as_int16):
    edges = np.cumsum(gaps)
    user = bursts(*[(a, b - 1) for a, b in zip(edges[::2], edges[1::2], strict=False)], total=int(edges[-1]) + 2)
    samples = (at_rate(user, rate) * 32767).astype(np.int16)
    if not as_int16:
        samples = samples / np.float32(32768)
    guards = Guards(min_interruption_ms=min_interruption_ms)
    found = hear(Ear(VAD, PARAMS, guards=guards), samples, rate, cuts)
    assert found == hear(Ear(VAD, PARAMS, guards=guards), samples, rate, [])

    heard = at_vad_rate(samples, rate)
    expected = detect_turns(VAD.probabilities(heard), PARAMS, frame_samples=FRAME, sample_rate=RATE)
    assert turns_from_events([d for d in found if not isinstance(d, InterruptionDue)]) == expected
    acted = acted_at_reference(expected, guards, frame_samples=FRAME, sample_rate=RATE)
    assert [d.acted_at for d in found if isinstance(d, InterruptionDue)] == [at for at in acted if at is not None]


@given(
    gaps=spans,
    cuts=st.lists(st.integers(0, 60_000), max_size=12),
    rate=st.sampled_from([8_000, 16_000, 24_000]),
    ahead=st.sampled_from([0, 1, 240, 700]),
    min_interruption_ms=st.sampled_from([0.0, 100.0]),
)
def test_a_detector_that_hears_ahead_decides_later_by_it(gaps, cuts, rate, ahead, min_interruption_ms):
    edges = np.cumsum(gaps)
    user = bursts(*[(a, b - 1) for a, b in zip(edges[::2], edges[1::2], strict=False)], total=int(edges[-1]) + 2)
    samples = at_rate(user, rate)
    vad, guards = AheadVad(ahead=ahead), Guards(min_interruption_ms=min_interruption_ms)
    found = hear(Ear(vad, PARAMS, guards=guards), samples, rate, cuts)
    assert found == hear(Ear(vad, PARAMS, guards=guards), samples, rate, [])
    grain = {"frame_samples": vad.frame_samples, "sample_rate": RATE}
    track = vad.probabilities(at_vad_rate(samples, rate))
    expected = detect_turns(track, PARAMS, lookahead_samples=ahead, **grain)
    assert turns_from_events([d for d in found if not isinstance(d, InterruptionDue)]) == expected
    acted = acted_at_reference(expected, guards, **grain)
    assert [d.acted_at for d in found if isinstance(d, InterruptionDue)] == [at for at in acted if at is not None]


def test_nothing_is_decided_before_what_it_needs_was_heard():
    vad = AheadVad(ahead=240)
    ear, found = Ear(vad, PARAMS), []
    user = bursts((4, 10), total=20)
    for at in range(len(user)):
        for decision in ear.feed(user[at : at + 1], RATE):
            found.append(decision)
            assert (decision.acted_at if isinstance(decision, InterruptionDue) else decision.decided_at) == at + 1
    assert [type(d) for d in found] == [SpeechStarted, InterruptionDue, SpeechStopped]
    assert found[0].onset % vad.frame_samples == 0  # where the speech is found does not move


def at_vad_rate(samples, rate):
    floats = samples / np.float32(32768) if samples.dtype == np.int16 else samples
    return resample(floats.astype(np.float32), rate, RATE)


#   frame   0    4         10   13        20        26   29
#   user    .....[==========]..............[=========]......
#   event        |start      |   stop        |start       |stop
USER = bursts((4, 10), (20, 26), total=40)


def test_positions_go_on_where_a_turn_starts_anew():
    ear, plain = Ear(VAD, PARAMS), Ear(VAD, PARAMS)
    cut = 8 * FRAME  # in the first turn, which is forgotten
    assert [type(d) for d in ear.feed(USER[:cut], RATE)] == [SpeechStarted, InterruptionDue]
    assert ear.speaking
    ear.start_turn_anew()
    assert not ear.speaking
    assert ear.decided_samples == cut
    found = ear.feed(USER[cut:], RATE)
    started, _, stopped = found[:3]
    assert (started.onset, started.audio_start) == (cut, cut)
    expected = plain.feed(USER, RATE)
    assert stopped == expected[2]
    assert found[3:] == expected[3:]  # the next turn is the one that an undisturbed ear hears


def test_the_rate_of_the_audio_may_change_when_that_is_said():
    ear = Ear(VAD, PARAMS)
    half = 15 * FRAME
    found = ear.feed(at_rate(USER[:half], 24_000), 24_000)
    with pytest.raises(AudioError, match="changed from 24000 to 8000 Hz"):
        ear.feed(at_rate(USER[half:], 8_000), 8_000)
    found += ear.change_rate(8_000)
    assert ear.received_samples == half
    found += ear.feed(at_rate(USER[half:], 8_000), 8_000) + ear.flush()
    turns = turns_from_events([d for d in found if not isinstance(d, InterruptionDue)])
    # At 8 kHz the end of the tone rings into the frame behind it.
    assert [(turn.onset // FRAME, turn.offset // FRAME) for turn in turns] == [(4, 11), (20, 28)]


def test_an_open_turn_is_flushed_with_what_the_resampler_held_back():
    ear = Ear(VAD, PARAMS)
    ear.feed(at_rate(USER[: 8 * FRAME], 24_000), 24_000)
    last = ear.flush()[-1]
    assert last == SpeechStopped(offset=8 * FRAME, decided_at=8 * FRAME, audio_end=8 * FRAME, flushed=True)


def test_the_audio_of_a_turn_is_kept_and_silence_is_not():
    user = np.concatenate([np.zeros(5 * RATE, np.float32), USER])
    ear = Ear(VAD, PARAMS, keeps_audio=True)
    for at in range(0, len(user), 160):
        for decision in ear.feed(user[at : at + 160], RATE):
            if isinstance(decision, SpeechStarted):
                start = decision.audio_start
            elif isinstance(decision, SpeechStopped):
                audio = ear.turn_audio(start, decision.audio_end)
                np.testing.assert_array_equal(audio, user[start : decision.audio_end])
    assert start > 5 * RATE
    with pytest.raises(AudioError, match="is no longer kept"):
        ear.turn_audio(0, RATE)


def test_the_words_of_a_turn_are_counted_by_the_ear():
    ear = Ear(VAD, PARAMS, guards=Guards(min_words=1), word_ends=[6 * FRAME, 31 * FRAME])
    due = [d for d in ear.feed(USER, RATE) if isinstance(d, InterruptionDue)]
    assert due == [InterruptionDue(onset=4 * FRAME, acted_at=6 * FRAME)]  # nothing is said in the second turn
    assert (ear.words_said(0, 10 * FRAME), ear.words_said(10 * FRAME, 40 * FRAME)) == (1, 1)


def test_a_decision_is_moved_whole():
    stopped = SpeechStopped(offset=1, decided_at=2, audio_end=3, flushed=True)
    assert moved(stopped, 10) == SpeechStopped(offset=11, decided_at=12, audio_end=13, flushed=True)
    assert moved(stopped, 0) is stopped
