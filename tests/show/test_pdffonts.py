"""Fonts of PDF files are cut once to an alphabet; what the alphabet lacks, and another matplotlib, gets what it got."""

import re
import zlib

import pytest
from matplotlib.figure import Figure

from bidilab.show import pdffonts
from bidilab.show.encoding import encoded
from bidilab.show.plots import style


def _figure(words):
    figure = Figure(figsize=(3, 1))
    figure.text(0.1, 0.5, words)
    return figure


def _pdf(words):
    with style():
        return encoded(_figure(words), "pdf")


def _streams(pdf):
    return [zlib.decompress(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)]


@pytest.fixture
def counted(monkeypatch):
    """Fonts that matplotlib is asked to cut."""
    cut, asked = pdffonts._cut_to, []

    def count(font_file, glyphs):
        asked.append(set(glyphs))
        return cut(font_file, glyphs)

    monkeypatch.setattr(pdffonts, "_cut_to", count)
    pdffonts._cut.cache_clear()
    return asked


@pytest.mark.skipif(not pdffonts._as_known, reason="this matplotlib cuts its fonts in another way")
def test_a_font_is_cut_once_for_figures_of_the_alphabet_and_each_time_for_others(counted):
    first, second = _pdf("false interruptions (%), n = 253"), _pdf("missed 11 %–22 %")
    assert len(counted) == 1
    fonts = [{s for s in _streams(pdf) if s.startswith(b"\x00\x01\x00\x00")} for pdf in (first, second)]
    assert fonts[0] == fonts[1] != set()
    assert _pdf("false interruptions (%), n = 253") == first
    _pdf("Прерывание")
    assert len(counted) == 2


def test_the_page_is_drawn_as_without(monkeypatch):
    words = "P(speech) ≥ 0.75, 95 % interval"
    cut = _pdf(words)
    monkeypatch.setattr(pdffonts, "_as_known", False)
    whole = _pdf(words)
    drawn = [[s for s in _streams(pdf) if b" Tf" in s] for pdf in (cut, whole)]
    assert drawn[0] == drawn[1] != []


def test_matplotlib_is_as_before_afterwards():
    with pytest.raises(ZeroDivisionError), pdffonts.fonts_cut_once():
        raise ZeroDivisionError
    assert pdffonts._module.get_glyphs_subset is pdffonts._cut_to
