"""How long speech must last before a turn starts, as an axis of a sweep."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.detect.turns import Guards, LiveKitVad, ServerVad, TurnParams, export_setting
from bidilab.detect.turns.providers import swept_params
from bidilab.lab.metrics.columns import Duration, counted_in
from bidilab.lab.metrics.members import members_of
from bidilab.lab.sweep import Grid, Setting, SweepResult, Weights, sweep
from bidilab.lab.sweep.engine import simulated_lengths, sweep_grid
from bidilab.lab.sweep.evaluated import MISSED, PARTS
from bidilab.lab.sweep.problem import SweepProblem
from bidilab.lab.sweep.recommendation import default_values
from bidilab.lab.sweep.tracked import TrackedRecording
from tests.sizes import examples

from .strategies import FRAME, RATE, segment_lists, speechlike_tracks, tracks
from .test_kernels import counted

KNOBS = {"threshold": [0.3, 0.6], "prefix_padding_ms": [100, 300], "silence_duration_ms": 200}
PROTOCOL = {"min_overlap_ms": 200.0, "tolerance_ms": 200.0, "response_delay_ms": 300.0, "response_ms": 500.0}
HOW = {"vad": "energy", "n_resamples": 20, "progress": False}


def test_a_grid_with_min_speech():
    grid = Grid(**KNOBS, min_speech_ms=[0, 100, 200], min_interruption_ms=[0, 400], conditions=[None, "gain_db=3"])
    assert len(grid) == 48
    assert list(grid.axes)[3:] == ["min_speech_ms", "min_interruption_ms"]
    assert grid.axes["min_speech_ms"] == (0.0, 100.0, 200.0)
    assert list(grid.to_frame().columns) == ["condition", *grid.axes]
    for k in range(48):
        row, only = grid.to_frame().loc[k].drop("condition"), grid.only(k)
        threshold, prefix, silence = grid[k]
        assert grid[k] == Setting(threshold, prefix, silence) == tuple(row.iloc[:3])
        assert grid.params(k) == TurnParams(
            threshold=threshold, min_speech_ms=row.iloc[3], prefix_padding_ms=prefix, silence_duration_ms=silence
        )
        assert grid.guards(k) == Guards(min_interruption_ms=row.iloc[4])
        assert (len(only), only.params(0), only.guards(0)) == (1, grid.params(k), grid.guards(k))
        assert grid.nearest(condition=grid.condition(k), **row) == k
    assert Grid.from_json(grid.to_json()) == grid
    assert grid.under("gain_db=3").params(5) == grid.params(29)
    assert "× 3 min speech durations × 2 min interruptions = 48 settings" in repr(grid)
    assert Grid(min_speech_ms="0:100:50").min_speech_ms == (0.0, 50.0, 100.0)


@pytest.mark.parametrize(("provider", "own"), [("openai", 0), ("livekit", 50)])
def test_the_providers_own_is_no_axis(provider, own):
    grid = Grid(**KNOBS, provider=provider)
    assert grid == Grid(**KNOBS, provider=provider, min_speech_ms=own)
    assert grid.min_speech_ms is None
    assert "min_speech_ms" not in {*grid.axes, *grid.to_frame(), *grid.to_json()}
    assert {grid.params(k).min_speech_ms for k in range(len(grid))} == {own}
    assert Grid(**KNOBS, provider=provider, min_speech_ms=100).axes["min_speech_ms"] == (100.0,)


def test_what_a_min_speech_may_be():
    with pytest.raises(InvalidParameterError, match="min_speech_ms must be left out with provider='gemini', whose"):
        Grid(provider="gemini", min_speech_ms=[0, 100])
    with pytest.raises(InvalidParameterError, match="provider='gemini'"):
        Grid(provider="gemini", min_speech_ms=0)
    for wrong in ([], -1, 0.5, [100, 100], "a", math.inf, "200:0:50"):
        with pytest.raises(InvalidParameterError, match="min_speech_ms must be"):
            Grid(min_speech_ms=wrong)


def test_a_grid_saved_before_has_no_such_axis():
    saved = {"threshold": [0.5], "prefix_padding_ms": [300.0], "silence_duration_ms": [500.0], "provider": "livekit"}
    assert Grid.from_json(saved).params(0) == swept_params("livekit").sweep_params(
        threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500
    )


@settings(max_examples=examples(60), deadline=None)
@given(segment_lists(), speechlike_tracks() | tracks, st.booleans(), st.sampled_from([[0], [0, 100, 400]]), st.data())
def test_a_row_is_what_the_recording_does(segments, track, simulated, guards, data):
    grid = Grid(
        threshold=[0.3, 0.6],
        prefix_padding_ms=100,
        silence_duration_ms=[64, 300],
        min_speech_ms=[0, 30, 100, 333],  # 0 and 30 ms are both one frame
        min_interruption_ms=guards,
    )
    labels = members_of(segments, sample_rate=RATE, duration_samples=len(track) * FRAME)
    problem = SweepProblem.build([labels], [track], frame_samples=FRAME, sample_rate=RATE)
    evaluation = "simulated" if simulated else "recorded"
    agent = simulated_lengths([labels], {"evaluation": evaluation, "response_delay_ms": 300.0, "response_ms": 500.0})
    table = sweep_grid(problem, grid, simulated=agent).settings
    tracked = TrackedRecording(
        labels=labels,
        probabilities=track,
        frame_samples=FRAME,
        protocol={
            **PROTOCOL,
            "evaluation": "simulated" if simulated else "recorded",
            "word_times": "labelled",
            "cluster": "recording",
        },
    )
    for k in data.draw(st.lists(st.integers(0, len(grid) - 1), min_size=1, max_size=4, unique=True)):
        row = table.loc[k]
        expected = counted(tracked.evaluate(grid.params(k), grid.guards(k)))
        for column in (column for part in PARTS for column in counted_in(part) if column.name in row):
            name = column.counted if isinstance(column, Duration) else column.name
            wanted = expected[name]
            if isinstance(column, Duration):
                wanted = column.of_samples(np.array([wanted]), RATE)[0]
            assert row[column.name] == pytest.approx(wanted, abs=1e-9), column.name
        alone = tracked.setting_row(grid.params(k), grid.guards(k))
        pd.testing.assert_series_equal(row[alone.index], alone, check_names=False, check_dtype=False)


@settings(max_examples=examples(100), deadline=None)
@given(
    segment_lists(),
    speechlike_tracks() | tracks,
    st.sampled_from([0.3, 0.5, 0.7]),
    st.sampled_from([64, 200, 500]),
    st.sampled_from([0, 100, 400]),
)
def test_a_longer_minimum_never_hits_more_and_is_never_sooner(segments, track, threshold, silence, guard):
    labels = members_of(segments, sample_rate=RATE, duration_samples=len(track) * FRAME)
    problem = SweepProblem.build([labels], [track], frame_samples=FRAME, sample_rate=RATE)
    grid = Grid(
        threshold=threshold,
        prefix_padding_ms=100,
        silence_duration_ms=silence,
        min_speech_ms="0:600:32",
        min_interruption_ms=guard,
    )
    found = sweep_grid(problem, grid)
    assert (found.settings["false_interruption_rate"].fillna(0).diff().dropna() <= 0).all()
    assert (found.settings["missed_rate"].fillna(0).diff().dropna() >= 0).all()
    assert (np.diff(found.verdicts.false_hits[found.verdicts.event_of].sum(axis=1)) <= 0).all()
    delays = found.verdicts.delays[found.verdicts.event_of].astype(np.float64)
    delays[delays == MISSED] = np.inf
    for before, after in itertools.pairwise(delays):
        assert (after >= before).all()


def test_swept_saved_and_validated(bursts, tmp_path):
    grid = Grid(**KNOBS, min_speech_ms=[0, 100, 320], conditions=[None, "gain_db=-3"])
    result = sweep(bursts, grid, **HOW)
    for ms in (0, 100, 320):
        alone = sweep(bursts, Grid(**KNOBS, min_speech_ms=ms, conditions=[None, "gain_db=-3"]), **HOW)
        rows = result.settings[result.settings["min_speech_ms"] == ms].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows[alone.settings.columns], alone.settings.reset_index(drop=True))
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    assert loaded.grid == grid
    pd.testing.assert_frame_equal(loaded.settings, result.settings)
    setting = result.setting(threshold=0.3, prefix_padding_ms=300, min_speech_ms=320)
    assert loaded.params(setting).min_speech_ms == 320
    pd.testing.assert_frame_equal(loaded.events(setting), result.events(setting))
    chosen_on, held_out = bursts.split(fraction=0.5, seed=0)
    one = sweep(chosen_on, Grid(**KNOBS, min_speech_ms=320), **HOW)
    validation = one.recommend(validate_on=held_out).validation
    assert validation.result.grid.axes["min_speech_ms"] == (320.0,)
    again = one.recommend(validate_on=sweep(held_out, Grid(**KNOBS, min_speech_ms=[100, 320]), **HOW)).validation
    pd.testing.assert_frame_equal(again.table, validation.table)
    with pytest.raises(InvalidParameterError, match=r"a sweep that holds .*, min_speech_ms=320 with"):
        one.recommend(validate_on=sweep(held_out, Grid(**KNOBS, min_speech_ms=100), **HOW))


def test_what_a_provider_can_be_set_to(bursts):
    grid = {"threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200, "min_speech_ms": [0, 20, 100]}
    result = sweep(bursts, Grid(**grid), **HOW)
    assert result.provider_params(2) == ServerVad(silence_duration_ms=200)
    (lost,) = result.provider_compromises(2)
    assert (lost.parameter, lost.wanted, lost.got) == ("min_speech_ms", 100, 0)
    assert "server_vad has no minimum of speech" in str(lost)
    assert result.provider_compromises(1) == ()  # 20 ms are one frame, as 0 ms are
    livekit = sweep(bursts, Grid(**grid, provider="livekit"), **HOW)
    assert livekit.provider_params(2) == LiveKitVad(
        min_speech_duration=0.1, min_silence_duration=0.2, prefix_padding_duration=0.3
    )
    assert livekit.provider_compromises(2) == ()
    exported = {to: export_setting(result.params(2), to) for to in ("openai", "strands", "livekit", "pipecat")}
    assert "min_speech_duration=0.1," in exported["livekit"].text
    assert "start_secs=0.128," in exported["pipecat"].text  # four frames
    lost = {to: [c.parameter for c in one.compromises] for to, one in exported.items()}
    assert lost["openai"] == lost["strands"] == ["min_speech_ms"]
    assert "min_speech_ms" not in (*lost["livekit"], *lost["pipecat"])


def test_it_is_a_knob_of_the_recommendation(bursts):
    assert default_values("openai")["min_speech_ms"] == 0
    assert default_values("livekit")["min_speech_ms"] == 50
    assert "min_speech_ms" not in default_values("gemini")
    grid = {"threshold": 0.3, "prefix_padding_ms": 300, "silence_duration_ms": 200}
    found = sweep(bursts, Grid(**grid, min_speech_ms=[0, 20, 30]), **HOW).recommend()  # all of them one frame
    assert (found.setting, found.default) == (0, 0)
    assert found.message.startswith("Threshold 0.3, prefix padding 300 ms, silence 200 ms, min speech 0 ms.")
    assert "any min speech from 0 to 30 ms" in found.message
    assert "The recordings do not decide the min speech." in found.notes
    swept = sweep(bursts, Grid(**grid, min_speech_ms=[0, 60, 320], provider="livekit"), **HOW)
    soon = swept.recommend(weights=Weights(missed=5, false=0, cut_in=0, late_per_s=5, wait_per_s=0))
    assert soon.setting == 0
    assert soon.message.split(". ")[1].startswith("Only the min speech differs from")
    assert not any("swept" in note for note in soon.notes)  # nothing lies beyond 0 ms
    late = sweep(bursts, Grid(**grid, min_speech_ms=[0, 1000]), **HOW)
    late = late.recommend(weights=Weights(missed=0, false=1, cut_in=0, late_per_s=0, wait_per_s=0))
    assert late.setting == 1
    assert "Min speech 1000 ms is the greatest that was swept: the best may lie beyond it." in late.notes
    assert late.notes[0].startswith("OpenAI cannot be set to min speech 1000 ms (server_vad has no minimum of speech")
    livekit = swept.recommend()
    assert livekit.default == 1
    assert "the swept setting nearest to LiveKit's default (threshold 0.3, silence 200 ms, min speech 60 ms)" in (
        livekit.message
    )
