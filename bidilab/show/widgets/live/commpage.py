"""A page that is told by Jupyter's comm, and can have again what the server left out. Pure but for the given send.

``jupyter_server`` drops messages of a kernel, of comms too, when it sends more than ``iopub_msg_rate_limit`` (1000
a second, over 3 s) of whatever kind: a cell that prints in a loop is enough. A loudspeaker that is not told of an
interruption goes on. So every message to a page carries a number, and what its page has asked for is sent again.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from bidilab.core.errors import EventError

__all__ = ["CommPage"]

_KEPT_MESSAGES = 8192
_KEPT_BYTES = 8 << 20


class CommPage:
    """Numbers what one page is told, and keeps it for a while.

    Parameters
    ----------
    page
        The page's own name.
    send
        Gives all pages a message by comm; must not wait.
    kept_messages, kept_bytes
        How much is kept, ``>= 1``; by default some minutes of a session.

    Examples
    --------
    >>> told = []
    >>> page = CommPage("p", lambda head, payload: told.append(head))
    >>> page.send({"kind": "clear", "response": 4})
    >>> told[0]["kind"], told[0]["to"], told[0]["n"]
    ('clear', 'p', 0)
    """

    def __init__(
        self,
        page: str,
        send: Callable[[Mapping[str, Any], bytes], None],
        *,
        kept_messages: int = _KEPT_MESSAGES,
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        self._page, self._send = page, send
        self._line = secrets.token_hex(4)  # numbers begin anew with each of these
        self._kept: deque[tuple[dict[str, Any], bytes]] = deque()
        self._bytes = 0
        self._first = self._next = self._told_lost = 0
        self._kept_messages, self._kept_bytes = kept_messages, kept_bytes

    def send(self, head: Mapping[str, Any], payload: bytes = b"") -> None:
        """Tell the page."""
        numbered = {**head, "to": self._page, "line": self._line, "n": self._next}
        self._next += 1
        self._kept.append((numbered, payload))
        self._bytes += len(payload)
        while len(self._kept) > self._kept_messages or self._bytes > self._kept_bytes:
            self._bytes -= len(self._kept.popleft()[1])
            self._first += 1
        self._send(numbered, payload)

    def again(self, line: object, start: object, end: object) -> int:
        """Send messages anew; what is no longer kept is said to be gone (``kind="gone"``).

        Parameters
        ----------
        line, start, end
            As the page asks: the line of numbers, its first number that is missing, and the number after the last.

        Returns
        -------
        int
            How many of these were asked for the first time: what the server has newly dropped.

        Raises
        ------
        EventError
            If they are not numbers of messages that were sent.
        """
        if line != self._line:
            return 0  # of before the page came back to the comm: those were told anew
        if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= self._next:
            raise EventError(f"a page asks again for messages from 0 to {self._next}, got {start!r} to {end!r}")
        if start < self._first:
            self._send({"kind": "gone", "to": self._page, "line": self._line, "before": self._first}, b"")
        for number in range(max(start, self._first), end):
            self._send(*self._kept[number - self._first])
        new = max(0, end - max(start, self._told_lost))
        self._told_lost = max(self._told_lost, end)
        return new
