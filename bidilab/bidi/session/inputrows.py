"""The user's audio in the log: a row a second, not a row a chunk.

At 50 chunks a second the log would hold little else. A row tells how much audio came since the row before it, in how
many chunks, and where the stream stands; of a session that is killed, what came since the last row is not told.
"""

from __future__ import annotations

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.types.events import BidiAudioInputEvent
from bidilab.core.clock import Clock

__all__ = ["AudioInputRows"]


class AudioInputRows:
    """Counts chunks and logs ``bidi_audio_input`` rows; finds the session's zero.

    Parameters
    ----------
    log, clock
        The session's.
    """

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._bytes = 0
        self._chunks = 0
        self._position = 0
        self._rate = 0
        self._channels = 1
        self._width = 2

    def take(self, event: BidiAudioInputEvent) -> None:
        """Count a chunk that was captured until now. The first fixes where ``t_s`` is 0: at its first sample."""
        if event.sample_rate != self._rate or event.channels != self._channels:
            self._begin(event)
        n_bytes = len(event.data)
        self._bytes += n_bytes
        self._chunks += 1
        self._position += n_bytes // self._width
        if self._bytes >= self._rate * self._width:
            self.flush()

    def _begin(self, event: BidiAudioInputEvent) -> None:
        self.flush()
        self._width = 2 * event.channels
        if not self._rate:
            length_s = len(event.data) / self._width / event.sample_rate
            self._log.begin_input(self._clock.now_s() - length_s if event.captured_s is None else event.captured_s)
        self._rate, self._channels, self._position = event.sample_rate, event.channels, 0

    def flush(self) -> None:
        """Log what has been counted since the last row, if anything."""
        if not self._chunks:
            return
        detail = {
            "audio_bytes": self._bytes,
            "n_chunks": self._chunks,
            "sample_rate": self._rate,
            "channels": self._channels,
        }
        self._log.append("bidi_audio_input", source="input", input_samples=self._position, detail=detail)
        self._bytes = self._chunks = 0
