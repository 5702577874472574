import math

import pytest

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.metrics.columns import SETTINGS, setting_columns
from bidilab.lab.sweep.aggregate import RESUME_COLUMNS, SIMULATED_COLUMNS
from bidilab.lab.sweep.grid import AXES, EOT_AXES, GUARD_AXES, INTERRUPT_AXES, MIN_SPEECH
from bidilab.show.plots.metrics import ALWAYS_SWEPT, LOSS, METRICS, PARAMETERS, metric, parameter


def test_every_metric_and_its_n_are_columns_of_a_real_result(result):
    scored = setting_columns(simulated=False, resumes=False, scored=True)
    for shown in METRICS.values():
        assert shown.name in {*result.settings.columns, *RESUME_COLUMNS, *SIMULATED_COLUMNS, *scored, LOSS.name}
        assert set(shown.n_columns) <= {*result.settings.columns, *scored}
    assert tuple(result.axes) == ALWAYS_SWEPT == AXES
    assert set(PARAMETERS) == {*AXES, MIN_SPEECH, *EOT_AXES, *GUARD_AXES, *INTERRUPT_AXES}


def test_every_rate_and_count_column_of_a_real_result_can_be_drawn(result):
    known = {c for m in METRICS.values() for c in (m.name, *m.interval_columns)}
    rest = set(result.settings.columns) - known - set(PARAMETERS) - {"degenerate"}
    rest = {name for name in rest if SETTINGS[name].drawn}
    assert rest == set()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("missed_rate", 0.0714, "7.1 %"),
        ("missed_rate", math.nan, "no data"),
        ("latency_detected_ms_p90", math.inf, "not reached"),
        ("latency_detected_ms_p50", -0.2, "0 ms"),
        ("false_per_min", 1.255, "1.25 1/min"),
        ("n_missed", 3.0, "3"),
    ],
)
def test_numbers_in_words(name, value, text):
    assert metric(name).format(value, unit=True) == text


def test_n_of_the_missed_rate_is_that_of_the_labels(settings):
    assert (metric("missed_rate").n(settings) == settings["n_detected"] + settings["n_missed"]).all()


def test_n_range_says_what_is_counted(settings):
    two = settings.head(2).assign(n_false_opportunities=[3, 12])
    assert metric("false_interruption_rate").n_range(two) == "n = 3–12 chances to interrupt falsely"
    assert metric("n_missed").n_range(two) == ""


def test_unknown_names_list_what_there_is():
    with pytest.raises(InvalidParameterError, match="missed_rate"):
        metric("mised_rate")
    with pytest.raises(InvalidParameterError, match="threshold"):
        parameter("treshold")
