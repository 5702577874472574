"""Cache of probabilities on disk: the detector runs once over each recording.

An entry is one file, named by the hash of its key. A file is written beside its place and moved there in one step, so
a reader sees all of it or nothing, whoever else writes and whenever a process is killed. The file says which key it
is for and carries the hash of its content; one that is damaged all the same (a full disk, a lost page) is reported,
taken for absent, and replaced by the next `ProbabilityCache.put`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bidilab.core.audio import FloatArray
from bidilab.core.errors import AudioError, CacheError, InvalidParameterError
from bidilab.detect.vad.base import VadBackend

__all__ = ["CACHE_DIR_VARIABLE", "ProbabilityCache", "audio_sha256", "default_cache_dir"]

CACHE_DIR_VARIABLE = "BIDILAB_CACHE_DIR"
"""Environment variable that names another folder for all that bidilab caches."""

_MAGIC = b"bidilab-vad-probabilities 1\n"
_SUFFIX, _PARTIAL_SUFFIX = ".vad", ".part"
_STALE_AFTER_S = 3_600  # writing one takes milliseconds
_HASH_BLOCK_BYTES = 1 << 20

_log = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """``$BIDILAB_CACHE_DIR``, or the user's cache folder for bidilab."""
    named = os.environ.get(CACHE_DIR_VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("bidilab"))


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


class ProbabilityCache:
    """Tracks of probabilities by audio, channel and backend.

    Parameters
    ----------
    root
        Folder; by default ``vad`` in `default_cache_dir`. It is made when first written to.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self.root = default_cache_dir() / "vad" if root is None else Path(root)
        self._swept = False

    def prepare(self) -> None:
        """Make the folder, and find out now, not after an hour's work, that it cannot be written.

        Raises
        ------
        CacheError
            If it cannot.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise self._unusable("written", error) from error

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
            Which detector, at which version and rate.
        change
            Identity of what was done to the audio before the detector heard it; ``None`` for nothing.

        Raises
        ------
        CacheError
            If the folder cannot be read.
        """
        key = _key(audio_sha256, channel, backend, change)
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable("read", error) from error
        try:
            return _decode(content, key)
        except _DamagedEntryError as error:
            _log.warning("%s: %s; the probabilities are computed again", path, error)
            return None

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
        try:
            self._write(self._path(key), _encode(probabilities, key))
        except OSError as error:
            raise self._unusable("written", error) from error

    def clear(self) -> None:
        """Remove all entries, and whatever killed processes left behind."""
        for path in (*self._files(_SUFFIX), *self._files(_PARTIAL_SUFFIX)):
            path.unlink(missing_ok=True)

    @property
    def size_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(path.stat().st_size for path in self._files(_SUFFIX))

    def __len__(self) -> int:
        return sum(1 for _ in self._files(_SUFFIX))

    def __bool__(self) -> bool:
        return True  # an empty cache is a cache, not the absence of one

    def __repr__(self) -> str:
        return f"ProbabilityCache({str(self.root)!r}: {len(self)} tracks, {self.size_bytes / 1e6:.1f} MB)"

    def _files(self, suffix: str) -> Iterator[Path]:
        return self.root.glob(f"??/*{suffix}")

    def _path(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.root / digest[:2] / f"{digest}{_SUFFIX}"

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=_PARTIAL_SUFFIX, dir=path.parent)
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            if not self._swept:
                # The age is told by the file system's own clock, which may be another machine's.
                self._sweep(partial.stat().st_mtime)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _sweep(self, now_s: float) -> None:
        for partial in self._files(_PARTIAL_SUFFIX):
            try:
                if partial.stat().st_mtime < now_s - _STALE_AFTER_S:
                    partial.unlink()
            except FileNotFoundError:  # another process moved or swept it first
                continue
        self._swept = True

    def _unusable(self, verb: str, error: OSError) -> CacheError:
        reason = error.strerror or str(error)
        return CacheError(
            f"the cache folder {self.root} cannot be {verb} ({reason}); set {CACHE_DIR_VARIABLE} to a folder that can"
        )


class _DamagedEntryError(Exception):
    """The content of a cache file is not what was written."""


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


def _encode(probabilities: FloatArray, key: str) -> bytes:
    payload = probabilities.astype("<f4").tobytes()
    digest = hashlib.sha256(payload).hexdigest()
    return b"".join((_MAGIC, key.encode(), b"\n", digest.encode(), b"\n", payload))


def _decode(content: bytes, key: str) -> FloatArray:
    if not content.startswith(_MAGIC):
        raise _DamagedEntryError("not a file of this cache, or its start is damaged")
    parts = content[len(_MAGIC) :].split(b"\n", 2)
    if len(parts) < 3:
        raise _DamagedEntryError("cut short in the header")
    stored_key, digest, payload = parts
    if stored_key != key.encode():
        raise _DamagedEntryError("it is for another recording or backend")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise _DamagedEntryError("its content is damaged")
    return np.frombuffer(payload, "<f4").astype(np.float32)
