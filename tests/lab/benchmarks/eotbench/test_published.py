"""eot-bench's published figures to their digits, where they are; and the same checks on a small folder made here."""

import json

import pytest

import bidilab as bl
from bidilab.core.errors import DatasetError
from bidilab.lab.benchmarks.eotbench import EotBench
from tests.conftest import ROOT

MODELS = ("VAD baseline", "OpenAI GPT Realtime 2", "LiveKit Turn Detector v1", "SmartTurn v3.2")


@pytest.fixture(scope="module")
def published():
    folder = ROOT.parent / "shared" / "benchmarks" / "eot-bench"
    if not folder.is_dir():
        pytest.skip("../shared/benchmarks is not here")
    return bl.benchmarks.eot_bench(folder)


def test_silence_alone_through_our_engine(published):
    table = published.silence
    assert (published.n_hold, published.n_eot, len(table)) == (705, 400, 29)
    assert table["agrees"].all()
    assert (table["found"] - table["published"]).abs().max() < 0.00005 + 1e-9
    assert round(table.loc[0.3, "found"], 3) == 0.556
    assert round(table.loc[0.6, "found"], 3) == 0.217
    assert table.index[table["found"] <= 0.05][0] == 1.6
    assert table.index[table["found"] <= 0.1][0] == 1.0
    assert table["mean_wait_s"].tolist() == pytest.approx(table.index.tolist())


def test_the_latency_identity_on_every_row_with_a_score_point(published):
    assert len(published.identity) == 11
    assert published.identity["found"].tolist() == pytest.approx(published.identity["published"].tolist(), abs=1e-9)


def test_headlines_from_frontiers(published):
    table = published.headlines
    assert table.index.get_level_values("model").unique().tolist() == list(MODELS)
    assert table["agrees"].all()
    assert table.loc["SmartTurn v3.2", "found"].tolist() == [0.352, 0.148, 1051, 739]
    assert table.loc["LiveKit Turn Detector v1", "found"].tolist() == [0.099, 0.045, 543, 295]
    assert table.loc["OpenAI GPT Realtime 2", "found"].tolist()[2:] == [1143, 824]
    assert table.loc["OpenAI GPT Realtime 2", "found"].isna().tolist() == [True, True, False, False]


def test_where_no_score_fires_the_timeout_cuts_off(published):
    assert published.timeouts.loc[2.5, "found"] == pytest.approx(9 / 705)
    assert published.timeouts["agrees"].all()
    assert published.agrees


@pytest.fixture
def folder(tmp_path):
    """Ten hold spans: three of 0.2 s, four of 0.25, two of 0.75, one of 2.45 s."""
    silence = [[0.2, 0.7], [0.3, 0.3], [0.8, 0.1], [2.5, 0.0]]
    other = [[0.25, 0.4], [0.5, 0.1], [2.0, 0.1], [2.5, 0.0]]
    frontiers = {"vad": silence, "openai-gpt-realtime-2": other, "livekit-v1": other, "smart-turn-v3-2": other}
    told = {"language": "en", "n_hold_spans": 10, "n_eot_spans": 4, "frontiers": frontiers}
    (tmp_path / "frontiers_en.json").write_text(json.dumps(told))
    (tmp_path / "operating_points_en.csv").write_text(
        "model,score_mode,score_point_s,budget,threshold,action_delay_s,timeout_s,mean_latency_s,cutoff_rate,detect_rate\n"
        "A,score_point,0.2,b,0.5,0.3,1.0,0.475,0.1,0.75\n"
        "B,first_crossing,,b,0.5,0.3,1.0,0.5,0.1,0.75\n"
    )
    rows = [f"{model},0.4,0.1,500,500" for model in MODELS[1:]]
    (tmp_path / "published_en.csv").write_text(
        "model,cutoff_at_300ms,cutoff_at_600ms,latency_ms_at_5pct,latency_ms_at_10pct\n"
        + "\n".join([f"{MODELS[0]},0.3,0.3,2500,800", *rows])
    )
    return tmp_path


def test_a_folder_made_here(folder):
    found = bl.benchmarks.eot_bench(folder)
    assert isinstance(found, EotBench)
    assert found.silence["found"].tolist() == pytest.approx([0.7, 0.3, 0.1, 0])
    assert found.silence["agrees"].all()
    assert found.identity[["model", "found", "agrees"]].to_numpy().tolist() == [["A", pytest.approx(0.475), True]]
    assert found.headlines.loc["VAD baseline", "agrees"].all()
    assert found.headlines.loc["SmartTurn v3.2", "agrees"].tolist() == [True, True, False, True]  # 5 % at 2500, not 500
    assert found.timeouts["found"].tolist() == [0.1, 0]
    assert not found.agrees
    text, page = repr(found), found._repr_html_()
    for said in ("10 hold, 4 eot", "4 of 4 figures agree", "13 of 16 figures agree"):
        assert said in text
        assert said in page


def test_a_figure_that_is_not_what_follows_is_told(folder):
    path = folder / "operating_points_en.csv"
    path.write_text(path.read_text().replace("0.475", "0.476"))
    assert bl.benchmarks.eot_bench(folder).identity["agrees"].tolist() == [False]


@pytest.mark.parametrize("name", ["frontiers_en.json", "operating_points_en.csv", "published_en.csv"])
def test_a_folder_that_lacks_something(folder, name):
    (folder / name).unlink()
    with pytest.raises(DatasetError, match=name):
        bl.benchmarks.eot_bench(folder)


def test_a_folder_in_another_form(folder):
    (folder / "frontiers_en.json").write_text('{"frontiers": {}}')
    with pytest.raises(DatasetError, match="n_hold_spans"):
        bl.benchmarks.eot_bench(folder)
    with pytest.raises(AttributeError, match="no attribute 'eotbensh'"):
        _ = bl.benchmarks.eotbensh
