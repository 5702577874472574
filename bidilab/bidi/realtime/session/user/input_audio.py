"""The input audio buffer: what has been written, and where on the stream it lies.

Positions are integers at 48 kHz (`TICKS_PER_S`), the lowest rate of which 24 kHz (PCM), 16 kHz (VAD) and 8 kHz (G.711,
VAD) are whole fractions, so that a position stays exact when the format changes in mid-stream. They count audio
written, from the first append of the session on, never the clock.
"""

from __future__ import annotations

import numpy as np

from bidilab.bidi.realtime.protocol.audio import AudioFormat
from bidilab.bidi.realtime.protocol.errors import RequestError
from bidilab.core.audio import Pcm16Array, to_pcm16
from bidilab.detect.vad import resample

__all__ = ["TICKS_PER_S", "InputAudio", "ticks_to_ms"]

TICKS_PER_S = 48_000


def ticks_to_ms(ticks: int) -> int:
    """Whole milliseconds of a position, rounded down."""
    return ticks * 1000 // TICKS_PER_S


class InputAudio:
    """The buffer of one session.

    Parameters
    ----------
    audio_format
        Format of what is appended.
    max_samples
        Samples it may hold.
    """

    def __init__(self, audio_format: AudioFormat, *, max_samples: int) -> None:
        self._format = audio_format
        self._max_samples = max_samples
        self._pieces: list[Pcm16Array] = []
        self._n_samples = 0
        self._carry = b""
        self.end_ticks = 0
        """End of what has been written."""

    @property
    def audio_format(self) -> AudioFormat:
        """Format of what is appended and taken."""
        return self._format

    @property
    def start_ticks(self) -> int:
        """Start of what is in the buffer."""
        return self.end_ticks - self._n_samples * self._ticks_per_sample

    @property
    def duration_ms(self) -> float:
        """Length of what is in the buffer."""
        return self._n_samples * 1000 / self._format.sample_rate

    @property
    def n_bytes(self) -> int:
        """Bytes of audio in the buffer."""
        return 2 * self._n_samples

    @property
    def _ticks_per_sample(self) -> int:
        return TICKS_PER_S // self._format.sample_rate

    def check_room(self, n_bytes: int) -> None:
        """Raise `RequestError` if so many more bytes would be more than the buffer may hold."""
        if self._n_samples + n_bytes // self._format.sample_bytes > self._max_samples:
            seconds = self._max_samples / self._format.sample_rate
            message = f"The input audio buffer holds at most {seconds:.0f} s; commit or clear it first."
            raise RequestError("input_audio_buffer_full", message, "audio")

    def append(self, data: bytes) -> Pcm16Array:
        """Write bytes; return the whole samples they complete, ``(n,) int16``. A cut sample waits for its rest."""
        joined = self._carry + data
        n_samples = len(joined) // self._format.sample_bytes
        whole = n_samples * self._format.sample_bytes
        self._carry = joined[whole:]
        samples = self._format.decode(joined[:whole])
        if n_samples:
            self._pieces.append(samples)
        self._n_samples += n_samples
        self.end_ticks += n_samples * self._ticks_per_sample
        return samples

    def change_format(self, audio_format: AudioFormat) -> None:
        """Take other audio from now on; what is in the buffer is converted, a cut sample is lost."""
        if audio_format == self._format:
            return
        held = self._joined()
        if audio_format.sample_rate != self._format.sample_rate and len(held):
            floats = (held / np.float32(32768)).astype(np.float32)
            held = to_pcm16(resample(floats, self._format.sample_rate, audio_format.sample_rate))
        self._format, self._carry = audio_format, b""
        self._pieces, self._n_samples = [held], len(held)

    def take(self, start_ticks: int, end_ticks: int) -> Pcm16Array:
        """The samples of ``[start, end)``, ``(n,) int16``; they and all before them leave the buffer."""
        held, origin = self._joined(), self.start_ticks
        first = max(0, (start_ticks - origin) // self._ticks_per_sample)
        last = max(first, (end_ticks - origin) // self._ticks_per_sample)
        self._pieces, self._n_samples = [held[last:].copy()], len(held[last:])
        return held[first:last].copy()

    def forget_before(self, ticks: int) -> None:
        """Let go of whole pieces that end before a position, so that waiting costs no memory."""
        surplus = (ticks - self.start_ticks) // self._ticks_per_sample
        drop = 0
        for piece in self._pieces:
            if len(piece) > surplus:
                break
            surplus -= len(piece)
            self._n_samples -= len(piece)
            drop += 1
        del self._pieces[:drop]

    def clear(self) -> None:
        """Empty the buffer; the positions go on."""
        self._pieces, self._n_samples, self._carry = [], 0, b""

    def _joined(self) -> Pcm16Array:
        return np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.int16)
