"""The committed dataset: what it promises, and that its recipe still makes it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bidilab.detect.dsp.mixing import level_dbfs
from bidilab.detect.dsp.truth import active_stretches
from bidilab.lab.datasets import Dataset, load_recipe, validate
from bidilab.lab.datasets.building.builder import build_recordings
from bidilab.lab.datasets.labels import FALSE_KINDS

DATASETS = Path(__file__).parents[4] / "datasets"
MIN_OVERLAP_S = 0.2


@pytest.fixture(scope="module")
def mini():
    return Dataset.load(DATASETS / "overlap-mini")


def opportunities(recording, kind):
    """Segments that start in a response with at least 200 ms of it left."""
    responses = recording.segments_of("agent")
    return [
        segment
        for segment in recording.segments_of("user", kind)
        if any(r.start_s <= segment.start_s <= r.end_s - MIN_OVERLAP_S for r in responses)
    ]


def test_is_sound_to_the_last_byte():
    assert validate(DATASETS / "overlap-mini") == []


def test_is_as_large_as_promised_and_no_larger(mini):
    assert len(mini) >= 60
    assert mini.duration_s >= 20 * 60
    assert all(recording.channels == ("user", "agent") for recording in mini)
    assert sum(path.stat().st_size for path in (DATASETS / "overlap-mini").rglob("*") if path.is_file()) <= 25e6
    assert sum(path.stat().st_size for path in (DATASETS / "clips").rglob("*.flac")) <= 10e6


def test_has_the_voices_and_conditions(mini):
    assert len(mini.tag_values("user_voice")) >= 6
    assert len(mini.tag_values("agent_voice")) == 2
    assert {20, 10, 5} <= set(mini.tag_values("snr_db"))
    assert {"clean", "babble20", "babble10", "babble5", "echo", "telephone"} <= set(mini.tag_values("condition"))
    assert {"early", "late", "soft", "loud", "one_word"} <= set(mini.tag_values("style"))
    echo_db = [value for value in mini.tag_values("echo_db") if value is not None]
    assert min(echo_db) < -35 < -25 < max(echo_db)
    assert {recording.sample_rate for recording in mini.filter(telephone=True)} == {8_000}
    assert {recording.sample_rate for recording in mini.filter(telephone=False)} == {16_000}


def test_has_opportunities_of_every_kind(mini):
    n = {kind: sum(len(opportunities(r, kind)) for r in mini) for kind in ("interruption", *FALSE_KINDS)}
    assert n["interruption"] >= 110
    assert sum(n[kind] for kind in FALSE_KINDS) >= 200
    assert min(n.values()) >= 30, n


def test_interruptions_lie_within_a_response_that_goes_on(mini):
    for recording in mini:
        responses = recording.segments_of("agent")
        for segment in recording.segments_of("user", "interruption"):
            assert any(r.start_s < segment.start_s and segment.end_s < r.end_s for r in responses), recording.id


def test_turns_pause_between_200_and_1500_ms(mini):
    """In the quiet recordings a pause can be measured from outside: silence inside of a turn."""
    pauses_ms = []
    for recording in mini.filter(condition="clean"):
        samples = recording.user()
        for turn in recording.segments_of("user", "turn"):
            start, end = turn.interval(recording.sample_rate)
            stretches = active_stretches(samples[start:end], recording.sample_rate)
            pauses_ms += [(b.start - a.end) / 16 for a, b in pairwise(stretches)]
    assert len(pauses_ms) > 15
    assert min(pauses_ms) < 400
    assert 1000 < max(pauses_ms) <= 1500


def test_labels_agree_with_the_sound_they_label(mini):
    """Before a turn in a quiet recording there is hiss, from its first 30 ms on there is a voice."""
    for recording in mini.filter(condition="clean"):
        samples = recording.user()
        for turn in recording.segments_of("user", "turn"):
            start, _ = turn.interval(recording.sample_rate)
            before, after = samples[start - 2000 : start - 480], samples[start : start + 480]
            assert level_dbfs(after.astype(float)) > level_dbfs(before.astype(float)) + 10, recording.id


def test_its_recipe_makes_it_again(mini):
    """Decoded samples, labels and tags; not the bytes of the files, for FLAC encoders differ between versions."""
    recipe = load_recipe(DATASETS / "overlap-mini.yaml")
    assert (DATASETS / "overlap-mini.yaml").read_bytes() == (mini.root / "recipe.yaml").read_bytes()
    assert recipe.info == mini.info
    some = [recording.id for recording in mini][::4]
    built = list(build_recordings(recipe, DATASETS / "clips", only=some))
    assert [recording.id for recording in built] == some
    for made in built:
        kept = mini[made.id]
        samples, sample_rate = soundfile.read(kept.path, dtype="int16")
        assert sample_rate == made.sample_rate == kept.sample_rate
        assert np.array_equal(samples, made.samples), made.id
        assert made.tags == kept.tags
        assert sorted(map(repr, made.segments)) == sorted(map(repr, kept.segments))
