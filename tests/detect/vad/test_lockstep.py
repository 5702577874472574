"""Streams fed at one time: each gets the bits it would have got alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.vad import FeedsStreams, VadSpec, VadWork, feed_together, get_vad
from tests.sizes import examples

SPECS = [VadSpec.of("silero", 16_000), VadSpec.of("silero", 8_000), VadSpec.of("energy", 16_000)]
IDS = ["silero-16000", "silero-8000", "energy"]


def noise(n, seed):
    swell = np.abs(np.sin(np.arange(n) / 3_000))
    return (0.3 * swell * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
@settings(max_examples=examples(15), deadline=None)
@given(rounds=st.lists(st.lists(st.integers(0, 1_500), min_size=1, max_size=5), min_size=1, max_size=5))
def test_each_stream_gets_the_bits_it_would_get_alone(spec, rounds):
    # In each round the first so-and-so many streams are fed, each with a chunk of its own length: zero frames, one,
    # or several, and the streams drift apart.
    vad = spec.build()
    together, alone = [vad.stream() for _ in range(5)], [vad.stream() for _ in range(5)]
    for number, lengths in enumerate(rounds):
        chunks = [noise(n, 100 * number + row) for row, n in enumerate(lengths)]
        tracks = feed_together(vad, [VadWork(s, c) for s, c in zip(together, chunks, strict=False)])
        assert len(tracks) == len(lengths)
        for track, stream, chunk in zip(tracks, alone, chunks, strict=False):
            np.testing.assert_array_equal(track, stream.feed(chunk))


def test_silero_runs_one_batch_a_frame_and_not_one_stream_after_the_other(monkeypatch):
    vad = get_vad("silero")
    sizes = []
    step = vad._model.step
    monkeypatch.setattr(vad._model, "step", lambda x, state: sizes.append(len(x)) or step(x, state))
    # Frames of 512: the three chunks complete 2, 1 and 0 of them.
    works = [VadWork(vad.stream(), noise(n, n)) for n in (1_100, 600, 500)]
    assert [len(track) for track in feed_together(vad, works)] == [2, 1, 0]
    assert sizes == [2, 1]


def test_one_bad_chunk_feeds_nobody():
    vad = get_vad("silero")
    good, bad = vad.stream(), vad.stream()
    samples = noise(700, 1)
    with pytest.raises(AudioError, match="NaN"):
        feed_together(vad, [VadWork(good, samples), VadWork(bad, np.full(512, np.nan, np.float32))])
    # Had it been fed, its frame would be complete 324 samples from now.
    assert len(good.feed(samples[:400])) == 0


def test_another_detectors_stream_is_refused():
    vad = get_vad("silero")
    assert isinstance(vad, FeedsStreams)
    others = [VadWork(get_vad("silero", sample_rate=8_000).stream(), noise(600, 1)) for _ in range(2)]
    with pytest.raises(InvalidParameterError, match="works"):
        feed_together(vad, others)
