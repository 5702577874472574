import pytest

from bidilab.core.errors import EventError
from bidilab.show.widgets.live.run import CommPage


def page(**limits):
    told = []
    made = CommPage("p", lambda head, payload: told.append((head, payload)), **limits)
    for k in range(6):
        made.send({"kind": f"m{k}"}, bytes(10))
    assert [(head["n"], head["to"]) for head, _ in told] == [(k, "p") for k in range(6)]
    line = told[0][0]["line"]
    told.clear()
    return made, told, line


def test_what_was_dropped_is_sent_again_as_it_was():
    made, told, line = page()
    assert made.again(line, 2, 4) == 2
    assert [(head["kind"], head["n"], len(payload)) for head, payload in told] == [("m2", 2, 10), ("m3", 3, 10)]


def test_what_was_dropped_is_counted_once():
    made, _, line = page()
    assert [made.again(line, *asked) for asked in ((1, 3), (1, 3), (2, 5), (5, 6))] == [2, 0, 2, 1]


@pytest.mark.parametrize("limits", [{"kept_messages": 2}, {"kept_bytes": 29}])
def test_what_is_no_longer_kept_is_said_to_be_gone(limits):
    made, told, line = page(**limits)
    assert made.again(line, 1, 6) == 5
    assert told[0][0] == {"kind": "gone", "to": "p", "line": line, "before": 4}
    assert [head["n"] for head, _ in told[1:]] == [4, 5]


def test_of_another_line_nothing_is_sent():
    made, told, _ = page()
    assert made.again("before", 0, 3) == 0
    assert not told


@pytest.mark.parametrize("asked", [(3, 3), (-1, 2), (2, 7), ("0", 2), (0, None)])
def test_what_may_not_be_asked(asked):
    made, _, line = page()
    with pytest.raises(EventError, match="messages 0 to 6"):
        made.again(line, *asked)


def test_two_pages_have_their_own_lines():
    assert page()[2] != page()[2]


def test_a_message_may_not_take_the_place_of_its_own_number():
    page = CommPage("p", lambda head, payload: None)
    with pytest.raises(EventError, match="may not contain n"):
        page.send({"kind": "frames", "n": 3})
