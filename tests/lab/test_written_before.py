"""Sweeps, logs of replays and a dataset that earlier versions wrote still load (`written_before/make.py`)."""

import json
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import bidilab as bl
from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.errors import ResultError
from bidilab.lab.datasets.validation import validate
from bidilab.lab.sessions.verdicts import verdicts
from bidilab.lab.sweep import SweepResult
from bidilab.show.plots import detached_figures
from bidilab.show.widgets.explorer import SweepExplorer
from bidilab.show.widgets.explorer.details import recordings_answer

KEPT = Path(__file__).parent / "written_before" / "kept.zip"
SWEEPS = ("recorded-1", "recorded-2", "conditions-1", "conditions-2", "simulated-1", "simulated-2")
"""Saved sweeps, all of rules by which each setting was judged on other events than the next."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    with zipfile.ZipFile(KEPT) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))


def test_what_is_kept_is_small_and_says_nothing_of_a_machine(kept):
    assert KEPT.stat().st_size < 150_000
    for path in kept.rglob("*.json*"):
        assert not any(root in path.read_text("utf-8") for root in ("/home", "/root", "/tmp", "/work")), path


def test_the_dataset_loads_and_is_what_its_manifest_says(kept):
    dataset = bl.load_dataset(kept / "dataset")
    assert [recording.id for recording in dataset] == ["r0", "r1", "r2", "r3"]
    assert validate(kept / "dataset") == []


@pytest.mark.parametrize("name", SWEEPS)
def test_a_saved_sweep_loads_for_viewing(kept, name):
    loaded = SweepResult.load(kept / name)
    assert loaded.meta["protocol"]["evaluation"] == name.split("-")[0].replace("conditions", "recorded")
    assert loaded.meta["protocol"]["word_times"] == "labelled"
    assert "conditions" not in loaded.meta
    assert len(loaded.settings) == len(loaded.grid)
    for setting in range(len(loaded.grid)):
        counts = loaded.counts_at(setting)
        assert counts["n_missed"].sum() == loaded.settings["n_missed"][setting]
    assert loaded.recommend().setting is None
    assert loaded.outdated in loaded.recommend().message
    assert loaded.recommend().message in repr(loaded)


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_a_saved_sweep_draws_what_it_has(kept, name):
    loaded = SweepResult.load(kept / name)
    one = loaded.under(loaded.conditions[-1])
    with detached_figures():
        for draw in (one.plot.tradeoff, one.plot.curves, one.plot.by_kind, one.plot.endpoints):
            draw()
        for column in ("missed_rate", "premature_endpoint_rate", "endpoint_latency_ms_p50", "false_per_min"):
            one.plot.heatmap(column)
        if len(loaded.conditions) > 1:
            loaded.plot.conditions()
        with pytest.raises(ResultError, match="sweep again"):
            one.plot.loss()


@pytest.fixture(scope="module")
def now(kept, tmp_path_factory):
    """A sweep of the kept dataset by today's rule, saved."""
    grid = bl.Grid(threshold=[0.3, 0.6], prefix_padding_ms=300, silence_duration_ms=[200, 500])
    swept = bl.sweep(kept / "dataset", grid, vad="energy", jobs=1, cache=False, n_resamples=20, progress=False)
    return swept.save(tmp_path_factory.mktemp("now"))


def test_a_saved_sweep_is_evaluated_again_to_the_same_counts(kept, now):
    loaded = SweepResult.load(now).attach(kept / "dataset")
    assert loaded.outdated == ""
    for setting in range(len(loaded.grid)):
        counts = loaded.counts_at(setting)
        pd.testing.assert_frame_equal(loaded.recordings_at(setting)[list(counts)], counts, check_dtype=False)


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_of_another_rule_is_shown_and_compared_with_nothing(kept, now, tmp_path, name):
    loaded, made_now = SweepResult.load(kept / name), SweepResult.load(now)
    again = SweepResult.load(loaded.save(tmp_path / "again"))  # a new format makes no new numbers of them
    assert json.loads((tmp_path / "again" / "sweep.json").read_text())["format"] == 4
    for each in (loaded, again):
        assert "sweep again" in each.outdated
        assert each.outdated in repr(each)
        assert not each.has_recordings
        with pytest.raises(ResultError, match="sweep again"):
            each.attach(kept / "dataset")
        with pytest.raises(ResultError, match=r"can be validated\. .*sweep again"):
            each.recommend(validate_on=bl.load_dataset(kept / "dataset"))
        with pytest.raises(ResultError, match=r"validated on this sweep\. .*sweep again"):
            made_now.recommend(validate_on=each)
    assert made_now.outdated == ""


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", SWEEPS)
def test_a_report_of_a_sweep_of_another_rule_says_so_at_its_top(kept, tmp_path, name):
    text = SweepResult.load(kept / name).report(tmp_path / "report.html").read_text()
    assert text.index("No setting is recommended") < text.index("sweep again") < text.index("What was swept")
    for gone in ("masked", "preempted", "terminal overlap"):
        assert gone not in text


def test_the_explorer_of_a_sweep_of_another_rule_says_so_and_shows_its_tables(kept):
    loaded = SweepResult.load(kept / "simulated-1")
    answer, _ = recordings_answer(loaded, 0)
    assert loaded.outdated in answer["note"]
    assert "attach" not in answer["note"]  # no dataset mends it
    assert answer["ids"] == ["r0", "r1", "r2", "r3"]
    explorer = SweepExplorer(loaded)
    assert loaded.outdated in explorer.static_form().text
    assert explorer.plane.metric == "false_interruption_rate"  # it has no loss
    explorer.close()


def test_saved_again_a_sweep_is_what_it_was(kept, tmp_path):
    shutil.copytree(kept / "conditions-2", tmp_path / "saved")
    before = SweepResult.load(kept / "conditions-2")
    after = SweepResult.load(SweepResult.load(tmp_path / "saved").save(tmp_path / "saved"))  # in its own place
    pd.testing.assert_frame_equal(after.recordings, before.recordings)
    pd.testing.assert_frame_equal(after.settings, before.settings)
    assert (after.meta, after.grid) == (before.meta, before.grid)


@pytest.mark.parametrize("name", ["r0", "r1"])
def test_the_log_of_a_replay_is_judged_as_it_was(kept, name):
    log = EventLog.read(kept / f"replay-{name}" / "events.jsonl")
    segments = bl.load_dataset(kept / "dataset")[name].segments
    judged = verdicts(log, segments)
    before = (kept / f"replay-{name}" / "interruptions.csv").read_text()
    assert judged[before.splitlines()[0].split(",")].to_csv(index=False, na_rep="NaN") == before
