"""Turns that end, and interrupt, by a score: what the compiled sweep counts is what sessions do."""

from dataclasses import replace

import pytest

import bidilab as bl
from bidilab.detect.turns import STOP_CAUSES
from tests.agreement.test_sweep_kernel import judged_in_session, judged_in_sweep
from tests.conftest import ROOT
from tests.scorers import DigestSpec
from tests.sizes import examples

DATASET = ROOT / "datasets" / "overlap-mini"
RECORDINGS = ("early-clean-01", "one-word-babble10-01", "late-clean-01", "early-echo-01")
AXES = {
    "threshold": [0.3, 0.5, 0.8],
    "prefix_padding_ms": 300,
    "silence_duration_ms": [100, 300],
    "eot_threshold": [None, 0.2, 0.6, 0.9],
    "eot_action_delay_ms": [0, 250],
    "eot_timeout_ms": [400, 1200],
    "eot_interval_ms": [0, 96],
    "eot_latency_ms": 48,
}
INTERRUPT = {
    "threshold": [0.3, 0.6],
    "prefix_padding_ms": 300,
    "silence_duration_ms": [100, 400],
    "eot_threshold": [None, 0.5],
    "eot_timeout_ms": 800,
    "interrupt": DigestSpec(8000),
    "interrupt_threshold": [None, 0.4, 0.8],
    "interrupt_first_ms": [0, 150],
    "interrupt_interval_ms": [0, 96],
    "interrupt_window_ms": [600, None],
    "interrupt_latency_ms": 40,
}
CASES = {"plain": AXES, "guarded": {**AXES, "min_interruption_ms": 200}, "interruptions": INTERRUPT}
SESSIONS = max(36, examples(60))  # fewer do not meet every cause ten times
"""Sessions held in each case, each on another setting of its grid."""


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_sessions_do_what_the_sweep_counts(case, tmp_path, monkeypatch):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "cache"))
    whole = bl.load_dataset(DATASET)
    dataset = replace(whole, recordings=tuple(whole[name] for name in RECORDINGS))
    grid = bl.Grid(**CASES[case], eot=DigestSpec())
    result = bl.sweep(dataset, grid, evaluation="simulated", progress=False, n_resamples=2)
    by_cause, n_stops = dict.fromkeys(STOP_CAUSES, 0), 0
    for number in range(SESSIONS):
        setting = number * len(grid) // SESSIONS
        name = RECORDINGS[number % len(RECORDINGS)]
        policy, adaptive, guards = grid.end_of_turn(setting), grid.adaptive(setting), grid.guards(setting)
        made = bl.replay(
            whole[name],
            turn_detection=bl.ServerVad(
                threshold=grid[setting].threshold, silence_duration_ms=int(grid[setting].silence_duration_ms)
            ),
            guards=guards,
            end_of_turn=policy,
            scorer=None if policy is None else DigestSpec(),
            interruption=adaptive,
            interruption_scorer=None if adaptive is None else DigestSpec(8000),
        )
        evaluation = result.source.evaluate(name, grid.params(setting), guards, policy, adaptive)
        assert result.turns(name, setting) == made.turns
        cuts = made.log.interruptions()
        assert cuts["decided_at_samples"].tolist() == [cut.decided_at for cut in evaluation.costs.interruptions]
        assert judged_in_session(made.interruptions) == judged_in_sweep(evaluation)
        counted = result.counts_at(setting).loc[name]
        assert counted["n_responses"] == len(made.log.responses())
        assert counted["n_false"] == (made.interruptions["outcome"] == "false").sum()
        assert counted["n_stops_continued"] == (made.interruptions["outcome"] == "continued").sum()
        n_stops += len(evaluation.costs.stops)
        for turn in made.turns:
            by_cause[turn.cause] += 1
    assert n_stops > 50
    assert min(by_cause[cause] for cause in ("silence", "score", "timeout")) > 10
