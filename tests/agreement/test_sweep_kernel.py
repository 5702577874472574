"""What the compiled closed loop of a sweep counts is what sessions do."""

import pytest

import bidilab as bl
from tests.conftest import ROOT

DATASET = ROOT / "datasets" / "overlap-mini"
RECORDINGS = ("early-clean-01", "one-word-babble10-01", "late-clean-01")


@pytest.mark.parametrize(
    ("threshold", "silence_duration_ms"), [(0.5, 500), (0.3, 200), (0.8, 320)], ids=["default", "hasty", "deaf"]
)
def test_sessions_do_what_the_kernel_counts(threshold, silence_duration_ms, tmp_path, monkeypatch):
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(tmp_path / "none"))  # the sessions run their detector
    dataset = bl.load_dataset(DATASET)
    grid = bl.Grid(threshold=threshold, prefix_padding_ms=300, silence_duration_ms=silence_duration_ms)
    cache = bl.ProbabilityCache(tmp_path / "sweep")
    result = bl.sweep(dataset, grid, cache=cache, evaluation="simulated", progress=False, n_resamples=2)
    counts = result.recordings.set_index("recording_id")
    setting = bl.ServerVad(threshold=threshold, silence_duration_ms=silence_duration_ms)
    for name in RECORDINGS:
        made = bl.replay(f"{DATASET}#{name}", turn_detection=setting)
        cuts = made.log.interruptions()
        heard = cuts["heard_ms"] > 0
        row = counts.loc[name]
        assert len(made.log.responses()) == row["n_responses"]
        assert (~heard).sum() == row["n_cancelled_unheard"]
        # Every interruption that was heard is one of these, and there are no others.
        told = row["n_detected"] + row["n_false"] + row["n_terminal_overlap"]
        assert heard.sum() == told
        turns = [turn for turn in result.turns(name, 0) if not turn.flushed]
        assert turns == list(made.turns)
        assert cuts["decided_at_samples"].tolist() == [
            cut.decided_at for cut in result.source.evaluate(name, grid.params(0)).interruptions
        ]
