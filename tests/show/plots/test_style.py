import pytest


@pytest.mark.slow
def test_figures_show_in_every_cell_of_a_notebook():
    """The first figure of a kernel must not keep later ones from being shown."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    draw = "from bidilab.show.plots.style import new_axes, style\nwith style():\n    ax = new_axes(None, 3, 2)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(draw) for _ in range(3)])
    nbclient.NotebookClient(notebook).execute()
    assert [[list(output.data) for output in cell.outputs] for cell in notebook.cells] == [
        [["text/plain", "image/png"]]
    ] * 3
