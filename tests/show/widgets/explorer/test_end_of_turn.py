"""`SweepExplorer` over a sweep whose turns end by a score: axes with "off", the rule in words, and what it buys."""

import json
import math

import numpy as np
import pytest

from bidilab.lab.sweep import Grid, sweep
from bidilab.show.widgets.explorer import SweepExplorer
from bidilab.show.widgets.explorer.columns import _axis
from bidilab.show.widgets.explorer.plane import BEST, Plane
from tests.show.widgets.explorer.test_explorer import asked, unpacked
from tests.show.widgets.explorer.test_in_both_languages import CELLS, case, node, table_of, which
from tests.show.widgets.scorers import Loudness

AXES = {"eot_threshold": [None, 0.2, 0.6], "eot_timeout_ms": [600, 1200], "false_interruption_timeout_ms": [None, 500]}


@pytest.fixture(scope="module")
def scored(result):
    grid = Grid(
        threshold=[0.4, 0.6],
        prefix_padding_ms=300,
        silence_duration_ms=[100, 500],
        eot=Loudness(),
        eot_latency_ms=20,
        eot_action_delay_ms=200,
        **AXES,
    )
    return sweep(result.dataset, grid, vad="energy", n_resamples=20, word_times="spread", progress=False)


@pytest.fixture
def explorer(scored):
    made = SweepExplorer(scored)
    yield made
    made.close()


def test_what_is_sent_is_json_and_can_be_read_back(explorer, scored):
    content, buffers = asked(explorer, kind="table")
    json.dumps(content, allow_nan=False)
    json.dumps(explorer.get_state(["_plane"]), allow_nan=False)
    sent = {axis["name"]: axis for axis in content["axes"]}
    assert sent["eot_threshold"]["values"] == [0.2, 0.6, "Infinity"]
    assert (sent["eot_threshold"]["infinite"], sent["eot_threshold"]["default"]) == ("off", "Infinity")
    assert [float(value) for value in sent["false_interruption_timeout_ms"]["values"]] == [500, math.inf]
    assert {"premature_endpoint_rate", "cutoff_rate", "timeout_rate"} <= set(content["headline"])
    table = unpacked(content["columns"], buffers)
    np.testing.assert_array_equal(table["cutoff_rate"], scored.settings["cutoff_rate"])


def test_a_scorer_that_is_off_is_a_value_like_others(explorer, scored):
    explorer.show("cutoff_rate", x="eot_threshold", y="silence_duration_ms", at={"eot_timeout_ms": BEST})
    table = explorer.to_frame()
    assert sorted(set(table["eot_threshold"])) == [0.2, 0.6, math.inf]
    explorer.show("cutoff_rate", x="threshold", y="silence_duration_ms", at={"eot_threshold": math.inf})
    assert math.isinf(explorer.plane.at["eot_threshold"])
    assert set(explorer.to_frame()["eot_threshold"]) == {math.inf}
    explorer._plane = {
        **explorer._plane,
        "at": {**explorer._plane["at"], "eot_threshold": "Infinity"},
    }  # as a page does
    assert set(explorer.to_frame()["eot_threshold"]) == {math.inf}


def test_a_setting_is_named_with_its_rule(explorer, scored):
    by_score = int(scored.setting(eot_threshold=0.6, eot_timeout_ms=1200, silence_duration_ms=100))
    off = int(scored.setting(eot_threshold=math.inf, silence_duration_ms=100))
    content, _ = asked(explorer, kind="recordings", setting=by_score)
    assert content["ending"].startswith("A turn ends by a score of loudness 1, 20 ms from asking to knowing above 0.6")
    assert "acted upon from 200 ms on; after 1200 ms of silence" in content["ending"]
    assert asked(explorer, kind="recordings", setting=off)[0]["ending"] == "A turn ends after 100 ms of silence."
    facts, _ = asked(explorer, kind="table")
    assert "scored by loudness 1" in facts["evaluation"]
    explorer.selected = by_score
    assert "end_of_turn = bl.EndOfTurn(threshold=0.6, action_delay_ms=200.0" in explorer.export()
    assert "loudness 1" in explorer.export()
    assert "above 0.6" in explorer.static_form().mimebundle()["text/html"]
    agent, openai, livekit = (explorer.export(form) for form in ("agent", "openai", "livekit"))
    compile(agent, "agent.py", "exec")
    assert "{'type': 'semantic_vad', 'eagerness': 'high'" in agent  # 1200 ms: not the 100 ms of silence alone
    assert json.loads(openai.partition("\n\n#")[0])["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
    assert '"min_delay": 0.25, "max_delay": 1.2' in livekit
    noted = {each["name"]: each["note"] for each in asked(explorer, kind="exports", setting=by_score)[0]["exports"]}
    assert all("eot_threshold: 0.6 wanted, none got." in noted[name] for name in noted.keys() - {"python"})
    json.dumps([asked(explorer, kind="exports", setting=k)[0] for k in (by_score, off)], allow_nan=False)
    explorer.selected = off
    assert "EndOfTurn" not in explorer.export()


def test_the_default_is_called_so_only_where_it_was_swept(explorer, scored, result):
    facts, _ = asked(explorer, kind="table")
    assert facts["default_title"] == "nearest to the default of openai, which has threshold 0.5"
    other = SweepExplorer(result)
    assert asked(other, kind="table")[0]["default_title"].startswith("the default of openai")
    other.close()


@pytest.mark.skipif(which("node") is None, reason="needs Node")
def test_the_cells_of_a_plane_with_what_is_infinite():
    rng = np.random.default_rng(8)
    cases, expected = [], []
    for _ in range(40):
        grid = Grid(threshold=[0.4, 0.6], prefix_padding_ms=300, silence_duration_ms=[200, 500], eot=Loudness(), **AXES)
        table = table_of(grid, rng)
        x, y, *held = (str(name) for name in rng.permutation(list(grid.axes)))
        at = {name: BEST if rng.random() < 0.6 else float(rng.choice(grid.axes[name])) for name in held}
        plane = Plane.of(grid.axes, metric="missed_rate", x=x, y=y, at=at)
        cases.append(case(grid, table, plane))
        expected.append(plane.settings(table, grid.axes).ravel().tolist())
    assert json.dumps(cases, allow_nan=False)
    assert node(CELLS, cases) == expected


def test_an_axis_of_numbers_is_sent_as_numbers():
    assert _axis("threshold", (0.4, 0.6))["values"] == [0.4, 0.6]
