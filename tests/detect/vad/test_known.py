"""A known track is what the backend would compute, and only for the samples that it was computed from."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.vad import KnownTrack, VadBackend, VadStream, get_vad
from tests.detect.vad.toys import AheadVad

ENERGY = get_vad("energy")
SAMPLES = np.random.default_rng(3).normal(0, 0.1, 10_000).astype(np.float32)
KNOWN = KnownTrack(ENERGY, SAMPLES, ENERGY.probabilities(SAMPLES))


def test_it_stands_where_a_backend_does():
    assert isinstance(KNOWN, VadBackend)
    assert isinstance(KNOWN.stream(), VadStream)
    assert KNOWN.build() is KNOWN
    assert (KNOWN.name, KNOWN.version, KNOWN.frame_samples) == ("energy", ENERGY.version, ENERGY.frame_samples)
    np.testing.assert_array_equal(KNOWN.probabilities_batch([SAMPLES])[0], ENERGY.probabilities(SAMPLES))


@given(st.lists(st.integers(0, len(SAMPLES)), max_size=12))
def test_any_chunking_gives_what_the_backends_stream_gives(cuts):
    known, live = KNOWN.stream(), ENERGY.stream()
    edges = [0, *sorted(cuts), len(SAMPLES)]
    for start, end in itertools.pairwise(edges):
        np.testing.assert_array_equal(known.feed(SAMPLES[start:end]), live.feed(SAMPLES[start:end]))
    known.reset()
    np.testing.assert_array_equal(known.feed(SAMPLES[:600]), ENERGY.probabilities(SAMPLES[:600]))


@given(st.lists(st.integers(0, len(SAMPLES)), max_size=12), st.sampled_from([0, 1, 240, 500]))
def test_a_detector_that_hears_ahead_is_known_too(cuts, ahead):
    vad = AheadVad(ahead=ahead)
    known, live = KnownTrack(vad, SAMPLES, vad.probabilities(SAMPLES)).stream(), vad.stream()
    ended = np.concatenate([SAMPLES, np.zeros(ahead, np.float32)])
    for start, end in itertools.pairwise([0, *sorted(cuts), len(SAMPLES), len(ended)]):
        np.testing.assert_array_equal(known.feed(ended[start:end]), live.feed(ended[start:end]))


def test_other_samples_are_refused():
    stream = KNOWN.stream()
    stream.feed(SAMPLES[:1000])
    changed = SAMPLES[1000:1100].copy()
    changed[50] += 1e-4
    with pytest.raises(AudioError, match=r"belong to other samples, .* after sample 1000"):
        stream.feed(changed)
    with pytest.raises(AudioError, match="belong to other samples"):
        KNOWN.probabilities(np.concatenate([SAMPLES, SAMPLES[:1]]))  # nothing is known of what comes after


def test_a_track_of_another_length_is_refused():
    with pytest.raises(InvalidParameterError, match="probabilities must be"):
        KnownTrack(ENERGY, SAMPLES, np.zeros(3, np.float32))
