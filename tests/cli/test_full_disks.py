"""Commands that write to a disk which is full after some KiB: one line that names file or disk, and nothing half."""

import random
import subprocess
import sys
from contextlib import contextmanager

import pytest

from bidilab.bidi.log.eventlog import EventLog
from bidilab.lab.sweep import SweepResult
from tests.cli.test_sweep import GRID
from tests.sizes import examples


@contextmanager
def disk_of(kib, place):
    """Mount a disk of so many KiB there; only root may, on Linux."""
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "bidilab-small", str(place)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root on Linux")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


MANY = ("--threshold", "0.05:0.95:0.05", "--silence-duration-ms", "100:1000:50", *GRID[-4:])
COMMANDS = {
    "a replay": (["replay", "{call}/call.wav", "--vad", "energy", "--out", "{disk}/out"], (16, 700)),
    "a sweep": (["sweep", "{folder}", *GRID, "--out", "{disk}/out"], (4, 400)),
    "parts of a sweep": (
        ["sweep", "{folder}", *MANY, "--checkpoint", "{disk}/parts", "--cache", "none", "--out", "out", "--force"],
        (4, 12),
    ),
    "probabilities": (["sweep", "{folder}", *GRID, "--cache", "{disk}/vad", "--out", "out", "--force"], (4, 40)),
    "a copy": (["datasets", "copy", "{folder}", "{disk}/out"], (100, 2_000)),
    "a build": (["datasets", "build", "overlap-mini.yaml", "--out", "{disk}/out"], (40, 400)),
    "a condition": (["datasets", "apply-condition", "{folder}", "gain_db=-3", "{disk}/out"], (100, 2_000)),
    "an import": (["datasets", "import", "calls", "{call}", "{disk}/out", "--user-channel", "1"], (16, 200)),
}


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("what", COMMANDS)
def test_a_disk_that_is_full_is_one_line_and_nothing_half_is_left(what, folder, call, tmp_path, here):
    command, (least, most) = COMMANDS[what]
    rng = random.Random(what)
    codes = []
    for _ in range(examples(3)):
        with disk_of(round(least * (most / least) ** rng.random()), tmp_path / "disk") as disk:
            names = {"disk": disk, "folder": folder, "call": call}
            code, _, errors = here(*(str(word).format(**names) for word in command))
            codes.append(code)
            said = errors.strip().splitlines()
            assert "Traceback" not in errors
            if code:
                assert code == 2, errors
                assert said[-1].startswith("bidilab: ")
                assert str(disk) in said[-1], said[-1]
                assert ".part" not in said[-1], said[-1]
            if (disk / "out" / "events.jsonl").exists():
                EventLog.read(disk / "out" / "events.jsonl")
            if what == "a sweep" and (disk / "out" / "sweep.json").exists():
                assert code == 0
                SweepResult.load(disk / "out")
            if what in ("a copy", "a build", "a condition", "an import"):
                assert (disk / "out").exists() == (code == 0)
    assert 2 in codes or len(codes) < 3
