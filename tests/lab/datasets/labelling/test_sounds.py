"""Sounds that are no speech: what stands out from the floor and no detector of speech claims.

Steps are 5 ms; levels are of 12 bands, the floor at -60 dBFS with a spread of 2 dB.
"""

from dataclasses import replace

import numpy as np
import pytest

from bidilab.core.audio import Audio
from bidilab.core.timeline import Interval
from bidilab.lab.datasets.labelling.labeller import find_speech, in_pieces, length_decides
from bidilab.lab.datasets.labelling.noise import Floor
from bidilab.lab.datasets.labelling.rule import LabelRule
from bidilab.lab.datasets.labelling.sounds import sounds_beside
from bidilab.lab.datasets.labelling.tracks import STEP_SAMPLES, ChannelTracks
from bidilab.lab.datasets.proposals import ProposalRule, ProposedSpeech, Speech

N = 2000


def step(number):
    return number * STEP_SAMPLES


def found(loud, *, units=(), heard=0.0, second=0.0, over_db=20.0, spread_db=2.0, leaks=False):
    """Sounds of a channel that is loud in a span of steps."""
    levels = np.full((12, N), -60, np.float32)
    levels[:, slice(*loud)] += over_db
    probability = np.zeros(N, np.float32)
    probability[slice(*loud)] = heard
    total = (10 * np.log10((10 ** (levels / 10)).sum(axis=0))).astype(np.float32)
    tracks = ChannelTracks(forward=probability, backward=probability, levels_db=levels, total_db=total)
    level, spread = np.full((12, N), -60, np.float32), np.full((12, N), spread_db, np.float32)
    floor = Floor(
        level_db=level,
        spread_db=spread,
        leaks=np.full(N, leaks),
        loud=np.zeros(N, np.bool_),
        loud_level_db=level,
        loud_spread_db=spread,
        quiet=np.ones(N, np.bool_),
    )
    said = [Interval(step(a), step(b)) for a, b in units]
    votes = np.full(N, second, np.float32)
    sounds = sounds_beside(said, tracks, votes, floor, LabelRule(), short_ms=750)
    return [(s.interval.start / STEP_SAMPLES, s.interval.end / STEP_SAMPLES, s.unsure) for s in sounds]


def test_what_no_speech_detector_hears_is_found():
    assert found((400, 480)) == [(400, 480, False)]


@pytest.mark.parametrize("what", [{"over_db": 8.0}, {"loud": (400, 408)}, {"loud": (400, 1300)}], ids=str)
def test_what_is_faint_or_too_short_or_background_is_no_sound(what):
    assert found(**{"loud": (400, 480), **what}) == []


def test_over_a_leak_a_sound_must_stand_out_from_its_spread():
    wide = {"over_db": 12.0, "spread_db": 4.0}  # three spreads over the floor; four are needed over a leak
    assert len(found((400, 480), **wide)) == 1
    assert found((400, 480), **wide, leaks=True) == []


def test_what_speech_claims_is_no_sound():
    assert found((400, 480), units=[(410, 470)]) == []
    assert found((400, 480), units=[(300, 390)]) == [(410, 480, False)]  # 100 ms beside it are its edge


@pytest.mark.parametrize(
    ("heard", "second", "steps", "unsure"),
    [(0.6, 0, 40, True), (0.3, 1, 40, False), (0.3, 1, 200, True), (0.3, 0, 200, False), (0.1, 1, 200, False)],
)
def test_what_may_be_speech_is_unsure(heard, second, steps, unsure):
    assert found((400, 400 + steps), heard=heard, second=second) == [(400, 400 + steps, unsure)]


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "kind", "unsure"),
    [
        (1000, 1400, "backchannel", False),
        (1000, 1800, "backchannel", True),
        (1000, 2200, "interruption", True),
        (1000, 2400, "interruption", False),
        (4500, 5300, "backchannel", True),  # short, and outlasts the response
        (4000, 5300, "interruption", False),
        (6000, 7000, "turn", False),
    ],
)
def test_a_kind_that_the_length_alone_decides_is_unsure_near_the_limit(start_ms, end_ms, kind, unsure):
    utterance = ProposedSpeech(speech=Speech(interval=Interval(start_ms, end_ms)), kind=kind)
    assert length_decides(utterance, [Interval(0, 5000)], 1000, LabelRule(), ProposalRule()) == unsure


def test_a_series_of_short_ones_that_may_be_one_interruption_is_unsure():
    spans = [(0, 300), (700, 1200), (2600, 2900), (3200, 3500)]  # 400, 1400 and 300 ms apart: the last two span 900 ms
    said = [ProposedSpeech(speech=Speech(interval=Interval(*span)), kind="backchannel") for span in spans]
    assert in_pieces(said, 1000, ProposalRule()) == {0, 1}


def test_a_knock_beside_speech_is_a_sound_and_no_speech():
    """Two hundred milliseconds of noise in a quiet room, which Silero does not take for speech."""
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 1e-4, 16_000 * 6).astype(np.float32)
    samples[48_000:51_200] += rng.normal(0, 0.05, 3200).astype(np.float32)
    there = find_speech(Audio(samples=samples[:, None], sample_rate=16_000), {"user": 0})["user"]
    assert there.units == ()
    assert len(there.sounds) == 1
    assert there.sounds[0].interval.start == pytest.approx(48_000, abs=240)
    assert there.sounds[0].interval.end == pytest.approx(51_200, abs=240)
    assert not there.sounds[0].unsure
    deaf = replace(LabelRule(), sound_db=60.0)
    assert find_speech(Audio(samples=samples[:, None], sample_rate=16_000), {"user": 0}, deaf)["user"].sounds == ()
