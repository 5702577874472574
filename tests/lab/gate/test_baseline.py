"""Differences from a baseline, by hand.

Twelve recordings with one interruption each; the baseline misses it in the first. `six`: the build misses six more::

    old  1 0 0 0 0 0 0 0 0 0 0 0      r' = 1/12
    six  1 1 1 1 1 1 1 0 0 0 0 0      r  = 7/12, worse by d = 1/2
    four 1 1 1 1 1 0 0 0 0 0 0 0      r  = 5/12, worse by d = 1/3

Paired, each recording's influence on d is (Δ - d)/12, so that the squared error of
`six` is 12/11 · 12 · (1/24)² = 1/44,
and se = 0.1508. As independent samples, 12/11 · (2.9167 + 0.9167)/144 = 0.02904, and se = 0.1704. t of 11 degrees of
freedom at 95 % is 1.7959.

Of `four` t is 2.345, which 11 degrees of freedom have with a probability of 0.019. But of four recordings that differ,
all four are worse by chance in 1 of 16.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.gate import check
from bidilab.lab.gate.baseline import holm, p_worse, pair, worsening
from bidilab.lab.metrics.columns import SETTINGS

OLD = [1] + [0] * 11
SIX = [1] * 7 + [0] * 5
FOUR = [1] * 5 + [0] * 7
T = 1.7959
OTHERS = [f"s{k}" for k in range(12)]


def found(new, old, name="missed_rate"):
    return worsening(new, old, new.column(name), pair(new, old))


def test_the_error_of_a_paired_difference(made):
    worse = found(made(SIX), made(OLD))
    assert worse.value == pytest.approx(0.5)
    assert worse.least(0.05) == pytest.approx(0.5 - T * np.sqrt(1 / 44), abs=1e-4)
    assert worse.most(0.05) == pytest.approx(0.5 + T * np.sqrt(1 / 44), abs=1e-4)
    assert worse.p_worse(0) == pytest.approx(stats.t.sf(0.5 / np.sqrt(1 / 44), 11))
    assert worse.p_worse(0.5) == pytest.approx(0.5)
    assert worse.n_differing == 6


def test_the_error_of_a_difference_of_other_recordings(made):
    worse = found(made(SIX, names=OTHERS), made(OLD))
    assert worse.least(0.05) == pytest.approx(0.5 - T * np.sqrt(0.02904), abs=1e-4)
    assert worse.n_differing == 24


def test_recordings_in_part_the_same_lie_between(made):
    """Six of twelve are paired: their influences are subtracted, the other twelve stand for themselves."""
    names = [f"r{k}" for k in range(6)] + OTHERS[6:]
    worse = found(made(SIX, names=names), made(OLD))
    z, z0 = (np.array(SIX) - 7 / 12) / 12, (np.array(OLD) - 1 / 12) / 12
    error = np.sqrt(12 / 11 * (((z - z0)[:6] ** 2).sum() + (z[6:] ** 2).sum() + (z0[6:] ** 2).sum()))
    assert worse.least(0.05) == pytest.approx(0.5 - T * error, abs=1e-4)
    assert np.sqrt(1 / 44) < error < np.sqrt(0.02904)


def test_few_recordings_that_differ_show_nothing_by_themselves(made):
    six, four = (found(made(new), made(OLD)) for new in (SIX, FOUR))
    assert p_worse(six, 0) == pytest.approx(1 / 64)
    assert four.p_worse(0) == pytest.approx(0.0194, abs=1e-4)
    assert p_worse(four, 0) == pytest.approx(1 / 16)
    assert check(made(SIX), baseline=made(OLD), metrics=["missed_rate"]).exit_code == 1
    report = check(made(FOUR), baseline=made(OLD), metrics=["missed_rate"])
    assert report.exit_code == 0
    assert report.rows[0].reason == "33.3 points worse, but only 4 recordings differ, which is too few to show it"


def test_an_unchanged_build_passes_even_where_proof_is_asked_for(made):
    report = check(made(SIX), baseline=made(SIX), metrics=["missed_rate", "latency_detected_ms_p90"], proof=True)
    assert report.exit_code == 0
    assert [row.reason for row in report.rows] == ["the same in every recording"] * 2
    assert report.pairing.startswith("Paired: all 12 recordings are in both")
    (row, _) = report.rows
    assert (row.worsening, row.lo, row.hi) == (0, 0, 0)


def test_better_is_not_worse_and_a_margin_moves_the_line(made):
    (row,) = check(made(OLD), baseline=made(SIX), metrics=["missed_rate"], proof=True).rows
    assert (row.verdict, row.worsening) == ("pass", pytest.approx(-0.5))
    margins = {0.77: "inconclusive", 0.78: "pass", 0.22: "fail", 0.23: "inconclusive"}
    for margin, verdict in margins.items():  # the bounds are 0.2293 and 0.7707
        (row,) = check(made(SIX), baseline=made(OLD), metrics=["missed_rate"], margin={"missed_rate": margin}).rows
        assert row.verdict == verdict


def test_holms_correction_is_over_the_metrics_named(made):
    """With p = 1/64 = 0.0156 for one, and no difference in the others: 0.05/3 is more, 0.05/4 is not."""
    delays = [[100.0]] * 12
    old, new = made(OLD, delays=delays), made(SIX, delays=delays)
    for others, verdict in ((2, "fail"), (3, "inconclusive")):
        names = ["latency_detected_ms_p50", "latency_detected_ms_p90", "event_latency_ms_p50"][:others]
        times = dict.fromkeys(("latency_detected_ms", "event_latency_ms"), old.times["latency_detected_ms"])
        both = [made(y, delays=delays, times=times) for y in (SIX, OLD)]
        report = check(both[0], baseline=both[1], metrics=["missed_rate", *names])
        assert report.rows[0].verdict == verdict
        assert report.rows[0].level == pytest.approx(1 - 0.05 / (others + 1))
    assert found(new, old).n_differing == 6


def test_holm_by_hand():
    assert holm([]) == []
    assert holm([0.05]) == [(0.05, True)]
    # 0.01 <= 0.05/3, 0.02 <= 0.05/2, 0.06 > 0.05
    assert holm([0.06, 0.01, 0.02]) == [(0.05, False), (pytest.approx(0.05 / 3), True), (0.025, True)]
    # 0.02 > 0.05/3: nothing after it is shown, although 0.02 <= 0.05/2
    assert [shown for _, shown in holm([0.02, 0.02, 0.9])] == [False, False, False]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_shows_the_least_first_and_never_more_than_without_correction(probabilities):
    shown = [s for _, s in holm(probabilities)]
    for p, s in zip(probabilities, shown, strict=True):
        assert not s or p <= 0.05
        assert all(t for q, t in zip(probabilities, shown, strict=True) if s and q < p)
    for p, (level, s) in zip(probabilities, holm(probabilities), strict=True):
        assert s == (p <= level)


def test_a_quantile_that_moves_by_a_frame_in_every_recording(made):
    old = [[64.0 + 10 * k] for k in range(12)]
    new = [[d + 32] for (d,) in old]
    worse = found(made([0] * 12, delays=new), made([0] * 12, delays=old), "latency_detected_ms_p50")
    assert (worse.value, worse.least(0.05), worse.most(0.05)) == (32, 32, 32)
    assert worse.p_worse(0) < 0.001 < 0.999 < worse.p_worse(32)
    assert worse.p_within(32) < 0.001


def test_a_quantile_that_neither_reaches_is_neither_shown_nor_excluded(made):
    old = [[100.0]] * 6 + [[np.inf]] * 6
    new = [[100.0]] * 5 + [[np.inf]] * 7
    names = ["latency_detected_ms_p90"]
    (row,) = check(made([0] * 12, delays=new), baseline=made([0] * 12, delays=old), metrics=names).rows
    assert row.verdict == "inconclusive"
    assert "neither of the two reaches the quantile" in row.reason
    (lost,) = check(
        made([0] * 12, delays=[[np.inf]] * 12), baseline=made([0] * 12, delays=[[100.0]] * 12), metrics=names
    ).rows
    assert (lost.verdict, lost.worsening) == ("fail", np.inf)


def test_censored_times_are_drawn_by_kaplan_meier(made):
    """All new waits are 50 ms longer; in both, the same third is only known to be longer than 90 ms."""
    base = [[40.0 + 4 * k, 90.0, 60.0 + k] for k in range(12)]
    seen = [[True, False, True]] * 12
    longer = [[a + 50, b, c + 50] for a, b, c in base]
    counts = [0] * 12, [3] * 12
    worse = found(
        made(*counts, delays=longer, seen=seen), made(*counts, delays=base, seen=seen), "latency_detected_ms_p50"
    )
    assert worse.value > 30
    assert worse.p_worse(0) < 0.001


def test_pairing_by_audio_by_dataset_and_by_name(made):
    audio = tuple("abcdefghijkl")
    one, two = made(OLD, audio=audio), made(OLD, names=OTHERS, audio=audio)
    by_audio = pair(one, two)
    assert by_audio.complete
    assert "the same audio" in str(by_audio)
    assert by_audio.new.tolist() == by_audio.old.tolist() == list(range(12))

    same_name = pair(made(OLD, audio=audio), made(OLD, audio=tuple("mnopqrstuvwx")))
    assert same_name.n_paired == 0  # the name is the same, the audio is not
    assert "independent samples" in str(same_name)

    assert "nothing says that the audio is the same" in str(pair(made(OLD), made(OLD)))
    assert "the same dataset" in str(pair(made(OLD, dataset="1f"), made(OLD, dataset="1f")))
    turned = pair(one, made(OLD, audio=tuple(reversed(audio))))
    assert turned.old.tolist() == list(reversed(range(12)))


def test_what_goes_together_in_one_result_goes_together_in_the_pairing(made):
    """Speakers: recordings 0 and 1 here, 1 and 2 in the baseline, so that all three are one unit."""
    mine = made([0] * 4, clusters=np.array([0, 0, 1, 2]))
    theirs = made([0] * 4, clusters=np.array([0, 1, 1, 2]))
    pairing = pair(mine, theirs)
    assert pairing.new.tolist() == pairing.old.tolist() == [0, 0, 0, 1]
    assert pairing.n_clusters == 2


def test_two_recordings_of_one_audio_are_not_both_the_same_one(made):
    twice = made([0] * 3, audio=("a", "a", "b"))
    pairing = pair(twice, made([0] * 2, audio=("a", "b")))
    assert (pairing.n_paired, pairing.complete) == (2, False)
    assert "Paired in part: 2 of the 3 recordings here and the 2 of the baseline" in str(pairing)


def test_more_is_worse_or_better_by_the_column(made):
    names = {"n_missed": "n_stopped_within_500ms", "n_met": "n_true_opportunities"}
    new, old = (
        replace(made(y, kind="sweep", schema=SETTINGS), counts=made(y).counts.rename(columns=names)) for y in (SIX, OLD)
    )
    (row,) = check(new, baseline=old, metrics=["stopped_within_500ms_rate"], proof=True).rows
    assert (row.verdict, row.worsening) == ("pass", pytest.approx(-0.5))
    (row,) = check(old, baseline=new, metrics=["stopped_within_500ms_rate"]).rows
    assert (row.verdict, row.worsening) == ("fail", pytest.approx(0.5))


def test_results_of_two_kinds_are_not_compared(made):
    with pytest.raises(InvalidParameterError, match="baseline must be a replay"):
        check(made(SIX), baseline=made(SIX, kind="client probe"), metrics=["missed_rate"])
    with pytest.raises(InvalidParameterError, match="margin must be given for metrics that are compared"):
        check(made(SIX), baseline=made(SIX), metrics=["missed_rate"], margin={"false_stop_share": 0.1})
    with pytest.raises(InvalidParameterError, match="metrics must be at least one of"):
        check(made(SIX), baseline=made(SIX))


def test_too_little_in_the_baseline_is_not_judged(made):
    report = check(made(SIX), baseline=made([1, 0], [1, 1], names=["r0", "r1"]), metrics=["missed_rate"])
    assert report.exit_code == 2
    assert "in the baseline, 2 true interruptions met are too few" in report.rows[0].reason


def test_a_mean_that_is_longer_in_every_recording(made):
    """Waits of 40 to 84 ms, then 50 ms more each; a mean is drawn as a quantile is."""
    base = [[40.0 + 4 * k] for k in range(12)]
    longer = [[d + 50] for (d,) in base]
    times = [made([0] * 12, delays=d).times["latency_detected_ms"] for d in (base, longer)]
    old, new = (made([0] * 12, schema=SETTINGS, times={"endpoint_latency_ms": each}) for each in times)
    worse = found(new, old, "endpoint_latency_ms_mean")
    assert worse.value == pytest.approx(50)
    assert worse.least(0.05) == pytest.approx(50)
    assert worse.p_worse(0) < 0.001
