"""Room for long audio: an array whose samples lie in a temporary file, and in memory only as they are looked at."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator

import numpy as np

from bidilab.core.audio import FloatArray

__all__ = ["Room", "blocks", "let_go"]

_IN_MEMORY_BYTES = 32 << 20
_KEPT_BYTES = 16 << 20
_MMAP = mmap.mmap


class Room:
    """Zeros, ``(n_samples, n_channels) float32``, to put audio into.

    Up to some minutes it is an ordinary array. Beyond, its samples lie in a file without a name, which is gone with
    the array; where there is no disk for it, it is an ordinary array all the same.

    Parameters
    ----------
    n_samples, n_channels
        Its shape.

    Examples
    --------
    >>> room = Room(3, 2)
    >>> room.put(1, 0, np.ones(2, np.float32))
    >>> room.samples[:, 0].tolist()
    [0.0, 1.0, 1.0]
    """

    def __init__(self, n_samples: int, n_channels: int) -> None:
        n_bytes = 4 * n_samples * n_channels
        self._map = _mapped(n_bytes) if n_bytes > _IN_MEMORY_BYTES else None
        self._n_put = 0
        if self._map is None:
            self.samples: FloatArray = np.zeros((n_samples, n_channels), dtype=np.float32)
        else:
            self.samples = np.frombuffer(self._map, dtype=np.float32).reshape(n_samples, n_channels)

    def put(self, at: int, channel: int, samples: FloatArray) -> None:
        """Put samples into a channel, from a position on."""
        self.samples[at : at + len(samples), channel] = samples
        self._n_put += samples.nbytes * self.samples.shape[1]
        if self._map is not None and self._n_put >= _KEPT_BYTES:
            self._n_put = 0
            _forget(self._map)


def blocks(samples: FloatArray, n_samples: int = 1 << 18) -> Iterator[FloatArray]:
    """Walk through audio from its start to its end; what lies in a file does not stay in memory behind the walk.

    Parameters
    ----------
    samples
        ``(n,)`` or ``(n, n_channels) float32``, in memory or in a `Room`.
    n_samples
        Length of a block, ``> 0``; the last is shorter.

    Examples
    --------
    >>> [len(block) for block in blocks(np.zeros(5, np.float32), 2)]
    [2, 2, 1]
    """
    mapped, n_bytes = _map_of(samples), 0
    for start in range(0, len(samples), n_samples):
        block = samples[start : start + n_samples]
        yield block
        if mapped is not None:
            n_bytes += len(block) * samples.strides[0]
            if n_bytes >= _KEPT_BYTES:
                n_bytes = 0
                _forget(mapped)
    let_go(samples)


def let_go(samples: FloatArray) -> None:
    """Leave audio that lies in a file to the file alone, until it is looked at again; do nothing to other audio."""
    if (mapped := _map_of(samples)) is not None:
        _forget(mapped)


def _map_of(samples: FloatArray) -> mmap.mmap | None:
    """The file that an array, or an array that it is a part of, lies in."""
    under: object = samples
    while isinstance(under, np.ndarray):
        under = under.base
    held = under.obj if isinstance(under, memoryview) else under
    return held if isinstance(held, _MMAP) else None


def _forget(mapped: mmap.mmap) -> None:
    if hasattr(mmap, "MADV_DONTNEED"):
        # Of a mapped file this forgets nothing: what was written goes on to the file.
        mapped.madvise(mmap.MADV_DONTNEED)


def _mapped(n_bytes: int) -> mmap.mmap | None:
    with tempfile.TemporaryFile() as file:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, n_bytes)  # or a full disk would be told by a signal, later
            else:
                file.truncate(n_bytes)
            return mmap.mmap(file.fileno(), n_bytes)
        except OSError:
            return None
