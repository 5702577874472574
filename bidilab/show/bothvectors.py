"""SVG and PDF of a figure from one drawing: most of the time of either goes into finding out what is to be drawn.

A figure is drawn by one renderer that hands each path and each text on to two, those of SVG and PDF, which count in the
same points. What they do not share, such as images, is not drawn so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

__all__ = ["drawn_for_both"]

Save = Callable[[Figure, BytesIO, str], None]


class _NotSharedError(Exception):
    """The figure holds what SVG and PDF do not take from one drawing."""


def drawn_for_both(figure: Figure, save: Save) -> tuple[bytes, bytes] | None:
    """The files of a figure as SVG and PDF; ``None`` where they have to be drawn one by one.

    Parameters
    ----------
    figure
        What to draw. It has to be laid out: with a layout engine it is drawn one by one.
    save
        Called with the figure, where to write and the format, it saves the figure.
    """
    if figure.get_layout_engine() is not None or any(axes.images for axes in figure.axes) or figure.images:
        return None
    svg_file, pdf_file = BytesIO(), BytesIO()
    draw = figure.draw

    def in_svg(svg: Any) -> None:
        with _drawn_by(figure, lambda pdf: draw(_Both(svg, pdf))):
            save(figure, pdf_file, "pdf")

    try:
        with _drawn_by(figure, in_svg):
            save(figure, svg_file, "svg")
    except _NotSharedError:
        return None
    svg, pdf = svg_file.getvalue(), pdf_file.getvalue()
    return (svg, pdf) if pdf else None  # none where saving does not draw


@contextmanager
def _drawn_by(figure: Figure, draw: Callable[[Any], None]) -> Iterator[None]:
    """Let a function draw the figure while the block runs."""
    before = vars(figure).get("draw")
    vars(figure)["draw"] = draw
    try:
        yield
    finally:
        del vars(figure)["draw"]
        if before is not None:
            vars(figure)["draw"] = before


class _Both(RendererBase):
    """Hands on what is drawn to the renderer of SVG, which measures texts, and to that of PDF.

    A position in y counts from below, as PDF's do. Graphics contexts are PDF's, of which SVG takes what it knows.
    """

    def __init__(self, svg: Any, pdf: Any) -> None:
        super().__init__()
        self._svg, self._pdf = svg, pdf
        self._as_image = False

    def draw_path(self, *args: Any, **options: Any) -> None:
        self._svg.draw_path(*args, **options)
        self._pdf.draw_path(*args, **options)

    def draw_markers(self, *args: Any, **options: Any) -> None:
        self._svg.draw_markers(*args, **options)
        self._pdf.draw_markers(*args, **options)

    def draw_path_collection(self, *args: Any, **options: Any) -> None:
        self._svg.draw_path_collection(*args, **options)
        self._pdf.draw_path_collection(*args, **options)

    def draw_quad_mesh(self, *args: Any, **options: Any) -> None:
        self._svg.draw_quad_mesh(*args, **options)
        self._pdf.draw_quad_mesh(*args, **options)

    def draw_text(self, gc: Any, x: float, y: float, *args: Any, **options: Any) -> None:
        if self._as_image:  # which counts from above for both
            raise _NotSharedError
        self._svg.draw_text(gc, x, self._svg.get_canvas_width_height()[1] - y, *args, **options)
        self._pdf.draw_text(gc, x, y, *args, **options)

    def open_group(self, *args: Any, **options: Any) -> None:
        self._svg.open_group(*args, **options)

    def close_group(self, *args: Any, **options: Any) -> None:
        self._svg.close_group(*args, **options)

    def draw_image(self, *_args: Any, **_options: Any) -> None:
        raise _NotSharedError

    def draw_gouraud_triangles(self, *_args: Any, **_options: Any) -> None:
        raise _NotSharedError

    def draw_tex(self, *_args: Any, **_options: Any) -> None:
        raise _NotSharedError

    def start_rasterizing(self) -> None:
        self._as_image = True  # as the colours of a scale are
        self._svg.start_rasterizing()
        self._pdf.start_rasterizing()

    def stop_rasterizing(self) -> None:
        self._svg.stop_rasterizing()
        self._pdf.stop_rasterizing()
        self._as_image = False

    def start_filter(self) -> None:
        raise _NotSharedError

    def flipy(self) -> bool:
        return False

    def get_canvas_width_height(self) -> tuple[float, float]:
        width, height = self._svg.get_canvas_width_height()
        return width, height

    def points_to_pixels(self, points: Any) -> Any:
        return self._pdf.points_to_pixels(points)

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
        width, height, descent = self._svg.get_text_width_height_descent(s, prop, ismath)
        return width, height, descent

    def new_gc(self) -> Any:
        return self._pdf.new_gc()
