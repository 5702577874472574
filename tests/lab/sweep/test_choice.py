"""The rule that chooses a setting: its worked example, by hand, and what must hold of it whatever the data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bidilab.core.errors import InvalidParameterError
from bidilab.lab.sweep.choice import Knob, Limit, LossTable, Part, Weights, choose
from tests.sizes import examples

R = 40
GRID = [(threshold, silence) for threshold in (0.4, 0.5, 0.6) for silence in (400.0, 500.0, 600.0)]
THRESHOLD = Knob.threshold([t for t, _ in GRID])
SILENCE = Knob.silence([s for _, s in GRID])
MISSED = {0.4: 2, 0.5: 3, 0.6: 5}
FALSE = {0.4: 24, 0.5: 20, 0.6: 8}
CUT_IN = {400.0: 9, 500.0: 8, 600.0: 7}
WAIT = {400.0: 5.2, 500.0: 6.4, 600.0: 7.6}


def first(k):
    """The first ``k`` of 40 recordings."""
    return (np.arange(R) < k).astype(float)


def worked():
    """40 recordings, one member of each sort in each."""
    missed = np.stack([first(MISSED[t]) for t, _ in GRID])
    false = np.stack([first(FALSE[t]) for t, _ in GRID])
    turns = np.stack([first(CUT_IN[s])[::-1] + WAIT[s] / R for _, s in GRID])
    return missed, LossTable([Part(missed, np.ones(R)), Part(false, np.ones(R)), Part(turns, np.ones(R))])


def test_the_worked_example():
    missed, table = worked()
    expected = [1.005, 1.010, 1.015, 0.930, 0.935, 0.940, 0.680, 0.685, 0.690]
    assert table.losses() == pytest.approx(expected)
    found = choose(table, [THRESHOLD, SILENCE])
    assert GRID[found.setting] == (0.6, 500.0)
    assert found.moved == ("threshold",)
    assert GRID[found.home] == (0.5, 500.0)
    assert found.gap == pytest.approx(0.25)
    limit = Limit(name="max_missed_rate", at_most=0.2, events=missed, members=np.ones(R))
    from bidilab.lab.metrics.intervals import clustered_rate

    assert np.round(clustered_rate(missed[[0, 3, 6]], np.ones(R)).hi, 4).tolist() == [0.1723, 0.2060, 0.2685]
    limited = choose(table, [THRESHOLD, SILENCE], limits=[limit])
    assert GRID[limited.setting] == (0.4, 500.0)
    assert limited.admissible.tolist() == [True] * 3 + [False] * 6
    impossible = Limit(name="max_missed_rate", at_most=0.06, events=missed, members=np.ones(R))
    none = choose(table, [THRESHOLD, SILENCE], limits=[impossible])
    assert none.setting is None
    assert none.moved == ()
    # 2 of 40 is below 0.06: D = 40/39 with one member a recording, t = 2.0227 of 39 degrees of freedom.
    needed = impossible.opportunities_needed(0)
    assert needed == pytest.approx(40 / 39 * 2.0227**2 * 0.06 * 0.94 / 0.01**2, rel=1e-3)
    assert math.isinf(impossible.opportunities_needed(3))


def test_weights_are_what_a_fault_costs():
    w = Weights()
    assert w.of_true_members([-0.1, 0.5, 2.0, 9.0, np.inf]).tolist() == [0, 0.25, 1, 1, 1]
    assert w.of_turns([0, 1, 0, 1], [0.3, 0.3, np.inf, 9.0]) == pytest.approx([0.1, 1.1, 1.0, 2.0])
    assert Weights(cut_in=0).of_turns([1], [9.0]) == pytest.approx([1 / 3])
    assert Weights(missed=0.2).of_true_members([3.0, np.inf]).tolist() == [0.2, 0.2]
    for bad in ({"missed": -1}, {"false": math.nan}, {"cut_in": math.inf}, {"late_per_s": True}):
        with pytest.raises(InvalidParameterError, match="weights"):
            Weights(**bad)
    with pytest.raises(InvalidParameterError, match="not all zero"):
        Weights(missed=0, false=0, cut_in=0, late_per_s=0, wait_per_s=0)


def test_a_lucky_spike_is_not_chosen():
    """One cell of 90 is a little better by chance; a broad valley elsewhere is better than all around the spike."""
    grid = [(t / 20, s) for t in range(4, 14) for s in range(200, 1100, 100)]
    loss = np.array([0.5 + abs(t - 0.4) for t, _ in grid])
    spike = next(k for k, (t, s) in enumerate(grid) if (t, s) == (0.6, 900))
    loss[spike] = 0.49
    table = LossTable([Part(np.tile(loss[:, None], R), np.ones(R))])
    knobs = [Knob.threshold([t for t, _ in grid]), Knob.silence([s for _, s in grid])]
    found = choose(table, knobs, n_resamples=0)
    assert grid[found.setting] == (0.4, 500)
    assert int(np.argmin(table.losses())) == spike


def test_the_worst_condition_decides_and_pairs():
    quiet, noisy = np.array([0.1, 0.3]), np.array([0.9, 0.4])
    table = LossTable([Part(np.tile(np.concatenate([quiet, noisy])[:, None], R), np.ones(R))])
    found = choose(table, [Knob.threshold([0.5, 0.8])], n_resamples=0)
    assert (found.setting, found.row) == (1, 3)
    assert found.losses.tolist() == pytest.approx([0.9, 0.4])
    assert found.gap == pytest.approx(0.5)


def test_a_limit_must_hold_under_every_condition():
    loss = LossTable([Part(np.tile(np.array([[0.1], [0.2], [0.1], [0.2]]), R), np.ones(R))])
    events = np.stack([first(0), first(0), first(20), first(0)])
    limit = Limit(name="max_missed_rate", at_most=0.3, events=events, members=np.ones(R))
    assert choose(loss, [Knob.threshold([0.5, 0.8])], limits=[limit], n_resamples=0).setting == 1


def test_degenerate_settings_are_out():
    _, table = worked()
    usable = np.array([t != 0.6 for t, _ in GRID])
    assert GRID[choose(table, [THRESHOLD, SILENCE], usable=usable, n_resamples=0).setting][0] == 0.5
    assert choose(table, [THRESHOLD, SILENCE], usable=np.zeros(9, bool), n_resamples=0).setting is None


def test_a_guard_that_does_not_pay_goes_back():
    values = [(g, t) for g in (0.0, 300.0) for t in (0.5, 0.8)]
    loss = np.array([0.60, 0.400, 0.59, 0.392])
    rng = np.random.default_rng(3)
    table = LossTable([Part(loss[:, None] + rng.normal(0, 0.02, (4, R)), np.ones(R))])
    knobs = [
        Knob(name="min_interruption_ms", values=np.array([g for g, _ in values]), default=0.0),
        Knob.threshold([t for _, t in values]),
    ]
    found = choose(table, knobs)
    assert values[found.setting] == (0.0, 0.8)
    assert found.moved == ("threshold",)
    assert found.tied.tolist() == [False, True, False, True]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=examples(25))
def test_resamples_are_copies_of_recordings(seed):
    """A resample by weights picks what the rule picks on recordings that are really copied."""
    rng = np.random.default_rng(seed)
    m = 12
    n_true, n_false, n_turns = rng.integers(0, 3, (3, m)) + np.array([[0], [0], [1]])
    missed = rng.binomial(n_true, rng.uniform(0.05, 0.5, (9, 1)))
    parts = [
        Part(missed.astype(float), n_true),
        Part(rng.binomial(n_false, rng.uniform(0.1, 0.6, (9, 1))).astype(float), n_false),
        Part(rng.gamma(2, 0.2, (9, m)) * n_turns, n_turns),
    ]
    copies = rng.integers(0, m, m)
    weights = np.bincount(copies, minlength=m).astype(float)
    if not any((weights @ p.members) > 0 for p in parts[:1]):
        return
    copied = LossTable([Part(p.sums[:, copies], p.members[copies]) for p in parts])
    table = LossTable(parts)
    np.testing.assert_allclose(table.losses(weights[:, None])[:, 0], copied.losses())
    assert table.standard_error(0, 5, weights) == pytest.approx(copied.standard_error(0, 5))
    limit = Limit(name="max_missed_rate", at_most=0.4, events=missed, members=n_true)
    same = Limit(name="max_missed_rate", at_most=0.4, events=missed[:, copies], members=n_true[copies])
    assert limit.kept_by(weights[:, None])[:, 0].tolist() == same.kept().tolist()


def test_stability_tells_how_often():
    missed, table = worked()
    sure = choose(table, [THRESHOLD, SILENCE], n_resamples=50)
    assert sure.stability.n == 50
    assert 0 <= sure.stability.same <= sure.stability.near <= 1
    assert sure.stability.stable
    limit = Limit(name="max_missed_rate", at_most=0.18, events=missed, members=np.ones(R))
    unsure = choose(table, [THRESHOLD, SILENCE], limits=[limit], n_resamples=50)
    assert 0 < unsure.stability.none < 1
    assert choose(table, [THRESHOLD, SILENCE], n_resamples=50, seed=0).stability == sure.stability
