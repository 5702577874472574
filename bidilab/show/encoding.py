"""Figures as SVG, PDF and PNG: here, or in a second process that works at the same time.

Of bidilab, nothing that draws is imported: the second process needs matplotlib alone, so that it starts fast.
"""

from __future__ import annotations

import gc
import pickle
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from functools import lru_cache
from io import BytesIO
from os import cpu_count
from typing import Any, Final, Literal, cast

import matplotlib as mpl
from matplotlib.figure import Figure

from bidilab.core.processes import worker_processes
from bidilab.show.bothvectors import drawn_for_both
from bidilab.show.pdffonts import fonts_cut_once

__all__ = ["FORMATS", "EncodedFigure", "Encoder", "Format", "encoded", "encoder"]

Format = Literal["svg", "pdf", "png"]
FORMATS: Final[tuple[Format, ...]] = ("svg", "pdf", "png")

_TASKS: Final[Mapping[Format, tuple[Format, ...]]] = {"svg": ("svg", "pdf"), "pdf": ("svg", "pdf"), "png": ("png",)}
"""The formats that are made together with each."""

PNG_DPI = 200

# Without dates the same figure gives the same bytes; SOURCE_DATE_EPOCH need not be set.
_METADATA: Final[Mapping[Format, dict[str, Any]]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
}


def encoded(figure: Figure, suffix: Format, *, dpi: float = PNG_DPI) -> bytes:
    """The file of a figure; the same figure gives the same bytes. The caller sets the style.

    Parameters
    ----------
    figure
        What to encode.
    suffix
        The format.
    dpi
        Of PNG, and of what is an image in SVG and PDF.
    """
    if suffix == "pdf":  # whose texts are placed as SVG measures them, whether or not that is wanted too
        return _vectors(figure, dpi)[suffix]
    return _saved(figure, suffix, dpi)


def _vectors(figure: Figure, dpi: float) -> dict[Format, bytes]:
    """SVG and PDF, of one drawing where that can be."""
    both = drawn_for_both(figure, lambda each, file, suffix: _save(each, file, cast("Format", suffix), dpi))
    if both is None:
        return {"svg": _saved(figure, "svg", dpi), "pdf": _saved(figure, "pdf", dpi)}
    return {"svg": both[0], "pdf": both[1]}


def _saved(figure: Figure, suffix: Format, dpi: float) -> bytes:
    buffer = BytesIO()
    _save(figure, buffer, suffix, dpi)
    return buffer.getvalue()


def _save(figure: Figure, file: BytesIO, suffix: Format, dpi: float) -> None:
    fast: dict[str, Any] = (
        {"pil_kwargs": {"compress_level": 3}} if suffix == "png" else {}
    )  # half the time of 6, files a tenth larger
    with fonts_cut_once():
        figure.savefig(file, format=suffix, dpi=dpi, metadata=_METADATA[suffix], **fast)


def _encoded_as(figure: Figure, suffixes: tuple[Format, ...]) -> dict[Format, bytes]:
    """The files of a figure in several formats."""
    files: dict[Format, bytes] = {}
    if "svg" in suffixes and "pdf" in suffixes:
        files = _vectors(figure, PNG_DPI)
    return {suffix: files[suffix] if suffix in files else encoded(figure, suffix) for suffix in suffixes}


class EncodedFigure:
    """The files of one figure, which may still be in the making.

    Parameters
    ----------
    figure
        Settled: it is not changed any more.
    begun
        What the second process does.
    """

    def __init__(self, figure: Figure, begun: Mapping[tuple[Format, ...], Future[dict[Format, bytes]]]) -> None:
        self._figure = figure
        self._begun = begun
        self._files: dict[Format, bytes] = {}

    def take_back(self) -> None:
        """Encode here what the second process has not begun."""
        for suffixes, future in reversed(list(self._begun.items())):
            if future.cancel():
                self._files |= _encoded_as(self._figure, suffixes)

    def file(self, suffix: Format) -> bytes:
        """The file in a format, made here where the second process does not make it."""
        if suffix not in self._files:
            together, future = next((each for each in self._begun.items() if suffix in each[0]), (_TASKS[suffix], None))
            there = _made_there(future)
            self._files |= _encoded_as(self._figure, together) if there is None else there
        return self._files[suffix]


def _made_there(future: Future[dict[Format, bytes]] | None) -> dict[Format, bytes] | None:
    """What the second process made; nothing where it was not asked, or is no more."""
    if future is None or future.cancelled():
        return None
    try:
        return future.result()
    except BrokenExecutor:  # killed, as by a system that is short of memory
        return None


class Encoder:
    """Encodes figures in a second process, if there is one; what it has not begun is done here.

    Parameters
    ----------
    pool
        The second process; ``None`` for none.
    """

    def __init__(self, pool: Executor | None = None) -> None:
        self._pool = pool

    def begin(self, figure: Figure, formats: tuple[Format, ...], *, style: Mapping[str, Any]) -> EncodedFigure:
        """Have a settled figure encoded, as it is now, in a style: what it sets of matplotlib's ``rcParams``."""
        if self._pool is None:
            return EncodedFigure(figure, {})
        sent = pickle.dumps(figure)
        begun: dict[tuple[Format, ...], Future[dict[Format, bytes]]] = {}
        with suppress(BrokenExecutor):
            for suffixes in dict.fromkeys(_TASKS[suffix] if len(formats) > 1 else formats for suffix in formats):
                begun[suffixes] = self._pool.submit(_encoded_there, sent, suffixes, dict(style))
        return EncodedFigure(figure, begun)


@contextmanager
def encoder() -> Iterator[Encoder]:
    """An `Encoder` with a second process, which starts at once; with none on a machine of one core."""
    if (cpu_count() or 1) < 2:
        yield Encoder()
        return
    with worker_processes(1, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        pool.submit(_warm)  # Ctrl-C reaches both processes; the first one says what becomes of it
        yield Encoder(pool)


def _warm() -> None:
    """Load what writes the formats, and the fonts."""
    for suffix in FORMATS:
        figure = Figure(figsize=(1, 1))
        figure.text(0, 0, "0")
        encoded(figure, suffix)
    gc.set_threshold(100_000, 20, 100)  # as `collecting_rarely`, until the process ends
    gc.freeze()  # a figure is many small objects; what was imported need not be looked through for each of them


def _encoded_there(sent: bytes, suffixes: tuple[Format, ...], style: dict[str, Any]) -> dict[Format, bytes]:
    """In the second process: the files of a figure that was sent there."""
    with mpl.rc_context(cast("Any", style)):
        return _encoded_as(_unpickled(sent), suffixes)


@lru_cache(maxsize=1)
def _unpickled(sent: bytes) -> Figure:
    """The figure, once for all formats of it, which come one after the other."""
    return cast("Figure", pickle.loads(sent))  # noqa: S301  # sent by the process that started this one
