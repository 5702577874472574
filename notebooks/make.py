"""Run every notebook from top to bottom, in place: ``uv run python notebooks/make.py [NAME …]``.

A widget leaves two outputs in a saved notebook: a reference to a model that no longer lives, and its static form. The
references are taken out: opened, the notebooks show what the widgets found, and run, the widgets themselves. Progress
bars are taken out too: every step of them would be a line, and they tell of this machine alone.
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
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if not _is_left_over(output)]
        cell.metadata.pop("execution", None)  # when each cell ran on this machine is nobody's business
    nbformat.write(notebook, path)


def _is_left_over(output: nbformat.NotebookNode) -> bool:
    """Whether an output is an empty form of a widget, or a step of a progress bar and the end of its line."""
    if output.get("data") == {"text/html": ""}:
        return True
    return output.get("name") == "stderr" and all(not line or "\r" in line for line in output.text.split("\n"))


if __name__ == "__main__":
    names = sys.argv[1:]
    for found in sorted(HERE.glob("*.ipynb")):
        if not names or found.stem in names:
            print(found.name, flush=True)
            make(found)
