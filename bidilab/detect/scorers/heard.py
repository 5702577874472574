"""What a scorer hears of recordings, kept in memory for a while: a sweep asks about each in many rounds.

A round asks what the answers of the one before have made it need, so every recording comes up again and again; to
read and resample it each time takes as long as some of the inferences. What is kept is bounded. When it is full, what
goes is drawn: rounds go through the recordings in a circle, and the oldest would always be the one needed next.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

from bidilab.core.audio import FloatArray
from bidilab.detect.vad.probabilities import AudioChange, VadItem, samples_heard

__all__ = ["HeardAudio", "heard_before"]

_LARGEST_BYTES = 128 << 20
"""33 minutes at 16 kHz, in each process."""
_Key = tuple[str, int, int, int | None, int, str]


class HeardAudio:
    """Samples of recordings, as many as fit.

    Parameters
    ----------
    largest_bytes
        How much is kept.
    read
        Reads a recording; `samples_heard`.
    """

    def __init__(self, largest_bytes: int = _LARGEST_BYTES, read: Callable[..., FloatArray] = samples_heard) -> None:
        self._largest_bytes = largest_bytes
        self._read = read
        self._kept: dict[_Key, FloatArray] = {}
        self._draw = random.Random(0)  # noqa: S311 - what is forgotten is no secret
        self._lock = threading.Lock()

    def samples(self, item: VadItem, sample_rate: int, change: AudioChange | None = None) -> FloatArray:
        """What is heard of a recording, ``(n_samples,) float32``, read-only; parameters as of `samples_heard`.

        A file that was written again since is read again.
        """
        path, channel, _ = item
        stat = Path(path).stat() if Path(path).exists() else None
        if stat is None:
            return self._read(item, sample_rate, change)  # says what is wrong
        key = (str(path), stat.st_size, stat.st_mtime_ns, channel, sample_rate, "" if change is None else change.key)
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                return kept
        samples = self._read(item, sample_rate, change)
        samples.flags.writeable = False
        with self._lock:
            if samples.nbytes <= self._largest_bytes:
                self._kept[key] = samples
            while self.n_bytes > self._largest_bytes:
                others = [other for other in self._kept if other != key]
                del self._kept[self._draw.choice(others)]
        return samples

    @property
    def n_bytes(self) -> int:
        """How much is kept."""
        return sum(samples.nbytes for samples in self._kept.values())


_heard = HeardAudio()


def heard_before(item: VadItem, sample_rate: int, change: AudioChange | None = None) -> FloatArray:
    """`samples_heard`, from memory where this process has heard it a short while ago."""
    return _heard.samples(item, sample_rate, change)
