"""Columns of a settings table are made from their declarations, whatever is declared."""

import numpy as np
import pytest

from bidilab.lab.metrics.columns import PerMinute, Rate, Share
from bidilab.lab.sweep.aggregate import _add_ratio

TABLE = {
    "k_noise": np.array([1, 0]),
    "k_echo": np.array([2, 0]),
    "n_noise": np.array([4, 0]),
    "n_echo": np.array([6, 0]),
    "lost_s": np.array([1.5, 0.0]),
    "speech_s": np.array([6.0, 0.0]),
    "speech_min": np.array([0.5, 0.0]),
}
WORDS = {"label": "a ratio", "meaning": "One sum per another."}


def added(column):
    table = dict(TABLE)
    _add_ratio(table, column)
    return {name: table[name].tolist() for name in table.keys() - TABLE.keys()}


def test_a_rate_is_the_sum_of_its_counts_per_that_of_its_chances():
    made = added(Rate(name="r", of=("k_noise", "k_echo"), per=("n_noise", "n_echo"), **WORDS))
    assert made["r"] == pytest.approx([0.3, np.nan], nan_ok=True)
    # Wilson by hand: z² = 3.8415; (0.3 + 0.19207 ± 1.95996 √(0.021 + 0.0096036)) / 1.38415
    assert made["r_lo"] == pytest.approx([0.10779, np.nan], abs=1e-5, nan_ok=True)
    assert made["r_hi"] == pytest.approx([0.60322, np.nan], abs=1e-5, nan_ok=True)


def test_counts_per_minute_rest_on_the_minutes():
    made = added(PerMinute(name="f", of=("k_echo",), per=("speech_min",), **WORDS))
    assert made["f"] == pytest.approx([4.0, np.nan], nan_ok=True)
    # Garwood for 2 events: 0.24221 and 7.22469, in half a minute.
    assert made["f_lo"] == pytest.approx([0.48442, np.nan], abs=1e-4, nan_ok=True)
    assert made["f_hi"] == pytest.approx([14.44938, np.nan], abs=1e-4, nan_ok=True)


def test_a_share_is_time_per_time_and_has_no_interval():
    assert added(Share(name="s", of=("lost_s",), per=("speech_s",), **WORDS)) == {
        "s": pytest.approx([0.25, np.nan], nan_ok=True)
    }
