"""The life of a response: one table, and nothing outside it.

============  =============  ============  ==================================================================
state         event          next          what the client sees
============  =============  ============  ==================================================================
(none)        —              WAITING       ``response.created``
WAITING       OUTPUT         GENERATING    ``response.output_item.added``
WAITING       FINISH         COMPLETED     ``response.done``: the agent had nothing to say
WAITING       CANCEL         CANCELLED     ``response.done`` without output
WAITING       LIMIT          INCOMPLETE    ``response.done`` without output
WAITING       FAIL           FAILED        ``response.done`` with the error
GENERATING    OUTPUT         GENERATING    deltas, or another item
GENERATING    FINISH         COMPLETED     ladder of ``.done``, ``response.done``
GENERATING    CANCEL         CANCELLED     the same ladder, item ``incomplete``
GENERATING    LIMIT          INCOMPLETE    the same ladder, item ``incomplete``
============  =============  ============  ==================================================================

The four others are final.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from bidilab.core.errors import BidilabError

__all__ = ["InvalidTransitionError", "ResponseEvent", "ResponseState", "next_state"]


class ResponseState(Enum):
    """Where a response is in its life; the value is the ``status`` on the wire, but for WAITING."""

    WAITING = "waiting"
    GENERATING = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"
    FAILED = "failed"

    @property
    def active(self) -> bool:
        """Whether it is still being generated."""
        return self in (ResponseState.WAITING, ResponseState.GENERATING)


class ResponseEvent(Enum):
    """What can happen to a response."""

    OUTPUT = "output"
    FINISH = "finish"
    CANCEL = "cancel"
    LIMIT = "limit"
    FAIL = "fail"


class InvalidTransitionError(BidilabError):
    """Something happened to a response that cannot happen in its state: an error in bidilab."""


_TABLE: Mapping[tuple[ResponseState, ResponseEvent], ResponseState] = {
    (ResponseState.WAITING, ResponseEvent.OUTPUT): ResponseState.GENERATING,
    (ResponseState.WAITING, ResponseEvent.FINISH): ResponseState.COMPLETED,
    (ResponseState.WAITING, ResponseEvent.CANCEL): ResponseState.CANCELLED,
    (ResponseState.WAITING, ResponseEvent.LIMIT): ResponseState.INCOMPLETE,
    (ResponseState.WAITING, ResponseEvent.FAIL): ResponseState.FAILED,
    (ResponseState.GENERATING, ResponseEvent.OUTPUT): ResponseState.GENERATING,
    (ResponseState.GENERATING, ResponseEvent.FINISH): ResponseState.COMPLETED,
    (ResponseState.GENERATING, ResponseEvent.CANCEL): ResponseState.CANCELLED,
    (ResponseState.GENERATING, ResponseEvent.LIMIT): ResponseState.INCOMPLETE,
}


def next_state(state: ResponseState, event: ResponseEvent) -> ResponseState:
    """The state after an event.

    Raises
    ------
    InvalidTransitionError
        If the table has no such transition.
    """
    try:
        return _TABLE[state, event]
    except KeyError:
        raise InvalidTransitionError(f"a response that is {state.value} cannot {event.value}") from None
