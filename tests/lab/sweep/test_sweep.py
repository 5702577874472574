"""The sweep from end to end on a small dataset: what it counts, where it runs, how it is kept."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import soundfile

import bidilab as bl
from bidilab.core.errors import InvalidParameterError
from bidilab.detect.vad import audio_sha256, speech_probabilities
from bidilab.lab.metrics.columns import SETTINGS, setting_columns
from bidilab.lab.metrics.endpoint import NEVER_HEARD
from bidilab.lab.metrics.evaluation import evaluate_recording
from bidilab.lab.metrics.members import MISSED, members_of
from bidilab.lab.metrics.statistics import quantile
from bidilab.lab.metrics.survival import km_quantile
from bidilab.lab.sweep import InProcess, ProcessPool, SweepResult
from bidilab.lab.sweep.aggregate import SETTING_COLUMNS
from bidilab.lab.sweep.engine import executor_of
from bidilab.lab.sweep.grid import AXES

from .conftest import write_dataset

GRID = bl.Grid(threshold=[0.1, 0.5, 0.9], prefix_padding_ms=[0, 300], silence_duration_ms=[100, 500])


def run(dataset, grid=GRID, **kwargs):
    return bl.sweep(dataset, grid, vad="energy", progress=False, n_resamples=50, **kwargs)


@pytest.fixture
def result(bursts):
    return run(bursts)


def test_columns(result):
    assert list(result.settings.columns) == [*AXES, *SETTING_COLUMNS]
    assert result.settings.index.name == "setting"
    assert len(result.settings) == len(GRID)


def test_every_setting_against_the_readable_evaluation(bursts, result):
    """Each column, worked out anew from single recordings with the plain functions."""
    backend = bl.get_vad("energy")
    tracks = {r.id: speech_probabilities(r.audio(), backend, 0) for r in bursts}
    placed = {r.id: members_of(r.segments, sample_rate=16_000, duration_samples=128_000) for r in bursts}
    for setting, row in result.settings.iterrows():
        params = GRID.params(setting)
        found = [evaluate_recording(placed[r.id], tracks[r.id], params, frame_samples=512) for r in bursts]
        events = [event for one in found for event in one.events]
        assert row["n_detected"] == sum(e.outcome == "detected" for e in events)
        assert row["n_missed"] == sum(e.outcome == "missed" for e in events)
        assert row["missed_rate"] == pytest.approx(row["n_missed"] / row["n_true_opportunities"])
        hits, chances = (sum(e.outcome in of for e in events) for of in (("false",), ("false", "ignored")))
        assert row["false_interruption_rate"] == pytest.approx(hits / chances)
        assert row["n_false"] == sum(one.costs.n_false for one in found)
        assert row["agent_speech_min"] == pytest.approx(sum(one.costs.exposure for one in found) / 16_000 / 60)
        assert row["agent_lost_min"] == pytest.approx(sum(one.costs.lost for one in found) / 16_000 / 60)
        delays = [e.delay for e in events if e.outcome in ("detected", "missed")]
        delays = [math.inf if delay == MISSED else delay for delay in delays]
        ends = [endpoint for one in found for endpoint in one.endpoints]
        waits = [100 * 16_000 if e.wait == NEVER_HEARD else e.wait for e in ends]  # later than all that is seen
        seen = [e.wait != NEVER_HEARD and not e.is_open for e in ends]
        clipped = [e.onset_clipped for e in ends if e.onset_clipped is not None]
        for q in (0.5, 0.9):
            name = f"p{round(100 * q)}"
            assert row[f"latency_detected_ms_{name}"] == pytest.approx(quantile(delays, q) / 16, nan_ok=True)
            assert row[f"endpoint_latency_ms_{name}"] == pytest.approx(km_quantile(waits, seen, q) / 16)
            assert row[f"onset_clipped_ms_{name}"] == pytest.approx(quantile(clipped, q) / 16, nan_ok=True)


def test_events_add_up_to_the_settings(result):
    for setting, row in result.settings.iterrows():
        adds_up(result.events(setting), row)
    assert set(result.events(0)["recording_id"]) == {r.id for r in result.dataset}


def adds_up(events, row):
    """Events judged for themselves make the rates, what the session did makes its costs."""
    outcome, in_session = events["outcome"].value_counts(), events["in_session"].value_counts()
    for name in ("detected", "missed"):
        assert outcome[name] == row[f"n_{name}"]
    assert outcome["detected"] + outcome["missed"] == row["n_true_opportunities"]
    assert outcome["false"] + outcome["ignored"] == row["n_false_opportunities"]
    for name in ("crowded", "terminal", "cut_in"):
        assert outcome[name] == row[f"n_{name}"]
    for name, counted in (
        ("stopped", "n_stops_true"),
        ("stopped_falsely", "n_false"),
        ("continued", "n_stops_continued"),
    ):
        assert in_session[name] == row[counted]
    assert events["lost_s"].sum() == pytest.approx(60 * row["agent_lost_min"])
    assert events["talk_over_s"].sum() == pytest.approx(row["talk_over_s"])


def test_recordings_add_up_to_the_settings(result):
    table = result.recordings
    assert len(table) == len(GRID) * 6
    for name in ("n_true_opportunities", "n_false", "n_missed", "n_turns", "n_premature_endpoints", "n_detector_turns"):
        assert (table.groupby("setting")[name].sum() == result.settings[name]).all()


def test_prefix_padding_moves_only_onset_clipping_for_openai(result):
    first, second = (
        result.settings[result.settings["prefix_padding_ms"] == ms].reset_index(drop=True) for ms in (0, 300)
    )
    moved = [column for column in SETTING_COLUMNS if not first[column].equals(second[column])]
    assert set(moved) <= {"onset_clipped_ms_p50", "onset_clipped_ms_p90"}
    assert "onset_clipped_ms_p90" in moved


def test_prefix_padding_moves_latency_for_gemini(bursts):
    grid = bl.Grid(threshold=0.5, prefix_padding_ms=[0, 320], silence_duration_ms=100, provider="gemini")
    settings = run(bursts, grid).settings
    assert settings["latency_detected_ms_p50"][1] - settings["latency_detected_ms_p50"][0] == pytest.approx(288)


def test_degenerate_is_flagged_and_never_recommended(result):
    flagged = result.settings["degenerate"]
    assert flagged[result.settings["threshold"] == 0.1].all()
    assert not flagged[result.settings["threshold"] == 0.5].any()
    chosen = result.recommend(1.0, 1.0)
    assert not result.settings["degenerate"][chosen.setting]


def test_guards_of_the_recommended_setting_are_not_lost_in_silence(bursts):
    """LiveKit's text lets the detector alone interrupt (``min_duration`` 0): that is not what was recommended."""
    grid = bl.Grid(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500, min_interruption_ms=250)
    exported = run(bursts, grid).recommend().export("livekit")
    assert '"min_duration": 0.0' in exported.text
    assert [(c.parameter, c.wanted, c.got) for c in exported.compromises] == [("min_interruption_ms", 250.0, 0.0)]
    assert not exported.exact
    assert "min_interruption_duration" in "\n".join(exported.notes)
    without = bl.Grid(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
    assert run(bursts, without).recommend().export("livekit").exact


def test_the_recommended_setting_is_exported(result):
    chosen = result.recommend(1.0, 1.0)
    exported = chosen.export("openai")
    assert exported.setting == result.provider_params(chosen.setting)
    assert exported.wanted == result.params(chosen.setting)


@pytest.mark.slow
@pytest.mark.parametrize("executor", [ProcessPool(2), "dask"], ids=["processes", "dask"])
def test_executors_agree(bursts, result, executor):
    if executor == "dask":
        distributed = pytest.importorskip("distributed")
        cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0")
        with cluster, distributed.Client(cluster) as client:
            other = run(bursts, executor=bl.DaskExecutor(client))
    else:
        other = run(bursts, executor=executor)
    pd.testing.assert_frame_equal(other.settings, result.settings)
    pd.testing.assert_frame_equal(other.recordings, result.recordings)


@pytest.mark.slow
def test_dask_agrees_under_conditions(bursts):
    """Each condition's audio is made where the detector runs: on a worker in another process it is the same."""
    distributed = pytest.importorskip("distributed")
    noise = bl.Condition(snr_db=5, noise="white")
    grid = bl.Grid(
        threshold=[0.3, 0.6],
        silence_duration_ms=200,
        prefix_padding_ms=100,
        conditions=[None, noise, bl.Condition(bandwidth="telephone", packet_loss=0.2)],
    )
    here = run(bursts, grid)
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0")
    with cluster, distributed.Client(cluster) as client:
        there = run(bursts, grid, executor=bl.DaskExecutor(client))
    pd.testing.assert_frame_equal(there.settings, here.settings)
    pd.testing.assert_frame_equal(there.recordings, here.recordings)
    pd.testing.assert_frame_equal(there.under(str(noise)).settings, here.under(str(noise)).settings)
    assert len(here.conditions) == 3
    assert here.recommend(1.0, 1.0).setting == there.recommend(1.0, 1.0).setting


def test_how_many_processes():
    assert isinstance(executor_of(None, 1, 1e6), InProcess)
    assert executor_of(None, 3, 1.0).jobs == 3
    assert isinstance(executor_of(None, None, 600.0), InProcess)
    with pytest.raises(InvalidParameterError, match="jobs must be"):
        executor_of(None, 0, 1.0)


def test_bootstrap_is_seeded(bursts, result):
    pd.testing.assert_frame_equal(run(bursts).settings, result.settings)


def test_interrupted_sweep_goes_on_from_the_cache(bursts, monkeypatch):
    """What had been computed when it was stopped is not computed again."""
    from bidilab.detect.vad.energy import EnergyVad

    computed = []
    original = EnergyVad.probabilities_batch

    def one_then_stop(self, samples, on_done=None, on_progress=None):
        track = original(self, samples[:1])[0]
        computed.append(1)
        on_done(0, track)
        raise KeyboardInterrupt

    monkeypatch.setattr(EnergyVad, "probabilities_batch", one_then_stop)
    with pytest.raises(KeyboardInterrupt):
        run(bursts)

    def count(self, samples, on_done=None, on_progress=None):
        computed.append(len(samples))
        return original(self, samples, on_done, on_progress)

    monkeypatch.setattr(EnergyVad, "probabilities_batch", count)
    run(bursts)
    assert computed == [1, 5]
    run(bursts)
    assert computed == [1, 5]


def test_bad_arguments(bursts):
    with pytest.raises(InvalidParameterError, match="vad must be one of"):
        bl.sweep(bursts, GRID, vad="sielro")
    with pytest.raises(InvalidParameterError, match="grid must be a Grid"):
        bl.sweep(bursts, {"threshold": [0.5]})
    with pytest.raises(InvalidParameterError, match="n_resamples"):
        bl.sweep(bursts, GRID, vad="energy", n_resamples=0, progress=False)


def test_unknown_setting_and_recording(result):
    for bad in (-1, len(GRID), 1.5, True):
        with pytest.raises(InvalidParameterError, match="a row of settings"):
            result.events(bad)
    with pytest.raises(InvalidParameterError, match="id of a recording"):
        result.turns("nobody", 0)


def test_text_and_html_say_the_same(result):
    html = result._repr_html_()
    for line in repr(result).splitlines()[1:]:
        for word in line.split()[1:4]:
            assert word.replace("<", "&lt;") in html


def test_no_recording_without_opportunities_gives_zeros(tmp_path):
    """A dataset without a single response: every rate is undefined, none is 0."""
    folder = write_dataset(tmp_path / "plain", n=2)
    kept = []
    for line in map(json.loads, (folder / "manifest.jsonl").read_text().splitlines()):
        line["segments"] = [s for s in line["segments"] if s["kind"] == "turn" and s["start_s"] < 2]
        kept.append(json.dumps(line))
    (folder / "manifest.jsonl").write_text("\n".join(kept) + "\n")
    settings = run(folder).settings
    assert (settings["n_true_opportunities"] == 0).all()
    for name in ("missed_rate", "false_interruption_rate", "false_per_min", "latency_detected_ms_p50"):
        assert settings[name].isna().all()
    assert not run(folder).recommend(max_missed_rate=0.5).qualifying  # what is not known is not within a limit


def test_intervals_hold_their_estimates(result):
    settings = result.settings
    for name in ("missed_rate", "false_interruption_rate", "false_per_min", "premature_endpoint_rate"):
        known = settings[settings[name].notna()]
        assert (known[f"{name}_lo"] <= known[name]).all()
        assert (known[name] <= known[f"{name}_hi"]).all()
    assert np.isfinite(settings["missed_rate"]).any()


@pytest.mark.parametrize(
    ("channels", "rate", "subtype"),
    [(2, 16_000, "PCM_U8"), (2, 44_100, "PCM_24"), (6, 16_000, "PCM_16"), (2, 96_000, "PCM_16")],
    ids=["8-bit", "24-bit", "6-channel", "96-kHz"],
)
def test_unusual_but_sound_audio_is_swept(tmp_path, channels, rate, subtype):
    folder = write_dataset(tmp_path / "data", n=1)
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 1e-3, (8 * rate, channels))
    samples[rate // 2 : rate * 3 // 2, 0] += rng.normal(0, 0.1, rate)
    path = folder / "audio" / "r0.wav"
    soundfile.write(path, samples, rate, subtype=subtype)
    line = json.loads((folder / "manifest.jsonl").read_text())
    names = ["user", "agent", "a", "b", "c", "d"][:channels]
    line.update(audio="audio/r0.wav", sample_rate=rate, channels=names, sha256=audio_sha256(path))
    (folder / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    result = run(folder)
    (turn, *_) = result.turns("r0", GRID.nearest(threshold=0.5))
    assert turn.onset == pytest.approx(0.5 * 16_000, abs=512)


SIMULATED = {"evaluation": "simulated", "response_delay_ms": 200.0, "response_ms": 3000.0}


def test_simulated_events_add_up_to_the_settings(bursts):
    result = run(bursts, **SIMULATED)
    assert list(result.settings.columns) == [*AXES, *setting_columns(simulated=True, resumes=False)]
    for setting, row in result.settings.iterrows():
        adds_up(result.events(setting), row)
    assert (result.settings["masked_s"] == 0).all()
    assert result.evaluation == "simulated"


def test_what_becomes_of_an_event_does_not_hang_on_who_answers(bursts, result):
    simulated = run(bursts, **SIMULATED).settings
    same = [c.name for c in SETTINGS.in_groups(["Event rates"]) if c.name in result.settings]
    pd.testing.assert_frame_equal(simulated[same], result.settings[same])


def test_without_a_guard_silence_moves_no_event(result):
    """Nor does the prefix padding; the number of events is the same at every setting."""
    same = [name for c in SETTINGS.in_groups(["Event rates"]) for name in c.names if name in result.settings]
    for _, rows in result.settings.groupby("threshold"):
        for name in same:
            assert rows[name].nunique(dropna=False) == 1, name
    assert result.settings["n_true_opportunities"].nunique() == 1
    assert result.settings["n_false_opportunities"].nunique() == 1


def test_the_simulated_agent_answers_what_is_heard(bursts):
    """Each recording holds a turn that is always heard, and a burst that is heard by its level: never fewer than one
    response a recording, and the first is made ``response_delay`` after the end of the turn was decided."""
    grid = bl.Grid(threshold=0.5, prefix_padding_ms=0, silence_duration_ms=200)
    result = run(bursts, grid, **SIMULATED)
    assert result.settings["n_responses"][0] >= len(bursts)
    turns = result.turns("r0", 0)
    evaluation = result.source.evaluate("r0", grid.params(0))
    first = evaluation.costs.responses[0]
    assert first.audible_at == turns[0].stopped_at + 3200
    assert first.ends_at == first.audible_at + 48_000


def test_a_saved_simulated_result_is_evaluated_as_it_was(bursts, tmp_path):
    result = run(bursts, **SIMULATED)
    loaded = SweepResult.load(result.save(tmp_path / "saved"))
    pd.testing.assert_frame_equal(loaded.events(1), result.events(1))


@pytest.mark.parametrize(
    "bad",
    [
        {"evaluation": "imagined"},
        {"response_ms": 0},
        {"response_delay_ms": -1},
        {"response_ms": "long"},
        {"min_overlap_ms": math.inf},
        {"tolerance_ms": math.nan},
    ],
)
def test_bad_conditions(bursts, bad):
    with pytest.raises(InvalidParameterError):
        run(bursts, **bad)
