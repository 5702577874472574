"""Google's WebRTC voice activity detector (the extra ``webrtc``): a small Gaussian mixture model, 20 ms frames.

WebRTC says yes or no. On such a 0/1 track a threshold does nothing but at its ends, so by default the four
aggressiveness levels (0 to 3) vote and the probability is the share that says speech: 0, 0.25, 0.5, 0.75 or 1.
The levels are the library's own trade-off between misses and false alarms, so the threshold axis means something
again, in four steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version as installed_version
from types import ModuleType

import numpy as np
import numpy.typing as npt

from bidilab.core.audio import FloatArray, float_to_pcm16
from bidilab.core.errors import InvalidParameterError, require_extra
from bidilab.detect.vad.base import FRAMING_VERSION, BackendInTurn, Framer, check_vad_rate
from bidilab.detect.vad.resampling import RESAMPLER_VERSION

__all__ = ["WebrtcStream", "WebrtcVad"]

_FRAME_MS = 20
_LEVELS = (0, 1, 2, 3)


def _library() -> ModuleType:
    return require_extra("webrtcvad", feature="The webrtc VAD", extra="webrtc")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebrtcVad(BackendInTurn):
    """The WebRTC detector.

    Parameters
    ----------
    sample_rate
        8000 or 16000 hertz.
    aggressiveness
        ``None``: the four levels vote, five probabilities. 0 (lets most through) to 3 (filters most): that level
        alone, probabilities 0 and 1, on which any threshold in (0, 1] gives the same result.

    Raises
    ------
    InvalidParameterError
        If a value is not allowed.
    MissingExtraError
        If the extra ``webrtc`` is not installed.
    """

    sample_rate: int = 16_000
    aggressiveness: int | None = None

    def __post_init__(self) -> None:
        check_vad_rate(self.sample_rate)
        level = self.aggressiveness
        if level is not None and (isinstance(level, bool) or level not in _LEVELS):
            raise InvalidParameterError("aggressiveness", "0, 1, 2, 3 or None (all four vote)", level)
        _library()

    @property
    def name(self) -> str:
        """``webrtc``."""
        return "webrtc"

    @property
    def version(self) -> str:
        """Version of webrtcvad-wheels, the levels that vote, the framing and the resampler."""
        levels = "".join(map(str, self.levels))
        library = installed_version("webrtcvad-wheels")
        return f"{library};levels={levels};frames{FRAMING_VERSION};resampler{RESAMPLER_VERSION}"

    @property
    def levels(self) -> tuple[int, ...]:
        """Aggressiveness levels that vote."""
        return _LEVELS if self.aggressiveness is None else (self.aggressiveness,)

    @property
    def frame_samples(self) -> int:
        """Samples in a frame: 20 ms."""
        return self.sample_rate * _FRAME_MS // 1_000

    def stream(self) -> WebrtcStream:
        """A new stream, at its start."""
        return WebrtcStream(self)


class WebrtcStream:
    """`WebrtcVad` in the middle of a stream; made by `WebrtcVad.stream`."""

    def __init__(self, backend: WebrtcVad) -> None:
        self._backend = backend
        self._framer = Framer(backend.frame_samples)
        self.reset()

    def reset(self) -> None:
        """Go back to the start of a stream."""
        self._framer.reset()
        # The model adapts inside the C object and cannot be set back: a new stream needs new ones.
        library = _library()
        self._voters = [library.Vad(level) for level in self._backend.levels]

    def feed(self, samples: npt.ArrayLike) -> FloatArray:
        """Probabilities of the frames that ``samples``, ``(n,)``, complete: ``(k,) float32``."""
        frames = self._framer.push(samples)
        rate = self._backend.sample_rate
        votes = np.zeros(len(frames), np.float32)
        for k, frame in enumerate(frames):
            pcm = float_to_pcm16(frame)
            votes[k] = sum(voter.is_speech(pcm, rate) for voter in self._voters)
        return votes / np.float32(len(self._voters))
