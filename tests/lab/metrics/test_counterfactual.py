"""What another setting would have changed: each case by hand, and the stops of overlap-mini."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bidilab as bl
from bidilab.core.errors import InvalidParameterError, ResultError
from bidilab.lab.metrics.counterfactual import ActedTurn, SeenOverlap, changes_of
from bidilab.lab.metrics.whatif import what_if_of
from tests.conftest import ROOT

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
    assert (found.n_stops, int(found.table["kind"].isin(["interruption", "turn"]).sum())) == (150, 66)
    assert (len(found.avoided), len(found.lost), len(found.of("diverged"))) == (13, 2, 1)
    assert found.delayed["delay_ms"].median() == pytest.approx(224)
    assert "false stops avoided: 13 of 84" in repr(found)
    assert "interruptions lost: 2 of 66" in repr(found)
    assert "false stops avoided: 13 of 84; interruptions lost: 2 of 66" in found.summary
    for line in repr(found).splitlines()[1:]:
        assert line.strip() in found._repr_html_()


def test_a_setting_beside_itself_changes_nothing(swept):
    found = swept.what_if(0, 0)
    assert set(found.table["change"]) == {"kept"}
    assert (found.table["delay_ms"] == 0).all()


def test_what_cannot_be_answered_is_refused(swept):
    with pytest.raises(ResultError, match="the stack does not decide like our detector"):
        what_if_of([], as_recorded="a", changed="b", reproduced=[True] * 7 + [False] * 3, left=[])
    with pytest.raises(InvalidParameterError):
        swept.what_if(0, 99)
    with pytest.raises(ResultError, match="not available"):
        swept.what_if(0, 1).play(0)
    with pytest.raises(InvalidParameterError, match="row"):
        swept.what_if(0, 1).play(10_000)
