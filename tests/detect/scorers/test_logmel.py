"""The log-mel front end: from its definition, and bit for bit as the wheel of pipecat-ai has it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.detect.scorers.logmel import log_mel, normalised
from tests.sizes import examples

N = 128_000


@pytest.fixture(scope="module")
def reference():
    """The features as pipecat-ai computes them: one module of NumPy, loaded without Pipecat."""
    found = importlib.util.find_spec("pipecat")
    if found is None:
        pytest.skip("pipecat-ai is not installed")
    path = Path(found.submodule_search_locations[0], "audio", "turn", "smart_turn", "_whisper_features.py")
    spec = importlib.util.spec_from_file_location("whisper_features_of_the_wheel", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.compute_whisper_log_mel_features


def mel(hertz):
    """Slaney's scale: linear up to 1 kHz, then logarithmic."""
    return 3 * hertz / 200 if hertz < 1_000 else 15 + 27 * np.log(hertz / 1_000) / np.log(6.4)


def frame_by_definition(samples, k):
    """Frame ``k`` in mels, before the logarithm: a sum over each of 201 bins, a triangle over bins for each mel."""
    at = np.abs(np.arange(400) - 200 + 160 * k)  # reflected at the first sample
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    part = samples[at].astype(float) * window
    turns = np.exp(-2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400)
    power = np.abs(turns @ part) ** 2
    corners = np.interp(np.linspace(0, mel(8_000.0), 82), [mel(h) for h in range(8_001)], np.arange(0.0, 8_001))
    mels = np.zeros(80)
    for m, (left, middle, right) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        for b, hertz in enumerate(np.arange(201) * 40.0):
            rise, fall = (hertz - left) / (middle - left), (right - hertz) / (right - middle)
            mels[m] += max(0.0, min(rise, fall)) * 2 / (right - left) * power[b]
    return mels


def test_frames_are_what_the_definition_says():
    rng = np.random.default_rng(3)
    samples = normalised(rng.standard_normal(4_800).astype(np.float32))
    made = log_mel(samples)
    assert made.shape == (80, 30)
    assert made.dtype == np.float32
    for k in (0, 1, 7, 28):
        expected = (np.log10(frame_by_definition(samples, k)) + 4) / 4
        np.testing.assert_allclose(made[:, k], expected, atol=2e-5)


def test_what_is_eight_powers_of_ten_below_the_loudest_is_not_told_apart():
    samples = np.zeros(4_800, np.float32)
    samples[2_400:] = np.sin(2 * np.pi * 440 * np.arange(2_400) / 16_000)
    made = log_mel(samples)
    assert made[:, 3].max() == made.min() == pytest.approx(made.max() - 2.0, abs=1e-6)


def test_silence_is_even():
    samples = normalised(np.zeros(N, np.float32))
    assert not samples.any()
    assert len(np.unique(log_mel(samples))) == 1


def test_normalised_has_mean_0_and_variance_1():
    samples = normalised(np.random.default_rng(1).uniform(0, 0.01, N).astype(np.float32))
    assert samples.dtype == np.float32
    assert (samples.mean(), samples.var()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=0.02))


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 2**32 - 1),
    decades=st.floats(-6, 0),
    n_silent=st.integers(0, N),
    kind=st.sampled_from(["noise", "tone", "pcm", "offset"]),
)
def test_the_bits_are_those_of_the_wheel(reference, seed, decades, n_silent, kind):
    rng = np.random.default_rng(seed)
    made = {
        "noise": lambda: rng.standard_normal(N),
        "tone": lambda: np.sin(2 * np.pi * rng.uniform(50, 7_900) * np.arange(N) / 16_000),
        "pcm": lambda: np.round(rng.standard_normal(N) * 3) / 32_768,
        "offset": lambda: rng.standard_normal(N) * 0.01 + rng.uniform(-1, 1),
    }[kind]()
    samples = (made * 10.0**decades).astype(np.float32)
    samples[:n_silent] = 0
    np.testing.assert_array_equal(log_mel(normalised(samples)), reference(samples))


def test_the_bits_do_not_hang_on_the_number_of_threads():
    code = (
        "import hashlib; from bidilab.detect.scorers.logmel import log_mel, normalised;"
        "from bidilab.detect.scorers.smartturn import probe_windows;"
        "made = [log_mel(normalised(window[:11_200])).tobytes() for window in probe_windows()];"
        "print(hashlib.sha256(b''.join(made)).hexdigest())"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"OPENBLAS_NUM_THREADS": n, "OMP_NUM_THREADS": n, "MKL_NUM_THREADS": n},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in ("1", "2", "4")
    }
    assert len(made) == 1
