"""Sweeps, replays and client probes read as evidence, in memory and saved."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import bidilab as bl
from bidilab.bidi.realtime.probe import Interrupted, ProbedSession, ProbeReport
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.core.files import written_together
from bidilab.lab.gate import check, evidence_of
from bidilab.lab.gate.evidence import NotJudged
from bidilab.lab.gate.subjects import NoSetting
from bidilab.lab.metrics.columns import Mean, PerMinute, Quantile, Rate
from tests.lab.judge.test_judged import by_hand
from tests.lab.sweep.conftest import write_dataset
from tests.test_documents import ROOT

# -- sweeps ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("gate") / "calls", n=36)


def swept(folder, **options):
    grid = bl.Grid(threshold="0.1:0.9:0.2", prefix_padding_ms=300, silence_duration_ms=[300, 500])
    return bl.sweep(folder, grid, vad="energy", cache=False, progress=False, n_resamples=20, jobs=1, **options)


@pytest.fixture(scope="module")
def result(folder):
    return swept(folder)


def at_ninety(result, row, column):
    """The settings table has two-sided 95 %; the figures are the same, and the evidence's interval is narrower."""
    found = evidence_of(result, row).estimate(column, 0.95)
    return [float(found.value), float(found.lo), float(found.hi)]


def test_every_metric_of_a_sweep_is_that_of_its_table(result):
    evidence = evidence_of(result, 3)
    assert {
        "missed_rate",
        "false_per_min",
        "unprompted_per_min",
        "endpoint_latency_ms_p90",
        "endpoint_latency_ms_mean",
        "cutoff_rate",
    } <= set(evidence.metrics)
    row = result.settings.loc[3]
    for name in evidence.metrics:
        column = evidence.column(name)
        assert isinstance(column, Rate | PerMinute | Quantile | Mean)
        np.testing.assert_allclose(at_ninety(result, 3, column), row[list(column.names)].astype(float), rtol=1e-9)
        assert evidence.n(column) == pytest.approx(float(row[list(column.n_columns)].sum()))


def test_a_saved_sweep_gives_the_same_and_minutes_only_where_the_recordings_are_at_hand(folder, tmp_path):
    here = shutil.copytree(folder, tmp_path / "calls")
    result = swept(here)
    result.save(tmp_path / "kept")
    kept = evidence_of(tmp_path / "kept", 3)
    assert kept.title == evidence_of(result, 3).title
    for name in ("missed_rate", "false_interruption_rate", "latency_detected_ms_p90", "false_per_min"):
        a, b = (float(each.estimate(each.column(name)).value) for each in (kept, evidence_of(result, 3)))
        assert a == b
    here.rename(tmp_path / "gone")
    kept = evidence_of(tmp_path / "kept", 3)
    assert kept.estimate(kept.column("missed_rate")).value >= 0
    with pytest.raises(NotJudged, match="it needs the minutes of each recording, but the recordings are not available"):
        kept.estimate(kept.column("false_per_min"))
    report = check(tmp_path / "kept", max={"false_per_min": 3, "missed_rate": 1}, setting=3)
    assert report.exit_code == 2
    assert [row.verdict for row in report.rows] == ["not judged", "pass"]


def test_the_recommended_setting_is_judged_or_the_one_that_is_named(result):
    recommended = result.recommend()
    assert evidence_of(result).title.endswith("(recommended)")
    assert evidence_of(result).counts.equals(result.counts_at(recommended.setting))
    assert evidence_of(result, recommended).title == evidence_of(result).title
    row = result.setting(threshold=0.3, silence_duration_ms=500)
    named = evidence_of(result, {"threshold": result.axes["threshold"][1]})  # the silence is the provider's default
    assert named.counts.equals(result.counts_at(row))
    assert "recommended" not in named.title
    with pytest.raises(InvalidParameterError, match=r"threshold must be a value that was swept: 0\.1"):
        evidence_of(result, {"threshold": 0.31})
    with pytest.raises(InvalidParameterError, match="knobs of this sweep"):
        evidence_of(result, {"treshold": 0.3})
    with pytest.raises(InvalidParameterError, match="a row of settings"):
        evidence_of(result, 99)
    with pytest.raises(InvalidParameterError, match="a row, a dict of knobs or a Recommendation"):
        evidence_of(result, "threshold=0.3")


def kept_as_the_command_does(result, folder, **limits):
    found = result.recommend(**limits)
    with written_together(folder) as stage:
        result.save(stage)
        (stage / "recommendation.json").write_text(json.dumps(found.to_dict()))
    return found


def test_what_the_command_recommended_is_judged_and_held_to_its_own_limits(result, tmp_path):
    found = kept_as_the_command_does(result, tmp_path, max_false_interruption_rate=0.9)
    report = check(tmp_path)
    assert report.title.endswith("(recommended)")
    (row,) = report.rows
    assert (row.metric, row.limit, row.verdict) == ("false_interruption_rate", 0.9, "pass")
    assert row.value == result.settings.loc[found.setting, "false_interruption_rate"]
    assert check(result, setting=found).rows[0].limit == 0.9
    assert [r.metric for r in check(tmp_path, max={"missed_rate": 1}).rows] == ["missed_rate"]


def test_a_sweep_whose_limits_no_setting_meets_fails(result, tmp_path):
    found = kept_as_the_command_does(result, tmp_path, max_missed_rate=0.0001)
    assert found.setting is None
    report = check(tmp_path, max={"false_interruption_rate": 1})
    assert report.exit_code == 1
    assert "None of" in report.rows[0].reason
    assert isinstance(evidence_of(tmp_path), NoSetting)
    assert check(result, setting=found).exit_code == 1
    assert check(tmp_path, setting=2, max={"false_interruption_rate": 1}).exit_code == 0  # one may still be named
    with pytest.raises(InvalidParameterError, match="a result with a setting to compare with"):
        check(result, baseline=tmp_path, metrics=["missed_rate"])


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"setting": 99, "message": "", "settings": [], "limits": {}}'])
def test_a_recommendation_that_cannot_be_read_is_said(result, tmp_path, text):
    with written_together(tmp_path) as stage:
        result.save(stage)
        (stage / "recommendation.json").write_text(text)
    with pytest.raises(ResultError, match=r"recommendation\.json: what the sweep recommends cannot be read"):
        check(tmp_path, max={"missed_rate": 1})


def test_a_recommendation_of_another_sweep_is_found_out(result, folder, tmp_path):
    found = kept_as_the_command_does(result, tmp_path / "one")
    (tmp_path / "one" / "recommendation.json").write_text(json.dumps(found.to_dict()) + " ")
    with pytest.raises(ResultError, match="is not the file that was saved with the others"):
        check(tmp_path / "one", max={"missed_rate": 1})
    grid = bl.Grid(threshold="0.15:0.95:0.2", prefix_padding_ms=300, silence_duration_ms=[300, 500])
    with written_together(tmp_path / "two") as stage:  # by hand
        bl.sweep(folder, grid, vad="energy", cache=False, progress=False, n_resamples=2, jobs=1).save(stage)
        (stage / "recommendation.json").write_text(json.dumps(found.to_dict()))
    with pytest.raises(ResultError, match="to a different sweep than the one beside it: threshold differ"):
        check(tmp_path / "two", max={"missed_rate": 1})


def test_the_rate_that_others_call_false_rate(result):
    assert evidence_of(result).column("false_rate").name == "false_interruption_rate"
    with pytest.raises(InvalidParameterError, match="metric must be a metric of a sweep"):
        evidence_of(result).column("yield_p90_ms")  # to the silence: a sweep has the decision


def test_a_build_with_a_deaf_detector_is_caught_and_the_same_build_is_not(result, folder, tmp_path):
    result.save(tmp_path / "old")
    metrics = ["missed_rate", "false_interruption_rate"]
    row, deaf = result.setting(threshold=0.5), result.setting(threshold=0.9)
    same = check(
        swept(folder), setting=row, baseline=tmp_path / "old", baseline_setting=row, metrics=metrics, proof=True
    )
    assert same.exit_code == 0
    assert "all 36 recordings are in both, found by the same audio" in same.pairing
    worse = check(result, setting=deaf, baseline=tmp_path / "old", baseline_setting=row, metrics=metrics)
    rates = [result.settings.loc[each, "missed_rate"] for each in (row, deaf)]
    assert worse.rows[0].worsening == pytest.approx(rates[1] - rates[0])
    assert worse.rows[0].lo <= worse.rows[0].worsening <= worse.rows[0].hi


def test_what_was_made_in_another_way_is_said(result, folder, tmp_path):
    """Other labels, another detector, another evaluation; the same recordings."""
    assert check(result, baseline=result, metrics=["missed_rate"]).notes == ()
    other = shutil.copytree(folder, tmp_path / "calls")
    manifest = other / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"backchannel"', '"noise"'))
    grid = bl.Grid(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500)
    vad = bl.VadSpec.of("energy", offset_db=9)
    made = bl.sweep(other, grid, vad=vad, cache=False, progress=False, n_resamples=2, jobs=1, evaluation="simulated")
    report = check(result, baseline=made, metrics=["false_interruption_rate"])
    said = " ".join(report.notes)
    assert "The evaluation is another: " in said
    assert "where labels have changed, so has what is counted" in said
    assert said in " ".join(str(report).split("\n"))


def test_speakers_as_the_unit_stay_the_unit(folder, result):
    clusters = replace(result.verdicts, clusters=np.arange(36, dtype=np.int64) // 6)
    made = bl.SweepResult(
        settings=result.settings, grid=result.grid, meta=result.meta, counts=result._counts, verdicts=clusters
    )
    together, apart = (check(each, setting=4, max={"missed_rate": 0.5}).rows[0] for each in (made, result))
    assert together.value == apart.value
    assert together.lo != apart.lo


# -- replays --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replays():
    dataset = bl.load_dataset(ROOT / "datasets" / "overlap-mini")
    chosen = dataset[:3]
    return bl.replay_dataset(chosen, jobs=1, progress=False)


def test_replays_are_counted_as_their_tables_say(replays):
    evidence = evidence_of(replays)
    table = replays.recordings.set_index("recording_id")
    counts = evidence.counts
    assert counts["n_missed"].tolist() == table["n_missed"].tolist()
    assert counts["n_met"].tolist() == (table["n_missed"] + table["n_detected"]).tolist()
    assert counts["n_false"].tolist() == table["n_false"].tolist()
    detected = replays.interruptions.query("outcome == 'detected'")
    times = evidence.times["latency_detected_ms"].values
    assert sorted(times[np.isfinite(times)]) == sorted(detected["latency_ms"])
    assert np.isinf(times).sum() == table["n_missed"].sum()
    spoken = sum(segment.end_s - segment.start_s for made in replays for segment in made.spoken)
    assert counts["agent_speech_min"].sum() == pytest.approx(spoken / 60)


@pytest.mark.usefixtures("undrawn")
def test_saved_replays_give_the_same_and_are_paired_by_what_the_user_said(replays, tmp_path):
    for made in replays:
        made.save(tmp_path / made.name)
    kept, held = evidence_of(tmp_path), evidence_of(replays)
    assert kept.counts.sort_index().equals(held.counts.sort_index())
    assert sorted(kept.audio) == sorted(held.audio)
    assert len(set(held.audio)) == 3
    for name, times in held.times.items():
        np.testing.assert_allclose(sorted(kept.times[name].values), sorted(times.values), rtol=1e-9)
    report = check(tmp_path, baseline=replays, metrics=["false_per_min"])
    assert "all 3 recordings are in both, found by the same audio" in report.pairing
    single = evidence_of(tmp_path / replays.replays[0].name)
    assert len(single.counts) == 1
    assert single.title.startswith("replay of ")
    (tmp_path / replays.replays[0].name / "interruptions.csv").unlink()
    with pytest.raises(ResultError, match=r"interruptions\.csv: is missing"):
        evidence_of(tmp_path)


def test_replays_without_labels_cannot_be_judged(replays):
    bare = [replace(made, segments=()) for made in replays]
    with pytest.raises(InvalidParameterError, match="replays of recordings with labels"):
        evidence_of(bl.DatasetReplay(name="bare", replays=tuple(bare)))


def test_what_a_provider_keeps_to_itself_is_not_judged(replays, monkeypatch):
    table = replays.replays[0].interruptions.assign(latency_ms=np.nan)
    assert (table["outcome"] == "detected").any()
    monkeypatch.setattr(bl.Replay, "interruptions", property(lambda self: table))
    report = check(replays.replays[0], max={"latency_detected_ms_p50": 300})
    assert report.exit_code == 2
    assert "the provider keeps it to itself" in report.rows[0].reason


# -- client probes --------------------------------------------------------------------------------------------------


def interrupted(leak_ms, after_ms):
    return Interrupted(
        at_s=1.0,
        onset_ms=0.0,
        decided_ms=64.0,
        response_id="resp_1",
        item_id="item_1",
        generating=True,
        sent_ms=1000.0,
        max_heard_ms=500.0,
        truncate_after_ms=after_ms,
        audio_end_ms=None if after_ms is None else 500,
        overclaim_ms=None if after_ms is None else 0.0,
        max_leak_ms=leak_ms,
        n_truncates=0 if after_ms is None else 1,
        n_cancels=0,
        n_stale=0,
        errors=(),
    )


def session(*leaks, pace=1.0):
    found = tuple(interrupted(leak, None if leak > 900 else leak) for leak in leaks)
    return ProbedSession(
        pace=pace, n_responses=9, n_speech_started=9, interruptions=found, errors=("oops",), close_code=1000
    )


@pytest.fixture
def probe():
    leaks = [20.0, 30.0, 40.0, 50.0, 1000.0]
    return ProbeReport(sessions=(session(*leaks), session(*leaks), session(*leaks, pace=float("inf"))), detector="x 1")


def test_a_probes_report_comes_back_from_its_json(probe, tmp_path):
    (tmp_path / "probe.json").write_text(probe.to_json())
    assert ProbeReport.read(tmp_path / "probe.json") == probe
    kept, held = evidence_of(tmp_path / "probe.json"), evidence_of(probe)
    assert kept.counts.equals(held.counts)
    assert held.recordings == ("session 0 at pace 1", "session 1 at pace 1", "session 2 at pace inf")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sessions": [{}], "detector": null}'])
def test_what_is_no_probes_report_is_said(tmp_path, text):
    (tmp_path / "probe.json").write_text(text)
    with pytest.raises(ResultError, match=r"probe\.json"):
        evidence_of(tmp_path / "probe.json")


def test_a_probe_is_judged_with_sessions_as_the_unit(probe):
    limits = {"leak_ms_p50": 100, "not_truncated_rate": 0.1, "truncate_after_ms_p90": 300}
    report = check(probe, max=limits)
    leak, never, after = report.rows
    assert (leak.value, leak.n) == (40, 15)
    assert (never.value, never.verdict) == (pytest.approx(0.2), "inconclusive")
    assert after.value == np.inf
    assert "with sessions as the unit" in str(report)
    (alone,) = check(replace(probe, sessions=(session(*range(10, 30)),)), max={"leak_ms_p50": 100}).rows
    assert alone.reason == "all interruptions are of one session, and a bound needs at least two"
    with pytest.raises(InvalidParameterError, match="a probe that saw interruptions"):
        check(ProbeReport(sessions=()), max=limits)


# -- judged calls ---------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(tmp_path):
    """Six pairs of calls, all ends known: one yielded to after 400 ms, one spoken on over; a backchannel in each."""
    drawn = {}
    for k in range(6):
        yielded = ([(4000, 6000), (9000, 9300)], [(1000, 4400 + 10 * k), (7000, 14_000)])
        on = ([(4000, 6000)], [(1000, 12_000)])
        drawn[f"yields-{k}"] = (*yielded, [(4400 + 10 * k, "cut"), (14_000, "natural")])
        drawn[f"on-{k}"] = (*on, [(12_000, "natural")])
    return by_hand(tmp_path, **drawn)


def test_judged_calls_have_the_rates_of_their_own_table(calls):
    evidence = evidence_of(calls)
    assert {"false_rate", "yield_p90_ms", "not_yielded_rate", "false_stops_per_min"} <= set(evidence.metrics)
    totals = calls.totals.iloc[0]
    for name in evidence.metrics:
        column = evidence.column(name)
        found = evidence.estimate(column, 0.95)
        expected = totals[list(column.names)].astype(float)
        np.testing.assert_allclose([found.value, found.lo, found.hi], expected, rtol=1e-9, err_msg=name)


def test_judged_calls_are_checked_as_they_are_and_as_the_command_keeps_them(calls, tmp_path):
    limits = {"not_yielded_rate": 0.2, "yield_p50_ms": 600, "false_rate": 0.5}
    held = check(calls, max=limits)
    calls.to_csv(tmp_path / "judged")
    kept = check(tmp_path / "judged", max=limits)
    assert [(r.metric, r.verdict, r.value, r.lo, r.hi) for r in kept.rows] == [
        (r.metric, r.verdict, r.value, pytest.approx(r.lo, nan_ok=True), pytest.approx(r.hi, nan_ok=True))
        for r in held.rows
    ]
    refused, slow, few = held.rows
    assert (refused.value, refused.n, refused.verdict) == (0.5, 12, "fail")
    assert (slow.n, slow.value) == (12, 450)  # of 400 to 450 in six calls, and six that never yield
    assert few.verdict == "not judged"  # six backchannels
    same = check(tmp_path / "judged", baseline=calls, metrics=["not_yielded_rate", "yield_p50_ms"], proof=True)
    assert same.exit_code == 0
    assert [row.reason for row in same.rows] == ["the same in every recording"] * 2
    (tmp_path / "judged" / "delays.csv").unlink()
    with pytest.raises(ResultError, match="judge them again"):
        check(tmp_path / "judged", max=limits)


def test_ends_of_which_it_is_only_likely_that_they_were_cut_count_by_their_weight(made):
    """Twelve calls: a yield of 400 ms that is a cut at 0.75, else only known to be longer: n is 12, not 24."""
    evidence = made([0] * 12, delays=[[400.0, 400.0]] * 12, seen=[[True, False]] * 12)
    times = replace(evidence.times["latency_detected_ms"], weights=np.tile([0.75, 0.25], 12))
    evidence = replace(evidence, times={"latency_detected_ms": times})
    column = evidence.column("latency_detected_ms_p50")
    assert evidence.n(column) == 12
    assert evidence.estimate(column).value == 400
    assert evidence.estimate(evidence.column("latency_detected_ms_p90")).value == np.inf  # a quarter is never seen
    assert check(evidence, baseline=evidence, metrics=["latency_detected_ms_p50"], proof=True).exit_code == 0
