"""Follows a codec through any sequence of messages, and checks what must hold of every response's life."""

from bidilab.bidi.providers.state import TABLE
from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
)


class Lives:
    """What the events of one codec have told of each response, beside what its table says.

    Parameters
    ----------
    codec
        Which.
    """

    def __init__(self, codec):
        self.codec = codec
        self.started, self.cut, self.ends = [], [], []

    def take(self, events):
        """Take the events of one step; its rows are taken from the codec."""
        before = None
        for event in events:
            match event:
                case BidiResponseStartEvent():
                    assert event.response_id not in self.started
                    self.started.append(event.response_id)
                case BidiAudioStreamEvent():
                    assert event.response_id in self.started
                    assert event.response_id not in self.cut  # not one old sample
                    assert event.response_id not in self.ends
                case BidiInterruptionEvent():
                    assert event.interrupted_response_id in self.started
                    assert event.interrupted_response_id not in self.cut
                    self.cut.append(event.interrupted_response_id)
                case BidiResponseCompleteEvent(stop_reason="interrupted" | "error"):
                    assert isinstance(before, BidiInterruptionEvent)
                    assert event.response_id == self.cut[-1]
                case BidiResponseCompleteEvent():
                    assert event.response_id in self.started
                    assert event.response_id not in [*self.cut, *self.ends]
                    self.ends.append(event.response_id)
            before = event
        self._check_states()
        for row in self.codec.take_rows():
            assert "cannot happen to" not in str(row.detail.get("error"))

    def _check_states(self):
        conversation = self.codec._c
        for response_id, response in conversation.responses.items():
            assert response.phase in TABLE
            assert not (response.cut and response.generating)
            assert response.cut == (response_id in self.cut)
            assert response.generating == (response_id not in [*self.cut, *self.ends])
        states = [getattr(conversation, name, None) for name in ("user", "request", "turn")]
        assert all(state in TABLE for state in states if state is not None)
