"""Which worker of a test run does what: some keep time, the others compute.

Tests in real time and in a browser mostly wait, and are wrong when they are kept waiting. Those in real time run one
after the other in one worker, and those in a browser in another; there are two workers more than there are cores, and
those that compute yield to the two. So nobody waits for who only waits.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["in_time", "order", "scope", "yield_to_who_keeps_time"]

BROWSER = "tests/browser/"
IN_TIME = (
    BROWSER,
    "tests/clients/",
    "tests/nova/",
    "tests/show/widgets/live/",
    "tests/bench/test_flood_bench.py",
    "tests/bench/test_server_bench.py",
    "tests/bidi/realtime/test_server_faults.py",
    "tests/bidi/providers/openai/test_openai_realtime.py::test_a_half_open_line_is_noticed_and_told",
    "tests/bidi/providers/gemini/test_gemini_faults.py::test_a_half_open_line_is_noticed_and_told",
    "tests/bidi/local/test_scoring.py",
    "tests/bidi/test_programs.py",
    "tests/core/test_clock.py",
    "tests/agreement/test_openai_realtime.py",
    "tests/agreement/test_real_clock.py",
    "tests/cli/test_sweep.py::test_ctrl_c_leaves_a_cache_to_go_on_from",
    "tests/lab/sessions/test_replay.py::test_interrupting_a_cell_that_replays_in_real_time_leaves_nothing_running",
    "tests/lab/knobs/test_ask.py",
    "tests/lab/sessions/test_replay_gemini.py",
    "tests/test_documents.py::test_notebook_runs_from_top_to_bottom[03-live]",
)
"""Beginnings of the names of tests that must keep time; every test marked ``realtime`` or ``browser`` is one."""

ALONE = "tests/test_documents.py::test_notebook_runs_from_top_to_bottom"
"""Tests of one file that need not run in one worker: each takes as long as a whole file."""

LONGEST = (
    "tests/test_layers.py",
    "tests/detect/vad/",  # these two need no kernels, which are compiled meanwhile
    ALONE,
    "tests/cli/",
    "tests/lab/sweep/",
    "tests/lab/datasets/labelling/",
    "tests/show/",
)
"""What is begun first of the others, so that no worker is left with it at the end."""


def in_time(name: str) -> bool:
    """Whether a test must keep time."""
    return name.startswith(IN_TIME)


def scope(name: str) -> str:
    """What runs together in one worker, in one piece: a file, for what its tests share, or all that keeps time."""
    if name.startswith(BROWSER):
        return "in a browser"
    if in_time(name):
        return "in time"
    return name if name.startswith(ALONE) else name.split("::")[0]


def order(items: list[pytest.Item]) -> None:
    """Sort tests: what keeps time first, then what takes longest, else as they were."""
    for item in items:
        if (item.get_closest_marker("realtime") or item.get_closest_marker("browser")) and not in_time(item.nodeid):
            raise pytest.UsageError(f"{item.nodeid} must keep time: name it in IN_TIME of tests/workers.py")

    first = (*IN_TIME, *LONGEST)

    def place(item: pytest.Item) -> int:
        return next((k for k, beginning in enumerate(first) if item.nodeid.startswith(beginning)), len(first))

    items.sort(key=place)


def asks_for_time(config: pytest.Config, root: Path) -> bool:
    """Whether tests that must keep time may be among those that are asked for."""
    if "not realtime" in config.option.markexpr and "not browser" in config.option.markexpr:
        return False
    asked = [Path(str(argument).split("::")[0]).resolve() for argument in config.args]
    places = [root / place.split("::")[0] for place in IN_TIME]
    return any(path == place or path in place.parents or place in path.parents for path in asked for place in places)


def yield_to_who_keeps_time(item: pytest.Item) -> None:
    """Lower this worker's priority a little, once and for all, at the first test that need not keep time."""
    if not in_time(item.nodeid) and hasattr(os, "nice") and os.nice(0) == 0:
        os.nice(5)  # slightly: on a machine that others use, these must not starve
