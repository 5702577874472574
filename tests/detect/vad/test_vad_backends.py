"""What all three backends promise: the same bits in one go, in any chunks and in any batch."""

import pickle

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.vad import VadBackend, VadSpec, VadStream, get_vad, resample
from bidilab.detect.vad.base import lookahead_of
from bidilab.detect.vad.registry import BACKENDS
from tests.sizes import examples

SPECS = [VadSpec.of(name, rate) for name in BACKENDS for rate in (8_000, 16_000) if (name, rate) != ("firered", 8_000)]
IDS = [f"{spec.name}-{spec.sample_rate}" for spec in SPECS]
backends = pytest.mark.parametrize("spec", SPECS, ids=IDS)


def bursts(n, seed, sample_rate=16_000):
    """Noise that swells and fades, so that no backend answers with a constant."""
    rng = np.random.default_rng(seed)
    gain = 0.3 * np.abs(np.sin(2 * np.pi * 0.7 * np.arange(n) / sample_rate)) ** 3
    hum = np.sin(2 * np.pi * 140 * np.arange(n) / sample_rate)
    return (gain * (hum + 0.3 * rng.standard_normal(n))).astype(np.float32)


def ended(backend, samples):
    """A stream that ends: silence follows, for as much as the backend hears ahead."""
    return np.concatenate([samples, np.zeros(lookahead_of(backend), np.float32)])


@backends
def test_it_is_what_the_protocol_says(spec):
    backend = spec.build()
    assert isinstance(backend, VadBackend)
    assert isinstance(backend.stream(), VadStream)
    assert (backend.name, backend.sample_rate) == (spec.name, spec.sample_rate)
    n = backend.frame_samples
    for length, frames in ((0, 0), (n - 1, 0), (n, 1), (5 * n + n - 1, 5)):
        track = backend.probabilities(np.zeros(length, np.float32))
        assert track.shape == (frames,)
        assert track.dtype == np.float32
    track = backend.probabilities(bursts(2 * spec.sample_rate, 0, spec.sample_rate))
    assert 0 <= track.min() < track.max() <= 1


@pytest.mark.slow
@backends
@settings(max_examples=examples(15))
@given(n=st.integers(0, 12_000), sizes=st.lists(st.integers(0, 3_000), max_size=12), seed=st.integers(0, 2**16))
def test_a_stream_in_any_chunks_gives_the_bits_of_the_whole(spec, n, sizes, seed):
    backend = spec.build()
    samples = bursts(n, seed, spec.sample_rate)
    whole = backend.probabilities(samples)
    stream, fed = backend.stream(), ended(backend, samples)
    for _ in range(2):  # the second time after reset()
        out, position = [], 0
        for size in [*sizes, len(fed)]:
            out.append(stream.feed(fed[position : position + size]))
            position += size
        np.testing.assert_array_equal(np.concatenate(out), whole)
        stream.reset()


@backends
def test_an_answer_comes_with_the_sample_that_completes_the_frame(spec):
    backend = spec.build()
    stream = backend.stream()
    samples = ended(backend, bursts(2 * backend.frame_samples, 3))
    counts = [len(stream.feed(samples[i : i + 1])) for i in range(len(samples))]
    assert [i for i, count in enumerate(counts) if count] == [
        k * backend.frame_samples - 1 + lookahead_of(backend) for k in (1, 2)
    ]


@backends
@settings(max_examples=examples(8))
@given(frames=st.lists(st.integers(0, 40), min_size=1, max_size=12), seed=st.integers(0, 2**16))
def test_a_batch_gives_the_bits_of_each_alone(spec, frames, seed):
    backend = spec.build()
    recordings = [
        bursts(count * backend.frame_samples + (7 * count) % 200, seed + i, spec.sample_rate)
        for i, count in enumerate(frames)
    ]
    done, progress = {}, []
    tracks = backend.probabilities_batch(recordings, lambda i, track: done.setdefault(i, track), progress.append)
    assert sorted(done) == list(range(len(recordings)))
    assert sum(progress) == sum(map(len, recordings))
    for index, (samples, track) in enumerate(zip(recordings, tracks, strict=True)):
        np.testing.assert_array_equal(track, backend.probabilities(samples))
        np.testing.assert_array_equal(track, done[index])


@backends
def test_two_streams_do_not_touch_each_other(spec):
    backend = spec.build()
    a, b = bursts(8_000, 1), bursts(8_000, 2)
    left, right = backend.stream(), backend.stream()
    x, y = ended(backend, a), ended(backend, b)
    out = [(left.feed(x[i : i + 333]), right.feed(y[i : i + 333])) for i in range(0, len(x), 333)]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in out]), backend.probabilities(a))
    np.testing.assert_array_equal(np.concatenate([y for _, y in out]), backend.probabilities(b))


@backends
def test_silence_is_not_speech(spec):
    track = spec.build().probabilities(np.zeros(3 * spec.sample_rate, np.float32))
    assert track.max() < 0.2


@pytest.mark.real_audio
@pytest.mark.parametrize("spec", [VadSpec.of(n, r) for n in ("silero", "webrtc") for r in (8_000, 16_000)])
def test_real_speech_is_speech_and_its_batch_is_its_stream(spec, real_audio):
    backend = spec.build()
    samples, rate = soundfile.read(real_audio / "speech" / "monologue_60s.flac", dtype="float32")
    samples = resample(samples[: 20 * rate], rate, spec.sample_rate)
    track = backend.probabilities(samples)
    assert np.median(track) > 0.8
    stream = backend.stream()
    chunks = [stream.feed(samples[i : i + 161]) for i in range(0, len(samples), 161)]
    np.testing.assert_array_equal(np.concatenate(chunks), track)


@backends
def test_bad_audio_is_named(spec):
    backend = spec.build()
    with pytest.raises(AudioError, match="NaN or infinity, first at sample 2"):
        backend.stream().feed(np.array([0, 0, np.inf], np.float32))
    with pytest.raises(AudioError, match="int16"):
        backend.probabilities(np.zeros(600, np.int16))
    with pytest.raises(AudioError, match=r"\(600, 2\)"):
        backend.probabilities_batch([np.zeros((600, 2), np.float32)])


def test_the_registry_refuses_what_it_does_not_know():
    with pytest.raises(InvalidParameterError, match=r"one of silero, webrtc, energy, firered, got 'sillero'"):
        get_vad("sillero")
    with pytest.raises(InvalidParameterError, match="8000 or 16000"):
        get_vad("silero", 44_100)
    with pytest.raises(InvalidParameterError, match="one of weights, got 'aggressiveness'"):
        get_vad("silero", aggressiveness=1)
    with pytest.raises(InvalidParameterError, match="one of aggressiveness, got 'mode'"):
        get_vad("webrtc", mode=1)
    with pytest.raises(InvalidParameterError, match="aggressiveness must be 0, 1, 2, 3 or None"):
        get_vad("webrtc", aggressiveness=4)


def test_a_spec_travels():
    spec = VadSpec.of("energy", 8_000, slope_db=2.0, offset_db=9.0)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert spec == VadSpec.of("energy", 8_000, offset_db=9.0, slope_db=2.0)
    assert len({spec, VadSpec.of("energy", 8_000, offset_db=9.0, slope_db=2.0)}) == 1
    assert spec.build().offset_db == 9.0


def test_the_version_tells_apart_what_gives_other_numbers():
    specs = [
        VadSpec.of("webrtc"),
        VadSpec.of("webrtc", aggressiveness=0),
        VadSpec.of("webrtc", aggressiveness=3),
        VadSpec.of("energy"),
        VadSpec.of("energy", offset_db=13),
        VadSpec.of("silero"),
    ]
    assert len({spec.build().version for spec in specs}) == len(specs)
    assert VadSpec.of("energy", offset_db=12).build().version == VadSpec.of("energy", offset_db=12.0).build().version
