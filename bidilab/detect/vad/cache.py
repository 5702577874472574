"""Cache of probabilities on disk: the detector runs once over each recording. An entry is one file."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from bidilab.core.audio import FloatArray
from bidilab.core.cachefolder import CacheFolder, cache_is_chosen, default_cache_dir
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.detect.vad.base import VadBackend

__all__ = ["ProbabilityCache", "audio_sha256"]

_MAGIC = b"bidilab-vad-probabilities 1\n"
_HASH_BLOCK_BYTES = 1 << 20


def audio_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hexadecimal, read in blocks.

    Raises
    ------
    AudioError
        If there is no such file.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(_HASH_BLOCK_BYTES):
                digest.update(block)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise AudioError(f"{os.fspath(path)}: no such audio file") from error
    return digest.hexdigest()


class ProbabilityCache(CacheFolder):
    """Tracks of probabilities by audio, channel and backend.

    Parameters
    ----------
    root
        Folder; by default ``vad`` in the cache folder of bidilab. It is made when first written to.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        super().__init__(
            default_cache_dir() / "vad" if root is None else root,
            suffix=".vad",
            magic=_MAGIC,
            content="probabilities",
            needed=root is not None or cache_is_chosen(),
        )

    def get(
        self, audio_sha256: str, channel: int | None, backend: VadBackend, *, change: str | None = None
    ) -> FloatArray | None:
        """The track, ``(n_frames,) float32``, or ``None`` when there is none (or it is damaged, which is logged).

        Parameters
        ----------
        audio_sha256
            As `audio_sha256` gives it, of the file the audio came from.
        channel
            Channel of the file, ``None`` for the mean of all.
        backend
            The detector, with its version and rate.
        change
            Identity of what was done to the audio before the detector heard it; ``None`` for nothing.

        Raises
        ------
        CacheError
            If the folder cannot be read.
        """
        key = _key(audio_sha256, channel, backend, change)
        payload = self.read(self.path(key), key)
        return None if payload is None else np.frombuffer(payload, "<f4").astype(np.float32)

    def put(
        self,
        audio_sha256: str,
        channel: int | None,
        backend: VadBackend,
        probabilities: FloatArray,
        *,
        change: str | None = None,
    ) -> None:
        """Store a track, in place of any other under the same key.

        Parameters
        ----------
        audio_sha256, channel, backend, change
            As in `get`.
        probabilities
            ``(n_frames,) float32`` in [0, 1].

        Raises
        ------
        CacheError
            If the folder cannot be written.
        InvalidParameterError
            If the track has another shape or type.
        """
        if probabilities.ndim != 1 or probabilities.dtype != np.float32:
            got = f"{probabilities.dtype} {probabilities.shape}"
            raise InvalidParameterError("probabilities", "a (n_frames,) float32 array", got)
        key = _key(audio_sha256, channel, backend, change)
        self.write(self.path(key), key, probabilities.astype("<f4").tobytes())

    def __repr__(self) -> str:
        return f"ProbabilityCache({str(self.root)!r}: {len(self)} tracks, {self.size_bytes / 1e6:.1f} MB)"


def _key(audio_sha256: str, channel: int | None, backend: VadBackend, change: str | None) -> str:
    changed = {} if change is None else {"change": change}  # left out: tracks kept before there were changes stay good
    return json.dumps(
        {
            "audio_sha256": audio_sha256,
            "channel": channel,
            "backend": backend.name,
            "version": backend.version,
            "sample_rate": backend.sample_rate,
            **changed,
        }
    )
