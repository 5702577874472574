"""What every test shares: Hypothesis without deadlines (these machines are noisy), and the real recordings."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import settings

from tests.sizes import examples

settings.register_profile("bidilab", deadline=None, print_blob=True, max_examples=examples(100))
settings.load_profile("bidilab")

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests first: one at a time and mostly waiting, they are the longest way through the suite."""
    items.sort(key=lambda item: "browser" not in item.path.parts)


COMPILED = "BIDILAB_TEST_COMPILED"
USES_KERNELS = ("lab", "agreement", "cli", "show")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the kernels in one process beside the workers, which would else each do it."""
    if "PYTEST_XDIST_WORKER" in os.environ or not session.config.getoption("numprocesses", None):
        return
    asked = [Path(str(argument).split("::")[0]).resolve() for argument in session.config.args]
    homes = [ROOT / "tests" / zone for zone in USES_KERNELS]
    if not any(path in (home, *home.parents) or home in path.parents for path in asked for home in homes):
        return  # such as tests/nova alone
    done = Path(tempfile.mkdtemp(prefix="bidilab-tests-")) / "compiled"
    os.environ[COMPILED] = str(done)  # the workers inherit it
    compiling = subprocess.Popen([sys.executable, "-m", "tests.compiled", str(done)], cwd=ROOT)
    session.config.add_cleanup(lambda: (compiling.kill(), compiling.wait(), shutil.rmtree(done.parent)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Wait for the kernels where they are used; where they never come, the test compiles them itself."""
    done, zone = os.environ.get(COMPILED), item.path.relative_to(ROOT / "tests").parts[0]
    if "PYTEST_XDIST_WORKER" not in os.environ or done is None or zone not in USES_KERNELS:
        return
    until = time.monotonic() + 120  # noqa: TID251 - another process is waited for
    while not Path(done).exists() and time.monotonic() < until:  # noqa: TID251
        time.sleep(0.1)  # noqa: TID251
    os.environ.pop(COMPILED)  # once waited for is enough


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for probabilities that all workers of this run share, for tests that do not test the cache."""
    root = tmp_path_factory.getbasetemp()
    return (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "shared-cache"


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
