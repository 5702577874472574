"""What somebody who has only ``pip`` does first, with the installed wheel: ``python tests/wheel.py``, in any folder.

Run by ``.ci/run`` under each Python and with the oldest dependencies. It works in an empty folder with an empty home,
and once more with a home and a cache that cannot be written to.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SWEEP = """
import bidilab as bl
import bidilab.core.bundled as bundled
assert "site-packages" in bundled.__file__, bundled.__file__
dataset = bl.load_dataset("overlap-mini")[:3]
result = bl.sweep(dataset, bl.Grid(threshold=[0.3, 0.6]), progress=False)
assert result.settings["n_true_opportunities"].min() > 0
assert not bl.datasets.validate("overlap-mini", deep=False)
assert len(list(bundled.bundled_clips().iterdir())) > 0
"""

REPLAY = """
import bidilab as bl
session = bl.replay("overlap-mini#early-clean-01")
assert len(session.interruptions) > 0
"""


def run(code: str, folder: Path, home: Path) -> None:
    """Run a program as a user without any setting of ours would."""
    ours = ("BIDILAB_CACHE_DIR", "NUMBA_CACHE_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in ours} | {"HOME": str(home)}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)


def main() -> None:
    """Try it; with ``--command``, the command and its report too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--command", action="store_true", help="run `bidilab sweep overlap-mini` with its report too")
    command = parser.parse_args().command
    with tempfile.TemporaryDirectory() as made:
        folder, home = Path(made, "work"), Path(made, "home")
        folder.mkdir()
        home.mkdir()
        run(SWEEP + REPLAY, folder, home)
        bidilab = "import sys; from bidilab.cli import main; sys.argv = ['bidilab', *{!r}]; main()"
        run(bidilab.format(["notebooks", "copied"]), folder, home)
        assert len(list((folder / "copied").glob("*.ipynb"))) == 6
        if command:
            run(bidilab.format(["sweep", "overlap-mini", "--prefix-padding-ms", "300"]), folder, home)
            assert (folder / "sweep-overlap-mini" / "report.html").stat().st_size > 100_000
        nowhere = Path(made, "nowhere")
        nowhere.touch()  # a file in the place of a home: unlike one without permission, it stops root too
        run(REPLAY, folder, nowhere)
    sys.stdout.write(f"the wheel works under Python {sys.version.split()[0]}\n")


if __name__ == "__main__":
    main()
