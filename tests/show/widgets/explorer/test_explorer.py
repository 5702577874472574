"""`SweepExplorer` from Python: what the page is sent is the sweep's own, and the next cell reads what was clicked."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

import bidilab as bl
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.detect.turns import EXPORT_TARGETS
from bidilab.lab.sweep import Grid, SweepResult, sweep
from bidilab.show.plots.heatmap import metric_grid
from bidilab.show.widgets.explorer import SweepExplorer
from bidilab.show.widgets.explorer.columns import COLOURS_RGB
from bidilab.show.widgets.explorer.details import recording_decisions
from tests.show.conftest import NASTY


@pytest.fixture
def explorer(result):
    made = SweepExplorer(result)
    yield made
    made.close()


@pytest.fixture
def elsewhere(result, tmp_path):
    """The result read back from its folder, where its recordings are not to be found."""
    result.save(tmp_path)
    loaded = SweepResult.load(tmp_path)
    loaded.meta["dataset"]["path"] = str(tmp_path / "gone")
    return loaded


def unpacked(columns, buffers):
    dtypes = {"int32": "<i4", "uint8": "u1", "float64": "<f8"}
    pairs = zip(columns, buffers, strict=False)
    return pd.DataFrame({column["name"]: np.frombuffer(data, dtypes[column["type"]]) for column, data in pairs})


_numbers = itertools.count()


def asked(widget, **request):
    """Ask as the page does, and take what the widget sends."""
    sent = []
    widget.send = lambda content, buffers: sent.append((content, buffers))
    number = f"v-{next(_numbers)}"
    widget._receive(widget, {"request": number, **request}, [])
    del widget.send
    (content, buffers), *more = sent
    assert not more
    assert content["reply"] == number
    return content, buffers


def test_every_number_is_sent_as_it_is(explorer, result):
    content, buffers = asked(explorer, kind="table")
    sent = unpacked(content["columns"], buffers)
    assert len(sent) == content["n_settings"] == len(result.settings)
    for name in sent:
        expected = result.recommend().losses if name == "loss" else result.settings[name].to_numpy()
        np.testing.assert_array_equal(sent[name], expected, err_msg=name)
    assert "loss" in sent
    assert not {"n_masked", "n_preempted", "n_false_premature_endpoint", "n_terminal_overlap"} & set(sent)
    assert {"premature_endpoint_rate", "stopped_within_500ms_rate", "false_stop_share"} <= set(content["headline"])
    for metric in content["metrics"]:
        assert {metric["name"], *metric["n_columns"], *(metric["interval"] or ())} <= set(sent)
    assert buffers[-1] == COLOURS_RGB.tobytes()
    json.dumps(content, allow_nan=False)


def test_the_recordings_of_a_setting_add_up_to_its_row(explorer, result):
    for setting in (0, explorer.selected, len(result.grid) - 1):
        content, buffers = asked(explorer, kind="recordings", setting=setting)
        sent = unpacked(content["columns"], buffers)
        assert content["ids"] == [recording.id for recording in result.dataset]
        row = result.settings.loc[setting]
        counts = ("n_detected", "n_missed", "n_false", "n_stops_continued", "n_false_opportunities", "n_turns")
        for name in (*counts, "n_premature_endpoints", "n_endpoints_open"):
            assert sent[name].sum() == row[name]
        hits = row["false_interruption_rate"] * row["n_false_opportunities"]
        assert sent["n_false_hits"].sum() == pytest.approx(hits if row["n_false_opportunities"] else 0)
        stored = result.recordings.query("setting == @setting")
        np.testing.assert_array_equal(sent["n_false"], stored["n_false"])


def test_at_first_the_recommended_setting_is_selected(explorer, result):
    assert explorer.selected == result.recommend().setting
    assert explorer.pinned == [None, None]
    table = explorer.to_frame()
    found = result.recommend()
    assert table.loc[explorer.selected, "mark"].startswith("selected, recommended")
    assert table.loc[found.default, "mark"].endswith("default")
    np.testing.assert_array_equal(table["loss"], found.losses[table.index])


def test_the_page_is_told_the_recommendation_and_the_default(explorer, result):
    content, _ = asked(explorer, kind="table")
    found = result.recommend()
    assert content["message"] == found.message
    assert content["notes"] == list(found.notes)
    assert content["default"] == found.default
    assert content["marked"] == {"setting": found.setting, "role": "recommended"}


def test_the_loss_is_shown_at_first(explorer, result):
    assert explorer.plane.metric == "loss"
    explorer.show("loss", at={"prefix_padding_ms": "best"})
    assert "loss" in explorer.static_form().text


def test_the_table_is_the_heat_map(explorer, result):
    explorer.show("missed_rate", at={"prefix_padding_ms": 300})
    table = explorer.to_frame()
    grid = metric_grid(
        result.settings, "missed_rate", x="threshold", y="silence_duration_ms", at={"prefix_padding_ms": 300}
    )
    np.testing.assert_array_equal(100 * table["missed_rate"].to_numpy(), grid.values.ravel())
    explorer.pinned = [0, int(table.index[0])]
    assert explorer.to_frame()["mark"].iloc[0].startswith("pinned b")


def test_the_best_of_a_parameter(explorer, result):
    explorer.show("onset_clipped_ms_p90", at={"prefix_padding_ms": "best"})
    table = explorer.to_frame()
    best = result.settings.groupby(["silence_duration_ms", "threshold"])["onset_clipped_ms_p90"].min()
    np.testing.assert_array_equal(table["onset_clipped_ms_p90"].to_numpy(), best.to_numpy())
    with pytest.raises(InvalidParameterError, match="neither more nor less"):
        explorer.show("n_onsets", at={"prefix_padding_ms": "best"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"metric": "speed"},
        {"x": "colour"},
        {"x": "silence_duration_ms"},
        {"at": {"threshold": 0.5}},
        {"at": {"prefix_padding_ms": 301}},
    ],
)
def test_what_was_not_swept_cannot_be_shown(explorer, wrong):
    before = explorer.plane
    with pytest.raises(InvalidParameterError):
        explorer.show(**wrong)
    assert explorer.plane == before


def test_a_setting_or_recording_that_is_not_there_is_refused(explorer):
    for name, value in (("selected", 10_000), ("pinned", [0, -1]), ("recording", "nobody")):
        with pytest.raises(InvalidParameterError):
            setattr(explorer, name, value)
    content, _ = asked(explorer, kind="recording", id="nobody")
    assert "nobody" in content["error"]


def test_one_recording_under_the_setting_selected(explorer, result):
    asked(explorer, kind="recording", id="r2")
    assert explorer.recording == "r2"
    assert explorer._recording_data["name"] == "r2"
    for setting in (explorer.selected, 5):
        explorer.selected = setting
        decided = explorer._decisions
        assert decided["setting"] == setting
        assert decided["threshold"] == result.params(setting).threshold
        turns = result.turns("r2", setting)
        assert [turn["onset_s"] for turn in decided["turns"]] == [turn.onset / 16_000 for turn in turns]
        outcomes = result.events(setting, "r2")["outcome"].isin(["detected", "missed", "false"]).sum()
        assert sum(e["outcome"] in ("detected", "missed", "false") for e in decided["events"]) == outcomes
    _, buffers = asked(explorer, kind="audio", channel="user", start_s=0.0, end_s=1.0)
    assert len(buffers[0]) == 2 * 16_000
    asked(explorer, kind="recording", id=None)
    assert (explorer.recording, explorer._recording_data, explorer._decisions) == (None, None, None)
    content, _ = asked(explorer, kind="audio", channel="user", start_s=0.0, end_s=1.0)
    assert "kind must be" in content["error"]


def test_the_simulated_agent_is_shown_under_the_guards_of_the_setting(result):
    """A guard that no speech passes lets every response end by itself."""
    knobs = {"threshold": 0.3, "prefix_padding_ms": 300, "silence_duration_ms": 200}
    grid = Grid(**knobs, min_interruption_ms=[0, 60_000])
    how = {"vad": "energy", "cache": False, "jobs": 1, "n_resamples": 2, "progress": False}
    swept = sweep(result.dataset, grid, evaluation="simulated", **how)
    shown = []
    for setting in (0, 1):
        drawn = swept.plot.timeline_data("r0", setting).segments
        responses = [(s.start_s, s.end_s) for s in drawn if s.channel == "agent"]
        decided = recording_decisions(swept, "r0", setting)["responses"]
        assert [(each["start_s"], each["end_s"]) for each in decided] == responses
        shown.append(responses)
    assert shown[0] != shown[1]


def test_two_settings_compared(explorer, result):
    with pytest.raises(InvalidParameterError, match="pinned"):
        explorer.comparison()
    explorer.pinned = [0, 20]
    pd.testing.assert_frame_equal(explorer.comparison(), result.compare(0, 20))
    content, _ = asked(explorer, kind="comparison", a=0, b=20)
    assert len(content["rows"]) == len(explorer.comparison())
    assert content["what_if"] == result.what_if(0, 20).summary
    assert "false stops avoided" in content["what_if"]
    json.dumps(content, allow_nan=False)
    for row, (_, compared) in zip(content["rows"], explorer.comparison().iterrows(), strict=True):
        assert row["differs"] == bool(compared["difference_lo"] > 0 or compared["difference_hi"] < 0)
        assert row["paired"] == compared["paired"]


def test_a_setting_as_a_program_takes_it(explorer, result):
    names: dict[str, object] = {}
    exec(explorer.export("python"), names)
    assert names["turn_detection"] == result.provider_params(explorer.selected)
    session = json.loads(explorer.export("openai"))
    assert bl.ServerVad.from_dict(session["audio"]["input"]["turn_detection"]) == names["turn_detection"]
    compile(explorer.export("agent"), "agent.py", "exec")
    assert repr(names["turn_detection"].threshold) in explorer.export("agent")
    content, _ = asked(explorer, kind="exports", setting=explorer.selected)
    assert [each["name"] for each in content["exports"]] == ["python", "agent", *EXPORT_TARGETS]
    assert [each["text"] for each in content["exports"]] == [
        explorer.export(each["name"]) for each in content["exports"]
    ]
    exported = bl.export_setting(names["turn_detection"].canonical(), "nova")
    nova = content["exports"][-1]
    assert (nova["name"], nova["text"].strip()) == ("nova", exported.text)
    assert all(str(compromise) in nova["note"] for compromise in exported.compromises)
    with pytest.raises(InvalidParameterError, match="python, agent, openai"):
        explorer.export("vapi")


def test_guards_are_written_or_said_to_be_missing(result):
    grid = Grid(threshold=0.5, silence_duration_ms=500, min_interruption_ms=[0, 250])
    explorer = SweepExplorer(
        sweep(result.dataset, grid, vad="energy", cache=False, jobs=1, n_resamples=10, progress=False)
    )
    for setting, guards in ((0, bl.Guards()), (1, bl.Guards(min_interruption_ms=250))):
        explorer.selected = setting
        names: dict[str, object] = {}
        exec(explorer.export(), names)
        assert names.get("guards", bl.Guards()) == guards
        content, _ = asked(explorer, kind="exports", setting=setting)
        notes = {each["name"]: each["note"] for each in content["exports"]}
        missing = {name for name, note in notes.items() if "min_interruption_ms: 250 ms wanted, 0 ms got" in note}
        assert missing == (set() if setting == 0 else {"agent", *EXPORT_TARGETS})
    explorer.close()


def test_a_min_speech_is_an_axis_to_move_along_and_is_written_or_said_to_be_missing(result):
    grid = Grid(threshold=0.5, silence_duration_ms=500, min_speech_ms=[0, 100, 200], min_interruption_ms=[0, 250])
    explorer = SweepExplorer(
        sweep(result.dataset, grid, vad="energy", cache=False, jobs=1, n_resamples=10, progress=False)
    )
    axes = {axis["name"]: axis for axis in asked(explorer, kind="table")[0]["axes"]}
    assert list(axes)[3:] == ["min_speech_ms", "min_interruption_ms"]
    assert (axes["min_speech_ms"]["values"], axes["min_speech_ms"]["label"]) == ([0.0, 100.0, 200.0], "min speech")
    assert explorer.plane.at["min_speech_ms"] == 0.0
    explorer.selected = explorer._result.setting(min_speech_ms=100, min_interruption_ms=0)
    assert explorer._result.params(explorer.selected).min_speech_ms == 100
    content, _ = asked(explorer, kind="exports", setting=explorer.selected)
    exports = {each["name"]: each for each in content["exports"]}
    missing = {name for name, each in exports.items() if "min_speech_ms: 100 ms wanted, 0 ms got" in each["note"]}
    assert missing == {"python", "agent", "openai", "strands", "nova"}
    assert "min_speech_duration=0.1," in exports["livekit"]["text"]
    explorer.close()


def test_what_a_provider_cannot_express_is_said(result):
    grid = Grid(threshold=[0.5, 0.6], prefix_padding_ms=100, silence_duration_ms=[200, 500], provider="gemini")
    swept = sweep(result.dataset, grid, vad="energy", cache=False, jobs=1, n_resamples=10, progress=False)
    explorer = SweepExplorer(swept)
    notes = {}
    for setting in range(4):
        answered = asked(explorer, kind="exports", setting=setting)[0]["exports"]
        notes[setting] = {each["name"]: each["note"] for each in answered}
        assert "agent" not in notes[setting]
    assert notes[0]["python"] == notes[1]["python"] == ""  # 0.5 is what HIGH is taken to mean
    assert "threshold: 0.6 wanted, 0.5 got" in notes[2]["python"]
    assert "threshold: 0.6 wanted, 0.5 got" in notes[2]["gemini"]
    explorer.close()


def test_a_saved_sweep_is_explored_from_its_folder(result, tmp_path):
    result.save(tmp_path)
    explorer = SweepExplorer(tmp_path, dataset=result.dataset)
    pd.testing.assert_frame_equal(explorer.recordings(), SweepExplorer(result).recordings())
    explorer.recording = "r0"
    assert explorer._decisions["turns"]
    with pytest.raises(ResultError):
        SweepExplorer(tmp_path / "nothing")


def test_without_its_recordings_a_sweep_still_shows_its_tables(elsewhere, result):
    explorer = SweepExplorer(elsewhere)
    content, buffers = asked(explorer, kind="recordings", setting=3)
    assert "result.attach(dataset)" in content["note"]
    sent = unpacked(content["columns"], buffers)
    assert sent["n_missed"].sum() == result.settings.loc[3, "n_missed"]
    assert "latency_detected_ms_p50" not in sent
    content, _ = asked(explorer, kind="recording", id="r0")
    assert "cannot be loaded" in content["error"]
    assert asked(explorer, kind="comparison", a=0, b=3)[0]["rows"]
    assert explorer.static_form().png
    explorer.close()


def test_the_static_form_says_what_is_seen(explorer, result):
    form = explorer.static_form()
    assert form.png.startswith(b"\x89PNG")
    found = result.recommend()
    assert all(sentence in form.text for sentence in (found.message, *found.notes))
    assert ("The default setting" in form.details_html) == (found.setting != found.default)
    bundle = form.mimebundle()
    assert "<script>" not in bundle["text/html"]
    assert "&lt;script&gt;" in bundle["text/html"]
    assert NASTY in bundle["text/plain"]
    row = result.settings.loc[explorer.selected]
    assert f"n = {row['n_true_opportunities']:.0f}" in bundle["text/html"]
    assert "The selected setting" not in bundle["text/html"]
    explorer.selected = 0
    explorer.show(at={"prefix_padding_ms": "best"})
    assert "The selected setting" in explorer.static_form().details_html


def test_a_degenerate_setting_is_flagged(with_degenerate):
    explorer = SweepExplorer(with_degenerate)
    explorer.selected = 0
    assert with_degenerate.settings.loc[0, "degenerate"]
    assert "silence may never come" in explorer.static_form().details_html
    content, buffers = asked(explorer, kind="table")
    assert unpacked(content["columns"], buffers)["degenerate"][0] == 1
    explorer.close()


@pytest.fixture
def with_degenerate(result):
    grid = Grid(threshold=[0.1, 0.5], prefix_padding_ms=300, silence_duration_ms=[200, 500])
    return sweep(result.dataset, grid, vad="energy", cache=False, jobs=1, n_resamples=10, progress=False)


def test_ten_thousand_settings_are_sent_at_once(result):
    grid = Grid(threshold="0.01:1:0.01", prefix_padding_ms="0:400:100", silence_duration_ms="100:1050:50")
    assert len(grid) == 10_000
    swept = sweep(result.dataset, grid, vad="energy", cache=False, jobs=1, n_resamples=2, progress=False)
    explorer = SweepExplorer(swept)
    content, buffers = asked(explorer, kind="table")
    np.testing.assert_array_equal(
        unpacked(content["columns"], buffers)["missed_rate"], swept.settings["missed_rate"].to_numpy()
    )
    assert sum(map(len, buffers)) < 10_000_000  # Jupyter's servers pass on messages of 10 MB
    explorer.close()


def test_a_sweep_under_conditions_is_explored_under_one(result):
    grid = Grid(threshold=[0.4, 0.8], conditions=[None, bl.Condition(gain_db=-20)])
    several = sweep(result.dataset, grid, vad="energy", cache=False, jobs=1, n_resamples=50, progress=False)
    for condition in several.conditions:
        explorer = SweepExplorer(several, condition=condition or "as recorded")
        part = several.under(condition)
        pd.testing.assert_frame_equal(explorer.result.settings, part.settings)
        counts = part.recordings_at(1)[["n_detected", "n_false"]].sum()
        assert counts.tolist() == part.settings.loc[1, ["n_detected", "n_false"]].tolist()
        assert part.counts_at(1)["n_false"].sum() == counts["n_false"]
        explorer.close()
    quiet = several.under(several.conditions[1])
    difference = several.compare(0, len(quiet.settings))  # one setting, two conditions
    assert difference.loc["false_interruption_rate", "a"] == several.settings.loc[0, "false_interruption_rate"]
    assert difference.loc["false_interruption_rate", "b"] == quiet.settings.loc[0, "false_interruption_rate"]
