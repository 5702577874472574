"""SVG and PDF from one drawing are those of two, but for the last digits of where PDF puts texts."""

import re
import zlib

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bidilab.show import bothvectors, encoding, pdffonts
from bidilab.show.encoding import encoded
from bidilab.show.plots import heatmap, style
from bidilab.show.plots.curves import by_kind
from bidilab.show.plots.style import detached_figures


@pytest.fixture
def figure(_settings):
    """Cells with hatches, a scale whose colours are an image, lines with bands, arrows, texts in all directions."""
    with detached_figures(), style():
        figure = Figure(figsize=(5, 7))
        upper, lower = figure.subplots(2, 1)
        heatmap(_settings, "missed_rate", ax=upper)
        by_kind(_settings, ax=lower)
        upper.annotate("there", (0.5, 0.5), (20, 20), textcoords="offset points", arrowprops={"arrowstyle": "->"})
        lower.add_patch(Rectangle((0.3, 5), 0.1, 9, hatch="////", alpha=0.4))
        lower.text(0.5, 20, "two\nlines of $x^2$", rotation=30, rotation_mode="anchor", clip_on=True)
    return figure


def _page(pdf):
    """The commands of the page, and the numbers in them."""
    streams = [zlib.decompress(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)]
    (page,) = (stream for stream in streams if b" Tf" in stream)
    numbers = re.findall(rb"-?\d*\.?\d+", page)
    return re.sub(rb"-?\d*\.?\d+", b"#", page), np.array(numbers, dtype=float)


def test_both_files_are_those_of_two_drawings(figure, monkeypatch):
    with style():
        both = bothvectors.drawn_for_both(figure, lambda f, file, suffix: encoding._save(f, file, suffix, 200))
        monkeypatch.setattr(encoding, "drawn_for_both", lambda *_: None)
        alone = encoded(figure, "svg"), encoded(figure, "pdf")
    assert both is not None
    assert both[0] == alone[0]
    (commands, numbers), (expected, alike) = _page(both[1]), _page(alone[1])
    assert commands == expected
    exact = pdffonts._as_known  # before matplotlib 3.11 PDF measures texts in whole points
    np.testing.assert_allclose(numbers, alike, atol=0.05 if exact else 2)
    assert "draw" not in vars(figure)


@pytest.mark.parametrize("what", ["image", "text as an image", "laid out"])
def test_what_they_do_not_share_is_drawn_one_by_one(what):
    figure = Figure(figsize=(2, 2), layout="constrained" if what == "laid out" else None)
    axes = figure.add_subplot()
    if what == "image":
        axes.imshow(np.eye(3))
    axes.text(0, 1, "words", rasterized=what == "text as an image")
    assert bothvectors.drawn_for_both(figure, lambda f, file, suffix: encoding._save(f, file, suffix, 100)) is None
    with style():
        assert encoded(figure, "pdf").startswith(b"%PDF")
        assert encoded(figure, "svg").startswith(b"<?xml")
