"""The table of states: whole, closed, and the only way from one state to another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.providers.state import TABLE, ModelTurn, Phase, Request, Signal, UserTurn, WholeSamples, after
from bidilab.core.errors import EventError

MACHINES = {
    Phase: Phase.GENERATING,
    UserTurn: UserTurn.QUIET,
    Request: Request.NONE,
    ModelTurn: ModelTurn.CLOSED,
}


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_is_in_the_table_and_can_be_reached(machine):
    reached, new = set(), {MACHINES[machine]}
    while new:
        reached |= new
        new = {state for one in new for state in TABLE[one].values()} - reached
    assert reached == set(machine)


def test_a_transition_that_is_not_there_raises():
    for state, transitions in TABLE.items():
        for signal in Signal:
            if signal in transitions:
                assert type(after(state, signal)) is type(state)
            else:
                with pytest.raises(EventError, match=f"{signal.name} cannot happen to a {type(state).__name__}"):
                    after(state, signal)


@given(st.lists(st.sampled_from([Signal.END, Signal.CUT])))
def test_a_response_that_is_cut_is_never_generating_again(signals):
    phase, was_cut = Phase.GENERATING, False
    for signal in signals:
        if signal in TABLE[phase]:
            phase, was_cut = after(phase, signal), was_cut or signal is Signal.CUT
        assert not (was_cut and phase in (Phase.GENERATING, Phase.GENERATED))


@given(st.lists(st.sampled_from(list(TABLE[UserTurn.QUIET]))))
def test_the_users_turn_is_two_facts(signals):
    state, speaking, awaiting = UserTurn.QUIET, False, False
    for signal in signals:
        state = after(state, signal)
        speaking = {Signal.SPEECH: True, Signal.SILENCE: False, Signal.TURN: False}.get(signal, speaking)
        awaiting = {Signal.TURN: True, Signal.WORDS: True, Signal.ANSWER: False}.get(signal, awaiting)
        assert (state in (UserTurn.SPEAKING, UserTurn.SPEAKING_ON)) == speaking
        assert (state in (UserTurn.AWAITING, UserTurn.SPEAKING_ON)) == awaiting


@given(st.lists(st.sampled_from(list(Signal))))
def test_a_request_that_is_wanted_is_asked_for_once(signals):
    state, wanted, asked = Request.NONE, False, False
    for signal in signals:
        if signal not in TABLE[state]:
            continue
        state = after(state, signal)
        match signal:
            case Signal.WANT:
                wanted = True
            case Signal.ASK:
                assert wanted
                assert not asked  # one at a time
                wanted, asked = False, True
            case Signal.SKIP:
                wanted = False
            case Signal.ANSWER:
                asked = False
            case Signal.LOSS:
                wanted, asked = wanted or asked, False
        assert (state in (Request.WANTED, Request.ASKED_AGAIN)) == wanted
        assert (state in (Request.ASKED, Request.ASKED_AGAIN)) == asked


@given(st.lists(st.binary(max_size=5)))
def test_samples_in_any_split_are_the_same(pieces):
    whole, given_out = WholeSamples(), b""
    for piece in pieces:
        out = whole.feed(piece)
        assert len(out) % 2 == 0
        given_out += out
    data = b"".join(pieces)
    assert given_out == data[: len(data) // 2 * 2]
