"""What is wrong with a client's message, in the words of the OpenAI Realtime API.

A `RequestError` becomes one ``error`` event; the connection stays open (``openai/types/realtime/realtime_error.py``,
``openai`` 3.54). Codes that the package does not list are those that public clients handle by name
(``response_cancel_not_active``, ``item_truncate_invalid_item_id`` and the like); the rest are OpenAI's common request
codes (``invalid_type``, ``unknown_parameter`` and the like).
"""

from __future__ import annotations

from bidilab.core.errors import BidilabError

__all__ = ["RequestError", "quoted", "unknown_item"]

_QUOTE_LIMIT = 80


def quoted(text: str) -> str:
    """A client's own words, in quotation marks and of bounded length, for a message to it."""
    return f"'{text}'" if len(text) <= _QUOTE_LIMIT else f"'{text[:_QUOTE_LIMIT]}…'"


class RequestError(BidilabError):
    """A message the client must not have sent: a bad peer, not a bad caller.

    Parameters
    ----------
    code
        OpenAI's code, e.g. ``invalid_value``.
    message
        For a human.
    param
        The parameter that is wrong, as a path (``session.audio.input.format``), or ``None``.
    kind
        The error's ``type``.
    """

    def __init__(self, code: str, message: str, param: str | None = None, kind: str = "invalid_request_error") -> None:
        self.code = code
        self.message = message
        self.param = param if param is None else param[: 2 * _QUOTE_LIMIT]
        self.kind = kind
        super().__init__(message)

    def to_dict(self, client_event_id: str | None) -> dict[str, str | None]:
        """The ``error`` object of the event; it echoes the client's own ``event_id``."""
        return {
            "type": self.kind,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": client_event_id,
        }


def unknown_item(verb: str, doing: str, item_id: str) -> RequestError:
    """The error of an item that is not there: ``item_truncate_invalid_item_id`` and its sisters."""
    message = f"Error {doing} item: the item with id {quoted(item_id)} does not exist."
    return RequestError(f"item_{verb}_invalid_item_id", message, "item_id")
