"""A notebook open in a browser: run its cells, read what they gave, change the theme, reload, take a picture."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page

from tests.browser.jupyter_server import JupyterServer

RUN_LIMIT_MS = 180_000
BECOMES_TRIES = 30
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
PANEL = "window.jupyterapp.shell.currentWidget"
# JupyterLab's own scripts log and throw now and then when all is well. A widget's module is loaded from a blob: or
# data: address, and its manager from a labextension; an error that names one of these is the widgets'.
OURS = re.compile(r"blob:|data:text/javascript|/extensions/|widget|bidilab", re.IGNORECASE)
JUPYTERLAB = re.compile(r"/static/(lab|notebook)/")


class NotebookPage:
    """One notebook in one browser page.

    Parameters
    ----------
    page
        The browser page; ``page`` is also the attribute to reach everything Playwright can do.
    server
        The server that holds the notebook.
    name
        The notebook's file name.
    screenshots
        Folder that `screenshot` writes into.
    """

    def __init__(self, page: Page, server: JupyterServer, name: str, screenshots: Path) -> None:
        self.page = page
        self.errors: list[str] = []
        self._server = server
        self._name = name
        self._screenshots = screenshots
        page.set_default_timeout(RUN_LIMIT_MS)  # a machine that runs other tests beside this one is slow
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self._note(f"uncaught: {error}\n{error.stack}"))

    # -- open and run -----------------------------------------------------------------------------------------------

    def open(self, cells: Sequence[str]) -> NotebookPage:
        """Write a notebook of these code cells and open it; nothing is run yet."""
        import nbformat  # takes seconds to import, while every worker collects these tests

        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self._server.folder / self._name)
        return self.visit()

    def visit(self) -> NotebookPage:
        """Open the notebook file that is already in the server's folder."""
        self.page.goto(self.address)
        self._wait_until_connected()
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft?.()")
        return self

    def put(self, cells: Sequence[str], *, viewport: tuple[int, int], screenshots: Path) -> NotebookPage:
        """Put these code cells in place of all there are; the kernel keeps what it knows, and nothing is run yet."""
        self._screenshots = screenshots
        self.page.set_viewport_size({"width": viewport[0], "height": viewport[1]})
        self.page.evaluate(
            f"""(sources) => {{
                const notebook = {PANEL}.content.model.sharedModel;
                const cells = sources.map((source) => ({{ cell_type: "code", metadata: {{}}, source }}));
                notebook.transact(() => {{
                    notebook.deleteCellRange(0, notebook.cells.length);
                    notebook.insertCells(0, cells);
                }});
            }}""",
            list(cells),
        )
        return self

    @property
    def address(self) -> str:
        """Where the server shows the notebook."""
        path = {"lab": "lab/workspaces/test/tree/", "notebook": "notebooks/"}[self._server.app]
        query = "&reset" if self._server.app == "lab" else ""
        return f"{self._server.url}{path}{self._name}?token={self._server.token}{query}"

    def run_all(self, *, limit_ms: float = RUN_LIMIT_MS) -> NotebookPage:
        """Run every cell and wait until the kernel is idle; an exception in a cell raises `AssertionError`."""
        self._command("notebook:run-all-cells", limit_ms=limit_ms)
        self._wait_until_ran(limit_ms)
        return self

    def run(self, code: str, *, limit_ms: float = RUN_LIMIT_MS, wait: bool = True) -> list[dict[str, Any]]:
        """Append a cell, run it and return its outputs (nbformat dictionaries); with ``wait=False``, at once."""
        self.page.evaluate(f"() => {{ {PANEL}.content.activeCellIndex = {PANEL}.content.widgets.length - 1; }}")
        self._command("notebook:insert-cell-below")
        self.page.evaluate(f"(code) => {PANEL}.content.activeCell.model.sharedModel.setSource(code)", code)
        # Not awaited where the caller does not wait: the command's promise lasts as long as the cell.
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")
        if not wait:
            return []
        self._wait_until_ran(limit_ms)
        return self.outputs(-1)

    def text(self, code: str) -> str:
        """What a cell with this code prints and shows, as text."""
        return "".join(_text(output) for output in self.run(code)).strip()

    def becomes(self, code: str, wanted: str) -> None:
        """Wait until a cell with this code says so.

        A widget sends one change of its state at a time, so that the last of several can come after the next cell.
        """
        said = []
        for _ in range(BECOMES_TRIES):
            said.append(self.text(code))
            if said[-1] == wanted:
                return
            self.page.wait_for_timeout(200)
        raise AssertionError(f"{code} never became {wanted}, but {', '.join(dict.fromkeys(said))}")

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """Outputs of a cell by its index (negative counts from the end), as nbformat dictionaries."""
        outputs: list[dict[str, Any]] = self.page.evaluate(
            f"(i) => {PANEL}.content.widgets.at(i).model.outputs.toJSON()", cell
        )
        return outputs

    def cell(self, index: int) -> Locator:
        """A cell in the page, by its index from the top."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def _wait_until_ran(self, limit_ms: float) -> None:
        self.page.wait_for_function(
            f"""() => {PANEL}.sessionContext.session?.kernel?.status === 'idle'
                && [...{PANEL}.content.widgets].every(
                    (c) => c.model.type !== 'code' || c.model.sharedModel.source.trim() === ''
                        || (c.model.executionCount !== null && c.model.executionState !== 'running'))""",
            timeout=limit_ms,
        )
        raised = [o for i in range(self._n_cells()) for o in self.outputs_of_code(i) if o["output_type"] == "error"]
        assert not raised, "\n".join("\n".join(error["traceback"]) for error in raised)

    def outputs_of_code(self, cell: int) -> list[dict[str, Any]]:
        """Like `outputs`, and empty for a cell of text."""
        kind = self.page.evaluate(f"(i) => {PANEL}.content.widgets.at(i).model.type", cell)
        return self.outputs(cell) if kind == "code" else []

    def _n_cells(self) -> int:
        return int(self.page.evaluate(f"() => {PANEL}.content.widgets.length"))

    # -- the page ---------------------------------------------------------------------------------------------------

    def theme(self, name: str) -> NotebookPage:
        """Switch to ``"light"`` or ``"dark"`` as the user's settings do."""
        self._command("apputils:change-theme", theme=THEMES[name])
        self.page.wait_for_function(
            # The splash screen covers the page while a theme is loaded, and fades.
            "(light) => document.body.dataset.jpThemeLight === light && !document.querySelector('#jupyterlab-splash')",
            arg=json.dumps(name == "light"),
        )
        return self.painted()

    def painted(self) -> NotebookPage:
        """Wait for two frames, in which the page paints what has changed."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return self

    def save(self) -> NotebookPage:
        """Save the notebook; `file` then holds its outputs."""
        self._command("docmanager:save")
        return self

    @property
    def file(self) -> Path:
        """The notebook file."""
        return self._server.folder / self._name

    def saved_outputs(self, index: int) -> list[Any]:
        """Outputs of a cell as the notebook's file holds them; `save` it first."""
        import nbformat

        outputs: list[Any] = nbformat.read(self.file, as_version=4).cells[index].outputs
        return outputs

    def reload(self) -> NotebookPage:
        """Save, then load the page anew; the kernel runs on."""
        self.save()
        self.page.reload()
        self._wait_until_connected()
        return self

    def screenshot(self, name: str, target: Locator | None = None) -> Path:
        """Write ``<name>.png`` of the whole page, or of ``target`` alone, into the folder for screenshots."""
        self._screenshots.mkdir(parents=True, exist_ok=True)
        path = self._screenshots / f"{name}.png"
        if target is None:
            self.page.screenshot(path=path)
        else:
            target.screenshot(path=path)
        return path

    def _wait_until_connected(self) -> None:
        self.page.wait_for_function(
            f"() => window.jupyterapp && {PANEL}?.content?.widgets && {PANEL}.sessionContext?.isReady"
            f" && {PANEL}.sessionContext.session?.kernel?.connectionStatus === 'connected'",
            timeout=RUN_LIMIT_MS,
        )

    def _command(self, name: str, *, limit_ms: float = RUN_LIMIT_MS, **arguments: str) -> None:
        """Have JupyterLab do something, and wait for it with a limit: a dialog may be in its way."""
        self.page.evaluate(
            """([name, args]) => {
                window.blDone = undefined;
                window.jupyterapp.commands.execute(name, args).then(
                    () => { window.blDone = ""; }, (error) => { window.blDone = String(error); });
            }""",
            [name, arguments],
        )
        self.page.wait_for_function("() => window.blDone !== undefined", timeout=limit_ms)
        failed = self.page.evaluate("() => window.blDone")
        assert not failed, f"{name}: {failed}"

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self._note(f"{message.text}\n    at {message.location.get('url', '')[:200]}")

    def _note(self, error: str) -> None:
        if OURS.search(error) or not JUPYTERLAB.search(error):
            self.errors.append(error)


def _text(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return "".join(output["text"])
    return "".join(output.get("data", {}).get("text/plain", ""))
