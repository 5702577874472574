"""What the lab asks of `show`: found where it is registered, and an error that says what to import where it is not."""

from pathlib import Path

import pytest

import bidilab as bl
from bidilab.core.audio import Audio
from bidilab.core.errors import ResultError
from bidilab.lab import showing
from bidilab.lab.sweep import SweepResult
from tests.sessions import bursts, local_model


class Noted:
    """Something that shows results and remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def plots(self, result):
        self.asked.append(("plots", result))
        return "plots"

    def report(self, result, path, **options):
        self.asked.append(("report", options))
        return Path(path)

    def session_timeline(self, replay, *, xlim):
        self.asked.append(("session_timeline", xlim))
        return "figure"

    def call_timeline(self, judged, call, *, xlim):
        self.asked.append(("call_timeline", call))
        return "figure"

    def judge_report(self, judged, path, *, max_clips):
        self.asked.append(("judge_report", max_clips))
        return Path(path)

    def save_figure(self, figure, stem):
        self.asked.append(("save_figure", figure))
        return [stem]


@pytest.fixture
def result():
    meta = {"dataset": {}, "vad": {}, "protocol": {"evaluation": "recorded"}}
    return SweepResult(settings=None, grid=bl.Grid(threshold=0.5), meta=meta)


def test_results_show_themselves_as_it_is_registered(result, monkeypatch, tmp_path):
    """The last that is registered is asked."""
    noted = Noted()
    monkeypatch.setattr(showing, "_registered", [])
    showing.register(Noted())
    showing.register(noted)
    assert result.plot == "plots"
    assert result.report("r.html", max_missed_rate=0.1) == Path("r.html")
    heard = Audio(samples=bursts((10, 19)), sample_rate=16_000)
    made = bl.replay(heard, local_model([500.0]), out=tmp_path / "session")
    assert made.timeline(xlim=(0, 1)) == "figure"
    asked = [name for name, _ in noted.asked]
    assert asked == ["plots", "report", "session_timeline", "save_figure", "session_timeline"]
    assert noted.asked[0][1] is result
    assert noted.asked[1][1]["max_missed_rate"] == 0.1
    assert [what for _, what in noted.asked[2:]] == [None, "figure", (0, 1)]


def test_where_nothing_is_registered_the_error_says_what_to_import(result, monkeypatch):
    monkeypatch.setattr(showing, "_registered", [])
    with pytest.raises(ResultError, match=r"import bidilab\.show"):
        _ = result.plot
