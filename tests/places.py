"""Another process that holds a place."""

import subprocess
import sys

__all__ = ["holder"]

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
