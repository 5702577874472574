"""What every test shares: Hypothesis without deadlines (these machines are noisy), and the real recordings."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from bidilab.core.cachefolder import default_cache_dir
from tests import workers
from tests.distributions import Distributions
from tests.sizes import examples

settings.register_profile("bidilab", deadline=None, print_blob=True, max_examples=examples(100))
settings.load_profile("bidilab")

ROOT = Path(__file__).resolve().parents[1]

# Kernels stay in one folder, whatever cache folder a test takes: workers and the processes of tests inherit it.
os.environ.setdefault("NUMBA_CACHE_DIR", str(default_cache_dir() / "kernels"))

# There is a worker for each core: one thread of linear algebra in each, as threads that wait for each other take time.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")


SHORT = "BIDILAB_TESTS_SHORT"
SHORT_LEAVES_OUT = (
    "left out: tests marked slow or browser; uv run pytest --whole (make test) runs them too, and CI all but one"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole",
        action="store_true",
        help="run the tests marked slow or browser too; a run without arguments leaves them out, except in CI",
    )


@pytest.hookimpl(trylast=True)  # after tests/browser has marked its own
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if SHORT in os.environ:
        long = [item for item in items if any(item.get_closest_marker(mark) for mark in ("slow", "browser"))]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]
    workers.order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many workers as cores, and those that mostly wait where tests must keep time: in a browser, and others."""
    return (os.cpu_count() or 1) + (1 if SHORT in os.environ else 2 * workers.asks_for_time(config, ROOT))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole files, in the order of collection; see `tests.workers`."""
    if config.getvalue("dist") != "loadscope":
        return None  # asked for otherwise
    from xdist.scheduler import LoadScopeScheduling

    class Workers(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return workers.scope(nodeid)

    config.option.loadscopereorder = False
    return Workers(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Keep bytecode where the environment forbids it: a test run starts dozens of processes, which would each compile.

    It goes to pytest's own cache and not beside the sources. Without that cache it lasts as long as the run.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _choose(config)
    if not sys.dont_write_bytecode or "PYTEST_XDIST_WORKER" in os.environ:
        return
    if config.pluginmanager.has_plugin("cacheprovider"):
        kept = config.cache.mkdir("bytecode")
    else:
        kept = Path(tempfile.mkdtemp(prefix="bidilab-bytecode-"))
        config.add_cleanup(lambda: shutil.rmtree(kept, ignore_errors=True))
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(kept)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(kept)  # workers and the processes of tests inherit it


def _choose(config: pytest.Config) -> None:
    """A run that asks for nothing is a short one, except in CI; its workers hear of it by the environment."""
    os.environ.pop(SHORT, None)
    asked = config.option.whole or config.option.markexpr or config.option.keyword or os.environ.get("CI")
    if not asked and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        os.environ[SHORT] = "1"


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
    if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
        workers.yield_to_who_keeps_time(item)
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


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but neither laid out nor drawn: for tests of the words of a report and of the files.

    Drawing a report takes seconds. `tests/show` and the tests without this fixture look at what is drawn.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from bidilab.show import encoding

    def write(_: Figure, target: Any, **__: object) -> None:
        target.write(b"undrawn")

    monkeypatch.setattr(Figure, "savefig", write)
    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)
    monkeypatch.setattr(encoding, "cpu_count", lambda: 1)  # no second process, which would draw


@pytest.fixture(scope="session")
def real_audio() -> Path:
    """Folder of real recordings beside the checkout; tests that need it are marked ``real_audio``."""
    folder = ROOT.parent / "shared" / "audio"
    if not folder.is_dir():
        pytest.skip("../shared/audio is not here")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was left out."""
    if SHORT in os.environ:
        terminalreporter.write_line(SHORT_LEAVES_OUT)


@pytest.fixture
def distributions(tmp_path, monkeypatch):
    """A place to install distributions to, until the test ends."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield Distributions(folder)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]
