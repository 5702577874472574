"""Notebooks in JupyterLab in headless Chromium.

Without Chromium or Playwright these tests are skipped; with the environment variable ``CI`` set they fail instead.
``BIDILAB_CHROMIUM`` names the browser, ``BIDILAB_SCREENSHOTS`` the folder that pictures are kept in.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import FLAGS, executable, unavailable
from tests.browser.jupyter_server import JupyterServer, jupyter_server

if TYPE_CHECKING:
    from tests.browser.notebook_page import NotebookPage

OpenNotebook = Callable[..., "NotebookPage"]


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


@pytest.fixture
def browser_turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One browser at a time, whichever workers run the tests: they share the machine's few cores."""
    import fcntl  # not on Windows, where the other tests must still be collected

    with (tmp_path_factory.getbasetemp().parent / "browser-turn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed, also by a worker that dies
        yield


@pytest.fixture
def open_notebook(
    lab: JupyterServer, browser_turn: None, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[OpenNotebook]:
    """``open_notebook(cells, flags=(), permissions=(), init_script=None, server=lab)`` → a `NotebookPage`, not yet run.

    Each call starts a browser of its own. When the test ends, its kernels are shut down, and an error in the page's
    console fails it.
    """
    try:
        from playwright.sync_api import expect, sync_playwright
    except ModuleNotFoundError:
        unavailable("the Python package playwright is not installed")
    from tests.browser.notebook_page import RUN_LIMIT_MS, NotebookPage

    expect.set_options(timeout=RUN_LIMIT_MS)  # not the 5 s that it has: what is right comes, if late
    screenshots = Path(os.environ.get("BIDILAB_SCREENSHOTS") or tmp_path / "screenshots")
    numbers = itertools.count()
    opened: list[NotebookPage] = []
    servers = [lab]

    # Started for each test: while Playwright runs, its event loop counts as this thread's running loop, and another
    # test's asyncio.run would refuse.
    with sync_playwright() as playwright:
        browsers = []

        def open_page(
            cells: Sequence[str],
            *,
            flags: Sequence[str] = (),
            permissions: Sequence[str] = (),
            init_script: str | None = None,
            viewport: tuple[int, int] = (1280, 1000),
            server: JupyterServer = lab,
        ) -> NotebookPage:
            browser = playwright.chromium.launch(executable_path=executable(), args=[*FLAGS, *flags])
            browsers.append(browser)
            servers.append(server)
            width, height = viewport
            context = browser.new_context(viewport={"width": width, "height": height}, permissions=list(permissions))
            if init_script is not None:
                context.add_init_script(init_script)
            name = f"{request.node.name.translate(str.maketrans('[]/ ', '----'))}-{next(numbers)}.ipynb"
            page = NotebookPage(context.new_page(), server, name, screenshots)
            opened.append(page)
            return page.open(cells)

        try:
            yield open_page
        finally:
            for number, page in enumerate(opened):
                page.screenshot(f"{request.node.name}-{number}-end")  # what a failed test saw last
            for browser in browsers:
                browser.close()
            for server in set(servers):
                server.shut_kernels_down()
                server.forget_settings()
    errors = [error for page in opened for error in page.errors]
    assert not errors, "errors in the browser's console:\n" + "\n".join(errors)
