"""Columns of a settings table against counts made by hand: sums, rates, shares, quantiles and their intervals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.lab.datasets.labels import Segment
from bidilab.lab.metrics.columns import Duration, counted_in, setting_columns
from bidilab.lab.metrics.intervals import clustered_quantile, clustered_rate, clustered_rate_per_exposure
from bidilab.lab.metrics.members import members_of
from bidilab.lab.metrics.statistics import quantile
from bidilab.lab.sweep.aggregate import (
    CLIPPED_COLUMNS,
    Counted,
    as_frame,
    clipped_quantiles,
    event_columns,
    label_columns,
    stop_columns,
    turn_columns,
)
from bidilab.lab.sweep.evaluated import (
    DECIDED,
    MISSED,
    NEVER_HEARD,
    OPEN,
    PREMATURE,
    UNDEFINED,
    EventVerdicts,
    TurnVerdicts,
    empty_counts,
)
from bidilab.lab.sweep.problem import SweepProblem

RATE, FRAME, S = 16_000, 512, 10
MINUTE = 60 * RATE
TRUE, NOISES, ECHOES = (2, 1, 2, 1), (1, 2, 0, 1), (0, 1, 0, 0)
"""Events in each of the four recordings, one second apart, in a response from 1 to 9 s."""


def labels(n_true, n_noises, n_echoes):
    kinds = ["interruption"] * n_true + ["noise"] * n_noises
    segments = [Segment(start_s=1, end_s=9, channel="agent", kind="response")]
    segments += [Segment(start_s=2 + k, end_s=2.4 + k, channel="user", kind=kind) for k, kind in enumerate(kinds)]
    segments += [Segment(start_s=8, end_s=8.9, channel="user", kind="echo") for _ in range(n_echoes)]
    return members_of(segments, sample_rate=RATE, duration_samples=S * RATE)


def problem(clusters=None):
    tracks = [np.zeros(S * RATE // FRAME, np.float32) for _ in TRUE]
    placed = [labels(*each) for each in zip(TRUE, NOISES, ECHOES, strict=True)]
    return SweepProblem.build(placed, tracks, frame_samples=FRAME, sample_rate=RATE, clusters=clusters)


def counted(part, *settings):
    """Counts of a part, ``(n_settings, 4, n_columns)``, from the named columns of each setting; the others are 0."""
    names = [c.counted if isinstance(c, Duration) else c.name for c in counted_in(part)]
    table = np.zeros((len(settings), len(TRUE), len(names)), np.int32)
    for row, given_ in zip(table, settings, strict=True):
        for name, values in given_.items():
            row[:, names.index(name)] = values
    return table


def triple(found):
    return [found.value, found.lo, found.hi]


def of(table, name):
    return [table[key][0] for key in (name, f"{name}_lo", f"{name}_hi")]


def test_labels_are_counted_once():
    table = label_columns(problem())
    assert table["n_true_opportunities"].tolist() == [6]
    assert table["n_false_opportunities_noise"].tolist() == [4]
    assert table["n_false_opportunities_echo"].tolist() == [1]
    assert table["n_false_opportunities"].tolist() == [5]
    assert table["n_turns"].tolist() == [6]


def test_rates_of_events_are_sums_over_fixed_members():
    counts = counted(
        "events",
        {
            "n_detected": (1, 1, 2, 0),
            "n_missed": (1, 0, 0, 1),
            "n_stopped_within_500ms": (1, 0, 2, 0),
            "n_false_on_opportunity_noise": (1, 1, 0, 0),
            "n_false_on_opportunity_echo": (0, 1, 0, 0),
            "n_unprompted": (0, 2, 0, 1),
            "talk_over_samples": (RATE, 0, RATE // 2, 0),
        },
        {},
    )
    table = Counted(problem(), "events", counts).columns()
    assert table["n_missed"].tolist() == [2, 0]
    assert table["talk_over_s"].tolist() == [1.5, 0]
    assert of(table, "missed_rate") == triple(clustered_rate([1, 0, 0, 1], TRUE))
    assert table["missed_rate"].tolist() == pytest.approx([2 / 6, 0])
    assert table["stopped_within_500ms_rate"].tolist() == pytest.approx([3 / 6, 0])
    assert of(table, "false_interruption_rate_noise") == triple(clustered_rate([1, 1, 0, 0], NOISES))
    assert of(table, "false_interruption_rate") == triple(clustered_rate([1, 2, 0, 0], [1, 3, 0, 1]))
    assert np.isnan(table["false_interruption_rate_backchannel"]).all()  # there is none
    minutes = problem().label_counts[:, [c.name for c in counted_in("labels")].index("unprompted_min")] / MINUTE
    found = clustered_rate_per_exposure([0, 2, 0, 1], minutes)
    assert of(table, "unprompted_per_min") == pytest.approx(triple(found))


def test_recordings_that_go_together_are_one_unit():
    counts = counted("events", {"n_missed": (1, 0, 0, 1)})
    table = Counted(problem(clusters=["ada", "bob", "ada", "bob"]), "events", counts).columns()
    assert of(table, "missed_rate") == triple(clustered_rate([1, 1], [4, 2]))
    alone = Counted(problem(clusters=["ada"] * 4), "events", counts).columns()
    assert alone["missed_rate"].tolist() == pytest.approx([2 / 6])
    assert np.isnan(alone["missed_rate_lo"]).all()


def test_what_a_conversation_costs():
    stops = {
        "n_false": (1, 2, 0, 0),
        "n_false_noise": (1, 1, 0, 0),
        "n_false_none": (0, 1, 0, 0),
        "n_stops_continued": (0, 0, 1, 0),
        "n_responses": (1, 2, 1, 1),
        "n_responses_stopped_falsely": (1, 1, 0, 0),
        "agent_speech_samples": (MINUTE, MINUTE // 2, MINUTE, MINUTE // 2),
        "planned_samples": (2 * MINUTE, MINUTE, MINUTE, MINUTE),
        "lost_samples": (MINUTE, MINUTE // 4, 0, 0),
        "masked_samples": (0, RATE, 0, 0),
    }
    table = stop_columns(problem(), counted("stops", stops))
    assert table["n_false"].tolist() == [3]
    assert table["n_false_noise"].tolist() == [2]
    assert table["masked_s"].tolist() == [1.0]
    assert table["agent_speech_min"].tolist() == [3.0]
    assert of(table, "false_per_min") == triple(clustered_rate_per_exposure([1, 2, 0, 0], [1, 0.5, 1, 0.5]))
    assert table["false_per_min"].tolist() == [1.0]
    assert of(table, "false_stop_share") == triple(clustered_rate([1, 1, 0, 0], [1, 2, 1, 1]))
    assert table["agent_lost_share"].tolist() == [1.25 / 5]
    silent = stop_columns(problem(), counted("stops", {}))
    assert np.isnan([silent[name][0] for name in ("false_per_min", "false_stop_share", "agent_lost_share")]).all()


def test_latencies_are_over_all_true_members_and_a_missed_one_is_infinite():
    judged = problem().judged
    delays = np.array([320, 640, MISSED, 1600, -160, 3200], np.int32)
    counts, _ = empty_counts("events", len(TRUE))
    table = event_columns(problem(), EventVerdicts(delays[None], counts[None]))
    ms = [20, 40, math.inf, 100, -10, 200]
    owner = judged.recording[judged.is_true]
    for q, name in ((0.5, "latency_detected_ms_p50"), (0.9, "latency_detected_ms_p90")):
        assert of(table, name) == triple(clustered_quantile(ms, owner, q))
    assert table["latency_detected_ms_p50"].tolist() == [40]
    assert table["latency_detected_ms_p90"].tolist() == [math.inf]


def turns(waits, states, first_turn=None, **counts):
    first = np.zeros((1, len(waits), 2), np.int32) if first_turn is None else np.array([first_turn], np.int32)
    table = np.array([waits], np.int32), np.array([states], np.uint8)
    return TurnVerdicts(*table, first, counted("turns", counts))


def test_waits_are_censored_where_the_recording_ends_and_infinite_where_nothing_is_heard():
    """Six turns: two decided, one open after 300 ms, one never heard, one cut in on whose end nothing waits for."""
    made = turns(
        [8000, 4800, 4800, int(NEVER_HEARD), 0, 16_000],
        [DECIDED, DECIDED, OPEN, 0, PREMATURE, DECIDED | PREMATURE],
        n_premature_endpoints=(0, 0, 1, 1),
        n_detector_turns=(2, 1, 1, 2),
        n_flushed=(1, 0, 0, 0),
    )
    table = turn_columns(problem(), made)
    # at 0: 1 of 6; at 300 ms: 1 of 5, one censored there; at 500: 1 of 3; at 1000: 1 of 2
    # S: 5/6, 4/6, 4/9, 2/9
    assert table["endpoint_latency_ms_p50"].tolist() == [500]
    assert table["endpoint_latency_ms_p90"].tolist() == [math.inf]
    assert of(table, "premature_endpoint_rate") == triple(clustered_rate([0, 0, 1, 1], TRUE))
    assert table["degenerate"].tolist() == [False]


@pytest.mark.parametrize(
    ("n_turns", "n_flushed", "degenerate"), [((1, 1, 2, 1), (1, 1, 2, 1), True), ((0,) * 4, (0,) * 4, False)]
)
def test_a_setting_in_which_silence_never_comes_is_degenerate(n_turns, n_flushed, degenerate):
    made = turns([0] * 6, [OPEN] * 6, n_detector_turns=n_turns, n_flushed=n_flushed)
    assert turn_columns(problem(), made)["degenerate"].tolist() == [degenerate]


onsets = st.tuples(st.integers(-8000, 40_000), st.integers(0, 30_000)) | st.just((int(UNDEFINED), 0))


@given(st.lists(onsets, min_size=6, max_size=6), st.lists(st.integers(0, 20_000), min_size=1, max_size=3))
def test_clipped_onsets_follow_from_the_first_turn_for_any_padding(first_turn, prefixes):
    starts = problem().turn_starts
    found = clipped_quantiles(problem(), turns([0] * 6, [0] * 6, first_turn), prefixes)
    assert found.shape == (1, len(prefixes), len(CLIPPED_COLUMNS))
    for prefix, row in zip(prefixes, found[0], strict=True):
        lost = [
            max(0, max(onset - prefix, ended, 0) - start)
            for (onset, ended), start in zip(first_turn, starts.tolist(), strict=True)
            if onset != UNDEFINED
        ]
        expected = [quantile(lost, q) * 1000 / RATE for q in (0.5, 0.9)]
        assert row.tolist() == pytest.approx(expected, nan_ok=True)


def test_a_frame_has_the_columns_in_their_order():
    table = label_columns(problem()) | stop_columns(problem(), counted("stops", {}))
    frame = as_frame(table, simulated=False, resumes=False)
    assert list(frame) == [name for name in setting_columns(simulated=False, resumes=False) if name in table]
    assert "n_cut_ins_heard" not in frame
    assert "n_cut_ins_heard" in as_frame(table, simulated=True, resumes=False)
    assert "n_resumed" in as_frame(table, simulated=False, resumes=True)
