"""What the compiled closed loop of a sweep counts is what sessions do."""

from collections import Counter
from dataclasses import replace

import pytest

import bidilab as bl
from tests.conftest import ROOT

DATASET = ROOT / "datasets" / "overlap-mini"
RECORDINGS = ("early-clean-01", "one-word-babble10-01", "late-clean-01", "early-echo-01", "early-babble10-01")


def judged_in_sweep(evaluation):
    """Stops of the simulated agent: what each was, its cause, start of the segment, and where it was, in samples."""
    segments = evaluation.labels.segments
    return Counter(
        (
            {"true": "detected", "continued": "continued"}.get(stop.cause, "false"),
            stop.cause if stop.is_false else None,
            segments[stop.owner].interval.start if stop.owner >= 0 else None,
            stop.acted_at,
        )
        for stop in evaluation.costs.stops
    )


def judged_in_session(table):
    heard = table[table["outcome"].isin(("detected", "continued", "false"))]
    cells = heard[["outcome", "cause", "segment_start_s", "decided_s"]].astype(object)
    return Counter(
        (outcome, cause, *(None if at is None else round(at * 16_000) for at in times))
        for outcome, cause, *times in cells.where(cells.notna(), None).itertuples(index=False)
    )


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The probabilities of the sweeps, which do not hang on the setting: the detector hears each recording once."""
    return bl.ProbabilityCache(tmp_path_factory.mktemp("sweep"))


RESUME = {"false_interruption_timeout_ms": 400}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("threshold", "silence_duration_ms", "guards"),
    [
        (0.5, 500, {}),
        (0.3, 200, {}),
        (0.8, 320, {}),
        (0.5, 200, {"min_interruption_ms": 500}),
        (0.4, 300, {"min_words": 2}),
        (0.3, 200, RESUME),
        (0.3, 100, {"min_interruption_ms": 150, **RESUME}),
    ],
    ids=["default", "hasty", "deaf", "debounce", "words", "resume", "debounce-resume"],
)
def test_sessions_do_what_the_kernel_counts(threshold, silence_duration_ms, guards, swept, tmp_path, monkeypatch):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "none"))  # the sessions run their detector
    whole = bl.load_dataset(DATASET)
    dataset = replace(whole, recordings=tuple(whole[name] for name in RECORDINGS))
    grid = bl.Grid(threshold=threshold, prefix_padding_ms=300, silence_duration_ms=silence_duration_ms, **guards)
    how = {"evaluation": "simulated", "word_times": "spread", "progress": False, "n_resamples": 2}
    result = bl.sweep(dataset, grid, cache=swept, **how)
    counts = result.recordings.set_index("recording_id")
    setting = bl.ServerVad(threshold=threshold, silence_duration_ms=silence_duration_ms)
    total_resumed = 0
    for name in RECORDINGS:
        made = bl.replay(f"{DATASET}#{name}", turn_detection=setting, guards=bl.Guards(**guards), word_times="spread")
        cuts = made.log.interruptions()
        heard = cuts["heard_ms"] > 0
        row = counts.loc[name]
        responses = made.log.responses()["response_id"]
        assert (~responses.str.contains("_resumed_")).sum() == row["n_responses"]
        evaluation = result.source.evaluate(name, grid.params(0), grid.guards(0))
        n_unheard = sum(cut.unheard for cut in evaluation.costs.interruptions)
        n_resumed = sum(cut.resumed_at is not None for cut in evaluation.costs.interruptions)
        assert responses.str.contains("_resumed_").sum() == n_resumed
        assert (~heard).sum() == n_unheard >= row["n_cancelled_unheard"]
        total_resumed += n_resumed
        # Every interruption that was heard is one of these, and there are no others.
        stops = evaluation.costs.stops
        assert heard.sum() == len(stops)
        assert sum(stop.is_false for stop in stops) == row["n_false"]
        assert sum(stop.cause == "continued" for stop in stops) == row["n_stops_continued"]
        turns = [turn for turn in result.turns(name, 0) if not turn.flushed]
        assert turns == list(made.turns)
        assert cuts["decided_at_samples"].tolist() == [cut.decided_at for cut in evaluation.costs.interruptions]
        assert judged_in_session(made.interruptions) == judged_in_sweep(evaluation)
    assert (total_resumed > 0) == ("false_interruption_timeout_ms" in guards)
