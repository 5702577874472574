"""Known tracks of a dataset: as files or as one table, checked when read, and never heard live."""

import json

import numpy as np
import pandas as pd
import pytest

from bidilab.bidi.local.model import BidiLocalModel
from bidilab.bidi.realtime import RealtimeSession, RealtimeSettings, ScriptedResponder
from bidilab.bidi.realtime.server import RealtimeServer
from bidilab.core.audio import Audio
from bidilab.core.errors import DatasetError, InvalidParameterError
from bidilab.detect.vad import VadBackend, VadTracks, speech_probabilities, vad_distribution

FACTS = {"name": "silero", "version": "9;x", "sample_rate": 16_000, "frame_samples": 160, "lookahead_samples": 240}
TRACK = np.linspace(0, 1, 100, dtype=np.float32)


def written(folder, facts=FACTS, **tracks):
    folder.mkdir(exist_ok=True)
    (folder / "tracks.json").write_text(json.dumps(facts))
    for name, track in tracks.items():
        path = folder / f"{name.replace('__', '/')}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, track)
    return folder


def table(folder, rows):
    folder.mkdir()
    (folder / "tracks.json").write_text(json.dumps(FACTS))
    pd.DataFrame(rows, columns=["recording_id", "channel", "frame", "probability"]).to_parquet(
        folder / "tracks.parquet"
    )
    return folder


def test_files_and_table_say_the_same(tmp_path):
    files = VadTracks(written(tmp_path / "files", a=TRACK, day1__b=TRACK[:50]))
    rows = [("a", "user", k, p) for k, p in enumerate(TRACK)][::-1]  # in any order
    rows += [("day1/b", "user", k, p) for k, p in enumerate(TRACK[:50])] + [("a", "agent", 0, 0.5)]
    tabled = VadTracks(table(tmp_path / "table", rows))
    for tracks in (files, tabled):
        assert isinstance(tracks, VadBackend)
        assert tracks.recording_ids == ("a", "day1/b")
        np.testing.assert_array_equal(tracks.track("a", 100 * 160 + 159), TRACK)
        np.testing.assert_array_equal(tracks.track_at("day1/b", 4_000, 8_000), TRACK[:50])
        assert (tracks.name, tracks.frame_samples, tracks.lookahead_samples) == ("silero", 160, 240)
        assert vad_distribution(tracks) == ""  # whatever its name: it is not ours
    assert files.version.startswith("9;x;tracks=")
    assert files.version != tabled.version
    before = files.version
    np.save(files.folder / "a.npy", TRACK[::-1])
    assert VadTracks(files.folder).version != before


def test_what_is_missing_is_counted_and_named(tmp_path):
    tracks = VadTracks(written(tmp_path / "t", a=TRACK))
    assert tracks.missing(["a", "b"]) == ("b",)
    with pytest.raises(DatasetError, match=r"lacks the tracks of 4 of 5 recordings, such as b, c, d$"):
        tracks.check(["a", "b", "c", "d", "e"])
    with pytest.raises(
        DatasetError, match=r"the track of a has 100 frames; its audio of 15999 samples .* has 99 of 160"
    ):
        tracks.track("a", 15_999)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({**FACTS, "sample_rate": 44_100}, "sample_rate must be 8000 or 16000"),
        ({**FACTS, "frame_samples": 0}, "frame_samples must be a whole number >= 1, got 0"),
        ({**FACTS, "lookahead_samples": 1.5}, "lookahead_samples must be a whole number >= 0, got 1.5"),
        ({**FACTS, "frame_ms": 10}, "frame_ms is unknown"),
        ({"name": "x"}, "version is missing"),
        ([], "must be an object"),
    ],
)
def test_facts_that_are_wrong_are_named(tmp_path, facts, message):
    with pytest.raises(DatasetError, match=message):
        VadTracks(written(tmp_path / "t", facts, a=TRACK))


def test_tracks_that_are_wrong_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"tracks\.json: cannot be read"):
        VadTracks(tmp_path)
    with pytest.raises(DatasetError, match=r"must hold either tracks\.parquet or .*; it holds neither"):
        VadTracks(written(tmp_path / "none"))
    wrong = TRACK.copy()
    wrong[[7, 9]] = 1.5, np.nan
    tracks = VadTracks(written(tmp_path / "t", a=wrong, b=TRACK.astype(int), c=TRACK.reshape(2, 50)))
    with pytest.raises(DatasetError, match=r"the track of a: 2 values are not in \[0, 1\], such as .*1.5.* at frame 7"):
        tracks.track("a", 16_000)
    with pytest.raises(DatasetError, match=r"the track of b: must be .* floating point, is int64"):
        tracks.track("b", 16_000)
    with pytest.raises(DatasetError, match=r"the track of c: .*\(2, 50\)"):
        tracks.track("c", 16_000)
    (tmp_path / "t" / "a.npy").write_bytes(b"no array")
    with pytest.raises(DatasetError, match=r"a\.npy: cannot be read"):
        tracks.track("a", 16_000)
    gap = VadTracks(table(tmp_path / "gap", [("a", "user", 0, 0.1), ("a", "user", 2, 0.1)]))
    with pytest.raises(DatasetError, match=r"the frames of a are not 0, 1, ..., 1, each once"):
        gap.track("a", 320)
    odd = VadTracks(table(tmp_path / "odd", [("a", "left", 0, 0.1)]))
    with pytest.raises(DatasetError, match="channel must be user or agent, is left"):
        odd.track("a", 320)


def test_nothing_live_takes_them(tmp_path):
    tracks = VadTracks(written(tmp_path / "t", a=TRACK))
    silence = Audio(samples=np.zeros(16_000, np.float32), sample_rate=16_000)
    for hear in (
        lambda: BidiLocalModel(vad=tracks),
        lambda: RealtimeServer(ScriptedResponder(["Hello."]), vad=tracks),
        lambda: RealtimeSession(RealtimeSettings(), ScriptedResponder(["Hello."]), vad=tracks),
        lambda: speech_probabilities(silence, tracks),
        tracks.stream,
        lambda: tracks.probabilities(silence.samples),
        lambda: tracks.probabilities_batch([silence.samples]),
    ):
        with pytest.raises(InvalidParameterError, match="VadTracks knows recordings and computes nothing"):
            hear()
