"""A folder of cached results: each entry one file that says which key it is for and carries the hash of its content.

A file is written beside its place and moved there in one step, so a reader sees all of it or nothing, whoever else
writes and whenever a process is killed. One that is damaged all the same (a full disk, a lost page) is reported and
taken for absent.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bidilab.core.errors import CacheError

__all__ = ["CACHE_DIR_VARIABLE", "CacheFolder", "cache_is_chosen", "default_cache_dir"]

CACHE_DIR_VARIABLE = "BIDILAB_CACHE_DIR"
"""Environment variable that names another folder for all that bidilab caches."""

_PARTIAL_SUFFIX = ".part"
_STALE_AFTER_S = 3_600  # writing one takes milliseconds

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)

_log = logging.getLogger(__name__)
_told: set[Path] = set()


def cache_is_chosen() -> bool:
    """Whether the user has named a cache folder, and so means it to be used."""
    return bool(os.environ.get(CACHE_DIR_VARIABLE))


def default_cache_dir() -> Path:
    """``$BIDILAB_CACHE_DIR``, or the user's cache folder for bidilab."""
    named = os.environ.get(CACHE_DIR_VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("bidilab"))


class CacheFolder:
    """Files by key.

    Parameters
    ----------
    root
        Folder; it is made when first written to.
    suffix
        Of the files, with its dot.
    magic
        First line of each file, with its newline: what it is and which format.
    content
        What is in the files, for messages: ``"probabilities"``.
    needed
        An error is raised where the folder cannot be used. Otherwise, as where nobody chose the folder and the home is
        read-only, that is logged once and nothing is kept.
    """

    def __init__(
        self, root: str | os.PathLike[str], *, suffix: str, magic: bytes, content: str, needed: bool = True
    ) -> None:
        self.root = Path(root)
        self._needed = needed
        self._suffix = suffix
        self._magic = magic
        self._content = content
        self._swept = False

    def prepare(self) -> None:
        """Make the folder, and find out now, not after an hour's work, that it cannot be written.

        Raises
        ------
        CacheError
            If it cannot, and is needed.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            self._do_without("written", error)

    def path(self, key: str, part: str = "") -> Path:
        """Where the entry of a key is, or a part of it that one writer owns."""
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.root / digest[:2] / f"{digest}{part and '-'}{part}{self._suffix}"

    def parts(self, key: str) -> list[Path]:
        """The files of a key that were written in parts, by name.

        Raises
        ------
        CacheError
            If the folder cannot be read, and is needed.
        """
        whole = self.path(key)
        try:
            return sorted(whole.parent.glob(f"{whole.stem}-*{self._suffix}"))
        except OSError as error:
            self._do_without("read", error)
            return []

    def read(self, path: Path, key: str) -> bytes | None:
        """The content of a file, ``None`` when there is none (or it is damaged, which is logged).

        Raises
        ------
        CacheError
            If the folder cannot be read, and is needed.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._do_without("read", error)
            return None
        try:
            return self._decode(content, key)
        except _DamagedEntryError as error:
            _log.warning("%s: %s; the %s are computed again", path, error, self._content)
            return None

    def write(self, path: Path, key: str, payload: bytes) -> None:
        """Write a file, in place of any other of that name.

        Raises
        ------
        CacheError
            If the folder cannot be written, and is needed.
        """
        digest = hashlib.sha256(payload).hexdigest()
        try:
            self._write(path, b"".join((self._magic, key.encode(), b"\n", digest.encode(), b"\n", payload)))
        except OSError as error:
            self._do_without("written", error)

    def clear(self) -> None:
        """Remove all entries, and whatever killed processes left behind."""
        for path in (*self._files(self._suffix), *self._files(_PARTIAL_SUFFIX)):
            path.unlink(missing_ok=True)

    @property
    def size_bytes(self) -> int:
        """Bytes of all entries."""
        return sum(path.stat().st_size for path in self._files(self._suffix))

    def __len__(self) -> int:
        return sum(1 for _ in self._files(self._suffix))

    def __bool__(self) -> bool:
        return True  # an empty cache is a cache, not the absence of one

    def _files(self, suffix: str) -> Iterator[Path]:
        return self.root.glob(f"??/*{suffix}")

    def _decode(self, content: bytes, key: str) -> bytes:
        if not content.startswith(self._magic):
            raise _DamagedEntryError("not a file of this cache, or its start is damaged")
        parts = content[len(self._magic) :].split(b"\n", 2)
        if len(parts) < 3:
            raise _DamagedEntryError("cut short in the header")
        stored_key, digest, payload = parts
        if stored_key != key.encode():
            raise _DamagedEntryError("it belongs to another recording or detector")
        if hashlib.sha256(payload).hexdigest().encode() != digest:
            raise _DamagedEntryError("its content is damaged")
        return payload

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

    def _do_without(self, verb: str, error: OSError) -> None:
        """Say that the folder cannot be used: once in this process, or as an error where it is needed.

        Raises
        ------
        CacheError
            If the folder was chosen, or the disk is full.
        """
        reason = error.strerror or str(error)
        said = f"the cache folder {self.root} cannot be {verb} ({reason})"
        remedy = f"set {CACHE_DIR_VARIABLE} to a folder that can"
        if self._needed or error.errno not in _REFUSED:
            raise CacheError(f"{said}; {remedy}") from error
        if self.root not in _told:
            _told.add(self.root)
            _log.warning("%s, so that the %s are computed each time; %s", said, self._content, remedy)


class _DamagedEntryError(Exception):
    """The content of a cache file is not what was written."""
