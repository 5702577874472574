"""Notebooks in JupyterLab in headless Chromium.

Without Chromium or Playwright these tests are skipped; with the environment variable ``CI`` set they fail instead.
``BIDILAB_CHROMIUM`` names the browser, ``BIDILAB_SCREENSHOTS`` the folder that pictures are kept in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import FLAGS, executable, unavailable
from tests.browser.jupyter_server import JupyterServer, jupyter_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

    from tests.browser.notebook_page import NotebookPage

OpenNotebook = Callable[..., "NotebookPage"]

VIEWPORT = (1280, 1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A JupyterLab server, one for each worker that runs browser tests."""
    executable()  # before the server: where there is no browser, nothing is started
    with jupyter_server(tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture(scope="session")
def notebook7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A Notebook 7 server, which `open_notebook` is given as ``server``."""
    executable()
    with jupyter_server(tmp_path_factory.mktemp("notebook7"), app="notebook") as server:
        yield server


@pytest.fixture
def thrifty_lab(tmp_path: Path) -> Iterator[JupyterServer]:
    """A JupyterLab server that drops messages of a kernel beyond 10 a second; as `notebook7`.

    It counts them over 3 s, and anew when the kernel has done something, as with each message of a page.
    """
    executable()
    limit = "--ZMQChannelsWebsocketConnection.iopub_msg_rate_limit=10"
    with jupyter_server(tmp_path / "thrifty", options=[limit]) as server:
        yield server


@pytest.fixture(scope="module")
def browser_turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One browser at a time, whichever workers run the tests: they share the machine's few cores."""
    import fcntl  # not on Windows, where the other tests must still be collected

    with (tmp_path_factory.getbasetemp().parent / "browser-turn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed, also by a worker that dies
        yield


class Pages:
    """Opens notebooks in browsers: for one test, or one for all tests of a file.

    Parameters
    ----------
    playwright
        Drives the browsers.
    """

    def __init__(self, playwright: Playwright) -> None:
        self.kept: NotebookPage | None = None
        self._playwright = playwright
        self._opened: list[tuple[NotebookPage, Browser, JupyterServer]] = []

    def open(
        self,
        cells: Sequence[str],
        *,
        name: str,
        server: JupyterServer,
        screenshots: Path,
        flags: Sequence[str] = (),
        permissions: Sequence[str] = (),
        init_script: str | None = None,
        viewport: tuple[int, int] = VIEWPORT,
    ) -> NotebookPage:
        """A notebook of its own in a browser of its own, not yet run."""
        from tests.browser.notebook_page import NotebookPage

        browser = self._playwright.chromium.launch(executable_path=executable(), args=[*FLAGS, *flags])
        width, height = viewport
        context = browser.new_context(viewport={"width": width, "height": height}, permissions=list(permissions))
        if init_script is not None:
            context.add_init_script(init_script)
        file = f"{name.translate(str.maketrans('[]/ ', '----'))}-{len(self._opened)}.ipynb"
        page = NotebookPage(context.new_page(), server, file, screenshots)
        self._opened.append((page, browser, server))
        return page.open(cells)

    def screenshot(self, name: str) -> None:
        """Take a picture of each page: what a failed test saw last."""
        for number, (page, _, _) in enumerate(self._opened):
            page.screenshot(f"{name}-{number}-end")

    def errors(self) -> list[str]:
        """Errors in the consoles of the pages since this was last asked."""
        errors = [error for page, _, _ in self._opened for error in page.errors]
        for page, _, _ in self._opened:
            page.errors.clear()
        return errors

    def close(self) -> None:
        """Close all browsers and shut the kernels down."""
        for _, browser, _ in self._opened:
            browser.close()
        for server in {id(server): server for _, _, server in self._opened}.values():
            server.shut_kernels_down()
            server.forget_settings()
        self._opened.clear()
        self.kept = None


@pytest.fixture(scope="module")
def pages(lab: JupyterServer, browser_turn: None) -> Iterator[Pages]:
    """Playwright, started once for a file.

    It does not stay for the files after it: while it runs, its event loop counts as this thread's running loop, and
    another test's asyncio.run would refuse.
    """
    try:
        from playwright.sync_api import expect, sync_playwright
    except ModuleNotFoundError:
        unavailable("the Python package playwright is not installed")
    from tests.browser.notebook_page import RUN_LIMIT_MS

    expect.set_options(timeout=RUN_LIMIT_MS)  # not the 5 s that it has: what is right comes, if late
    with sync_playwright() as playwright:
        opened = Pages(playwright)
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """The folder that pictures are kept in."""
    return Path(os.environ.get("BIDILAB_SCREENSHOTS") or tmp_path / "screenshots")


@pytest.fixture
def open_notebook(
    pages: Pages, lab: JupyterServer, screenshots: Path, request: pytest.FixtureRequest
) -> Iterator[OpenNotebook]:
    """``open_notebook(cells, flags=(), permissions=(), init_script=None, server=lab)`` → a `NotebookPage`, not yet run.

    Each call starts a browser of its own. When the test ends, its kernels are shut down, and an error in the page's
    console fails it.
    """
    assert pages.kept is None, "a file's tests either keep one notebook or open their own"

    def open_page(cells: Sequence[str], *, server: JupyterServer = lab, **options: Any) -> NotebookPage:
        return pages.open(cells, name=request.node.name, server=server, screenshots=screenshots, **options)

    try:
        yield open_page
    finally:
        pages.screenshot(request.node.name)
        errors = pages.errors()
        pages.close()
    _refuse(errors)


@pytest.fixture
def kept_notebook(
    pages: Pages, lab: JupyterServer, screenshots: Path, request: pytest.FixtureRequest
) -> Iterator[OpenNotebook]:
    """``kept_notebook(cells, viewport=VIEWPORT)`` → a `NotebookPage` of these cells, not yet run.

    The tests of a file share the browser, the page and the kernel, whose start takes ten seconds of processor: each
    replaces the cells of the one before. An error in the page's console fails the test in which it comes.
    """

    def put(cells: Sequence[str], *, viewport: tuple[int, int] = VIEWPORT) -> NotebookPage:
        if pages.kept is None:
            stem = request.path.stem
            pages.kept = pages.open(cells, name=stem, server=lab, screenshots=screenshots, viewport=viewport)
        else:
            pages.kept.put(cells, viewport=viewport, screenshots=screenshots)
        return pages.kept

    try:
        yield put
    finally:
        pages.screenshot(request.node.name)
        errors = pages.errors()
    _refuse(errors)


def _refuse(errors: Sequence[str]) -> None:
    assert not errors, "errors in the browser's console:\n" + "\n".join(errors)
