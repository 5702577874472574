"""Spoiled files of every container and label format: each is read whole, refused or told; none hangs or is lost."""

import pytest

from tests.lab.datasets.fuzzing import AUDIO_KINDS, LABELS, fuzz_audio, fuzzed, table
from tests.sizes import ATTACK, examples

pytest.importorskip("av")


@pytest.mark.slow
def test_no_spoiled_file_crashes_hangs_or_is_lost_in_silence():
    n_files = max(120, examples(200))  # fewer do not meet every outcome; 10,000 under `make attack`
    outcomes = fuzzed(n_files)
    assert [outcome.fault for outcome in outcomes if outcome.fault] == []
    assert len(outcomes) == n_files
    whats = {outcome.what for outcome in outcomes}
    assert {"read whole", "refused: truncated", "refused: syntax", "imported whole"} <= whats
    if ATTACK > 1:
        assert {outcome.kind for outcome in outcomes} == {*AUDIO_KINDS, *LABELS}
    assert table(outcomes).count("\n") == len(whats) + 1


def test_the_same_seed_spoils_the_same_file(tmp_path):
    for seed in (1, 3, 5):
        assert fuzz_audio(seed, tmp_path) == fuzz_audio(seed, tmp_path)


@pytest.mark.parametrize("seed", [677, 4639])
def test_what_was_found(seed, tmp_path):
    """A WebM that is cut, and an M4A of a codec that FFmpeg does not know."""
    outcome = fuzz_audio(seed, tmp_path)
    assert outcome.what.startswith("refused")
    assert not outcome.fault
