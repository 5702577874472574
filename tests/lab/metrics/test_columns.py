"""Each column is declared once; tables, kernels, words and the page follow from that."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.columns import (
    COUNTED,
    EVENTS,
    RECORDINGS,
    SETTINGS,
    TIMED,
    Count,
    Duration,
    Ratio,
    Schema,
    Share,
    Text,
    Value,
    counted_in,
    counts_dtype,
    lists_columns,
    setting_columns,
)
from bidilab.lab.metrics.columns.page import REFERENCES, SCHEMAS, page
from bidilab.lab.sweep.evaluated import PARTS
from tests.conftest import ROOT


def words(text):
    return text.split()


# Written down from results that were saved: what is saved and read must not move.
SAVED_SETTINGS = words("""
degenerate n_true_opportunities n_detected n_missed missed_rate missed_rate_lo missed_rate_hi
stopped_within_500ms_rate stopped_within_500ms_rate_lo stopped_within_500ms_rate_hi latency_detected_ms_p50
latency_detected_ms_p50_lo latency_detected_ms_p50_hi latency_detected_ms_p90 latency_detected_ms_p90_lo
latency_detected_ms_p90_hi talk_over_s n_false_opportunities false_interruption_rate false_interruption_rate_lo
false_interruption_rate_hi n_false_opportunities_backchannel false_interruption_rate_backchannel
false_interruption_rate_backchannel_lo false_interruption_rate_backchannel_hi n_false_opportunities_side_speech
false_interruption_rate_side_speech false_interruption_rate_side_speech_lo false_interruption_rate_side_speech_hi
n_false_opportunities_noise false_interruption_rate_noise false_interruption_rate_noise_lo
false_interruption_rate_noise_hi n_false_opportunities_echo false_interruption_rate_echo
false_interruption_rate_echo_lo false_interruption_rate_echo_hi unprompted_per_min unprompted_per_min_lo
unprompted_per_min_hi unprompted_min n_outlasting n_crowded n_unsure n_terminal n_cut_in n_turns
n_premature_endpoints premature_endpoint_rate premature_endpoint_rate_lo premature_endpoint_rate_hi
n_pauses n_pauses_by_words n_cut_offs cutoff_rate cutoff_rate_lo cutoff_rate_hi n_endpoints
n_endpoints_open
endpoint_latency_ms_p50 endpoint_latency_ms_p50_lo endpoint_latency_ms_p50_hi endpoint_latency_ms_p90
endpoint_latency_ms_p90_lo endpoint_latency_ms_p90_hi
endpoint_latency_ms_mean endpoint_latency_ms_mean_lo endpoint_latency_ms_mean_hi n_onsets
onset_clipped_ms_p50 onset_clipped_ms_p90
n_detector_turns n_false false_per_min false_per_min_lo false_per_min_hi false_stop_share false_stop_share_lo
false_stop_share_hi agent_lost_share n_false_backchannel n_false_side_speech n_false_noise n_false_echo n_false_none
n_stops_continued n_stops_true n_responses n_responses_stopped_falsely agent_speech_min agent_planned_min
agent_lost_min masked_s
""")
SAVED_SIMULATED = ["n_cancelled_unheard", "n_cut_ins_heard", "cut_in_talk_s"]
SAVED_RESUME = ["n_resumed", "n_resumed_true", "pause_s"]
SAVED_SCORED = ["n_timeouts", "timeout_rate", "timeout_rate_lo", "timeout_rate_hi"]
SAVED_RECORDINGS = words("""
setting recording_id n_true_opportunities n_detected n_missed n_false_opportunities_backchannel
n_false_opportunities_side_speech n_false_opportunities_noise n_false_opportunities_echo n_outlasting n_crowded
n_unsure n_terminal n_cut_in n_false_on_opportunity_backchannel n_false_on_opportunity_side_speech
n_false_on_opportunity_noise
n_false_on_opportunity_echo n_stopped_within_500ms n_unprompted n_turns n_premature_endpoints n_pauses
n_pauses_by_words n_cut_offs n_endpoints
n_endpoints_open n_onsets n_detector_turns n_flushed n_false n_false_backchannel n_false_side_speech n_false_noise
n_false_echo n_false_none n_stops_continued n_stops_true n_responses n_responses_stopped_falsely n_cancelled_unheard
n_cut_ins_heard n_resumed n_resumed_true n_timeouts
""")
# Of formats 1 to 3, whose settings chose their own events. The others are called the same today.
GONE = {"n_masked", "n_preempted", "n_false_premature_endpoint", "n_terminal_overlap"}
BEFORE = words("""
degenerate n_true_opportunities n_masked n_preempted n_detected n_missed missed_rate missed_rate_lo missed_rate_hi
latency_detected_ms_p50 latency_detected_ms_p50_lo latency_detected_ms_p50_hi
latency_detected_ms_p90 latency_detected_ms_p90_lo latency_detected_ms_p90_hi
agent_speech_min n_false_opportunities n_false
false_interruption_rate false_interruption_rate_lo false_interruption_rate_hi
false_per_min false_per_min_lo false_per_min_hi
n_false_backchannel n_false_side_speech n_false_noise n_false_echo n_false_premature_endpoint n_false_none
n_false_opportunities_backchannel false_interruption_rate_backchannel false_interruption_rate_backchannel_lo
false_interruption_rate_backchannel_hi
n_false_opportunities_side_speech false_interruption_rate_side_speech false_interruption_rate_side_speech_lo
false_interruption_rate_side_speech_hi
n_false_opportunities_noise false_interruption_rate_noise false_interruption_rate_noise_lo
false_interruption_rate_noise_hi
n_false_opportunities_echo false_interruption_rate_echo false_interruption_rate_echo_lo false_interruption_rate_echo_hi
n_terminal_overlap n_turns n_premature_endpoints
premature_endpoint_rate premature_endpoint_rate_lo premature_endpoint_rate_hi
n_endpoints endpoint_latency_ms_p50 endpoint_latency_ms_p90 n_onsets onset_clipped_ms_p50 onset_clipped_ms_p90
talk_over_s n_detector_turns
setting recording_id n_true_opportunities n_masked n_preempted n_detected n_missed n_false
n_false_backchannel n_false_side_speech n_false_noise n_false_echo n_false_premature_endpoint n_false_none
n_false_opportunities_backchannel n_false_opportunities_side_speech n_false_opportunities_noise
n_false_opportunities_echo
n_false_on_opportunity_backchannel n_false_on_opportunity_side_speech n_false_on_opportunity_noise
n_false_on_opportunity_echo
n_terminal_overlap n_turns n_premature_endpoints n_endpoints n_onsets n_detector_turns n_flushed n_responses
n_cancelled_unheard n_resumed n_resumed_true
n_responses n_cancelled_unheard n_resumed n_resumed_true pause_s
""")


def test_saved_tables_keep_their_columns_and_order():
    assert list(setting_columns(simulated=False, resumes=False)) == SAVED_SETTINGS
    assert list(setting_columns(simulated=True, resumes=True)) == SAVED_SETTINGS + SAVED_SIMULATED + SAVED_RESUME
    assert list(setting_columns(simulated=False, resumes=False, scored=True)) == SAVED_SETTINGS + SAVED_SCORED
    assert list(RECORDINGS.names) == SAVED_RECORDINGS


def test_what_was_saved_before_has_the_name_that_it_had():
    assert {name for name in BEFORE if name not in SETTINGS.names and name not in RECORDINGS.names} == GONE


def test_ratios_rest_on_what_is_declared():
    known = {*SETTINGS.names, *RECORDINGS.names}
    for column in SETTINGS.of(Ratio):
        assert {*column.of, *column.per} <= known
    for column in SETTINGS.of(Count):
        assert set(column.parts) <= known


@pytest.mark.parametrize("part", PARTS)
def test_records_and_the_flat_array_of_counts_are_the_same_memory(part):
    names = [c.counted if isinstance(c, Duration) else c.name for c in counted_in(part)]
    dtype = counts_dtype(counted_in(part))
    flat = np.arange(len(names), dtype=np.int32)[None]
    record = flat.view(dtype)[0, 0]
    kinds = iter(())
    for name, value in zip(names, flat[0], strict=True):
        if name in dtype.names:
            assert record[name] == value
            continue
        family = next(column.family for column in COUNTED if column.name == name)
        if not name.startswith(family.removesuffix("_by_kind")):
            pytest.fail(f"{name} is in the family {family}")
        kinds = kinds if (first := next(kinds, None)) is not None else iter(record[family])
        assert (next(kinds) if first is None else first) == value


def test_every_count_is_counted_in_one_part():
    counted = [column.name for part in PARTS for column in counted_in(part)]
    assert sorted(counted) == sorted(column.name for column in (*COUNTED, *TIMED))


def test_a_schema_refuses_what_cannot_be_a_table():
    n = Count(name="n", label="n", meaning="How many.")
    with pytest.raises(InvalidParameterError, match="each name once"):
        Schema(name="t", rows="one row", columns=(n, n))
    share = Share(name="s", label="s", meaning="Time per time.", of=("lost_s",), per=("planned_s",))
    with pytest.raises(InvalidParameterError, match="planned_s"):
        Schema(name="t", rows="one row", columns=(n, share))
    with pytest.raises(InvalidParameterError, match="sentence"):
        Count(name="n", label="n", meaning="How many")
    with pytest.raises(InvalidParameterError, match="one of n"):
        Schema(name="t", rows="one row", columns=(n,))["m"]
    with pytest.raises(InvalidParameterError, match="no such group"):
        SETTINGS.in_groups(["no such group"])


def test_a_table_has_every_column_in_its_place_and_of_its_type():
    schema = Schema(
        name="t",
        rows="one row",
        columns=(
            Text(name="what", label="what", meaning="What.", categories=("a", "b")),
            Count(name="n", label="n", meaning="How many.", dtype="Int64"),
            Value(name="difference", label="difference", meaning="By how much.", interval="of some kind"),
        ),
    )
    table = schema.frame([{"n": 2**60 + 1, "what": "b"}, {"difference": 0.5}])
    assert list(table) == ["what", "n", "difference", "difference_lo", "difference_hi"]
    assert table["n"].tolist() == [2**60 + 1, pd.NA]
    assert list(table["what"].cat.categories) == ["a", "b"]
    assert schema.frame([]).dtypes.equals(table.dtypes)
    with pytest.raises(InvalidParameterError, match="diference"):
        schema.frame([{"diference": 1.0}])


def test_durations_are_counted_in_samples_and_shown_in_their_unit():
    speech = Duration(name="x_min", label="x", meaning="Minutes.", unit="min", counted="x_samples")
    assert speech.of_samples(np.array([0, 16_000 * 90]), 16_000).tolist() == [0.0, 1.5]


def test_every_column_has_a_row_on_the_page_and_the_page_is_the_one_committed():
    text = page()
    assert (ROOT / "docs" / "columns.md").read_text("utf-8") == text, "python -m bidilab.lab.metrics.columns"
    for schema in SCHEMAS:
        for column in schema:
            assert f"`{column.name}`" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(set(rows))


def test_every_source_is_a_module_or_a_paper_that_the_page_names():
    sources = {column.source for schema in SCHEMAS for column in schema}
    papers = {source for source in sources if not source.startswith("bidilab.")}
    for module in sources - papers:
        assert find_spec(module), module
    for paper in papers:
        assert any(name in paper for name in REFERENCES), paper
    assert all(any(name in paper for paper in papers) for name in REFERENCES)


def test_docstrings_list_the_columns_of_their_table():
    @lists_columns(EVENTS)
    def events():
        """One row per event.

        In time order.
        """

    lines = events.__doc__.splitlines()
    assert lines[:3] == ["One row per event.", "", "In time order."]
    assert "latency_ms : float64, ms" in lines
    assert "outcome : category" in lines


DECLARATION = """\
    Count(
        name="n_long_turns",
        label="long turns",
        meaning="User turns of a second or more.",
        counted_in="turns",
        group=TURNS,
        source="a test",
    ),
"""
KERNEL_LINE = "        out.n_long_turns += end - start >= 16000\n"
TOLD = """
import json, sys
from dataclasses import replace
from pathlib import Path
import bidilab
from bidilab.lab.datasets import Dataset
from bidilab.lab.metrics.columns import SETTINGS
from bidilab.lab.metrics.columns.page import page
from bidilab.lab.sweep import Grid, SweepResult, sweep
from bidilab.show.plots import metric
from bidilab.show.widgets.explorer.columns import settings_description

dataset = Dataset.load(sys.argv[1])
dataset = replace(dataset, recordings=dataset.recordings[:4])
result = sweep(dataset, Grid(threshold=[0.4, 0.5], prefix_padding_ms=300, silence_duration_ms=500), vad="energy",
               n_resamples=2, progress=False)
axes = result.plot.curve("n_long_turns", x="threshold")
saved = SweepResult.load(result.save(sys.argv[2]))
is_long = lambda s: s.kind in ("turn", "interruption") and s.end_s - s.start_s >= 1
print(json.dumps({
    "package": str(Path(bidilab.__file__).parent),
    "expected": [sum(map(is_long, recording.segments)) for recording in dataset],
    "settings": result.settings["n_long_turns"].tolist(),
    "recordings": saved.recordings["n_long_turns"].tolist(),
    "at": result.recordings_at(1)["n_long_turns"].tolist(),
    "after": saved.settings.columns[list(saved.settings.columns).index("n_turns") + 1],
    "turns": result.settings["n_turns"].tolist(),
    "n_segments": sum(s.kind in ("turn", "interruption") for r in dataset for s in r.segments),
    "label": axes.get_ylabel(),
    "explorer": [m["label"] for m in settings_description(result.settings, result.axes)[0]["metrics"]
                 if m["name"] == "n_long_turns"],
    "page": [line for line in page().splitlines() if "n_long_turns" in line],
    "help": "n_long_turns : int" in SweepResult.__doc__,
    "other_types": [n for c in SETTINGS for n in c.names
                    if n in result.settings and result.settings[n].dtype != c.dtype],
}))
"""


def inserted(path, before, text):
    source = path.read_text("utf-8")
    assert source.count(before) == 1
    path.write_text(source.replace(before, text + before), "utf-8")


@pytest.mark.slow
def test_a_count_is_added_by_its_declaration_and_its_kernel_line(tmp_path):
    """In a copy of the package, compiled kernels included: nothing else is told of the new column."""
    shutil.copytree(ROOT / "bidilab", tmp_path / "bidilab")
    kernels = tmp_path / "bidilab" / "lab" / "sweep" / "kernels"
    declared = tmp_path / "bidilab" / "lab" / "metrics" / "columns" / "settings.py"
    inserted(declared, '    Count(\n        name="n_premature_endpoints",\n', DECLARATION)
    inserted(kernels / "endpoints.py", "        while t0 < end_turn_row and", KERNEL_LINE)
    done = subprocess.run(
        [sys.executable, "-c", TOLD, str(ROOT / "datasets" / "overlap-mini"), str(tmp_path / "saved")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    expected = told["expected"]
    assert told["package"] == str(tmp_path / "bidilab")
    assert sum(expected) > 0
    assert told["settings"] == [sum(expected)] * 2
    assert told["recordings"] == expected * 2
    assert told["at"] == expected
    assert told["after"] == "n_long_turns"
    assert told["turns"] == [told["n_segments"]] * 2  # the columns behind the new one are counted in their own places
    assert "long turns" in told["label"]
    assert told["explorer"] == ["long turns"]
    assert [line.split("|")[2].strip() for line in told["page"] if line.startswith("|")] == ["long turns"]
    assert told["help"]
    assert told["other_types"] == []
