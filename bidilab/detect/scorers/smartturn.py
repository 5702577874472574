"""Smart Turn v3 (Pipecat, github.com/pipecat-ai/smart-turn, BSD-2-Clause), run by onnxruntime; Pipecat is not imported.

The model hears the last 8 s of one speaker at 16 kHz and says how likely it is that the turn is complete. Shorter audio
gets zeros in front; the whole is brought to mean 0 and variance 1; its log-mel spectrogram (`logmel`) goes in, and a
probability comes out, no logit.

The weights are those of Smart Turn 3.2 for the CPU (int8). They lie in the wheel of pipecat-ai, from 1.14 on, and their
SHA-256 is checked. Other weights can be given by path; they are named by their hash.

Windows are scored one at a time: a batch of them is no faster, and a window alone has the same bits everywhere.
The model is fragile: asked one sample later, or at a gain of 1.0001, a score can be another by 0.1 and more. So scores
are equal only for the same samples, weights, runtime and processor. `SmartTurn.version` tells all four but the samples.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from bidilab.core.audio import FloatArray
from bidilab.core.errors import BidilabError, InvalidParameterError, MissingExtraError
from bidilab.core.units import ms_to_samples
from bidilab.detect.onnxmodel import given_model, load_model, read_given_file
from bidilab.detect.scorers.logmel import FRONT_END_VERSION, HOP_SAMPLES, N_MELS, SAMPLE_RATE, log_mel, normalised
from bidilab.detect.vad.base import check_samples

__all__ = ["WEIGHTS_SHA256", "SmartTurn", "probe_windows"]

_PACKAGE = "pipecat"
_INSIDE = ("audio", "turn", "smart_turn", "data", "smart-turn-v3.2-cpu.onnx")
_INSTALL = "pip install --force-reinstall 'bidilab[smart-turn]'"
WEIGHTS_SHA256: Final = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
"""Hash of the weights that every `SmartTurn` runs on, unless it is given others."""
_RELEASES: Final[Mapping[str, str]] = MappingProxyType({WEIGHTS_SHA256: "3.2"})
_VERSION_CHARACTERS = 16  # of a hash, in a version
_GIVEN = {"parameter": "model_path", "model": "Smart Turn"}
_INPUT = "input_features"
_WINDOW_SAMPLES = 128_000
_PREROLL_SAMPLES = ms_to_samples(700, SAMPLE_RATE)
_LATENCY_MS = 32.0
_FEATURES = (N_MELS, _WINDOW_SAMPLES // HOP_SAMPLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """A model that is loaded, the SHA-256 of its file, and the hash of the scores of three fixed windows."""

    session: Any
    sha256: str
    probe: str

    @classmethod
    def of(cls, session: Any, sha256: str) -> _Model:
        scores = np.array([_score(session, window) for window in probe_windows()], np.float32)
        if not ((scores >= 0) & (scores <= 1)).all():
            raise InvalidParameterError(
                _GIVEN["parameter"], "an ONNX file of Smart Turn 3, whose scores are in [0, 1]", scores.tolist()
            )
        return cls(session=session, sha256=sha256, probe=hashlib.sha256(scores.tobytes()).hexdigest())


def _packaged_file() -> Path:
    """Where the installed pipecat-ai keeps the weights; Pipecat itself, which loads much, is not imported."""
    found = find_spec(_PACKAGE)
    places = [] if found is None else [*(found.submodule_search_locations or ())]
    if not places:
        raise MissingExtraError("Smart Turn", "smart-turn")
    for place in places:
        if (file := Path(place, *_INSIDE)).is_file():
            return file
    raise BidilabError(
        f"the installed pipecat-ai does not hold {Path(*_INSIDE)}, the weights of Smart Turn "
        f"{_RELEASES[WEIGHTS_SHA256]}; install one that does: {_INSTALL}; or name a file: model_path=..."
    )


def _packaged_weights() -> bytes:
    file = _packaged_file()
    content = file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != WEIGHTS_SHA256:
        raise BidilabError(
            f"{file} does not hold the weights of Smart Turn {_RELEASES[WEIGHTS_SHA256]} (SHA-256 {found[:8]}…, "
            f"instead of {WEIGHTS_SHA256[:8]}…); others give other scores. Reinstall the package that carries them: "
            f"{_INSTALL}; or ask for these weights by path: model_path={str(file)!r}"
        )
    return content


_models: dict[str, _Model] = {}
"""Models that were given by path, by the SHA-256 of their file: loaded once a process."""


@cache
def _packaged_model() -> _Model:
    return _Model.of(load_model(_packaged_weights()), WEIGHTS_SHA256)


def _model(path: str | None) -> _Model:
    if path is None:
        return _packaged_model()
    content = read_given_file(path, **_GIVEN)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 not in _models:
        session = given_model(content, path, inputs={_INPUT}, outputs={"logits"}, since="release 3 has them", **_GIVEN)
        shape = session.get_inputs()[0].shape
        if tuple(shape[1:]) != _FEATURES:
            allowed = (
                f"the path of an ONNX file of Smart Turn, which hears (n, {_FEATURES[0]}, {_FEATURES[1]}) features"
            )
            raise InvalidParameterError(_GIVEN["parameter"], allowed, f"{path} ({tuple(shape)})")
        _models[sha256] = _Model.of(session, sha256)
    return _models[sha256]


def _score(session: Any, window: FloatArray) -> np.float32:
    whole = np.zeros(_WINDOW_SAMPLES, np.float32)
    whole[-len(window) :] = window
    (scores,) = session.run(None, {_INPUT: log_mel(normalised(whole))[np.newaxis]})
    return np.float32(scores.reshape(-1)[0])


def probe_windows() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Three fixed windows, whose scores tell processors and runtimes apart: 8 s, 2.2 s and 0.7 s.

    They are made of whole numbers and powers of two alone, so that they are the same on every machine: noise, and a
    sawtooth of 125 Hz under a rising and falling envelope with a silence behind.
    """
    at = np.arange(_WINDOW_SAMPLES, dtype=np.int64)
    mixed = (at * 2_654_435_761) % 2**32
    mixed = ((mixed ^ (mixed >> 15)) * 739_982_445) % 2**32
    noise = ((mixed >> 16) - 2**15).astype(np.float32) / np.float32(2**19)
    saw = (at % 128 - 64).astype(np.float32) / np.float32(128)
    envelope = np.minimum(at % 4096, 4096 - at % 4096).astype(np.float32) / np.float32(2048)
    voice = saw * envelope + noise
    ended = voice[:35_200].copy()
    ended[32_000:] = noise[32_000:35_200]
    return voice, ended, noise[:11_200]


class SmartTurn:
    """The Smart Turn model as an end-of-turn scorer.

    Parameters
    ----------
    sample_rate
        Hertz of the windows; it hears 16000 only.
    model_path
        Another ONNX file of Smart Turn 3; ``None`` for Smart Turn 3.2, from the installed pipecat-ai.

    Raises
    ------
    InvalidParameterError
        If the rate is another, or ``model_path`` cannot be read or is no such file.
    MissingExtraError
        If ``model_path`` is not given and pipecat-ai (the extra ``smart-turn``) is not installed.
    BidilabError
        If the installed pipecat-ai has other weights, or none.
    """

    def __init__(self, *, sample_rate: int = SAMPLE_RATE, model_path: str | os.PathLike[str] | None = None) -> None:
        if isinstance(sample_rate, bool) or sample_rate != SAMPLE_RATE:
            raise InvalidParameterError("sample_rate", f"{SAMPLE_RATE}, the rate of Smart Turn", sample_rate)
        if model_path is not None and not isinstance(model_path, str | os.PathLike):
            raise InvalidParameterError("model_path", "a path, or None for Smart Turn 3.2", model_path)
        self._model_path = None if model_path is None else os.fspath(model_path)
        self._model = _model(self._model_path)

    @staticmethod
    def release_of(version: str) -> str:
        """Release of the weights that a `version` names, ``3.2``, or the start of their hash where it is unknown."""
        weights = version.partition(";")[0]
        for sha256, release in _RELEASES.items():
            if sha256.startswith(weights) and len(weights) == _VERSION_CHARACTERS:
                return release
        return f"weights {weights[:8]}"

    @property
    def name(self) -> str:
        """``smart-turn``."""
        return "smart-turn"

    @property
    def version(self) -> str:
        """Hash of the weights, version of the front end and of onnxruntime, and hash of the scores of three windows.

        The last is computed when the model is loaded. It differs where processor or runtime give other scores.
        """
        import onnxruntime

        weights, probe = self._model.sha256[:_VERSION_CHARACTERS], self._model.probe[:_VERSION_CHARACTERS]
        return f"{weights};logmel{FRONT_END_VERSION};onnxruntime={onnxruntime.__version__};probe={probe}"

    @property
    def sample_rate(self) -> int:
        """Hertz."""
        return SAMPLE_RATE

    @property
    def window_samples(self) -> int:
        """The longest window that it hears: 8 s."""
        return _WINDOW_SAMPLES

    @property
    def preroll_samples(self) -> int:
        """Samples that it hears from before the onset of the turn: 0.7 s, where it was found to tell most."""
        return _PREROLL_SAMPLES

    @property
    def latency_ms(self) -> float:
        """Milliseconds from asking to knowing, charged where the policy does not say: 32, one frame of Silero."""
        return _LATENCY_MS

    def scores(self, windows: Sequence[FloatArray]) -> FloatArray:
        """Score windows, one at a time.

        Parameters
        ----------
        windows
            Each ``(n,) float32`` in [-1, 1] at 16 kHz, ``0 < n <= 128000``.

        Returns
        -------
        FloatArray
            ``(len(windows),) float32`` in [0, 1]: P(turn complete).

        Raises
        ------
        AudioError
            If a window is not mono floating-point audio, or holds NaN or infinity.
        InvalidParameterError
            If a window is empty or longer than it hears.
        """
        checked = [check_samples(window, f"windows[{k}]") for k, window in enumerate(windows)]
        for k, window in enumerate(checked):
            if not 0 < len(window) <= _WINDOW_SAMPLES:
                raise InvalidParameterError(
                    f"windows[{k}]", f"1 to {_WINDOW_SAMPLES} samples long", f"{len(window)} samples"
                )
        return np.array([_score(self._model.session, window) for window in checked], np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        """For worker processes, which load the model themselves: a session of onnxruntime cannot be sent."""
        return _made, (self._model_path,)

    def __repr__(self) -> str:
        path = "" if self._model_path is None else f"model_path={self._model_path!r}"
        return f"SmartTurn({path})"


def _made(model_path: str | None) -> SmartTurn:
    return SmartTurn(model_path=model_path)
