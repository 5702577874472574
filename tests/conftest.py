"""What every test shares: Hypothesis without deadlines (these machines are noisy), and the real recordings."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("bidilab", deadline=None, print_blob=True)
settings.load_profile("bidilab")

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests first: one at a time and mostly waiting, they are the longest way through the suite."""
    items.sort(key=lambda item: "browser" not in item.path.parts)


@pytest.fixture(scope="session")
def real_audio() -> Path:
    """Folder of real recordings beside the checkout; tests that need it are marked ``real_audio``."""
    folder = ROOT.parent / "shared" / "audio"
    if not folder.is_dir():
        pytest.skip("../shared/audio is not here")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why a test was tried again; of what passed in the end, pytest-rerunfailures tells no more than the name."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"tried again: {report.nodeid}", sep="-")
        terminalreporter.write_line(report.longreprtext)
