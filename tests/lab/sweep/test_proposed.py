"""How much of a sweep rests on proposed labels, told wherever its result is."""

from dataclasses import replace

import pytest

from bidilab.lab.datasets import load_dataset
from bidilab.lab.datasets.labels import FALSE_KINDS
from bidilab.lab.sweep import Grid, SweepResult, sweep
from bidilab.lab.sweep.proposed import PROPOSED_BIAS, count_proposed, proposed_in_words
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def half_proposed():
    """Two recordings; in the first every label is a proposal."""
    dataset = load_dataset(ROOT / "datasets" / "overlap-mini")
    first, second = dataset["early-clean-01"], dataset["early-clean-02"]
    proposed = tuple(replace(s, origin="proposed", by="rule") for s in first.segments)
    return replace(dataset, recordings=(replace(first, segments=proposed), second))


def test_labels_are_counted_by_what_they_decide(half_proposed):
    counts = count_proposed(half_proposed)
    kinds = [[s.kind for s in recording.segments] for recording in half_proposed]
    for group, members in (
        ("true", ("turn", "interruption")),
        ("false", ("backchannel", "side_speech", "noise", "echo")),
        ("responses", ("response",)),
    ):
        n_first, n_second = (sum(kind in members for kind in each) for each in kinds)
        assert counts[group] == [n_first, n_first + n_second]
    assert proposed_in_words({"true": [3, 4], "false": [0, 9], "responses": [2, 2]}) == (
        "3 of 4 turns and interruptions (75 %), 2 of 2 responses of the agent (100 %): proposed by a rule, "
        "confirmed by nobody"
    )
    assert proposed_in_words({"true": [0, 4]}) == ""


@pytest.mark.usefixtures("undrawn")
def test_result_recommendation_and_report_say_it(half_proposed, tmp_path):
    result = sweep(half_proposed, Grid(threshold=[0.5, 0.7]), vad="energy", cache=False, n_resamples=20, progress=False)
    said = result.proposed_labels
    assert "of the agent" in said
    assert said in repr(result)
    assert any(said in note for note in result.recommend().notes)
    result.save(tmp_path / "sweep")
    assert SweepResult.load(tmp_path / "sweep").proposed_labels == said
    result.report(tmp_path / "report.html")
    assert "confirmed by nobody" in (tmp_path / "report.html").read_text("utf-8")


def test_given_labels_are_not_spoken_of(half_proposed):
    given = replace(half_proposed, recordings=half_proposed.recordings[1:])
    result = sweep(given, Grid(threshold=[0.5, 0.7]), vad="energy", cache=False, n_resamples=20, progress=False)
    assert result.proposed_labels == ""
    assert "confirmed" not in repr(result) + str(result.recommend())


def test_unsure_labels_are_counted_and_spoken_of(half_proposed):
    """Marking every event that must not stop the agent takes just those from n, and no proposal is counted twice."""
    marked = replace(
        half_proposed,
        recordings=tuple(
            replace(r, segments=tuple(replace(s, unsure=s.kind in FALSE_KINDS) for s in r.segments))
            for r in half_proposed.recordings
        ),
    )
    sure, unsure = (
        sweep(each, Grid(threshold=[0.5, 0.7]), vad="energy", cache=False, n_resamples=20, progress=False)
        for each in (half_proposed, marked)
    )
    n = sum(s.kind in FALSE_KINDS for r in half_proposed for s in r.segments)
    assert set(unsure.settings["n_unsure"]) == {n}
    assert set(unsure.settings["n_false_opportunities"]) == {0}
    same = ["n_true_opportunities", "n_turns", "n_missed"]
    assert unsure.settings[same].equals(sure.settings[same])
    assert any(f"{n} events are marked unsure and in no rate" in note for note in unsure.recommend().notes)
    assert "must not interrupt" not in unsure.proposed_labels
    assert PROPOSED_BIAS in repr(sure)
