"""Places that are held by another process, or that nobody may read."""

import errno
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["deny", "holder"]

HOLDING = """
import sys, threading
from pathlib import Path
from bidilab.core.places import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(place):
    """Start it; it lets go when its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def deny(monkeypatch, name):
    """Let nobody list folders of this name; permissions do not stop root, who may run the tests."""
    scan = os.scandir

    def denied(path="."):
        if not isinstance(path, int) and Path(path).name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
