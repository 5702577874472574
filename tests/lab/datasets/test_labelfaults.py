"""Each fault of the table in docs/importing.md is found in a dataset that already has it: one test for each row."""

import hashlib
import json
import struct

import numpy as np
import pytest
import soundfile

from bidilab.lab.datasets import Dataset, from_rttm, validate
from tests.conftest import ROOT

RATE = 16_000
OLD = "bidilab datasets import rttm; kinds not given by the corpus are proposed by rules"


def segment(kind, start, end, **more):
    return {"channel": "agent" if kind == "response" else "user", "kind": kind, "start_s": start, "end_s": end} | more


def bursts(*channels, seconds=10.0, seed=1):
    """Noise in spans of each channel, over a faint floor, ``(n, n_channels) float32``."""
    rng = np.random.default_rng(seed)
    samples = 1e-4 * rng.standard_normal((round(seconds * RATE), len(channels)))
    for k, spans in enumerate(channels):
        for start, end in spans:
            part = slice(round(start * RATE), round(end * RATE))
            samples[part, k] = 0.1 * rng.standard_normal(len(samples[part]))
    return samples.astype(np.float32)


@pytest.fixture
def kept(folder):
    """Write recordings as an importer left them, and say what is wrong with the dataset."""
    lines = []

    def add(name, samples, *segments, suffix="wav", source="rttm: calls", tags=None, how_made=OLD, **how):
        path = folder.root / "audio" / f"{name}.{suffix}"
        soundfile.write(path, samples, RATE, **how)
        samples = samples.reshape(len(samples), -1)
        lines.append(
            {
                "id": name,
                "audio": f"audio/{name}.{suffix}",
                "sample_rate": RATE,
                "channels": ["user", "agent"][: samples.shape[1]],
                "duration_s": len(samples) / RATE,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "segments": list(segments),
                "tags": tags or {},
            }
        )
        facts = {"name": "kept", "version": "1", "licence": "x", "source": source, "how_made": how_made}
        (folder.root / "dataset.json").write_text(json.dumps(facts))
        folder.write(*lines)
        return path

    def faults(*, deep=True):
        for line in lines:  # what was done to a file meanwhile is not what is looked for
            data = (folder.root / line["audio"]).read_bytes()
            line["sha256"] = hashlib.sha256(data).hexdigest()
        folder.write(*lines)
        return [str(problem) for problem in validate(folder.root, deep=deep)]

    add.faults = faults
    add.root = folder.root
    return add


TALK = ([(3.0, 4.0), (7.0, 8.0)], [(0.5, 3.5), (5.0, 7.5)])
LABELS = (
    segment("response", 0.5, 3.5),
    segment("interruption", 3.0, 4.0),
    segment("response", 5.0, 7.5),
    segment("interruption", 7.0, 8.0),
)


def test_a_sound_dataset_has_none(kept):
    kept("a", bursts(*TALK), *LABELS)
    kept("b", bursts(*TALK, seed=2), *LABELS, tags={"agent_speaker": "Response"})
    assert kept.faults() == []
    assert validate(ROOT / "datasets" / "overlap-mini") == []


# 15.1 channels


def test_channels_the_other_way_round(kept):
    kept("a", bursts(*reversed(TALK)), *LABELS)
    (fault,) = kept.faults()
    assert fault.startswith("manifest.jsonl:1: the channels are the other way round: the user's is louder under")
    assert kept.faults(deep=False) == []


def test_labels_of_the_user_that_were_all_dropped(kept):
    kept("a", bursts(*TALK), *(one for one in LABELS if one["kind"] == "response"))
    (fault,) = kept.faults()
    assert "no label of the user, whose channel is audible for 1.0 s where the agent is silent" in fault
    kept("b", bursts(*TALK, seed=2), LABELS[0], source="calls: mine")
    assert kept.faults() == []  # calls come without labels


def test_labels_on_a_channel_that_is_silent(kept):
    samples = bursts(*TALK)
    samples[:, 0] = 0
    kept("a", samples, *LABELS)
    assert "nothing is audible on the user's channel under any of its 2 labels" in kept.faults()[0]


def test_one_sound_on_both_channels(kept):
    samples = bursts(*TALK)
    samples[:, 0] = samples[:, 1]
    kept("a", samples, *LABELS)
    assert any("hold the same samples, so nobody can tell who spoke" in fault for fault in kept.faults())


# 15.2 silence and what does not count


@pytest.mark.parametrize(
    "field",
    [
        {"text": "<sil>"},
        {"text": "#"},
        {"text": "SILENCE"},
        {"text": "[redacted]"},
        {"text": "[noise]"},
        {"text": "IGNORE_TIME_SEGMENT_IN_SCORING"},
        {"speaker": "SILENCE"},
        {"speaker": "inter_segment_gap"},
        {"speaker": "excluded_region"},
    ],
)
def test_a_mark_that_became_speech(kept, field):
    kept("a", bursts(*TALK), *LABELS[:3], segment("turn", 7.0, 8.0, **field))
    (fault,) = kept.faults(deep=False)
    name, value = next(iter(field.items()))
    assert f"segments[3]: turn 7-8 s: the {name} {value!r} marks what is no speech or does not count" in fault


def test_silent_is_a_word_once_and_a_mark_where_it_stands_again_and_again(kept):
    kept("a", bursts(*TALK), *LABELS[:3], segment("turn", 7.0, 8.0, text="silent"))
    assert kept.faults(deep=False) == []
    kept("b", bursts(*TALK, seed=2), segment("turn", 1, 2, text="silent"), segment("turn", 3, 4, text="silent"))
    assert len(kept.faults(deep=False)) == 2


# 15.3 kinds


@pytest.mark.parametrize("spelling", ["Back-channel", "back channels", "NOISE"])
def test_a_kind_that_was_taken_for_a_person(kept, spelling):
    kept("a", bursts(*TALK), *LABELS[:3], segment("interruption", 7.0, 8.0, speaker=spelling))
    (fault,) = kept.faults(deep=False)
    assert f"the speaker {spelling!r} is a kind of segment" in fault


# 15.4 audio is whole


def test_a_file_that_is_cut(kept):
    for suffix in ("wav", "flac", "aiff", "au", "w64", "ogg"):
        path = kept(f"a-{suffix}x", bursts(*TALK, seed=len(suffix)), suffix=suffix)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    faults = kept.faults()
    for suffix in ("wav", "flac", "aiff", "au", "w64", "ogg"):
        assert any(f"a-{suffix}x" in fault for fault in faults), (suffix, faults)


def test_integers_written_as_floats(kept):
    kept("a", bursts(*TALK) * 32768, subtype="FLOAT")
    assert any("its floats run to" in fault for fault in kept.faults())


def test_an_mp3_of_which_the_manifest_knows_the_guessed_length_only(kept, tmp_path):
    path = kept("a", bursts(*TALK), *LABELS, suffix="mp3")
    lines = (kept.root / "manifest.jsonl").read_text()
    (kept.root / "manifest.jsonl").write_text(lines.replace('"duration_s": 10.0', '"duration_s": 8.5'))
    faults = [str(problem) for problem in validate(kept.root)]
    assert any("samples, the manifest says 136000" in fault for fault in faults)
    assert path.exists()


def test_a_size_field_of_a_stream_is_no_fault(kept):
    path = kept("a", bursts(*TALK), *LABELS)
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    assert kept.faults() == []


# 15.5 the same audio counts once


def test_the_same_audio_twice(kept):
    samples = np.round(bursts(*TALK) * 32768) / 32768
    kept("a", samples, *LABELS)
    kept("b", samples, *LABELS)
    kept("c", samples, *LABELS, suffix="flac")
    kept("d", samples.mean(axis=1))
    kept("e", samples[:, 1])
    same = [fault.partition(": ")[2].partition(":")[0] for fault in kept.faults()]
    assert same == [
        "'b' has the same audio as 'a' (equal sha256)",
        "'c' has the same audio as 'a' (equal samples)",
        "'d' is a mono mix of 'a'",
        "'e' is the channel 'agent' of 'a'",
    ]


def test_regions_that_overlap(kept):
    samples = bursts([(0.2, 19.8)], [], seconds=20.0)
    turn = segment("turn", 1, 2)
    kept("call-1", samples[: 10 * RATE], turn)
    kept("call-2", samples[4 * RATE : 14 * RATE + 7], turn)
    kept("call-3", samples[15 * RATE :], turn)
    same = "what happens in it counts twice"
    assert kept.faults() == [f"manifest.jsonl:2: 'call-2' begins inside 'call-1', at 4.000 s: {same}"]
    for seed in range(6):
        for part in Dataset.load(kept.root).split(fraction=0.4, seed=seed):
            assert len({"call-1", "call-2"} & {r.id for r in part}) in (0, 2)


def test_a_region_that_was_cut_through_speech(kept):
    kept("call-1", bursts([(0, 1.0)], [(0, 3.0)]), segment("interruption", 0, 1.0), segment("response", 0, 3.0))
    assert "interruption 0-1 s: begins with the recording, which was cut through speech" in kept.faults()[0]


def test_what_is_imported_now_says_that_its_regions_are_whole(corpus):
    corpus.audio("c.wav", channels=2)
    corpus.text("c.rttm", "SPEAKER c 1 2 3 <NA> <NA> bot <NA> <NA>\nSPEAKER c 1 4 2 <NA> <NA> amy <NA> <NA>\n")
    corpus.text("c.uem", "c 1 0 3\nc 1 4 9\nc 1 8 9.5\n")
    result = from_rttm(corpus.root, corpus.dest, agent="bot", user_channel=1, progress=False)
    assert not result.dataset.info.parts_may_overlap
    assert validate(result.dataset.root) == []
    assert [r.duration_s for r in result.dataset] == [3.0, 5.5]
