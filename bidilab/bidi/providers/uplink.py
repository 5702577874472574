"""Convert the user's audio, of any rate, to the mono PCM16 of one rate that a provider takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bidilab.bidi.types.base import mono
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.audio import FloatArray
from bidilab.core.units import check_sample_rate
from bidilab.detect.vad.resampling import StreamResampler

__all__ = ["AudioUplink"]

_FULL_SCALE = 32768.0


class AudioUplink:
    """Resamples one stream of input events; any chunking gives the same bytes.

    When an event has another rate than the one before, the stream before is flushed and a new one begins behind it.

    Parameters
    ----------
    sample_rate
        Hertz of what is given out.
    """

    def __init__(self, *, sample_rate: int) -> None:
        self._sample_rate = check_sample_rate(sample_rate)
        self._resampler = StreamResampler(sample_rate, sample_rate)
        self._sent_samples = 0

    @property
    def sample_rate(self) -> int:
        """Hertz of what is given out."""
        return self._sample_rate

    @property
    def sent_samples(self) -> int:
        """Samples given out so far: the position in the stream that the service hears."""
        return self._sent_samples

    def feed(self, event: BidiAudioInputEvent) -> bytes:
        """Take an event; return the bytes that are ready.

        Raises
        ------
        AudioError
            If the event's audio is not PCM.
        """
        samples = mono(event.pcm)
        flushed = b""
        if event.sample_rate != self._resampler.from_rate:
            flushed = self.flush()
            self._resampler = StreamResampler(event.sample_rate, self._sample_rate)
        if event.sample_rate == self._sample_rate:
            return flushed + self._given(samples)
        return flushed + self._given(_pcm16(self._resampler.feed(samples.astype(np.float32) / _FULL_SCALE)))

    def flush(self) -> bytes:
        """Return the few milliseconds that the filter holds back; call it when the stream has ended."""
        return self._given(_pcm16(self._resampler.flush()))

    def silence(self, n_samples: int) -> bytes:
        """Return ``n_samples`` of silence, which follow what was given out before."""
        return self._given(np.zeros(n_samples, np.int16))

    def _given(self, samples: npt.NDArray[np.int16]) -> bytes:
        self._sent_samples += len(samples)
        return samples.astype("<i2").tobytes()


def _pcm16(samples: FloatArray) -> npt.NDArray[np.int16]:
    scaled: FloatArray = np.clip(np.rint(samples * np.float32(_FULL_SCALE)), -32768, 32767)
    return scaled.astype(np.int16)
