"""Messages on their way to the client: each gets its ``event_id``; and the names of things get their ids.

Ids are counted, not drawn, so that a session is the same each time it is run. They carry the session's own name, so
that those of two sessions differ.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["Ids", "Outbox"]

Message = dict[str, Any]


class Ids:
    """Ids of one session: ``item_<session>_0001``.

    Parameters
    ----------
    session_name
        Letters and digits, at most 12, so that an item's id stays within the API's 32 characters.
    """

    def __init__(self, session_name: str) -> None:
        self._session_name = session_name
        self._counts: Counter[str] = Counter()
        self._reserved: set[str] = set()

    def reserve(self, given_id: str) -> None:
        """Never give out an id that the client has chosen for something."""
        if f"_{self._session_name}_" in given_id:
            self._reserved.add(given_id)

    def next(self, prefix: str) -> str:
        """The next id of a kind: ``event``, ``item``, ``resp``, ``call``."""
        while True:
            self._counts[prefix] += 1
            next_id = f"{prefix}_{self._session_name}_{self._counts[prefix]:04d}"
            if next_id not in self._reserved:
                return next_id


class Outbox:
    """A queue of messages to send.

    Parameters
    ----------
    ids
        Source of the event ids.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._messages: list[Message] = []

    def put(self, event_type: str, **fields: Any) -> None:
        """Queue an event."""
        self._messages.append({"type": event_type, "event_id": self._ids.next("event"), **fields})

    def drain(self) -> list[Message]:
        """All queued messages, in order; the queue is then empty."""
        messages, self._messages = self._messages, []
        return messages
