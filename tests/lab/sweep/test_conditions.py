"""Conditions as an axis: the same numbers as from a dataset that was made so, whatever runs them."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bidilab as bl
from bidilab.cli.app import app
from bidilab.core.errors import DatasetError, InvalidParameterError, ResultError
from bidilab.core.units import s_to_samples
from bidilab.detect.vad import ProbabilityCache
from bidilab.lab.conditions import AS_RECORDED, Condition
from bidilab.lab.datasets import Dataset, validate
from bidilab.lab.sweep import InProcess, SweepResult, probabilities

NOISE, ECHO = Condition(snr_db=0, noise="white", seed=1), Condition(echo_db=0, bandwidth="telephone", codec="pcmu")
KNOBS = {"threshold": [0.1, 0.5], "prefix_padding_ms": [0, 300], "silence_duration_ms": [100, 500]}
GRID = bl.Grid(**KNOBS, conditions=[None, NOISE, ECHO])


def run(dataset, grid=GRID, **kwargs):
    return bl.sweep(dataset, grid, vad="energy", progress=False, n_resamples=50, **kwargs)


@pytest.fixture
def result(bursts):
    return run(bursts)


def test_the_grid_counts_conditions_and_finds_them():
    assert len(GRID) == 24
    assert GRID.conditions == (None, NOISE, ECHO)
    assert [GRID.condition(k) for k in (0, 7, 8, 16, 23)] == [None, None, NOISE, ECHO, ECHO]
    assert GRID[3] == GRID[11] == GRID[19]
    assert GRID.nearest(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500, condition=str(ECHO)) == 23
    assert GRID.only(23).conditions == (ECHO,)
    assert list(GRID.to_frame()["condition"].unique()) == [AS_RECORDED, str(NOISE), str(ECHO)]
    assert bl.Grid.from_json(json.loads(json.dumps(GRID.to_json()))) == GRID
    assert repr(GRID).startswith("Grid(3 conditions × 2 thresholds")
    assert bl.Grid(**KNOBS, conditions=["as recorded", "gain_db=-6"]).conditions == (None, Condition(gain_db=-6))


@pytest.mark.parametrize("conditions", [[], [None, None], ["gain_db=1", Condition(gain_db=1)], ["loud"], [3]])
def test_conditions_that_are_not_allowed(conditions):
    with pytest.raises(InvalidParameterError, match="condition"):
        bl.Grid(conditions=conditions)


def test_a_grid_without_conditions_is_as_it_was(bursts):
    plain = run(bursts, bl.Grid(**KNOBS))
    assert "condition" not in plain.settings
    assert "condition_fingerprints" not in plain.meta
    assert "conditions" not in plain.grid.to_json()


def in_samples(recording):
    """Labels, in samples: the manifest keeps seconds to 0.1 µs."""
    ends = [(s_to_samples(s.start_s, 16_000), s_to_samples(s.end_s, 16_000)) for s in recording.segments]
    return [(*span, s.channel, s.kind) for span, s in zip(ends, recording.segments, strict=True)]


def test_the_axis_is_the_dataset_made_so(bursts, result, tmp_path):
    plain = run(bursts, bl.Grid(**KNOBS))
    pd.testing.assert_frame_equal(result.under(None).settings, plain.settings)
    differ = 0
    for k, condition in enumerate((NOISE, ECHO)):
        made = bursts.with_condition(condition, tmp_path / f"made{k}", progress=False)
        assert validate(made.root, deep=True) == []
        of_made, of_axis = run(made, bl.Grid(**KNOBS)), result.under(condition)
        pd.testing.assert_frame_equal(of_made.settings, of_axis.settings.drop(columns="condition"))
        pd.testing.assert_frame_equal(of_made.recordings, of_axis.recordings)
        for recording in made:
            setting = result.setting(condition=condition)
            np.testing.assert_array_equal(
                of_made.probabilities(recording.id), result.probabilities(recording.id, setting)
            )
            np.testing.assert_array_equal(recording.user(), of_axis.source.user_audio(recording.id))
            before = bursts[recording.id]
            assert in_samples(recording) == in_samples(before)
            np.testing.assert_array_equal(recording.agent(), before.agent())
        differ += not of_axis.settings["n_false"].equals(plain.settings["n_false"])
    assert differ  # an axis that changed nothing would pass all of the above


class Sent:
    """Does the work here, on copies of all that a process would be sent.

    Processes take seconds to start; `test_sweep.py` has them: a pool, and under conditions a worker of Dask.
    """

    jobs = 2

    def map(self, function, tasks, *, shared):
        for index, task in reversed(list(enumerate(tasks))):
            call, *given = pickle.loads(pickle.dumps((function, shared, task)))
            yield index, pickle.loads(pickle.dumps(call(*given)))


@pytest.mark.parametrize("evaluation", ["recorded", "simulated"])
def test_processes_and_guards_give_the_same(bursts, evaluation):
    grid = bl.Grid(**KNOBS, min_interruption_ms=[0, 250], conditions=[None, NOISE])
    here = run(bursts, grid, executor=InProcess(), evaluation=evaluation, cache=False)
    there = run(bursts, grid, executor=Sent(), evaluation=evaluation, cache=False)
    pd.testing.assert_frame_equal(here.settings, there.settings)
    assert len(here.settings) == 32
    row = here.setting(condition=NOISE, threshold=0.5, min_interruption_ms=250)
    assert here.guards(row).min_interruption_ms == 250
    events = here.events(row)
    assert (events["in_session"] == "stopped_falsely").sum() == here.settings.loc[row, "n_false"]


def test_the_vad_runs_once_a_recording_and_condition(bursts, monkeypatch, tmp_path):
    cache = ProbabilityCache(tmp_path / "tracks")
    first = run(bursts, cache=cache)
    assert len(cache) == (3 + 1) * len(bursts)  # and Silero once, which hears the pauses
    run(bursts, bl.Grid(**KNOBS, conditions=[Condition(snr_db=0, noise="white", seed=2)]), cache=cache)
    assert len(cache) == (4 + 1) * len(bursts)  # another seed is another condition
    monkeypatch.setattr(probabilities.ConditionedChannel, "__call__", lambda *_: pytest.fail("made again"))
    pd.testing.assert_frame_equal(run(bursts, cache=cache).settings, first.settings)


def test_saved_and_loaded(bursts, result, tmp_path):
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    pd.testing.assert_frame_equal(loaded.settings, result.settings)
    assert loaded.conditions == result.conditions
    setting = result.setting(condition=ECHO)
    pd.testing.assert_frame_equal(loaded.events(setting), result.events(setting))
    pd.testing.assert_frame_equal(loaded.under(ECHO).recordings, result.under(ECHO).recordings)
    one = SweepResult.load(loaded.under(NOISE).save(tmp_path / "one"))
    pd.testing.assert_frame_equal(one.events(0), result.events(8))
    one.meta["condition_fingerprints"] = ["another"]
    with pytest.raises(ResultError, match="has changed"):
        SweepResult(settings=one.settings, grid=one.grid, meta=one.meta).events(0)


def test_validation_is_under_the_same_condition(bursts):
    chosen_on, held_out = bursts[:4], bursts[2:]
    grid = bl.Grid(**KNOBS, conditions=[None, "gain_db=-6"])
    result = run(chosen_on, grid)
    found = result.recommend(validate_on=held_out)
    assert f"under the condition {result.settings.loc[found.setting, 'condition']!r} alone" in found.validation.message
    condition = result.grid.condition(found.setting)
    assert found.validation.result.conditions == (condition,)
    swept = run(held_out, grid)
    assert result.recommend(validate_on=swept).validation.row == found.setting


def test_an_echo_without_an_agent_is_refused_before_any_work(bursts):
    from dataclasses import replace

    alone = replace(bursts[0], channels=("user", "other"), segments=bursts[0].segments_of("user"))
    with pytest.raises(DatasetError, match="agent's channel"):
        run(Dataset(info=bursts.info, root=bursts.root, recordings=(alone,)))


@pytest.mark.usefixtures("undrawn")
def test_command_line(bursts_folder, tmp_path):
    arguments = ["sweep", str(bursts_folder), "--vad", "energy", "--threshold", "0.3,0.6", "--out", str(tmp_path / "o")]
    conditions = ["--condition", str(NOISE), "--condition", "gain_db=-20"]
    done = CliRunner().invoke(app, [*arguments, "--silence-duration-ms", "300", *conditions])
    assert done.exit_code == 0, done.output
    assert "3 conditions" in done.output
    assert SweepResult.load(tmp_path / "o").conditions == (None, NOISE, Condition(gain_db=-20))
    page = (tmp_path / "o" / "report.html").read_text("utf-8")
    assert "Under each condition of the audio" in page
    assert (tmp_path / "o" / "figures" / "conditions.png").is_file()
    wrong = CliRunner().invoke(app, [*arguments, "--condition", "snr=3"])
    assert wrong.exit_code != 0


def test_apply_condition_command(bursts_folder, tmp_path):
    dest = tmp_path / "soft"
    done = CliRunner().invoke(
        app, ["datasets", "apply-condition", str(bursts_folder), "gain_db=-20", str(dest), "--no-progress"]
    )
    assert done.exit_code == 0, done.output
    made = Dataset.load(dest)
    assert made.tag_values("audio_condition") == {"gain_db=-20": len(made)}
    again = CliRunner().invoke(app, ["datasets", "apply-condition", str(bursts_folder), "gain_db=-20", str(dest)])
    assert again.exit_code != 0
    with pytest.raises(InvalidParameterError, match="own"):
        made.with_condition("gain_db=1", dest, force=True, progress=False)
