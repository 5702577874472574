"""Audio of the user, of any rate, as the 24 kHz mono PCM16 that the API takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.bidi.types.media import mono
from bidilab.bidi.wire.openai.session import SAMPLE_RATE
from bidilab.core.audio import FloatArray
from bidilab.detect.vad.resampling import StreamResampler

__all__ = ["AudioUplink"]

_FULL_SCALE = 32768.0


class AudioUplink:
    """Resampling of one stream of input events; any chunking gives the same bytes.

    When an event has another rate than the one before, the stream before is flushed and a new one begins behind it.
    """

    def __init__(self) -> None:
        self._resampler = StreamResampler(SAMPLE_RATE, SAMPLE_RATE)
        self._sent_samples = 0

    @property
    def sent_samples(self) -> int:
        """Samples at 24 kHz given out so far: the position in the stream that the server hears."""
        return self._sent_samples

    def feed(self, event: BidiAudioInputEvent) -> bytes:
        """Bytes that the event makes known.

        Raises
        ------
        AudioError
            If the event's audio is not PCM.
        """
        samples = mono(event.pcm)
        flushed = b""
        if event.sample_rate != self._resampler.from_rate:
            flushed = self.flush()
            self._resampler = StreamResampler(event.sample_rate, SAMPLE_RATE)
        if event.sample_rate == SAMPLE_RATE:
            return flushed + self._given(samples)
        return flushed + self._given(_pcm16(self._resampler.feed(samples.astype(np.float32) / _FULL_SCALE)))

    def flush(self) -> bytes:
        """The few milliseconds that the filter holds back, once the stream has ended."""
        return self._given(_pcm16(self._resampler.flush()))

    def silence(self, n_samples: int) -> bytes:
        """``n_samples`` of silence at 24 kHz, behind what came before."""
        return self._given(np.zeros(n_samples, np.int16))

    def _given(self, samples: npt.NDArray[np.int16]) -> bytes:
        self._sent_samples += len(samples)
        return samples.astype("<i2").tobytes()


def _pcm16(samples: FloatArray) -> npt.NDArray[np.int16]:
    scaled: FloatArray = np.clip(np.rint(samples * np.float32(_FULL_SCALE)), -32768, 32767)
    return scaled.astype(np.int16)
