"""A user's script, which ``.ci/run`` gives to ``mypy --strict`` beside the installed wheel; it is not run.

Each ``assert_type`` fails where a type is another one, ``Any`` too. Tables have types where pandas-stubs is installed:
pandas itself brings none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import bidilab as bl


def tune(folder: Path) -> str:
    """From a dataset to a setting, its figures and a report."""
    dataset = bl.load_dataset("overlap-mini")
    assert_type(dataset, bl.Dataset)
    assert_type(dataset[0], bl.Recording)
    assert_type(dataset[:3], bl.Dataset)
    assert_type(dataset.duration_s, float)
    assert_type(dataset.segments_frame(), pd.DataFrame)
    chosen_on, held_out = dataset.split(fraction=0.3)
    assert_type(held_out, bl.Dataset)
    grid = bl.Grid(threshold="0.2:0.9:0.05", silence_duration_ms=[300, 500], min_interruption_ms=(0, 250))
    assert_type(grid.axes, dict[str, tuple[float, ...]])
    result = bl.sweep(chosen_on, grid, vad="silero", progress=False)
    assert_type(result, bl.SweepResult)
    assert_type(result.settings, pd.DataFrame)
    assert_type(result.recordings, pd.DataFrame)
    assert_type(result.plot.heatmap("missed_rate"), Axes)
    assert_type(result.plot.tradeoff(), Figure)
    assert_type(result.plot(), Figure)
    assert_type(result.plot.timeline("early-clean-01", 0), Figure)
    assert_type(result.report(folder / "report.html"), Path)
    assert_type(result.params(0), bl.TurnParams)
    chosen = result.recommend(max_missed_rate=0.1, weights=bl.Weights(false=2), validate_on=held_out)
    assert_type(chosen, bl.Recommendation)
    assert_type(chosen.setting, int | None)
    assert_type(chosen.table, pd.DataFrame)
    assert_type(chosen.losses, npt.NDArray[np.float64])
    exported = chosen.export("livekit")
    assert_type(exported, bl.ExportedSetting)
    assert_type(bl.save_figure(result.plot.loss(chosen), folder / "loss"), list[Path])
    assert_type(bl.SweepResult.load(folder), bl.SweepResult)
    return exported.text


def listen(recording: str) -> pd.DataFrame:
    """From a recording to a session, its events and its figure."""
    settings = bl.ServerVad(threshold=0.6)
    assert_type(settings.canonical(), bl.TurnParams)
    made = bl.replay(recording, turn_detection=settings)
    assert_type(made, bl.Replay)
    assert_type(made.timeline(xlim=(0, 10)), Figure)
    assert_type(made.interruptions, pd.DataFrame)
    assert_type(made.log, bl.EventLog)
    assert_type(made.log.to_frame(), pd.DataFrame)
    return made.interruptions


def judge(calls: Path) -> Mapping[str, Figure]:
    """From calls that happened to a report."""
    judged = bl.judge(calls, user_channel=1)
    assert_type(judged, bl.JudgedCalls)
    assert_type(judged.report("judged.html"), Path)
    assert_type(judged.calls, pd.DataFrame)
    return {str(call): judged.timeline(str(call)) for call in judged.calls.index}


def hear(recording: Path) -> tuple[bl.Turn, ...]:
    """From a recording to turns."""
    probabilities = bl.speech_probabilities(recording)
    assert_type(probabilities, npt.NDArray[np.float32])
    turns = bl.detect_turns(probabilities, bl.TurnParams(), frame_samples=512, sample_rate=16_000)
    assert_type(turns, tuple[bl.Turn, ...])
    assert_type(turns[0].onset, int)
    try:
        bl.Grid(threshold=2.0)
    except bl.BidilabError as error:
        assert_type(error, bl.BidilabError)
    return turns
