"""The result: tables, words, files, a dataset; and a folder that is gone on with."""

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bidilab as bl
from bidilab.core.audiofile import read_audio, write_audio
from bidilab.core.errors import AudioError, DatasetError, InvalidParameterError
from bidilab.lab.judge import JudgeRule, judge, run
from bidilab.lab.judge.exchange import ToldEnd
from bidilab.lab.judge.run import judged_from
from bidilab.lab.metrics.columns import JUDGED_CALLS, JUDGED_TOTALS, OVERLAPS, RATES, RESPONSES, STOPS
from bidilab.lab.metrics.yields import MUST_NOT_STOP
from tests.lab.judge.calls import RATE, heard
from tests.sizes import examples


def by_hand(tmp_path, **calls):
    """Calls drawn by hand: ``(user, agent, ends that are known)`` each."""
    return judged_from(
        {name: heard(user, agent) for name, (user, agent, _) in calls.items()},
        rule=JudgeRule(),
        root=tmp_path,
        files={name: tmp_path / f"{name}.wav" for name in calls},
        digests=dict.fromkeys(calls, "0" * 64),
        told=lambda name: [ToldEnd(position=at, how=how, by="person") for at, how in calls[name][2]],
    )


@pytest.fixture
def three(tmp_path):
    """Three calls of which all ends are known.

    a: an interruption yielded to after 400 ms, a backchannel spoken on over. b: a cough that stops the agent after 300
    ms; it goes on 2 s later. c: an interruption spoken on over; an answer that cuts in.
    """
    cough = (3000, 3200, {"voiced_ms": 0})
    return by_hand(
        tmp_path,
        a=([(4000, 6000), (9000, 9300)], [(1000, 4400), (7000, 14_000)], [(4400, "cut"), (14_000, "natural")]),
        b=([cough], [(1000, 3300), (5300, 8000)], [(3300, "cut"), (8000, "natural")]),
        c=(
            [(4000, 6000), (20_000, 22_000), (22_500, 24_000)],
            [(1000, 12_000), (22_300, 22_700)],
            [(12_000, "natural"), (22_700, "natural")],
        ),
    )


def test_counts_and_rates_by_hand(three):
    row = three.totals.iloc[0]
    counts = ["n_calls", "n_responses", "n_overlaps", "n_interruptions", "n_yielded", "n_not_yielded", "n_finished"]
    # The answer that cuts in ended by itself 200 ms after the user went on: the third interruption.
    assert row[counts].tolist() == [3, 6, 5, 3, 1, 1, 1]
    assert row[["n_must_not_stop", "n_false_stops", "n_false_stops_noise", "n_spoken_on"]].tolist() == [2, 1, 1, 1]
    assert row[["n_resumed", "n_cut_ins", "n_answers", "n_terminal"]].tolist() == [1, 1, 2, 0]
    assert row["talk_over_s"] == pytest.approx(0.4 + 2.0 + 0.2)
    rates = three.rates["value"]
    assert rates["not_yielded_rate"] == 0.5
    assert rates["false_rate"] == 0.5
    spoken_min = (3.4 + 7 + 2.3 + 2.7 + 11 + 0.4) / 60
    assert rates["false_stops_per_min"] == pytest.approx(1 / spoken_min)
    assert rates["resume_p50_ms"] == 2000
    assert rates["response_p50_ms"] == 300  # of 300 and 1000


def test_yield_latency_is_by_kaplan_and_meier(three):
    """Seen: 400 ms. Only known to be longer: 4 s (2 s past the user's end), and 200 ms, where the agent had said all.

    At 400 ms two of three are at risk, and one is seen: half are left.
    """
    rates = three.rates["value"]
    assert rates["yield_p50_ms"] == 400
    assert rates["yield_p90_ms"] == math.inf
    assert three.rates.loc["yield_p50_ms", "n_calls"] == 2


def test_rows_of_the_stops(three):
    stops = three.stops
    assert stops["call"].tolist() == ["a", "b"]
    assert stops["cause"].tolist() == ["interruption", "noise"]
    assert stops["false_stop"].tolist() == [False, True]
    assert stops["silent_ms"].tolist() == [400, 300]
    assert stops["resume_ms"].iloc[1] == 2000


def test_a_cut_with_nothing_before_is_a_stop_by_nothing(tmp_path):
    judged = by_hand(tmp_path, a=([], [(1000, 4000), (8000, 9000)], [(4000, "cut")]))
    assert judged.stops["cause"].tolist() == ["nothing"]
    assert judged.totals["n_stops_by_nothing"].tolist() == [1]
    assert judged.rates.loc["false_stops_per_min", "value"] == pytest.approx(60 / 4)


def test_a_user_who_goes_on_stops_an_agent_that_began_too_early_and_that_is_no_false_stop(tmp_path):
    judged = by_hand(tmp_path, a=([(500, 4500)], [(3000, 3600), (5400, 9000)], [(3600, "cut")]))
    assert judged.responses["begins"].tolist() == ["over the user", "after the user"]
    stop = judged.stops.iloc[0]
    assert (stop["cause"], stop["false_stop"], stop["onset_s"]) == ("interruption", False, 0.5)
    assert judged.totals["n_stops_by_nothing"].tolist() == [0]


def test_tables_are_as_they_are_declared(three, tmp_path):
    declared = {"overlaps": OVERLAPS, "stops": STOPS, "responses": RESPONSES, "calls": JUDGED_CALLS, "rates": RATES}
    nothing = by_hand(tmp_path, a=([], [], []))
    for name, schema in {**declared, "totals": JUDGED_TOTALS}.items():
        for judged in (three, nothing):
            assert tuple(getattr(judged, name).columns) == schema.names
        assert schema.name in bl.JudgedCalls.__doc__
    assert nothing.rates["value"].isna().all()


def test_words_and_html_say_the_same(three, tmp_path):
    text = repr(three)
    assert "3 interruptions" in text
    assert "yielded to 1, spoke on over 1, and had said all at 1" in text
    assert "too few to give a rate" in text
    page = three._repr_html_()
    for line in text.splitlines():
        assert line.split(":", 1)[1].strip().replace("'", "&#x27;") in page
    assert "Nobody spoke at length over the agent." in repr(by_hand(tmp_path, a=([], [(0, 900)], [])))


def test_files(three, tmp_path):
    written = three.to_csv(tmp_path / "out")
    assert sorted(path.name for path in written) == [
        *("calls.csv", "delays.csv", "judge.json", "overlaps.csv", "rates.csv", "responses.csv", "stops.csv")
    ]
    read = pd.read_csv(tmp_path / "out" / "overlaps.csv")
    assert tuple(read.columns) == OVERLAPS.names
    np.testing.assert_allclose(read["silent_ms"], three.overlaps["silent_ms"])
    assert pd.read_csv(tmp_path / "out" / "rates.csv")["rate"].tolist() == three.rates.index.tolist()


def test_a_call_is_named_where_there_are_several(three):
    with pytest.raises(InvalidParameterError, match="one of the 3 calls"):
        three.timeline()
    with pytest.raises(InvalidParameterError, match=r"a, b, c"):
        three.timeline("d")
    with pytest.raises(InvalidParameterError, match="max_clips"):
        three.report("r.html", max_clips=-1)


def test_a_folder_goes_on_where_it_was_and_names_what_cannot_be_judged(recorded, tmp_path, monkeypatch):
    folder, _, cache = recorded
    judge(folder, user_channel=1, cache=cache, progress=False)
    for path in folder.iterdir():
        (tmp_path / "calls" / "monday").mkdir(parents=True, exist_ok=True)
        (tmp_path / "calls" / "monday" / path.name).write_bytes(path.read_bytes())
    write_audio(tmp_path / "calls" / "mono.wav", np.zeros(RATE, np.float32), RATE)
    (tmp_path / "calls" / "text.wav").write_text("no audio")
    monkeypatch.setattr(run, "hear", lambda *_: pytest.fail("it was heard before"))
    with pytest.raises(pytest.fail.Exception, match="heard before"):
        judge(tmp_path / "calls", user_channel=1, cache=tmp_path / "other", progress=False)
    monkeypatch.undo()
    again = judge(tmp_path / "calls", user_channel=1, cache=cache, progress=False)
    assert again.calls["call"].tolist() == ["monday/call-1"]
    assert [problem.file for problem in again.problems] == ["mono.wav", "text.wav"]
    assert "one channel" in again.problems[0].message
    assert "2 recordings could not be judged" in repr(again)
    assert "not judged, mono.wav" in repr(again)


def test_what_was_kept_is_not_heard_again(recorded, monkeypatch):
    folder, _, cache = recorded
    first = judge(folder, user_channel=1, cache=cache, progress=False)
    monkeypatch.setattr(run, "hear", lambda *_: pytest.fail("it was heard before"))
    second = judge(folder / "call-1.flac", user_channel=1, cache=cache, progress=False)
    pd.testing.assert_frame_equal(first.overlaps, second.overlaps)
    slower = judge(folder, user_channel=1, max_yield_ms=5000, cache=cache, progress=False)
    assert slower.rule.max_yield_ms == 5000
    with pytest.raises(pytest.fail.Exception):  # the other side is another call
        judge(folder, user_channel=2, cache=cache, progress=False)


def test_names_that_are_no_text_or_a_formula_harm_nothing(recorded, tmp_path):
    folder, _, cache = recorded
    (tmp_path / "calls").mkdir()
    content = (folder / "call-1.flac").read_bytes()
    for name in (b"=cmd.flac", b"\xff.flac"):
        try:
            (tmp_path / "calls" / os.fsdecode(name)).write_bytes(content)
        except OSError:
            pytest.skip("the file system takes no such name")
    judged = judge(tmp_path / "calls", user_channel=1, cache=cache, progress=False)
    assert "=cmd" in judged.calls["call"].tolist()
    judged.to_csv(tmp_path / "out")
    assert "'=cmd" in pd.read_csv(tmp_path / "out" / "calls.csv")["call"].tolist()
    assert "udcff" in judged.report(tmp_path / "r.html", max_clips=0).read_text("utf-8")
    assert len(judged.to_dataset(tmp_path / "mine")) == len(judged.calls)


def test_a_fault_that_nobody_foresaw_stops_no_other_call(recorded, tmp_path, monkeypatch):
    folder = recorded[0]
    (tmp_path / "calls").mkdir()
    for name in ("a.flac", "b.flac"):
        (tmp_path / "calls" / name).write_bytes((folder / "call-1.flac").read_bytes())

    def fails_once(file):
        return (_ for _ in ()).throw(RuntimeError("out of luck")) if Path(file).stem == "a" else read_audio(file)

    monkeypatch.setattr(run, "read_audio", fails_once)
    monkeypatch.setattr(run, "hear", lambda audio, channel: heard([], [(0, 900)]))
    judged = judge(tmp_path / "calls", user_channel=1, cache=tmp_path / "cache", progress=False)
    assert judged.calls["call"].tolist() == ["b"]
    assert [str(problem) for problem in judged.problems] == ["a.flac: RuntimeError: out of luck"]


def test_nothing_that_can_be_judged_is_an_error(tmp_path):
    with pytest.raises(AudioError, match="no such file or folder"):
        judge(tmp_path / "none", user_channel=1, progress=False)
    with pytest.raises(AudioError, match="no recording in it"):
        judge(tmp_path, user_channel=1, progress=False)
    write_audio(tmp_path / "a.wav", np.zeros(RATE, np.float32), RATE)
    with pytest.raises(AudioError, match=r"can be judged\n  a\.wav: one channel"):
        judge(tmp_path, user_channel=1, cache=tmp_path / "cache", progress=False)
    with pytest.raises(AudioError, match="one channel"):
        judge(tmp_path / "a.wav", user_channel=1, cache=tmp_path / "cache", progress=False)


def test_a_dataset_of_the_calls(recorded, tmp_path):
    folder, at, cache = recorded
    judged = judge(folder, user_channel=1, cache=cache, progress=False)
    dataset = judged.to_dataset(tmp_path / "mine")
    (recording,) = dataset
    assert recording.id == "call-1"
    user = recording.segments_of("user")
    assert [s.kind for s in user] == ["turn", "interruption", "backchannel", "turn", "noise"]
    assert user[1].start_s == pytest.approx(at["interruption"], abs=0.02)
    assert all(s.origin == "proposed" and "bidilab-judge-rule" in s.by for s in recording.segments)
    assert len(recording.segments_of("agent", "response")) == 5
    assert (recording.audio().samples == bl.read_audio(folder / "call-1.flac").samples).all()
    with pytest.raises(DatasetError, match="exists"):
        judged.to_dataset(tmp_path / "mine")
    assert len(judged.to_dataset(tmp_path / "mine", force=True)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_recording_that_has_changed_is_in_no_dataset(recorded, tmp_path):
    folder, _, cache = recorded
    (tmp_path / "calls").mkdir()
    copy = tmp_path / "calls" / "call-1.flac"
    copy.write_bytes((folder / "call-1.flac").read_bytes())
    judged = judge(tmp_path / "calls", user_channel=1, cache=cache, progress=False)
    write_audio(copy, np.zeros((RATE, 2), np.float32), RATE)
    with pytest.raises(AudioError, match="it has changed"):
        judged.to_dataset(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


units = st.lists(st.tuples(st.integers(80, 2500), st.integers(210, 2500), st.booleans()), max_size=8)


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(units, units), min_size=1, max_size=3))
def test_counts_add_up_and_words_agree(drawn):
    def placed(lengths):
        position, made = 0, []
        for length, pause, voiced in lengths:
            start = position + pause
            position = start + length
            made.append((start, position, {} if voiced else {"voiced_ms": 0}))
        return made

    calls = {f"c{k}": (placed(user), [unit[:2] for unit in placed(agent)], []) for k, (user, agent) in enumerate(drawn)}
    judged = by_hand(Path("calls"), **calls)
    row = judged.totals.iloc[0]
    for names, whole in (
        (("n_yielded", "n_not_yielded", "n_finished", "n_undecided"), "n_interruptions"),
        (tuple(f"n_false_stops_{kind}" for kind in MUST_NOT_STOP), "n_false_stops"),
        (("n_interruptions", "n_must_not_stop"), "n_overlaps"),
    ):
        assert sum(row[name] for name in names) == pytest.approx(row[whole])
        assert judged.calls[list(names)].sum().sum() == pytest.approx(row[whole])
    assert len(judged.overlaps) == row["n_overlaps"]
    assert len(judged.responses) == row["n_responses"]
    shares = judged.rates.loc[["not_yielded_rate", "false_rate", "cut_in_rate", "over_user_rate"], "value"].dropna()
    assert shares.between(0, 1).all()
    endings = {"yielded": "cut", "agent finished by itself": "natural"}
    for overlap in judged.overlaps.to_dict("records"):
        assert endings.get(overlap["outcome"], overlap["agent_end"]) == overlap["agent_end"]
        assert 0 <= overlap["talk_over_ms"] <= overlap["overrun_ms"] <= overlap["silent_ms"]
        assert overlap["false_stop"] is not True or overlap["kind"] in MUST_NOT_STOP
    ends = dict(
        zip(
            zip(judged.responses["call"], judged.responses["response"], strict=True),
            judged.responses["ends"],
            strict=True,
        )
    )
    for overlap in judged.overlaps.to_dict("records"):
        assert ends[overlap["call"], overlap["over_response"]] == overlap["agent_end"]
    assert repr(judged)
