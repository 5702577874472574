"""Silero's own ``get_speech_timestamps`` (silero-vad, MIT), loaded without torch, over a given probability track.

The package is installed without torch (see pyproject); the handful of torch calls its timestamp loop makes on the way
to a list of floats are stood in for here. The loop itself is theirs.
"""

import importlib.util
import sys
import types

import numpy as np
import pytest

FRAME = 512


class _Tensor(np.ndarray):
    """As much of a tensor as a list of samples needs."""

    def dim(self):
        return self.ndim


def load_get_speech_timestamps():
    """Their function; skips the test where the package is not installed."""
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or spec.origin is None:
        pytest.skip("silero-vad is not installed")
    torch = types.ModuleType("torch")
    torch.is_tensor = lambda value: isinstance(value, _Tensor)
    torch.Tensor = _Tensor
    torch.device = lambda name: name
    torch.no_grad = lambda: lambda function: function
    torch.nn = types.SimpleNamespace(
        functional=types.SimpleNamespace(pad=lambda chunk, widths: np.pad(chunk, widths).view(_Tensor))
    )
    path = spec.origin.replace("__init__.py", "utils_vad.py")
    shims = {"torch": torch, "torchaudio": types.ModuleType("torchaudio")}
    kept = {name: sys.modules.get(name) for name in shims}
    sys.modules.update(shims)
    try:
        module_spec = importlib.util.spec_from_file_location("silero_utils_vad", path)
        module = importlib.util.module_from_spec(module_spec)
        module_spec.loader.exec_module(module)
    finally:
        for name, value in kept.items():
            if value is None:
                del sys.modules[name]
            else:
                sys.modules[name] = value
    return module.get_speech_timestamps


class _Track:
    """A 'model' that answers with the next probability of a track."""

    def __init__(self, probabilities):
        self._probabilities = iter(probabilities)

    def reset_states(self):
        pass

    def __call__(self, _chunk, _rate):
        value = float(next(self._probabilities))
        return types.SimpleNamespace(item=lambda: value)


def timestamps_of_track(function, track, params, silence_frames):
    """(start, end) of each of their segments, in samples.

    Silero measures a silence to the *start* of a frame, we to its end: its minimum silence is one frame less than ours.
    """
    stamps = function(
        np.zeros(len(track) * FRAME, np.float32).view(_Tensor),
        _Track(track),
        threshold=params.threshold,
        neg_threshold=params.deactivation_threshold,
        sampling_rate=16_000,
        min_speech_duration_ms=0,
        min_silence_duration_ms=(silence_frames - 1) * 32,
        speech_pad_ms=0,
    )
    return [(stamp["start"], stamp["end"]) for stamp in stamps]
