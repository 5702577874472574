"""Choosing a setting, on a table small enough to choose by eye."""

import pandas as pd
import pytest

from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.lab.sweep.recommendation import recommend_setting


def table(*rows, **more):
    """Rows of (false rate, missed rate, p90 latency)."""
    frame = pd.DataFrame(rows, columns=["false_interruption_rate", "missed_rate", "latency_detected_ms_p90"])
    defaults = {
        "threshold": 0.5,
        "prefix_padding_ms": 300.0,
        "silence_duration_ms": 500.0,
        "degenerate": False,
        "false_interruption_rate_hi": 0.9,
        "n_false_opportunities": 50,
        "missed_rate_hi": 0.8,
        "n_true_opportunities": 40,
        "premature_endpoint_rate": 0.1,
        "endpoint_latency_ms_p50": 600.0,
        "onset_clipped_ms_p90": 0.0,
    }
    for name, value in {**defaults, **more}.items():
        frame[name] = value
    return frame


def test_a_limit_on_false_interruptions_leaves_misses_to_be_made_few():
    settings = table((0.01, 0.30, 100), (0.04, 0.10, 300), (0.20, 0.01, 90))
    assert recommend_setting(settings, max_false_interruption_rate=0.05).setting == 1
    assert recommend_setting(settings, max_missed_rate=0.15).setting == 1
    assert recommend_setting(settings, max_missed_rate=0.5).setting == 0
    assert recommend_setting(settings).setting == 1  # the least sum


def test_then_latency_then_the_end_of_turns():
    settings = table((0.0, 0.0, 100), (0.0, 0.0, 99), (0.0, 0.0, 300))
    settings["endpoint_latency_ms_p50"] = [600, 500, 100]
    assert recommend_setting(settings).setting == 1  # 99 and 100 ms are the same four frames; 300 ms is not
    settings["premature_endpoint_rate"] = [0.1, 0.2, 0.1]
    assert recommend_setting(settings).setting == 0  # one cut-in in ten more costs 300 ms, 100 ms are gained


def test_degenerate_and_undefined_settings_are_never_chosen():
    settings = table((0.0, 0.0, 100), (float("nan"), 0.0, 100), (0.3, 0.3, 100), degenerate=[True, False, False])
    assert recommend_setting(settings).setting == 2


def test_none_qualifies():
    settings = table((0.3, 0.0, 100), (0.1, 0.2, 100), (0.06, 0.06, 100))
    found = recommend_setting(settings, max_false_interruption_rate=0.05, max_missed_rate=0.05)
    assert (found.setting, found.qualifying, found.n_qualifying) == (None, False, 0)
    assert found.table.index.tolist() == [2, 1, 0]
    assert found.table["excess"].round(3).tolist() == [0.02, 0.2, 0.25]
    assert "None of the 3 settings keeps false interruptions ≤ 5.0% and missed interruptions ≤ 5.0%" in found.message
    assert found.to_dict()["settings"][0]["setting"] == 2


def test_what_the_data_cannot_rule_out_is_said():
    settings = table((0.04, 0.0, 100), false_interruption_rate_hi=0.14)
    message = recommend_setting(settings, max_false_interruption_rate=0.05).message
    assert "cannot rule out a false rate up to 14.0% (95 % interval, n = 50)" in message


def test_nor_of_the_missed_rate_where_that_is_limited():
    settings = table((0.04, 0.0, 100), missed_rate_hi=0.278, n_true_opportunities=10)
    message = recommend_setting(settings, max_missed_rate=0.05).message
    assert "cannot rule out a missed rate up to 27.8% (95 % interval, n = 10)" in message
    assert "false rate up to" not in message  # that one has no limit here
    assert "cannot rule out" not in recommend_setting(settings, max_missed_rate=0.3).message


def test_equal_sums_are_equal_however_they_are_written():
    """1/10 + 2/10 is 3/10 + 0, in floating point a little more; then the latency decides, not the rounding."""
    settings = table((0.3, 0.0, 900), (0.1, 0.2, 100))
    assert 0.1 + 0.2 > 0.3 + 0.0
    assert recommend_setting(settings).setting == 1
    # 3 * 0.1 + 0.5 is 3 * 0.2 + 0.2: a cut-in in ten more is worth the 300 ms, and the prefix padding decides.
    settings = table((0.0, 0.0, 100), (0.0, 0.0, 100))
    settings["premature_endpoint_rate"], settings["endpoint_latency_ms_p50"] = [0.2, 0.1], [200.0, 500.0]
    settings["prefix_padding_ms"] = [300.0, 100.0]
    assert recommend_setting(settings).setting == 1
    settings["prefix_padding_ms"] = [100.0, 300.0]
    assert recommend_setting(settings).setting == 0


def test_nothing_to_choose_from():
    settings = table((float("nan"), float("nan"), 100))
    assert "too few opportunities" in recommend_setting(settings).message
    message = recommend_setting(table((0.0, 0.0, 100), (0.0, 0.1, 100), degenerate=True)).message
    assert "None of the 2 settings can be judged" in message
    assert "degenerate" in message


def test_infinities_are_null_in_json():
    settings = table((0.0, 0.0, float("inf")))
    assert recommend_setting(settings).to_dict()["settings"][0]["latency_detected_ms_p90"] is None


@pytest.mark.parametrize("name", ["max_false_interruption_rate", "max_missed_rate"])
def test_limits_are_rates(name):
    with pytest.raises(InvalidParameterError, match=name):
        recommend_setting(table((0, 0, 0)), **{name: 5})


def test_what_is_not_recommended_is_not_exported():
    refused = recommend_setting(table((0.9, 0.9, 100)), max_missed_rate=0.1)
    with pytest.raises(ResultError, match="no recommended setting to export: None of the 1 settings"):
        refused.export("openai")
