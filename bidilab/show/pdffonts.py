"""Fonts in PDF files: cut to one alphabet once in a process, and not to the letters of each figure.

For each PDF matplotlib reads its fonts anew and cuts them to the letters that occur, which takes longer than drawing
the figure. The figures of a report have nearly the same letters; the rest of an alphabet makes their files a few kB
larger. A figure with a letter that the alphabet lacks, or another matplotlib, gets its fonts as before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, BinaryIO, Final, NamedTuple

from matplotlib.backends import _backend_pdf_ps
from matplotlib.font_manager import get_font

__all__ = ["fonts_cut_once"]

_ALPHABET: Final = "".join(map(chr, range(0x20, 0x7F))) + "\N{NO-BREAK SPACE}–—‘’“”…·•±×÷≤≥≈−∞µ°²"
_module: Any = _backend_pdf_ps  # its functions are matplotlib's own business: what is not as known is left alone
_as_known = hasattr(_module, "SubsetResults") and hasattr(_module, "font_as_file")
_cut_to: Callable[..., AbstractContextManager[Any]] | None = getattr(_module, "get_glyphs_subset", None)


class _Font(NamedTuple):
    """The bytes of a font, as matplotlib saves one of fontTools."""

    content: bytes

    def save(self, file: BinaryIO, **_how: object) -> None:
        file.write(self.content)


class _Cut(NamedTuple):
    """A font cut to the alphabet, in the form of matplotlib's ``SubsetResults``; which glyph became which."""

    font: _Font
    glyph_index_map: Mapping[int, int]


@contextmanager
def fonts_cut_once() -> Iterator[None]:
    """Write PDF files with fonts that are cut once, while the block runs."""
    if _cut_to is None or not _as_known:
        yield
        return
    _module.get_glyphs_subset = _found
    try:
        yield
    finally:
        _module.get_glyphs_subset = _cut_to


def _found(font_file: Any, glyphs: Collection[int]) -> AbstractContextManager[Any]:
    assert _cut_to is not None
    return nullcontext(_cut(font_file)) if set(glyphs) <= _glyphs(font_file) else _cut_to(font_file, glyphs)


@cache
def _glyphs(font_file: Any) -> frozenset[int]:
    """Indices of the alphabet's glyphs in a font."""
    font = get_font(font_file)
    return frozenset(font.get_char_index(ord(letter)) for letter in _ALPHABET)


@cache
def _cut(font_file: Any) -> _Cut:
    assert _cut_to is not None
    with _cut_to(font_file, set(_glyphs(font_file))) as cut:
        return _Cut(_Font(_module.font_as_file(cut.font).getvalue()), dict(cut.glyph_index_map))
