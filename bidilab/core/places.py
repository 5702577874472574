"""Who writes where: one process at a time holds a folder, and the next is told at once who that is.

The holder locks ``.NAME.lock`` beside the place, by the operating system's lock, which ends with the process however
that ends: a lock file that a killed process has left holds nothing. The file says who holds it, for the others to read.
Where nothing may be written beside the place, the file lies in it. Where the file system has no locks, the word of the
file is taken, and tried: a process of this machine that is gone holds nothing.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from bidilab.core.clock import RealClock
from bidilab.core.errors import PlaceHeldError
from bidilab.core.jsontext import JSONError, parse_json_object
from bidilab.core.redaction import redact_text

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["held", "lock_descriptor"]

_LOOK_S = 0.02
_FAR_BYTE = 1 << 30  # Windows keeps others from reading what is locked
_MAX_COMMAND = 200
_REFUSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
_BUSY: Final = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)

_mine: ContextVar[frozenset[str]] = ContextVar("bidilab places", default=frozenset())


@contextmanager
def held(place: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold a place: while the block runs, no other process and no other thread does.

    Parameters
    ----------
    place
        A folder or file; it need not exist. One that this block's caller holds already is no hindrance.
    wait_s
        How long to wait for one who holds it; not at all by default.

    Raises
    ------
    PlaceHeldError
        If another holds it; it says who.
    OSError
        If no lock can be made there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, held(Path(folder, "found")):
    ...     with held(Path(folder, "found")):
    ...         [file.name for file in Path(folder).iterdir()]
    ['.found.lock']
    """
    key = os.path.realpath(place)
    if key in _mine.get():
        yield
        return
    descriptor, path = _take(Path(key), wait_s)
    token = _mine.set(_mine.get() | {key})
    try:
        yield
    finally:
        _mine.reset(token)
        _let_go(descriptor, path)


def _take(place: Path, wait_s: float) -> tuple[int, Path]:
    clock = RealClock()
    while True:
        descriptor, path = _open(place)
        taken = False
        try:
            if (taken := _lock(descriptor, path)) and _is_at(descriptor, path):
                with suppress(OSError):  # on a full disk it is held all the same, and nobody is told by whom
                    os.ftruncate(descriptor, 0)
                    os.lseek(descriptor, 0, os.SEEK_SET)
                    os.write(descriptor, json.dumps(_myself()).encode())
                return descriptor, path
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if taken:
            continue  # who held it has removed the file meanwhile: there is a new one, or none
        if clock.now_s() >= wait_s:
            raise PlaceHeldError(place, _said_by(path))
        threading.Event().wait(_LOOK_S)


def _open(place: Path) -> tuple[int, Path]:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    beside = place.parent / f".{place.name}.lock"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return os.open(beside, flags, 0o666), beside
    except OSError as error:
        if error.errno not in _REFUSED or not place.is_dir():
            raise
    inside = place / ".bidilab.lock"
    return os.open(inside, flags, 0o666), inside


def _let_go(descriptor: int, path: Path) -> None:
    try:
        if sys.platform != "win32":  # which removes no open file; there it stays, and holds nothing
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    if sys.platform == "win32":
        with suppress(OSError):  # another has it open by now
            path.unlink(missing_ok=True)


def lock_descriptor(descriptor: int) -> bool | None:
    """Lock an open file until it is closed; return whether that went, ``None`` where the file system has no locks."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _BUSY else None
    return True


def _lock(descriptor: int, path: Path) -> bool:
    locked = lock_descriptor(descriptor)
    return locked if locked is not None else not _is_alive(_said_by(path))


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _myself() -> dict[str, Any]:
    command = redact_text(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else "python")
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": command[:_MAX_COMMAND],
        "since": RealClock().wall_time().isoformat(timespec="seconds"),
    }


def _said_by(path: Path) -> dict[str, Any]:
    try:
        return parse_json_object(path.read_bytes()[:4096])
    except (OSError, JSONError):
        return {}  # it has only begun, or is gone


def _is_alive(said: dict[str, Any]) -> bool:
    """Whether the process that a lock file names may hold it; one of this machine that is gone does not."""
    if not isinstance(pid := said.get("pid"), int) or pid == os.getpid():
        return False
    if said.get("host") != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
