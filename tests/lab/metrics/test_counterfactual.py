"""What another setting would have changed: each case by hand, and the stops of overlap-mini."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bidilab as bl
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.lab.metrics.counterfactual import ActedTurn, SeenOverlap, changes_of
from bidilab.lab.metrics.whatif import what_if_of
from tests.conftest import ROOT
from tests.scorers import DigestSpec

TOLERANCE = 200


def seen(*, must_stop=False, stopped=True, onset=1000, end=1300, start=0, until=2000):
    return SeenOverlap(
        onset=onset, end=end, must_stop=must_stop, response_start=start, response_end=until, stopped=stopped
    )


@pytest.mark.parametrize(
    ("must_stop", "stopped", "acted", "kind"),
    [
        (False, True, [], "avoided"),
        (True, True, [], "lost"),
        (False, True, [1100], "kept"),
        (True, True, [800], "kept"),
        (True, True, [1500], "kept"),  # an agent that stops soon after a short word stops for it
        (True, True, [1501], "lost"),
        (False, False, [1100], "added"),
        (True, False, [1100], "gained"),
        (True, False, [], "unchanged"),
        (True, True, [799, 1100], "diverged"),  # it would have stopped before
        (False, False, [500], "diverged"),
    ],
)
def test_one_overlap(must_stop, stopped, acted, kind):
    """::

    agent  0 ██████████████████████████ 2000
    user          1000 ▓▓▓▓▓▓ 1300
    """
    turns = [ActedTurn(at - 32, at) for at in acted]
    (change,) = changes_of([seen(must_stop=must_stop, stopped=stopped)], turns, tolerance=TOLERANCE)
    assert change.kind == kind
    assert (change.decided_at is not None) == (kind in ("kept", "added", "gained"))


@pytest.mark.parametrize(("started", "kind"), [(1300, "kept"), (1301, "avoided")])
def test_a_guard_may_let_a_turn_of_the_event_act_later(started, kind):
    (change,) = changes_of([seen()], [ActedTurn(started, 1900)], tolerance=TOLERANCE)
    assert change.kind == kind


def test_a_turn_from_before_the_response_stops_nothing():
    (change,) = changes_of([seen(start=600)], [ActedTurn(500, 1100)], tolerance=TOLERANCE)
    assert change.kind == "avoided"


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 300)), max_size=6), st.booleans(), st.booleans())
def test_turns_may_come_in_any_order(drawn, must_stop, stopped):
    turns = [ActedTurn(start, start + later) for start, later in drawn]
    overlap = seen(must_stop=must_stop, stopped=stopped)
    assert changes_of([overlap], turns, tolerance=TOLERANCE) == changes_of(
        [overlap], turns[::-1], tolerance=TOLERANCE
    ) or len({turn.acted_at for turn in turns}) < len(turns)


@pytest.fixture(scope="module")
def swept():
    grid = bl.Grid(threshold=[0.5, 0.6], prefix_padding_ms=300, silence_duration_ms=500, min_interruption_ms=[0, 250])
    return bl.sweep(ROOT / "datasets" / "overlap-mini", grid, progress=False)


@pytest.mark.slow
def test_the_stops_of_overlap_mini(swept):
    """0.5 to 0.6 with a guard of 250 ms: 84 false and 66 true stops by the owner of what a conversation costs."""
    setting, other = (
        swept.grid.nearest(threshold=0.5, min_interruption_ms=0),
        swept.grid.nearest(threshold=0.6, min_interruption_ms=250),
    )
    found = swept.what_if(setting, other)
    stops = found.table[found.table["stopped"]]
    assert (found.n_stops, len(stops), int(stops["kind"].isin(["interruption", "turn"]).sum())) == (150, 150, 66)
    assert (len(found.avoided), len(found.lost), len(found.of("diverged"))) == (12, 2, 1)
    assert found.delayed["delay_ms"].median() == pytest.approx(224)
    assert "false stops avoided: 12 of 84" in repr(found)
    assert "interruptions lost: 2 of 66" in repr(found)
    assert "false stops avoided: 12 of 84; interruptions lost: 2 of 66; the others 224 ms later (" in found.summary
    assert "the others 224 ms earlier (" in swept.what_if(other, setting).summary
    assert "the others at the same time (" in swept.what_if(setting, setting).summary
    for line in repr(found).splitlines()[1:]:
        assert line.strip() in found._repr_html_()


def test_a_setting_beside_itself_changes_nothing(swept):
    for setting in range(len(swept.grid)):
        found = swept.what_if(setting, setting)
        stopped = found.table["stopped"]
        assert set(found.table.loc[stopped, "change"]) == {"kept"}
        assert set(found.table.loc[~stopped, "change"]) == {"unchanged"}
        assert (found.table.loc[stopped, "delay_ms"] == 0).all()


@pytest.mark.slow
def test_what_is_added_is_added_once():
    """One decision is of an event or of nothing labelled, also where a guard lets it come long after the event."""
    grid = bl.Grid(threshold=[0.3, 0.5], prefix_padding_ms=300, silence_duration_ms=500, min_interruption_ms=[0, 600])
    swept = bl.sweep(ROOT / "datasets" / "overlap-mini", grid, progress=False)
    for a, b in itertools.permutations(range(len(grid)), 2):
        added = swept.what_if(a, b).added
        of_events = set(zip(*(added.loc[added["kind"] != "none", c] for c in ("call", "decided_s")), strict=True))
        of_nothing = set(zip(*(added.loc[added["kind"] == "none", c] for c in ("call", "decided_s")), strict=True))
        assert not of_events & of_nothing, (a, b)


@pytest.mark.slow
def test_what_the_other_setting_adds_is_said():
    """A lower threshold stops the agent for more: an answer about the stops alone would praise it."""
    grid = bl.Grid(threshold=[0.2, 0.5], silence_duration_ms=500, false_interruption_timeout_ms=[None, 800])
    swept = bl.sweep(ROOT / "datasets" / "overlap-mini", grid, word_times="spread", progress=False)

    def false_stops(setting):
        table = swept.what_if(setting, setting).table
        return int((table["stopped"] & ~table["kind"].isin(["interruption", "turn"])).sum())

    for timeout in (None, 800):
        low, high = (grid.nearest(threshold=t, false_interruption_timeout_ms=timeout) for t in (0.2, 0.5))
        found = swept.what_if(high, low)
        assert len(found.added) >= 20
        assert f"false stops added: {len(found.added)}" in found.summary
        unknown = len(found.of("diverged"))
        expected = false_stops(high) - len(found.avoided) + len(found.added)
        assert abs(expected - false_stops(low)) <= unknown
        assert {"none"} < set(found.added["kind"])  # and where nothing is labelled


def test_scores_that_end_turns_and_interrupt_have_their_part():
    """A setting beside itself changes nothing, and beside one without scores it does."""
    scores = {"eot": DigestSpec(), "eot_threshold": [None, 0.5], "interrupt": DigestSpec(8000)}
    grid = bl.Grid(
        threshold=0.5, prefix_padding_ms=300, silence_duration_ms=500, interrupt_threshold=[None, 0.7], **scores
    )
    swept = bl.sweep(bl.load_dataset("overlap-mini")[:12], grid, vad="energy", cache=False, progress=False)
    for a, b in itertools.product(range(4), repeat=2):
        table = swept.what_if(a, b).table
        changed = bool(set(table["change"]) - {"kept", "unchanged"})
        changed |= bool((table.loc[table["change"] == "kept", "delay_ms"] != 0).any())
        if a == b or grid.adaptive(a) != grid.adaptive(b):
            assert changed == (a != b), (a, b)


def test_what_cannot_be_answered_is_refused(swept):
    with pytest.raises(ResultError, match="the stack does not decide like our detector"):
        what_if_of([], as_recorded="a", changed="b", reproduced=[True] * 7 + [False] * 3, left=[])
    with pytest.raises(InvalidParameterError):
        swept.what_if(0, 99)
    with pytest.raises(ResultError, match="not available"):
        swept.what_if(0, 1).play(0)
    with pytest.raises(InvalidParameterError, match="row"):
        swept.what_if(0, 1).play(10_000)
