"""A second process makes the same files as this one, and is not needed."""

import os
import signal

import pytest
from matplotlib.figure import Figure

from bidilab.show import encoding
from bidilab.show.encoding import FORMATS, EncodedFigure, Encoder, encoded, encoder
from bidilab.show.plots import style
from bidilab.show.plots.curves import by_kind, curve
from bidilab.show.plots.style import RC


@pytest.fixture(scope="module")
def figure(_settings):
    """Panels with all that is hard to send: a legend, a scale that is logarithmic in part, its own ticks."""
    drawn = Figure(figsize=(5, 6))
    upper, lower = drawn.subplots(2, 1)
    with style():
        by_kind(_settings, ax=upper)
        curve(_settings, ["latency_detected_ms_p50", "latency_detected_ms_p90"], ax=lower)
        lower.set_yscale("symlog", linthresh=10)
    return drawn


def test_a_second_process_makes_the_same_bytes_and_one_that_is_killed_is_done_without(figure, monkeypatch):
    monkeypatch.setattr(encoding, "cpu_count", lambda: 2)
    with style():
        here = {suffix: encoded(figure, suffix) for suffix in FORMATS}
    with encoder() as second:
        begun = second.begin(figure, FORMATS, style=RC)
        there = [future.result(timeout=120) for future in begun._begun.values()]
        assert there == [{"svg": here["svg"], "pdf": here["pdf"]}, {"png": here["png"]}]
        assert {suffix: begun.file(suffix) for suffix in FORMATS} == here
        (process,) = second._pool._processes.values()
        os.kill(process.pid, signal.SIGKILL)
        lost = second.begin(figure, FORMATS, style=RC)
        with style():
            assert {suffix: lost.file(suffix) for suffix in FORMATS} == here


def test_what_is_not_begun_is_taken_back(figure):
    class Busy:
        """A process that has begun the first task, and done nothing."""

        def __init__(self):
            self.asked = []

        def submit(self, function, *args):
            future = encoding.Future()
            if not self.asked:
                future.set_running_or_notify_cancel()
            self.asked.append((future, function, args))
            return future

    pool = Busy()
    begun = Encoder(pool).begin(figure, FORMATS, style=RC)
    with style():
        begun.take_back()
        first, *others = pool.asked
        assert not first[0].done()
        assert all(future.cancelled() for future, _, _ in others)
        first[0].set_result({"svg": b"of the second process", "pdf": b"too"})
        assert begun.file("svg") == b"of the second process"
        assert begun.file("pdf") == b"too"
        assert begun.file("png") == encoded(figure, "png")


def test_one_core_has_no_second_process(figure, monkeypatch):
    monkeypatch.setattr(encoding, "cpu_count", lambda: 1)
    with encoder() as alone, style():
        begun = alone.begin(figure, FORMATS, style=RC)
        assert isinstance(begun, EncodedFigure)
        assert begun._begun == {}
        assert begun.file("svg") == encoded(figure, "svg")
