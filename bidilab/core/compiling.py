"""Compiled kernels: numba's ``njit``, whose results are kept in the user's cache folder.

numba keeps them beside the source when it can, and refuses to load a module when it can keep them nowhere. Here they
lie in ``kernels`` of bidilab's cache folder (`default_cache_dir`), or where ``NUMBA_CACHE_DIR`` says. Where neither
that nor the source's folder can be written, as in a read-only container, kernels are compiled in each process.

numba knows a kernel again by its own file. What it calls in other files is compiled into it, so a folder is named by
the content of all of these files: a new version never runs a kernel with old parts.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba

from bidilab.core.cachefolder import default_cache_dir

__all__ = ["kernel"]

_log = logging.getLogger(__name__)
_config: Any = numba.config


def kernel(
    signature: str | None = None, /, *, nogil: bool = True, fastmath: bool | set[str] = False
) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function when it is first called, or at once where its signature is given.

    Parameters
    ----------
    signature
        Types of the arguments, as numba writes them.
    nogil
        Let other threads run meanwhile.
    fastmath
        Which liberties the compiler may take with floating point, as in LLVM.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        with _kept_in(_folder_of(function)):
            try:
                return numba.njit(signature, nogil=nogil, fastmath=fastmath, cache=True)(function)
            except RuntimeError as error:
                if "no locator available" not in str(error):
                    raise
        _log.info("no folder can be written to keep %s; it is compiled in each process", function.__qualname__)
        return numba.njit(signature, nogil=nogil, fastmath=fastmath)(function)

    return compiled


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """Let numba keep in a folder what is decorated meanwhile; what others compile stays where it was."""
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        _config.CACHE_DIR = before


def _folder_of(function: Callable[..., Any]) -> Path:
    digest = hashlib.sha256()
    for file in sorted(_files_of(function)):
        digest.update(_content_of(file))
    root = Path(_config.CACHE_DIR) if _config.CACHE_DIR else default_cache_dir() / "kernels"
    return root / digest.hexdigest()[:16]


def _files_of(function: Callable[..., Any]) -> set[str]:
    """The source file of a function, and those of all kernels that it can call."""
    found: set[str] = set()
    looked_at = [function]
    while looked_at:
        each = looked_at.pop()
        file = inspect.getfile(each)
        if file not in found:
            found.add(file)
            looked_at += [value.py_func for value in each.__globals__.values() if hasattr(value, "py_func")]
    return found


@cache
def _content_of(file: str) -> bytes:
    """Digest of a file as this process first saw it; of its name where it is no file by itself (in a zip)."""
    path = Path(file)
    return hashlib.sha256(path.read_bytes() if path.is_file() else file.encode()).digest()
