"""Pausing and resuming by hand, at 1000 samples a second."""

from bidilab.detect.turns import Guards, Turn
from bidilab.detect.turns.simulation import ResponsePlan, simulate

PLAN = ResponsePlan(response_delay_ms=100, response_ms=1000, guards=Guards(false_interruption_timeout_ms=200))
HOW = {"sample_rate": 1000, "n_samples": 4000}


def turn(onset, stopped):
    return Turn(onset, onset + 10, onset, stopped - 50, stopped, stopped, False)


# user     |TTT|        |n|                     0-500: a turn with words; 900-1000: a noise
# agent         ..RRRRRR........RRRR|           from 600; stopped at 910; goes on at 1000 + 200 for 1600 - 910
#              500 600   910    1200   1890
def test_a_response_goes_on_after_the_timeout():
    (response,), (cut,) = simulate([turn(0, 500), turn(900, 1000)], PLAN, n_words=[2, 0], **HOW)
    assert (response.audible_at, response.ends_at) == (600, 1600)
    assert (cut.decided_at, cut.heard_samples, cut.resumed_at) == (910, 310, 1200)
    rest = cut.rest(1200)
    assert (rest.audible_at, rest.ends_at) == (1200, 1890)


def test_speech_by_the_timeout_keeps_it_paused_until_it_ends():
    turns = [turn(0, 500), turn(900, 1000), turn(1190, 1300)]  # the last starts at 1200, when the timeout is over
    responses, (cut,) = simulate(turns, PLAN, n_words=[2, 0, 0], **HOW)
    assert (len(responses), cut.resumed_at) == (1, 1500)
    later = [*turns[:2], turn(1191, 1300)]  # a sample too late: it stops what goes on
    _, cuts = simulate(later, PLAN, n_words=[2, 0, 0], **HOW)
    assert [(c.decided_at, c.resumed_at) for c in cuts] == [(910, 1200), (1201, 1500)]
    assert (cuts[1].response.audible_at, cuts[1].response.ends_at) == (1200, 1890)


def test_words_let_the_interruption_stand_and_are_answered():
    responses, (cut,) = simulate([turn(0, 500), turn(900, 1000)], PLAN, n_words=[2, 1], **HOW)
    assert cut.resumed_at is None
    assert [r.created_at for r in responses] == [500, 1000]


def test_what_would_go_on_beyond_the_recording_does_not():
    for n_samples, resumed_at in ((1200, 1200), (1199, None)):
        _, (cut,) = simulate(
            [turn(0, 500), turn(900, 1000)], PLAN, n_words=[2, 0], sample_rate=1000, n_samples=n_samples
        )
        assert cut.resumed_at == resumed_at


def test_a_turn_that_passes_no_guard_interrupts_nothing_and_is_not_answered():
    turns = [turn(0, 500), turn(900, 1000), turn(1700, 1800)]
    responses, cuts = simulate(turns, PLAN, acted_at=[10, None, None], n_words=[1, 1, 1], **HOW)
    assert cuts == ()
    assert [r.created_at for r in responses] == [500, 1800]  # the second ends in the response, the third after it
