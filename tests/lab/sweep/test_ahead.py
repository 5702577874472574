"""Kernels that are compiled while the detector listens are those of the sweep, and a fault there is no fault of it."""

import logging

import pandas as pd
import pytest

import bidilab as bl
from bidilab.lab.sweep import ahead

GRID = bl.Grid(threshold=[0.3, 0.6], prefix_padding_ms=100, silence_duration_ms=200, min_words=[0, 1])
HOW = {"vad": "energy", "cache": False, "progress": False, "n_resamples": 2, "word_times": "spread"}


@pytest.fixture
def begun(monkeypatch):
    """Short recordings are worth it, and nothing is known yet."""
    monkeypatch.setattr(ahead, "_WORTHWHILE_S", 0.0)
    monkeypatch.setattr(ahead, "_begun", set())
    return ahead._begun


@pytest.mark.parametrize("evaluation", ["recorded", "simulated"])
def test_a_sweep_in_little_runs_ahead_once_and_changes_nothing(begun, monkeypatch, caplog, evaluation):
    caplog.set_level(logging.DEBUG, ahead.__name__)
    made = []
    compile_, swept = ahead._compile, ahead.sweep_grid
    monkeypatch.setattr(ahead, "_compile", lambda *given: made.append(compile_(*given)))
    monkeypatch.setattr(ahead, "sweep_grid", lambda *given, **how: made.append(swept(*given, **how)))
    dataset = bl.load_dataset("overlap-mini")[:2]
    first = bl.sweep(dataset, GRID, evaluation=evaluation, **HOW).settings
    little, none = made
    assert none is None
    assert len(little.settings) == 1
    again = bl.sweep(dataset, GRID, evaluation=evaluation, **HOW).settings
    assert len(made) == 2
    pd.testing.assert_frame_equal(first, again)
    assert begun == {(evaluation, True)}
    assert not caplog.records


def test_what_goes_wrong_ahead_is_left_to_the_sweep(begun, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG, ahead.__name__)

    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(ahead, "_compile", broken)
    assert len(bl.sweep(bl.load_dataset("overlap-mini")[:1], GRID, **HOW).settings) == 4
    assert "could not be compiled ahead" in caplog.text
