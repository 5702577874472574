"""The front end's modules in Node: each ``js/*.test.mjs`` by Node's own test runner."""

import os
import subprocess
from importlib.resources import files
from pathlib import Path
from shutil import which

import pytest

TESTS = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))


@pytest.mark.slow
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_in_node(path):
    if which("node") is None:
        pytest.skip("needs Node")
    static = (Path(str(files("bidilab.show.widgets"))) / "static").as_uri()
    done = subprocess.run(
        ["node", "--test", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BIDILAB_STATIC": static},
    )
    assert done.returncode == 0, done.stdout + done.stderr
