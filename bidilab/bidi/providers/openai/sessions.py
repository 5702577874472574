"""Handlers of ``session.*`` and ``error``: what the session is, and what the server would not do.

Source: ``openai/types/realtime/session_*_event.py``, ``realtime_error.py`` of the ``openai`` package 3.54 (2026).
"""

from __future__ import annotations

from bidilab.bidi.providers.openai.fields import Message, object_field, optional_text
from bidilab.bidi.providers.openai.settings import differences
from bidilab.bidi.providers.openai.state import Conversation
from bidilab.bidi.types.events import BidiErrorEvent
from bidilab.core.errors import ReportedError

__all__ = ["provider_error", "session_created", "session_updated"]

EXPIRED = "session_expired"

_RACES = {
    "response.cancel": "the response was over before the cancel came",
    "conversation.item.truncate": "the item was gone or shorter before the truncation came",
}
_RACE_CODES = frozenset({"response_cancel_not_active"})
_BUSY = "conversation_already_has_active_response"


def session_created(c: Conversation, message: Message) -> None:
    """The session as the server makes it, before we ask for anything."""
    session = object_field(message, "session")
    c.session_id = optional_text(session, "id")
    c.log("session_created", "model", {"session": dict(session)})


def session_updated(c: Conversation, message: Message) -> None:
    """The session as it is now: logged, and compared with what was asked for."""
    session = object_field(message, "session")
    c.session = session
    c.barriers = max(0, c.barriers - 1)
    c.log("session_effective", "model", {"session": dict(session)})
    if found := differences(c.requested, session):
        c.log("session_difference", "error", {"differences": found})


def provider_error(c: Conversation, message: Message) -> None:
    """``error``: the connection stays open, and no response ends by it (that is ``response.done``).

    A cancel or a truncation that came too late is a race, not a fault: a row, no event. A response that could not be
    created because one was under way is asked for again when that one is over.
    """
    error = object_field(message, "error")
    code, said = optional_text(error, "code"), optional_text(error, "message") or "the server does not say what"
    ours = c.sent_type(optional_text(error, "event_id"))
    detail = {"code": code, "message": said, "param": error.get("param"), "client_message": ours}
    if ours == "response.create":
        c.creating = False
    if ours in _RACES or code in _RACE_CODES:
        c.log("late_message", "model", {**detail, "meaning": _RACES.get(ours or "", _RACES["response.cancel"])})
        return
    if code == _BUSY:
        c.wants_response = True
        c.log("response_deferred", "model", detail)
        return
    c.expired = c.expired or code == EXPIRED
    details = {key: value for key, value in {**error, "client_message": ours}.items() if value is not None}
    c.events.append(BidiErrorEvent(ReportedError(said), details, code=code or str(error.get("type") or "error")))
