"""Two parts that share nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.lab.datasets.labels import Segment
from bidilab.lab.datasets.recording import Recording
from bidilab.lab.datasets.splitting import split_recordings, user_speakers
from tests.conftest import ROOT


def recording(k, speakers=("ann",), sha=None):
    segments = [
        Segment(start_s=i, end_s=i + 0.5, channel="user", kind="turn", speaker=s) for i, s in enumerate(speakers)
    ]
    echo = Segment(start_s=0, end_s=9, channel="user", kind="echo", speaker="agent")
    return Recording(
        id=f"r{k}",
        path=Path(f"r{k}.wav"),
        sample_rate=16_000,
        channels=("user",),
        duration_s=10.0,
        sha256=sha or f"{k:064x}",
        segments=(*segments, echo),
    )


@given(
    st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=1, max_size=2), min_size=2, max_size=12),
    st.sampled_from([0.1, 0.3, 0.5, 0.9]),
    st.integers(0, 5),
)
def test_no_speaker_is_in_both_parts(speakers, fraction, seed):
    recordings = [recording(k, sorted(s)) for k, s in enumerate(speakers)]
    try:
        parts = split_recordings(recordings, by="speaker", fraction=fraction, seed=seed)
    except DatasetError:  # then every two recordings are tied: merging those that share a speaker leaves one group
        groups = [set(s) for s in speakers]
        while (tied := next(((a, b) for a in groups for b in groups if a is not b and a & b), None)) is not None:
            groups = [g for g in groups if g is not tied[0] and g is not tied[1]] + [tied[0] | tied[1]]
        assert len(groups) == 1
        return
    assert sorted(r.id for part in parts for r in part) == sorted(r.id for r in recordings)
    assert all(parts)
    first, second = (frozenset().union(*map(user_speakers, part)) for part in parts)
    assert not first & second
    assert parts == split_recordings(recordings, by="speaker", fraction=fraction, seed=seed)


def test_one_audio_file_stays_together_and_order_is_kept():
    recordings = [recording(k, sha=f"{k // 2:064x}") for k in range(10)]
    for seed in range(10):
        parts = split_recordings(recordings, by="recording", fraction=0.4, seed=seed)
        assert [len(part) for part in parts] == [6, 4]
        assert not {r.sha256 for r in parts[0]} & {r.sha256 for r in parts[1]}
        assert all([r.id for r in part] == sorted(r.id for r in part) for part in parts)


def test_what_cannot_be_split():
    with pytest.raises(DatasetError, match=r"two parts without common speakers .* are not possible"):
        split_recordings([recording(0), recording(1)], by="speaker", fraction=0.5, seed=0)
    with pytest.raises(DatasetError, match="some segments have no speaker in r1"):
        split_recordings([recording(0), recording(1, [None])], by="speaker", fraction=0.5, seed=0)
    with pytest.raises(DatasetError, match="are not possible"):
        split_recordings([recording(0)], by="recording", fraction=0.5, seed=0)


@pytest.mark.parametrize("wrong", [{"by": "tag"}, {"fraction": 0}, {"fraction": 1}, {"fraction": True}, {"seed": -1}])
def test_bounds(wrong):
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        split_recordings([recording(0)], **{"by": "recording", "fraction": 0.5, "seed": 0, **wrong})


def test_a_dataset_in_two_parts():
    from bidilab.lab.datasets import Dataset

    dataset = Dataset.load(ROOT / "datasets" / "overlap-mini")
    chosen_on, held_out = dataset.split(fraction=0.3, seed=1)
    assert (len(chosen_on), len(held_out)) == (53, 22)  # 0.3 of 75 is 22.5; of 22 and 23 the first reached
    assert "held out: 22 of 75 recordings, split by recording, seed 1" in repr(held_out)
    assert "53 of 75" in held_out._repr_html_() or "53 of 75" in chosen_on._repr_html_()
    assert len({dataset.sha256, chosen_on.sha256, held_out.sha256}) == 3
    with pytest.raises(DatasetError, match="form one group"):  # side speech ties all voices
        dataset.split(by="speaker")
