"""Run every notebook from top to bottom, in place: ``uv run python notebooks/make.py [NAME …]``.

What a widget leaves in a saved notebook is a reference to a model that no longer lives, and JupyterLab shows an error
in its place, although its static form (HTML and PNG) is beside it. So the references are taken out: opened, the
notebooks show what the widgets found, and run, the widgets themselves.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def make(path: Path) -> None:
    """Execute one notebook and write it back."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=900, resources={"metadata": {"path": str(HERE)}}, store_widget_state=False
    )
    client.execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET_VIEW, None)
        cell.metadata.pop("execution", None)  # when each cell ran on this machine is nobody's business
    nbformat.write(notebook, path)


if __name__ == "__main__":
    names = sys.argv[1:]
    for found in sorted(HERE.glob("*.ipynb")):
        if not names or found.stem in names:
            print(found.name, flush=True)
            make(found)
