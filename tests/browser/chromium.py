"""The Chromium that the browser tests drive: the machine's own, never one that Playwright downloads."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")


def unavailable(what: str) -> NoReturn:
    """Skip on a developer's machine; fail where ``CI`` is set, so that CI cannot pass without its browser."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}; with CI set, the browser tests must run", pytrace=False)
    pytest.skip(what)


def executable() -> str:
    """Path of the browser: ``BIDILAB_CHROMIUM``, or the first of `NAMES` on the path."""
    named = os.environ.get("BIDILAB_CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        unavailable(f"no browser at BIDILAB_CHROMIUM={named}" if named else f"none of {', '.join(NAMES)} is installed")
    return found
