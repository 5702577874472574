"""A sweep's findings on paper: one self-contained HTML file, and the standard set of figures as files."""

from bidilab.show.report.document import report
from bidilab.show.report.figures import write_figures

__all__ = ["report", "write_figures"]
