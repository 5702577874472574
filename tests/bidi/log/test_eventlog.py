"""The event log: nothing lost, nothing secret, and the columns of DESIGN §7."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.log.eventlog import EventLog
from bidilab.bidi.log.journal import LogRow, row_line
from bidilab.core.clock import VIRTUAL_EPOCH, VirtualClock, run_virtual
from bidilab.core.errors import DiskFullError, InvalidParameterError, PlaceHeldError
from bidilab.core.redaction import REDACTED, loggable
from tests.sizes import ATTACK

COLUMNS = {
    "session_id": "string",
    "seq": "int64",
    "t_s": "float64",
    "at_s": "float64",
    "wall_time": "datetime64[ns, UTC]",
    "source": "category",
    "type": "category",
    "response_id": "string",
    "item_id": "string",
    "input_samples": "Int64",
    "playback_samples": "Int64",
    "reason": "string",
    "stop_reason": "string",
    "role": "string",
    "text": "string",
    "detail": "string",
}


def a_log(path=None):
    clock = VirtualClock()
    log = EventLog(path, "s1", clock, zero_s=0.0)
    log.append("session_started", source="user")
    run_virtual(clock.sleep_s(1.5), clock)
    log.append("speech_started", source="detector", input_samples=24000, detail={"onset_samples": 23000})
    log.append(
        "bidi_transcript_stream",
        source="model",
        item_id="i1",
        role="user",
        text="naïve “ 日本 \ud800",
        detail={"x": 1.5},
    )
    log.append("bidi_interruption", source="agent", t_s=2, reason="user_speech", response_id="r1", playback_samples=7)
    return log


def assert_columns(frame):
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == COLUMNS


def test_columns_and_types():
    frame = a_log().to_frame()
    assert_columns(frame)
    assert list(frame["seq"]) == [0, 1, 2, 3]
    assert list(frame["t_s"]) == [0.0, 1.5, 1.5, 2.0]
    assert frame["wall_time"][1] == pd.Timestamp(VIRTUAL_EPOCH) + pd.Timedelta(1.5, "s")
    assert frame["input_samples"].tolist() == [pd.NA, 24000, pd.NA, pd.NA]
    assert json.loads(frame["detail"][1]) == {"onset_samples": 23000}
    assert frame["detail"].isna().tolist() == [True, False, False, True]
    assert_columns(EventLog().to_frame())


def test_there_and_back_through_the_journal(tmp_path):
    path = tmp_path / "new" / "events.jsonl"
    with a_log(path) as log:
        again = EventLog.read(path)  # while it is being written
        assert again.rows == log.rows
        pd.testing.assert_frame_equal(again.to_frame(), log.to_frame())
    assert again.dropped == ()
    for line in path.read_bytes().splitlines():
        json.loads(line)
    with pytest.raises(InvalidParameterError, match="open"):
        again.append("x", source="user")
    with pytest.raises(InvalidParameterError, match="open"):
        log.append("x", source="user")
    log.close()


def test_parquet_holds_the_same(tmp_path):
    log = EventLog(session_id="s1", clock=VirtualClock())
    log.append("bidi_text_input", source="user", text="hello", detail={"a": [1, None]})
    path = log.to_parquet(tmp_path / "events.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(path), log.to_frame())
    assert [p.name for p in tmp_path.iterdir()] == ["events.parquet"]


def test_a_journal_is_continued_by_another_session(tmp_path):
    path = tmp_path / "events.jsonl"
    a_log(path).close()
    path.write_bytes(path.read_bytes()[:-9])  # torn in its last line
    with EventLog(path, "s2", VirtualClock()) as log:
        log.append("session_started", source="user")
    again = EventLog.read(path)
    assert [(row.session_id, row.seq) for row in again] == [("s1", 0), ("s1", 1), ("s1", 2), ("s2", 0)]
    assert [dropped.line for dropped in again.dropped] == [4]


@given(cut=st.integers(0, 2000))
def test_cut_anywhere_it_gives_all_whole_rows(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "events.jsonl"
    log = a_log(path)
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    again = EventLog.read(path)
    ends = np.cumsum([len(line) for line in whole.splitlines(keepends=True)])
    # A row is whole with its last brace; the newline after it adds nothing.
    n_whole = int(np.sum(ends - 1 <= cut))
    assert again.rows == log.rows[:n_whole]
    torn = cut < len(whole) and n_whole < 4 and cut > (ends[n_whole - 1] if n_whole else 0)
    assert [d.line for d in again.dropped] == ([n_whole + 1] if torn else [])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\0\0\0\0", "Expecting value"),
        (b"\xff\xfe", "not utf-8"),
        (b"[1]", "got list"),
        (b'{"seq": 1}', "no session_id, t_s, wall_time, source, type"),
        (row_line(LogRow("s", 0, 0.0, 0.0, datetime(2024, 1, 1, tzinfo=UTC), "moon", "x")), "moon"),
        (row_line(LogRow("s", 0, 0.0, 0.0, datetime(2024, 1, 1), "user", "x")), "zone"),  # noqa: DTZ001
        (row_line(LogRow("s", 0.5, 0.0, 0.0, datetime(2024, 1, 1, tzinfo=UTC), "user", "x")), "seq is 0.5"),
        (row_line(LogRow("s", 0, 0.0, 0.0, datetime(2024, 1, 1, tzinfo=UTC), "user", "x", role=5)), "role is 5"),
        (row_line(LogRow("s", 0, True, 0.0, datetime(2024, 1, 1, tzinfo=UTC), "user", "x")), "t_s is True"),
        (
            b'{"session_id":"","seq":0,"t_s":0,"wall_time":"","source":"user","type":"","more":1}',
            "unknown columns more",
        ),
    ],
)
def test_a_line_that_is_no_row_is_dropped_and_named(tmp_path, line, why):
    path = tmp_path / "events.jsonl"
    a_log(path).close()
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\n" + line.rstrip(b"\n") + b"\n" + rest)
    again = EventLog.read(path)
    assert len(again) == 4
    ((number, reason),) = again.dropped
    assert number == 2
    assert why in reason
    assert "line 2: " in repr(again)


WRITER = """
import sys
from bidilab.bidi.log.eventlog import EventLog
log = EventLog(sys.argv[1], "killed")
while True:
    seq = log.append("bidi_audio_stream", source="model", response_id="r" * 50, detail={"blob": "x" * 3000})
    print(seq, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX")
@pytest.mark.parametrize("n_rows", random.Random(0).sample(range(30, 3000), ATTACK))
def test_killed_in_mid_write_it_loses_nothing_that_was_acknowledged(tmp_path, n_rows):
    path = tmp_path / "events.jsonl"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
        acknowledged = [process.stdout.readline() for _ in range(n_rows)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.readlines()
    again = EventLog.read(path)
    assert [row.seq for row in again] == list(range(len(again)))
    assert len(again) >= int([line for line in acknowledged if line.endswith("\n")][-1]) + 1 >= n_rows
    assert len(again.dropped) <= 1


def test_secrets_never_reach_the_journal(tmp_path):
    path = tmp_path / "events.jsonl"
    with EventLog(path, "s") as log:
        log.append(
            "session_started",
            source="user",
            text="connect with sk-proj-abcdef0123456789",
            detail={
                "client_config": {"api_key": "HIDDEN1", "headers": [{"Authorization": "Basic HIDDEN2"}]},
                "client_secret": {"value": "HIDDEN3"},
                "error": RuntimeError("401: Bearer HIDDEN4HIDDEN4HIDDEN4 is wrong, api_key=HIDDEN5"),
                "url": "wss://example.org/v1?key=HIDDEN6&model=x",
                "X-Api-Key": "HIDDEN7",
                "session_token": "HIDDEN8",
                "aws": "AKIAHIDDEN9HIDDEN9HI",
            },
        )
    written = path.read_text()
    assert "HIDDEN" not in written
    assert "abcdef0123456789" not in written
    assert written.count(REDACTED) == 10
    assert "model=x" in written


def test_counts_of_tokens_are_no_secrets():
    usage = {
        "inputTokens": 5,
        "total_tokens": 6,
        "input_token_details": {"cached_tokens_details": {"text_tokens": 1, "audio_tokens": None}},
        "max_output_tokens": "inf",
    }
    logged = loggable(usage)
    assert logged["inputTokens"] == 5
    assert logged["max_output_tokens"] == "inf"
    assert logged == usage | {"input_token_details": logged["input_token_details"]}
    assert logged["input_token_details"]["cached_tokens_details"] == {"text_tokens": 1, "audio_tokens": None}


def test_audio_is_only_counted():
    assert loggable({"audio": "AAAA/38A", "pcm": b"12", "type": "bidi_audio_stream"}) == {
        "audio_bytes": 6,
        "pcm_bytes": 2,
        "type": "bidi_audio_stream",
    }
    assert loggable({"type": "response.output_audio.delta", "delta": "AAA="})["delta_bytes"] == 2
    assert loggable({"type": "response.output_audio_transcript.delta", "delta": "word"})["delta"] == "word"
    assert loggable({"audio": {"input": {"format": "pcm16"}}}) == {"audio": {"input": {"format": "pcm16"}}}
    assert loggable([b"123"]) == [{"bytes": 3}]


def test_what_json_has_not(tmp_path):
    values = {
        "nan": float("nan"),
        "f32": np.float32(0.5),
        "int": np.int64(3),
        "array": np.zeros((2, 3)),
        "path": tmp_path,
        "time": VIRTUAL_EPOCH,
        "set": {1},
        "object": object,
        5: None,
        "long": list[tuple[int, ...]] | dict["str" * 100, int],
    }
    logged = json.loads(json.dumps(loggable(values), allow_nan=False))
    assert logged["nan"] == "nan"
    assert (logged["f32"], logged["int"], logged["set"], logged["5"]) == (0.5, 3, [1], None)
    assert logged["array"] == {"shape": [2, 3], "dtype": "float64"}
    assert logged["object"] == "<class 'object'>"
    assert len(logged["long"]) == 200


def test_session_events_find_their_columns():
    log = EventLog(session_id="s", clock=VirtualClock())
    log.append_event(
        {"type": "bidi_interruption", "reason": "user_speech", "interrupted_response_id": "r1", "heard_samples": 5},
        source="agent",
        playback_samples=12,
    )
    log.append_event({"type": "bidi_audio_stream", "audio": "AAAA", "response_id": "r2"}, source="model")
    first, second = log.rows
    assert (first.reason, first.response_id, first.playback_samples) == ("user_speech", "r1", 12)
    assert json.loads(first.detail) == {"heard_samples": 5}
    assert json.loads(second.detail) == {"audio_bytes": 3}


def test_an_unknown_source_is_an_error():
    with pytest.raises(InvalidParameterError, match="source must be one of input, detector"):
        EventLog().append("x", source="moon")


def test_both_reprs_say_the_same(tmp_path):
    log = a_log(tmp_path / "<events>.jsonl")
    text, page = repr(log), log._repr_html_()
    for said in ("s1", "4", "0.000 to 2.000 s", "speech_started 1"):
        assert said in text
        assert said in page
    assert "&lt;events&gt;" in page
    assert "none" in repr(EventLog())
    many = EventLog()
    for k in range(20):
        many.append(f"type{k}", source="user")
    assert "and 8 more" in repr(many)


class Full:
    """The system's boundary: so many bytes fit on the disk, and of a line that is too long only its beginning."""

    def __init__(self, monkeypatch, n_bytes):
        self.left = n_bytes
        self._write = os.write
        monkeypatch.setattr("os.write", self.write)

    def write(self, descriptor, data):
        if self.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        n = self._write(descriptor, bytes(data)[: self.left])
        self.left -= n
        return n


def no_truncating(*_):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("may_truncate", [True, False])
@pytest.mark.parametrize("room", [0, 1, 60, 150, 400])
def test_what_was_acknowledged_is_there_after_a_full_disk(tmp_path, monkeypatch, room, may_truncate):
    if not may_truncate:
        monkeypatch.setattr("os.ftruncate", no_truncating)
    log = EventLog(tmp_path / "a.jsonl", "s")
    acknowledged = [log.append("first", source="user")]
    disk = Full(monkeypatch, room)
    for k in range(5):
        with suppress(DiskFullError):
            acknowledged.append(log.append("more", source="user", text=f"{k}"))
        if k == 2:
            disk.left = 1 << 20  # somebody has made room
    log.close()
    assert len(log) == len(acknowledged) >= 3
    again = EventLog.read(tmp_path / "a.jsonl")
    assert list(again) == list(log)
    assert [row.seq for row in again] == acknowledged
    assert not (may_truncate and again.dropped)


def test_a_journal_has_one_writer(tmp_path):
    with EventLog(tmp_path / "a.jsonl", "s") as log:
        log.append("first", source="user")
        with pytest.raises(PlaceHeldError, match=r"a\.jsonl"):
            EventLog(tmp_path / "a.jsonl")
        log.append("second", source="user")
    assert [row.type for row in EventLog.read(tmp_path / "a.jsonl")] == ["first", "second"]
    EventLog(tmp_path / "a.jsonl").close()


def test_writing_a_log_over_another_leaves_that_until_it_is_whole(tmp_path, monkeypatch):
    old, new = EventLog(session_id="old"), EventLog(session_id="new")
    for log in (old, new):
        log.append("first", source="user")
        log.append("second", source="user")
    path = old.write(tmp_path / "a.jsonl")
    Full(monkeypatch, 100)
    with pytest.raises(DiskFullError):
        new.write(path)
    assert list(EventLog.read(path)) == list(old)
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"seq": ' + b"9" * 5000 + b"}",
        row_line(LogRow("s", 10**200, 0.0, 0.0, VIRTUAL_EPOCH, "user", "x")),
        row_line(LogRow("s", 1, 0.0, 0.0, VIRTUAL_EPOCH, "user", "x")).replace(b'"t_s":0.0', b'"t_s":1e999'),
        row_line(LogRow("s", 1, 0.0, 0.0, datetime(9999, 1, 1, tzinfo=UTC), "user", "x")),
        row_line(LogRow("s", 1, 0.0, 0.0, VIRTUAL_EPOCH, "user", "x", detail='{"a":' * 70 + "1" + "}" * 70)),
        b"\xff\xfe",
    ],
)
def test_a_line_that_nobody_wrote_is_dropped_with_its_number_and_the_rest_is_a_table(tmp_path, line):
    path = tmp_path / "a.jsonl"
    with EventLog(path, "s") as log:
        log.append("first", source="user")
    with path.open("ab") as file:
        file.write(line.rstrip(b"\n") + b"\n")
    again = EventLog.read(path)
    assert [row.type for row in again] == ["first"]
    assert [dropped.line for dropped in again.dropped] == [2]
    assert len(again.to_frame()) == 1


def test_a_table_can_be_made_while_rows_are_added():
    """A cell reads the log of a session that runs in another thread."""
    log = EventLog()
    adding = threading.Thread(target=lambda: [log.append("tick", source="user") for _ in range(20_000)])
    adding.start()
    lengths = []
    while adding.is_alive():
        lengths.append(len(log.to_frame()))
    assert lengths == sorted(lengths)
    assert len(log.to_frame()) == 20_000
