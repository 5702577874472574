"""``python -m tests.bench.doctor_page docs/doctor.md``: how well the doctor finds planted faults, measured.

Ten seeds of each of the 20 planted faults, each in a call that was drawn anew (`tests.lab.doctor.drawn`), and sound
recordings, logs and sessions, which must give nothing. Writes the part of the page between its two marks (about ten
minutes of one core).
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

import bidilab as bl
from bidilab.lab.doctor import Diagnosis, doctor
from bidilab.lab.doctor.causes import CAUSES
from tests.conftest import ROOT
from tests.lab.doctor.drawn import FAULTS, SCENARIOS, DrawnCalls, Fault, FaultyClient
from tests.lab.doctor.plants import call
from tests.sessions import keep

N_SEEDS, MOST_DRAWN = 10, 40
BEGIN, END = "<!-- measured: tests/bench/doctor_page.py -->", "<!-- end of what is measured -->"
PASSED_BY = {"backchannel", "noise", "side-speech"}
"""False stops of a session are the agent's own, and named."""


def planted(fault: Fault, calls: Mapping[int, DrawnCalls], folder: Path) -> tuple[list[Diagnosis], int]:
    """Ten diagnoses of calls in which the fault does harm, and how many calls were drawn for them."""
    found: list[Diagnosis] = []
    seed = 0
    while len(found) < N_SEEDS and seed < MOST_DRAWN:
        seed += 1
        here = folder / f"{fault.cause}-{seed}"
        here.mkdir()
        try:
            diagnosis = fault.make(calls[seed], np.random.default_rng(seed), here)
        except bl.AudioError:  # a clip that its filter leaves nothing of: there is no such call
            diagnosis = None
        if diagnosis is not None:
            found.append(diagnosis)
            print(fault.cause, seed, diagnosis.causes, flush=True)
    return found, seed


def row(number: int, fault: Fault, found: list[Diagnosis], drawn: int) -> str:
    """A row of the table."""
    first = sum(one.causes[:1] == [fault.cause] for one in found)
    named = sum(fault.cause in one.causes for one in found)
    beside = Counter(cause for one in found for cause in one.causes if cause != fault.cause)
    said = ", ".join(f"`{cause}` {n}" for cause, n in beside.most_common()) or "–"
    of = f"{len(found)}" if drawn == len(found) else f"{len(found)} ({drawn} drawn)"
    return f"| {number} | {fault.plant} | `{fault.cause}` | {first} of {of} | {named} | {said} |"


def sound(calls: Mapping[int, DrawnCalls], folder: Path) -> Iterator[tuple[str, Diagnosis]]:
    """What has no fault: recordings, clients' logs, and sessions at the defaults."""
    for recording in bl.load_dataset(ROOT / "datasets" / "overlap-mini"):
        if "-clean-" in recording.id:
            yield "clean recordings of overlap-mini", doctor(recording.audio(), user_channel=1)
    for seed in range(1, N_SEEDS + 1):
        yield "constructed calls", doctor(call(seed), user_channel=1)
        for name in SCENARIOS:
            try:
                recording = calls[seed][f"{name}-clean-01"]
            except bl.AudioError:
                continue
            here = folder / f"sound-{name}-{seed}"
            here.mkdir()
            yield "newly drawn recordings", doctor(recording.audio(), user_channel=1)
            yield "logs of clients without a fault", doctor(FaultyClient(recording).write(here / "events.jsonl"))
            yield "sessions at the defaults", doctor(keep(bl.replay(recording), here / "session"))


def measured() -> str:
    """The part of the page."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        calls = {seed: DrawnCalls(seed, folder) for seed in range(1, MOST_DRAWN + 1)}
        rows = []
        others = 0
        for k, fault in enumerate(FAULTS):
            found, drawn = planted(fault, calls, folder)
            rows.append(row(min(k + 1, 20), fault, found, drawn))
            others += sum(
                any(CAUSES[cause].complaint != CAUSES[fault.cause].complaint for cause in one.causes) for one in found
            )
        nothing: dict[str, list[Diagnosis]] = {}
        for kind, diagnosis in sound(calls, folder):
            nothing.setdefault(kind, []).append(diagnosis)
            if diagnosis.causes:
                print(kind, diagnosis, flush=True)
    lines = [
        "| # | planted | cause | named first | named | also named |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"A cause of another complaint stands in {others} of the {N_SEEDS * len(FAULTS)} diagnoses.",
        "",
        "| without a fault | n | nothing found | named |",
        "|---|---|---|---|",
    ]
    for kind, found in nothing.items():
        named = Counter(cause for one in found for cause in one.causes)
        said = ", ".join(f"`{cause}` {n}" for cause, n in named.most_common()) or "–"
        lines.append(f"| {kind} | {len(found)} | {sum(not one.causes for one in found)} | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    before, rest = page.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{measured()}\n\n{END}{after}", "utf-8")
